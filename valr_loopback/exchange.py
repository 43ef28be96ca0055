"""The engine with a clock and listeners: what the server, the market and tests talk to."""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from random import Random

from valr_loopback.accounts import Account, Wallet
from valr_loopback.engine import Engine
from valr_loopback.errors import RefusalError, unsupported_pair
from valr_loopback.events import Event, Modified, PublicTraded
from valr_loopback.ids import IdSource
from valr_loopback.orders import AccountTrade, Order, PublicTrade, Side, TimeInForce
from valr_loopback.pairs import Pair, default_pairs
from valr_loopback.requests import CancelRequest, LimitRequest, MarketRequest, ModifyRequest
from valr_loopback.times import Clock, milliseconds

log = logging.getLogger(__name__)

Listener = Callable[[Event], None]
_TRADES_KEPT = 5_000


class Exchange:
    """Runs commands against the engine at the clock's time and tells every listener what happened.

    ``lookup_delay`` is the range, in seconds, from which the time is drawn before a queued order can be looked up.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 1,
        pairs: Mapping[str, Pair] | None = None,
        lookup_delay: tuple[float, float] = (0, 0),
        slippage_band: Decimal = Decimal("0.1"),
    ) -> None:
        self.clock = clock
        self.ids = IdSource(Random(f"{seed} ids"))
        self.engine = Engine(default_pairs() if pairs is None else pairs, self.ids, slippage_band)
        self.public_trades: dict[str, deque[PublicTrade]] = {
            symbol: deque(maxlen=_TRADES_KEPT) for symbol in self.engine.pairs
        }
        self._lookup_delay = lookup_delay
        self._delays = Random(f"{seed} lookup delays")
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` with every event, in order, while the command that caused it runs."""
        self._listeners.append(listener)

    def now_ms(self) -> int:
        """Return the clock's time in epoch milliseconds."""
        return milliseconds(self.clock)

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, PublicTraded):
                self.public_trades[event.trade.symbol].append(event.trade)
            for listener in self._listeners:
                listener(event)

    # Accounts

    def open_account(self, account_id: str, balances: Mapping[str, Decimal | str | int], **options: object) -> Account:
        """Open an account; ``label``, ``parent_id`` and ``quiet`` may be given.

        Raises:
            ValueError: if the account exists.
        """
        amounts = {code: Decimal(amount) for code, amount in balances.items()}
        return self.engine.open_account(account_id, amounts, now_ms=self.now_ms(), **options)  # type: ignore[arg-type]

    def balances(self, account_id: str) -> dict[str, Wallet]:
        """Return the wallets of an account by currency code."""
        return self.engine.accounts.get(account_id).wallets

    def open_orders(self, account_id: str, pair: str = "") -> list[Order]:
        """Return the open orders of an account, oldest first."""
        return self.engine.open_orders(account_id, pair)

    def orders(self, account_id: str) -> list[Order]:
        """Return every order the account ever placed, oldest first."""
        return list(self.engine.portfolios[account_id].orders.values())

    def trades(self, account_id: str) -> list[AccountTrade]:
        """Return every trade of the account, oldest first."""
        return list(self.engine.portfolios[account_id].trades)

    def order(self, account_id: str, order_id: str = "", client_order_id: str = "") -> Order | None:
        """Return an order of the account by either id."""
        return self.engine.portfolios[account_id].find(order_id, client_order_id)

    def listed_pair(self, symbol: str) -> Pair:
        """Return a pair, active or not.

        Raises:
            RefusalError: -21 if it is not listed.
        """
        pair = self.engine.pairs.get(symbol)
        if pair is None:
            raise unsupported_pair()
        return pair

    # Commands in two halves, for the wire

    def accept(self, account_id: str, request: LimitRequest | MarketRequest, *, delayed: bool = False) -> Order:
        """Check and number an order; with ``delayed`` lookups will not find it at once.

        Raises:
            RefusalError: if the order is refused at once.
        """
        now_ms = self.now_ms()
        low, high = self._lookup_delay
        visible_at_ms = now_ms + int(self._delays.uniform(low, high) * 1000) if delayed and high else now_ms
        if isinstance(request, LimitRequest):
            return self.engine.accept_limit(account_id, request, now_ms, visible_at_ms)
        return self.engine.accept_market(account_id, request, now_ms, visible_at_ms)

    def execute(self, order: Order) -> Order:
        """Bring an accepted order to the book."""
        self._tell(self.engine.execute(order, self.now_ms()))
        return order

    def cancel_request(self, account_id: str, request: CancelRequest) -> Order | None:
        """Cancel an order; ``None`` if there is none to cancel."""
        order, events = self.engine.cancel(account_id, request, self.now_ms())
        self._tell(events)
        return order

    def modify_request(self, account_id: str, request: ModifyRequest, request_id: str) -> RefusalError | None:
        """Change an order; the refusal says why nothing was changed."""
        refusal = None
        for events in self.engine.modify(account_id, request, request_id, self.now_ms()):
            self._tell(events)
            refusal = next((event.refusal for event in events if isinstance(event, Modified)), None)
        return refusal

    # Commands at once, for the market and for tests

    def place_limit(
        self,
        account_id: str,
        pair: str,
        side: Side | str,
        quantity: Decimal | str,
        price: Decimal | str,
        *,
        post_only: bool = False,
        time_in_force: TimeInForce | str = TimeInForce.GTC,
        client_order_id: str = "",
    ) -> Order:
        """Place a limit order for an account and bring it to the book at once.

        Raises:
            RefusalError: if the order is refused; one that fails at the book is returned with its ``failed_reason``.
        """
        request = LimitRequest(
            pair,
            Side(side.lower()),
            Decimal(quantity),
            Decimal(price),
            post_only,
            TimeInForce(time_in_force),
            client_order_id,
        )
        return self.execute(self.accept(account_id, request))

    def place_market(
        self,
        account_id: str,
        pair: str,
        side: Side | str,
        *,
        base_amount: Decimal | str | None = None,
        quote_amount: Decimal | str | None = None,
        client_order_id: str = "",
    ) -> Order:
        """Place a market order for an account by base or by quote amount.

        Raises:
            RefusalError: if the order is refused.
        """
        request = MarketRequest(
            pair,
            Side(side.lower()),
            None if base_amount is None else Decimal(base_amount),
            None if quote_amount is None else Decimal(quote_amount),
            client_order_id=client_order_id,
        )
        return self.execute(self.accept(account_id, request))

    def cancel(self, account_id: str, order_id: str) -> bool:
        """Cancel an open order of an account; false if it was not open."""
        order = self.order(account_id, order_id)
        if order is None:
            return False
        return self.cancel_request(account_id, CancelRequest(order.pair.symbol, order_id)) is not None

    def cancel_all(self, account_id: str, pair: str = "") -> list[Order]:
        """Cancel every open order of an account, of one pair or of all, and return them."""
        orders = self.engine.open_orders(account_id, pair)
        for order in orders:
            self._tell(self.engine.cancel_order(order, self.now_ms()))
        return orders

    def set_active(self, pair: str, active: bool) -> None:
        """Activate or deactivate a pair mid-run; deactivating cancels its open orders."""
        for events in self.engine.set_active(pair, active, self.now_ms()):
            self._tell(events)
