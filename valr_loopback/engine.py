"""The exchange itself: commands and a time go in, events come out. No I/O and no clock.

A placement has two halves, as at VALR (valr-api.md 3.3): ``accept_*`` checks what can be refused at once and gives the
order its id; ``execute`` brings it to the book, where it rests, trades or fails. Both are deterministic.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal, localcontext

from valr_loopback import errors
from valr_loopback.accounts import TREASURY, Account, Accounts, InsufficientBalanceError
from valr_loopback.decimals import EXACT, ROUNDING, ZERO, to_text, truncate
from valr_loopback.events import (
    BookChanged,
    CancelFailed,
    Event,
    Modified,
    OrderChanged,
    OrderProcessed,
    PairChanged,
    PublicTraded,
    Turn,
)
from valr_loopback.ids import IdSource
from valr_loopback.matching import Book, Plan
from valr_loopback.orders import ENDED, Order, OrderType, Side, Status, TimeInForce, Transition
from valr_loopback.pairs import Pair, currencies_of
from valr_loopback.portfolio import Portfolio
from valr_loopback.requests import CancelRequest, LimitRequest, MarketRequest, MatchStrategy, ModifyRequest
from valr_loopback.settlement import settle

_TREASURY_FLOAT = Decimal(10**12)


class Engine:
    """All pairs, accounts, books, orders and trades."""

    def __init__(self, pairs: Mapping[str, Pair], ids: IdSource, slippage_band: Decimal) -> None:
        self.pairs = dict(pairs)
        self.ids = ids
        self.accounts = Accounts()
        self.books = {symbol: Book() for symbol in self.pairs}
        self.portfolios: dict[str, Portfolio] = {}
        self.last_prices = {symbol: pair.start_price for symbol, pair in self.pairs.items()}
        self.slippage_band = slippage_band
        self.open_account(TREASURY, dict.fromkeys(self.currencies, _TREASURY_FLOAT), quiet=True)

    @property
    def currencies(self) -> list[str]:
        """The codes of the currencies of all pairs."""
        return currencies_of(self.pairs.values())

    def open_account(
        self,
        account_id: str,
        balances: Mapping[str, Decimal],
        *,
        label: str = "",
        parent_id: str = "",
        quiet: bool = False,
        now_ms: int = 0,
    ) -> Account:
        """Open an account with money from outside. A ``quiet`` one gets no events and no history.

        Raises:
            ValueError: if the account exists.
        """
        account = self.accounts.open(account_id, balances, label=label, parent_id=parent_id, quiet=quiet, now_ms=now_ms)
        self.portfolios[account_id] = Portfolio(keep=not quiet)
        return account

    # Taking orders in

    def tradable_pair(self, symbol: str) -> Pair:
        """Return a pair that takes orders.

        Raises:
            RefusalError: -21 unknown, -32 not active, -12005 not a spot pair.
        """
        pair = self.pairs.get(symbol)
        if pair is None:
            raise errors.unsupported_pair()
        if not pair.active:
            raise errors.pair_not_active()
        if not pair.tradable:
            raise errors.order_type_not_allowed()
        return pair

    def accept_limit(self, account_id: str, request: LimitRequest, now_ms: int, visible_at_ms: int = 0) -> Order:
        """Check a limit order, number it and queue it. Surplus quantity digits are cut off.

        Raises:
            RefusalError: for an unknown or inactive pair, an order type not allowed, a price off the tick, a size
                outside the pair's limits, or a client id in use.
        """
        pair = self.tradable_pair(request.pair)
        kind = "LIMIT_POST_ONLY" if request.post_only else "LIMIT"
        if kind not in pair.order_types:
            raise errors.order_type_not_allowed()
        if not pair.on_tick(request.price):
            raise errors.invalid_request(("price", f"price must be a multiple of {to_text(pair.tick)}"))
        quantity = truncate(request.quantity, pair.base_decimals)
        _check_size(pair, quantity, ROUNDING.multiply(request.price, quantity))
        order = Order(
            self.ids.uuid(now_ms),
            account_id,
            pair,
            request.side,
            OrderType.POST_ONLY if request.post_only else OrderType.LIMIT,
            request.time_in_force,
            request.price,
            quantity,
            now_ms,
            request.client_order_id,
            visible_at_ms=visible_at_ms,
        )
        return self._queue(order)

    def accept_market(self, account_id: str, request: MarketRequest, now_ms: int, visible_at_ms: int = 0) -> Order:
        """Check a market order, number it and queue it.

        Raises:
            RefusalError: as for a limit order.
        """
        pair = self.tradable_pair(request.pair)
        if "MARKET" not in pair.order_types:
            raise errors.order_type_not_allowed()
        quantity = truncate(request.base_amount or ZERO, pair.base_decimals)
        _check_size(pair, None if request.base_amount is None else quantity, request.quote_amount)
        order = Order(
            self.ids.uuid(now_ms),
            account_id,
            pair,
            request.side,
            OrderType.MARKET,
            request.time_in_force,
            ZERO,
            quantity,
            now_ms,
            request.client_order_id,
            request.quote_amount,
            visible_at_ms=visible_at_ms,
        )
        return self._queue(order)

    def _queue(self, order: Order) -> Order:
        portfolio = self.portfolios[order.account_id]
        if order.client_order_id in portfolio.claimed:
            raise errors.duplicate_client_order_id()
        portfolio.accept(order)
        return order

    # Bringing orders to the book

    def execute(self, order: Order, now_ms: int) -> list[Event]:
        """Bring a queued order to the book: it fails, trades, rests, or trades and rests."""
        with localcontext(EXACT):
            turn = Turn()
            book = self.books[order.pair.symbol]
            plan = book.plan(order, self._band(order))
            reason = self._failure(order, plan, book)
            if not reason:
                reason = self._reserve(order, plan, now_ms)
            if reason:
                self._fail(order, reason, turn, now_ms)
                return turn.finish()
            self._match(order, plan, book, turn, now_ms)
            self._settle_rest(order, plan, book, turn, now_ms)
            self._publish(order.pair.symbol, turn, now_ms)
            return turn.finish(balances_first=order.account_id if plan.matches else "")

    def _band(self, order: Order) -> Decimal | None:
        if order.type is not OrderType.MARKET:
            return None
        mark = self.mark_price(order.pair.symbol)
        return mark * (1 + self.slippage_band if order.is_buy else 1 - self.slippage_band)

    def mark_price(self, symbol: str) -> Decimal:
        """Return the median of last price, best bid and best ask; the last price while a side is empty."""
        book, last = self.books[symbol], self.last_prices[symbol]
        bid, ask = book.best_price(Side.BUY), book.best_price(Side.SELL)
        return last if bid is None or ask is None else sorted((last, bid, ask))[1]

    def _failure(self, order: Order, plan: Plan, book: Book) -> str:
        if not self.pairs[order.pair.symbol].active:
            return errors.PAIR_NOT_ACTIVE
        if order.type is OrderType.POST_ONLY:
            return errors.POST_ONLY_WOULD_MATCH if book.crosses(order.side, order.price) else ""
        if plan.meets_own_order:
            return errors.OWN_ORDER
        if order.time_in_force is TimeInForce.FOK and not plan.complete:
            return errors.OUTSIDE_SLIPPAGE_BAND if plan.meets_band else errors.FILL_OR_KILL_UNMATCHED
        if order.time_in_force is TimeInForce.IOC and not plan.matches:
            return errors.OUTSIDE_SLIPPAGE_BAND if plan.meets_band else errors.IMMEDIATE_OR_CANCEL_UNMATCHED
        return ""

    def _reserve(self, order: Order, plan: Plan, now_ms: int) -> str:
        market_need = plan.total if order.is_buy else plan.quantity
        amount = order.need(order.quantity) if order.price else market_need
        try:
            self.accounts.reserve(order.account_id, order.given_currency, amount, now_ms)
        except InsufficientBalanceError:
            return errors.INSUFFICIENT_BALANCE
        order.reserved = amount
        return ""

    def _fail(self, order: Order, reason: str, turn: Turn, now_ms: int) -> None:
        order.failed_reason = reason
        if self._hears(order.account_id):
            turn.say(OrderProcessed(order, reason))
        self._move_on(order, Status.FAILED, turn, now_ms)

    def _match(self, taker: Order, plan: Plan, book: Book, turn: Turn, now_ms: int) -> None:
        for match in plan.matches:
            maker, price = match.maker, match.maker.price
            book.reduce(maker, match.quantity)
            if taker.quote_amount is None:
                taker.set_remaining(taker.remaining - match.quantity)
            settled = settle(self.accounts, self.ids, maker, taker, match.quantity, price, now_ms)
            self.last_prices[taker.pair.symbol] = price
            turn.market(PublicTraded(settled.public))
            taker_done = match is plan.matches[-1] and plan.complete
            for order, trade, done in (
                (maker, settled.maker, not maker.remaining),
                (taker, settled.taker, taker_done),
            ):
                if self._hears(order.account_id):
                    self.portfolios[order.account_id].trades.append(trade)
                    turn.trade(trade)
                    for currency in (order.given_currency, order.received_currency):
                        turn.balance(order.account_id, currency)
                executed = (price, match.quantity, max(trade.fee, ZERO))
                self._move_on(order, Status.FILLED if done else Status.PARTIALLY_FILLED, turn, now_ms, executed)

    def _settle_rest(self, order: Order, plan: Plan, book: Book, turn: Turn, now_ms: int) -> None:
        hears = self._hears(order.account_id)
        if hears:
            turn.say(OrderProcessed(order))
        if order.status is Status.FILLED:
            return
        if order.time_in_force is TimeInForce.GTC:
            book.add(order)
            self.portfolios[order.account_id].rest(order)
            if order.status is Status.QUEUED:
                self._move_on(order, Status.PLACED, turn, now_ms, resting=True)
        else:
            self._release(order, turn, now_ms)
            self._move_on(order, Status.SLIPPED if plan.meets_band else Status.CANCELLED, turn, now_ms)
        if hears:
            turn.relist(order.account_id)
            turn.balance(order.account_id, order.given_currency)

    def _move_on(
        self,
        order: Order,
        status: Status,
        turn: Turn,
        now_ms: int,
        executed: tuple[Decimal, Decimal, Decimal] = (ZERO, ZERO, ZERO),
        *,
        resting: bool = False,
    ) -> None:
        was_open = order.is_open
        order.status = status
        order.updated_ms = now_ms
        portfolio = self.portfolios[order.account_id]
        if status in ENDED:
            order.ended_ms = now_ms
            portfolio.end(order)
        if self._hears(order.account_id):
            transition = Transition(
                status, order.price, order.quantity, order.remaining, order.failed_reason, now_ms, *executed
            )
            order.history.append(transition)
            turn.say(OrderChanged(order, transition, resting))
            if was_open or order.is_open or status is Status.FILLED:
                turn.relist(order.account_id)

    def _release(self, order: Order, turn: Turn, now_ms: int) -> None:
        if order.reserved:
            self.accounts.release(order.account_id, order.given_currency, order.reserved, now_ms)
            order.reserved = ZERO
            if self._hears(order.account_id):
                turn.balance(order.account_id, order.given_currency)

    def _publish(self, symbol: str, turn: Turn, now_ms: int) -> None:
        for event in self._book_changed(symbol, now_ms):
            turn.market(event)

    def _book_changed(self, symbol: str, now_ms: int) -> list[BookChanged]:
        entries = self.books[symbol].take_entries()
        return [BookChanged(symbol, entries, now_ms)] if entries else []

    def _hears(self, account_id: str) -> bool:
        return self.portfolios[account_id].keep

    # Cancelling and modifying

    def cancel(self, account_id: str, request: CancelRequest, now_ms: int) -> tuple[Order | None, list[Event]]:
        """Cancel one open order. Without one the order is ``None`` and the event is a ``CancelFailed``."""
        order = self.portfolios[account_id].find(request.order_id, request.client_order_id)
        if order is None or not order.is_open or order.pair.symbol != request.pair:
            known = order.client_order_id if order is not None else request.client_order_id
            order_id = order.id if order is not None else request.order_id
            return None, [CancelFailed(account_id, order_id, known)]
        return order, self.cancel_order(order, now_ms)

    def cancel_order(self, order: Order, now_ms: int) -> list[Event]:
        """Cancel an open order."""
        with localcontext(EXACT):
            turn = Turn()
            self._cancel(order, turn, now_ms)
            self._publish(order.pair.symbol, turn, now_ms)
            return turn.finish()

    def _cancel(self, order: Order, turn: Turn, now_ms: int) -> None:
        self.books[order.pair.symbol].remove(order)
        self._release(order, turn, now_ms)
        self._move_on(order, Status.CANCELLED, turn, now_ms)

    def open_orders(self, account_id: str, symbol: str = "") -> list[Order]:
        """Return the open orders of an account, oldest first, of one pair or of all."""
        orders = self.portfolios[account_id].open.values()
        return [order for order in orders if not symbol or order.pair.symbol == symbol]

    def modify(self, account_id: str, request: ModifyRequest, request_id: str, now_ms: int) -> Iterator[list[Event]]:
        """Change an open order (valr-api.md 3.5) in steps; each step's events must be told before the next is taken.

        A move to another place in the queue is two steps, the order leaving and coming back, so that no message about
        the book ever holds one order twice. The last event list begins with the outcome.
        """
        order = self.portfolios[account_id].find(request.order_id)
        if order is None or not order.is_open or order.pair.symbol != request.pair:
            client_order_id = order.client_order_id if order is not None else ""
            yield [Modified(account_id, request.order_id, client_order_id, request_id, errors.unknown_order())]
            return
        turn = Turn()
        with localcontext(EXACT):
            price, remaining = self._modified_terms(order, request)
            refusal = self._modify_refusal(order, request, price, remaining)
            requeued = refusal is None and (price != order.price or remaining > order.remaining)
            if refusal is None:
                self._reserve_change(order, price, remaining, turn, now_ms)
            if requeued:
                self.books[order.pair.symbol].remove(order)
        if requeued:
            yield [*self._book_changed(order.pair.symbol, now_ms)]
        with localcontext(EXACT):
            if refusal is None:
                self._apply_modify(order, request, (price, remaining), turn, now_ms, requeued=requeued)
            self._publish(order.pair.symbol, turn, now_ms)
        yield [Modified(account_id, order.id, order.client_order_id, request_id, refusal), *turn.finish()]

    def _modified_terms(self, order: Order, request: ModifyRequest) -> tuple[Decimal, Decimal]:
        """Return the price and remaining quantity asked for; no quantity means the order is to be cancelled."""
        price = order.price if request.new_price is None else request.new_price
        remaining = max(_new_remaining(order, request), ZERO)
        book = self.books[order.pair.symbol]
        if not remaining:
            return order.price, ZERO
        if price != order.price and book.crosses(order.side, price):
            if request.strategy is MatchStrategy.CANCEL_ORIGINAL:
                return order.price, ZERO
            if request.strategy is MatchStrategy.REPRICE:
                return _beside(book, order), remaining
        return price, remaining

    def _modify_refusal(
        self, order: Order, request: ModifyRequest, price: Decimal, remaining: Decimal
    ) -> errors.RefusalError | None:
        if not order.pair.on_tick(price):
            return errors.invalid_request(("newPrice", f"price must be a multiple of {to_text(order.pair.tick)}"))
        new_id = request.new_client_order_id
        if new_id and new_id != order.client_order_id and new_id in self.portfolios[order.account_id].claimed:
            return errors.duplicate_client_order_id()
        if (price, remaining) == (order.price, order.remaining) and new_id in (None, order.client_order_id):
            return errors.nothing_modified()
        if price != order.price and self.books[order.pair.symbol].crosses(order.side, price):
            return errors.RefusalError(400, -19, errors.POST_ONLY_WOULD_MATCH)
        more = (price * remaining if order.is_buy else remaining) - order.reserved
        if more > self.accounts.wallet(order.account_id, order.given_currency).available:
            return errors.RefusalError(400, -6, errors.INSUFFICIENT_BALANCE)
        return None

    def _apply_modify(
        self,
        order: Order,
        request: ModifyRequest,
        terms: tuple[Decimal, Decimal],
        turn: Turn,
        now_ms: int,
        *,
        requeued: bool,
    ) -> None:
        price, remaining = terms
        book = self.books[order.pair.symbol]
        if requeued:
            order.price = price
            order.set_remaining(remaining)
            book.add(order)
        elif not remaining:
            book.remove(order)
            self._move_on(order, Status.CANCELLED, turn, now_ms)
            return
        elif remaining < order.remaining:
            book.reduce(order, order.remaining - remaining)
        order.quantity = order.executed + remaining
        self._rename(order, request.new_client_order_id)
        self._move_on(order, Status.MODIFIED, turn, now_ms)

    def _reserve_change(self, order: Order, price: Decimal, remaining: Decimal, turn: Turn, now_ms: int) -> None:
        need = price * remaining if order.is_buy else remaining
        if need > order.reserved:
            self.accounts.reserve(order.account_id, order.given_currency, need - order.reserved, now_ms)
        else:
            self.accounts.release(order.account_id, order.given_currency, order.reserved - need, now_ms)
        order.reserved = need
        if self._hears(order.account_id):
            turn.balance(order.account_id, order.given_currency)

    def _rename(self, order: Order, client_order_id: str | None) -> None:
        if client_order_id is None or client_order_id == order.client_order_id:
            return
        portfolio = self.portfolios[order.account_id]
        portfolio.claimed.pop(order.client_order_id, None)
        order.client_order_id = client_order_id
        if client_order_id:
            portfolio.claim(order)

    # Listing

    def set_active(self, symbol: str, active: bool, now_ms: int) -> Iterator[list[Event]]:
        """Activate a pair, or deactivate it: then its open orders are cancelled and no new ones are taken.

        Each step's events must be told before the next is taken.
        """
        self.pairs[symbol] = replace(self.pairs[symbol], active=active)
        yield [PairChanged(symbol)]
        if not active:
            for account_id in self.portfolios:
                for order in self.open_orders(account_id, symbol):
                    yield self.cancel_order(order, now_ms)


def _check_size(pair: Pair, base: Decimal | None, quote: Decimal | None) -> None:
    too_small = (base is not None and base < pair.min_base) or (quote is not None and quote < pair.min_quote)
    if too_small:
        minimum = f"Minimum amount: {to_text(pair.min_base)} {pair.base}, "
        minimum += f"minimum total: {to_text(pair.min_quote)} {pair.quote}"
        raise errors.RefusalError(400, -12007, f"Minimum order size not met . {minimum}")
    if base is not None and base > pair.max_base:
        raise errors.RefusalError(400, -39, f"Please decrease your amount. The maximum is {to_text(pair.max_base)}")
    if quote is not None and quote > pair.max_quote:
        raise errors.RefusalError(400, -39, f"Please decrease your amount. The maximum is {to_text(pair.max_quote)}")


def _new_remaining(order: Order, request: ModifyRequest) -> Decimal:
    if request.new_remaining is not None:
        return truncate(request.new_remaining, order.pair.base_decimals)
    if request.new_total is not None:
        return truncate(request.new_total, order.pair.base_decimals) - order.executed
    return order.remaining


def _beside(book: Book, order: Order) -> Decimal:
    best = book.best_price(order.side.opposite)
    assert best is not None
    return best - order.pair.tick if order.is_buy else best + order.pair.tick
