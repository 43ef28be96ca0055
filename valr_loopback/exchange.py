"""The engine with a clock and listeners: what the server, the market and tests talk to."""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any

from valr_loopback.accounts import Account, Wallet
from valr_loopback.auth import ALL_PERMISSIONS, ApiKey, Keys
from valr_loopback.commands import (
    AcceptLimit,
    AcceptMarket,
    AddKey,
    Cancel,
    CancelAll,
    Command,
    Modify,
    OpenAccount,
    Postponed,
    RunWaiting,
    SetActive,
    WriteHistory,
)
from valr_loopback.engine import Engine
from valr_loopback.errors import RefusalError, unsupported_pair
from valr_loopback.events import Event, PublicTraded
from valr_loopback.ids import FIRST_SEQUENCE, IdSource
from valr_loopback.orders import AccountTrade, Order, PublicTrade, Side, TimeInForce
from valr_loopback.pairs import Pair, default_pairs
from valr_loopback.requests import CancelRequest, LimitRequest, MarketRequest, ModifyRequest
from valr_loopback.times import Clock, milliseconds

Listener = Callable[[Event], None]
Journal = Callable[[Command[Any], bool], None]
_SEQUENCES_A_RUN = 10**12
_TRADES_KEPT = 35_000
"""Public trades kept, over all pairs."""


class Exchange:
    """Runs commands against the engine at the clock's time and tells every listener what happened.

    ``lookup_delay`` is the range, in seconds, from which the time is drawn before a queued order can be looked up.
    ``journal`` is called with every command before it is run; the flag says that it is postponed. ``waiting`` holds
    what was taken and not run yet, oldest first. ``ids`` is for whoever needs an id outside of a command.
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
        self.seed = seed
        self.engine = Engine(
            default_pairs() if pairs is None else pairs, IdSource(Random(f"{seed} ids")), slippage_band
        )
        self.keys = Keys(self.engine.accounts, Random(f"{seed} keys"))
        self.public_trades: dict[str, deque[PublicTrade]] = {
            symbol: deque(maxlen=_TRADES_KEPT // len(self.engine.pairs)) for symbol in self.engine.pairs
        }
        self.waiting: dict[str, Order | Postponed] = {}
        self.postponed = 0
        self.run = 0
        self.ids = self._outside_ids()
        self.journal: Journal | None = None
        self._lookup_delay = lookup_delay
        self._delays = Random(f"{seed} lookup delays")
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` with every event, in order, while the command that caused it runs."""
        self._listeners.append(listener)

    def now_ms(self) -> int:
        """Return the clock's time in epoch milliseconds."""
        return milliseconds(self.clock)

    def tell(self, events: Sequence[Event]) -> None:
        """Tell every listener what a command did."""
        for event in events:
            if isinstance(event, PublicTraded):
                self.public_trades[event.trade.symbol].append(event.trade)
            for listener in self._listeners:
                listener(event)

    # Running commands

    def perform[Result](self, command: Command[Result]) -> Result:
        """Run a command.

        Raises:
            RefusalError: if it is refused at once.
            OSError: if the journal cannot be written; nothing was done then.
        """
        if self.journal is not None:
            self.journal(command, False)
        return command.run(self)

    def postpone(self, command: Postponed) -> Callable[[], Any]:
        """Take a command now and return what runs it later. Until it has run, it is the exchange's to run.

        Raises:
            OSError: if the journal cannot be written; nothing was taken then.
        """
        if self.journal is not None:
            self.journal(command, True)
        self.postponed += 1
        key = str(self.postponed)
        self.waiting[key] = command
        return lambda: self.perform(RunWaiting(self.now_ms(), key))

    def begin_run(self) -> None:
        """Note that a process takes the exchange over from the one before: ids outside of commands are never reused."""
        self.run += 1
        self.ids = self._outside_ids()

    def _outside_ids(self) -> IdSource:
        return IdSource(Random(f"{self.seed} ids {self.run}"), FIRST_SEQUENCE + (self.run + 1) * _SEQUENCES_A_RUN)

    def run_waiting(self) -> None:
        """Run everything that was taken and not run before the process that took it ended, in that order."""
        for key in list(self.waiting):
            self.perform(RunWaiting(self.now_ms(), key))

    # Accounts

    def open_account(
        self,
        account_id: str,
        balances: Mapping[str, Decimal | str | int],
        *,
        label: str = "",
        parent_id: str = "",
        quiet: bool = False,
    ) -> Account:
        """Open an account with money from outside. A ``quiet`` one gets no events and no history.

        Raises:
            ValueError: if the account exists.
        """
        amounts = {code: Decimal(amount) for code, amount in balances.items()}
        return self.perform(OpenAccount(self.now_ms(), account_id, amounts, label, parent_id, quiet))

    def add_key(
        self, account_id: str, permissions: Collection[str] = ALL_PERMISSIONS, label: str = "loopback"
    ) -> ApiKey:
        """Make another API key for an account."""
        return self.perform(AddKey(self.now_ms(), account_id, tuple(permissions), label))

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
            return self.perform(AcceptLimit(now_ms, account_id, request, visible_at_ms))
        return self.perform(AcceptMarket(now_ms, account_id, request, visible_at_ms))

    def execute(self, order: Order) -> Order:
        """Bring an accepted order to the book."""
        self.perform(RunWaiting(self.now_ms(), order.id))
        return order

    def cancel_request(self, account_id: str, request: CancelRequest) -> Order | None:
        """Cancel an order; ``None`` if there is none to cancel."""
        return self.perform(Cancel(self.now_ms(), account_id, request))

    def modify_request(self, account_id: str, request: ModifyRequest, request_id: str) -> RefusalError | None:
        """Change an order; the refusal says why nothing was changed."""
        return self.perform(Modify(self.now_ms(), account_id, request, request_id))

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
        return self.perform(CancelAll(self.now_ms(), account_id, pair))

    def set_active(self, pair: str, active: bool) -> None:
        """Activate or deactivate a pair mid-run; deactivating cancels its open orders."""
        self.perform(SetActive(self.now_ms(), pair, active))

    def write_history(self, pair: str, trades: Sequence[tuple[int, Decimal, Decimal]]) -> None:
        """Add (time, price, quantity) of trades of the time before the exchange opened to a pair's candles."""
        self.perform(WriteHistory(pair, list(trades)))
