"""The loopback exchange as one object: configure it, start it, look inside it, stop it."""

import asyncio
import logging
import time
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from valr_loopback.account_socket import AccountHub, OrderStatusMode
from valr_loopback.auth import ALL_PERMISSIONS, ApiKey, IpLists
from valr_loopback.exchange import Exchange
from valr_loopback.fault_control import fault_routes
from valr_loopback.faults import Fault, FaultPlan
from valr_loopback.gateway import Gateway
from valr_loopback.interval_faults import IntervalFaults
from valr_loopback.ledger import ledger
from valr_loopback.many_pairs import FEWEST_PAIRS, MOST_PAIRS, many_pairs
from valr_loopback.market import HISTORY_MINUTES, STEP_SECONDS, Market
from valr_loopback.market_data import MarketData
from valr_loopback.order_entry import CommandQueue, OrderEntry
from valr_loopback.pairs import default_pairs
from valr_loopback.rate_limits import RateLimiter
from valr_loopback.rest import Answer, Call, Route, Services, ok
from valr_loopback.rest_account import ACCOUNT_ROUTES
from valr_loopback.rest_orders import ORDER_ROUTES
from valr_loopback.rest_public import PUBLIC_ROUTES
from valr_loopback.socket_commands import RefusalStyle
from valr_loopback.state import StateFile
from valr_loopback.times import Clock
from valr_loopback.trade_socket import TradeHub
from valr_loopback.wire_clock import WireClock

log = logging.getLogger(__name__)

DEMO_ACCOUNT = "860472190254116864"
DEMO_SUB_ACCOUNT = "909461317243875328"
DEMO_BALANCES = {
    "ZAR": Decimal(10_000_000),
    "BTC": Decimal(10),
    "ETH": Decimal(200),
    "USDT": Decimal(1_000_000),
    "DOGE": Decimal(2_000_000),
    "USDC": Decimal(1_000_000),
    "EUR": Decimal(1_000_000),
}
"""What the demo accounts hold, so far as it is listed."""

DEFAULT_PORT = 8675

TICK_SECONDS = 0.25
"""What the exchange does by itself it does at intervals of this, or of multiples of it."""


class LoopbackConfig(BaseModel):
    """How a loopback exchange behaves. Times are in seconds.

    ``lookup_delay`` is how long a queued order stays hidden from lookups, ``engine_delay`` how long a command waits
    before it reaches the book, both drawn from a range. ``pairs`` is how many spot pairs are tradable; without it the
    list is the short one of ``default_pairs``. ``market_pairs`` are those that have a market, without it all; their
    candles go back ``history_minutes``, on many pairs less. ``market_pace`` 2 makes the market twice as fast.
    ``by_hand`` lets nothing happen by itself: the market moves when ``LoopbackServer.tick`` is called.
    ``snapshot_on_resubscribe`` sends the first message of a book also to those who name a pair again that they are
    subscribed to, which VALR may do or not (valr-api.md 9). ``allowed_ip`` is where the demo key may be used from,
    without it everywhere. With a ``state`` file the exchange goes on where the one before it was, stopped or killed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=DEFAULT_PORT, ge=0, le=65535)
    seed: int = 1
    pairs: int | None = Field(default=None, ge=FEWEST_PAIRS, le=MOST_PAIRS)
    market: bool = True
    market_pairs: tuple[str, ...] | None = None
    market_pace: float = Field(default=1.0, gt=0)
    history_minutes: int = Field(default=HISTORY_MINUTES, ge=0)
    by_hand: bool = False
    rate_limits: bool = True
    order_status_mode: OrderStatusMode = "automatic"
    refusal_style: RefusalStyle = "error"
    allowed_ip: IPv4Network | IPv6Network | None = None
    lookup_delay: tuple[float, float] = (0.0, 0.5)
    engine_delay: tuple[float, float] = (0.001, 0.003)
    slippage_band: Decimal = Decimal("0.1")
    socket_idle_seconds: float = Field(default=60, gt=0)
    anonymous_socket_seconds: float = Field(default=900, gt=0)
    snapshot_on_resubscribe: bool = False
    faults: tuple[Fault, ...] | None = None
    state: Path | None = None


class LoopbackServer:
    """A running loopback exchange. Use it as an async context manager, or call ``start`` and ``stop``.

    Raises:
        StateError: if there is a state file and it cannot be used.
    """

    def __init__(self, config: LoopbackConfig | None = None, clock: Clock = time.time) -> None:
        self.config = config or LoopbackConfig()
        seed = self.config.seed
        self.exchange = Exchange(
            clock,
            seed=seed,
            pairs=default_pairs() if self.config.pairs is None else many_pairs(self.config.pairs, seed),
            lookup_delay=self.config.lookup_delay,
            slippage_band=self.config.slippage_band,
        )
        self.account_id = DEMO_ACCOUNT
        self.sub_account_id = DEMO_SUB_ACCOUNT
        listed = self.exchange.engine.currencies
        balances = {code: amount for code, amount in DEMO_BALANCES.items() if code in listed}
        self.exchange.open_account(DEMO_ACCOUNT, balances, label="demo")
        self.exchange.open_account(DEMO_SUB_ACCOUNT, balances, label="demo sub", parent_id=DEMO_ACCOUNT)
        self._demo_key = self.add_key(DEMO_ACCOUNT)
        self.data = MarketData(self.exchange)
        # Before anything else listens to the exchange: what happened before the restart is not told again.
        self._state = StateFile(self.config.state, self.exchange, self.data) if self.config.state else None
        self.faults = FaultPlan(self.config.faults or (), clock, Random(f"{seed} faults"))
        queue = CommandQueue(self.config.engine_delay, Random(f"{seed} queue"))
        entry = OrderEntry(self.exchange, queue, self.faults)
        self.accounts = AccountHub(
            self.exchange, self.config.order_status_mode, self.config.refusal_style, self.data.worth, self.faults
        )
        self._services = Services(
            self.exchange,
            self.data,
            entry,
            self.exchange.keys,
            self.faults,
            self.accounts.distortions,
            self.accounts.lists,
            WireClock(self.exchange.now_ms, self.faults),
            IpLists(),
        )
        if self.config.allowed_ip is not None:
            self.bind_key(self.api_key, str(self.config.allowed_ip))
        self.trades = TradeHub(self.data, self.faults, snapshot_on_resubscribe=self.config.snapshot_on_resubscribe)
        self._interval_faults = IntervalFaults(self.exchange, self.accounts, self.trades, self.faults)
        self._market = (
            Market(
                self.exchange,
                self.data,
                Random(f"{seed} market"),
                self.config.market_pairs,
                self.config.history_minutes,
            )
            if self.config.market
            else None
        )
        self.rate_limiter = RateLimiter() if self.config.rate_limits else None
        self._ticks = 0
        self._steps_due = 0.0
        self._seconds_since_ms = self.exchange.now_ms()
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._port = 0

    # What tests and the command line ask

    @property
    def url(self) -> str:
        """The REST base address."""
        return f"http://{self.config.host}:{self._port}"

    @property
    def websocket_url(self) -> str:
        """The base address of the sockets."""
        return f"ws://{self.config.host}:{self._port}"

    @property
    def api_key(self) -> str:
        """The demo user's key."""
        return self._demo_key.key

    @property
    def api_secret(self) -> str:
        """The demo user's secret."""
        return self._demo_key.secret

    def add_key(
        self, account_id: str, permissions: tuple[str, ...] = ALL_PERMISSIONS, label: str = "loopback"
    ) -> ApiKey:
        """Make another API key, for any account."""
        return self.exchange.add_key(account_id, permissions, label)

    def bind_key(self, key: str, cidr: str) -> None:
        """Let a key be used from an address (or network) only; from others it is refused, as VALR does with IP lists.

        Raises:
            ValueError: if it is neither an address nor a network.
        """
        self._services.ip_lists.bind(key, cidr)

    def set_status(self, status: str) -> None:
        """Switch between ``online`` and ``read-only`` (maintenance)."""
        self._services.set_status = status

    async def drop_account_sockets(self) -> None:
        """Cut every account socket without a close frame."""
        for session in self.accounts.sessions:
            session.connection.abort()

    async def drop_trade_sockets(self) -> None:
        """Cut every trade socket without a close frame."""
        for session in list(self.trades.sessions):
            session.connection.abort()

    # Life

    async def start(self) -> None:
        """Listen, and let the market run.

        Raises:
            OSError: if the port cannot be listened on.
            StateError: if the server was stopped and has a state file: make a new one to go on.
        """
        if self._state is not None:
            self._state.check_open()
        self.exchange.run_waiting()
        gateway = Gateway(
            self._services,
            self.accounts,
            self.trades,
            self.rate_limiter,
            idle_seconds=self.config.socket_idle_seconds,
            anonymous_seconds=self.config.anonymous_socket_seconds,
        )
        control = (
            Route("GET", "/loopback/ledger", self._ledger),
            Route("DELETE", "/loopback/account-sockets", self._cut_account_sockets),
            *fault_routes(self.faults),
        )
        app = gateway.application([*PUBLIC_ROUTES, *ACCOUNT_ROUTES, *ORDER_ROUTES, *control])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.config.host, self.config.port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._port = self._runner.addresses[0][1]
        if self._market is not None:
            self._market.open()
        if self.config.by_hand:
            return
        if self._market is not None:
            self._tasks.append(asyncio.create_task(self._run_market(self._market)))
        self._tasks.append(asyncio.create_task(self._run_ticks()))

    async def stop(self) -> None:
        """Close every socket and stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self.drop_account_sockets()
        await self.drop_trade_sockets()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._state is not None:
            self._state.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def _ledger(self, call: Call) -> Answer:
        return ok(ledger(self.exchange, self.account_id))

    async def _cut_account_sockets(self, call: Call) -> Answer:
        count = len(self.accounts.sessions)
        await self.drop_account_sockets()
        return ok({"cut": count})

    def tick(self) -> None:
        """Do what the exchange does by itself in ``TICK_SECONDS``: for a server that runs ``by_hand``.

        The clock is the caller's, and to be moved on before. Frames leave when the event loop gets its turn.
        """
        if self._market is not None:
            self._steps_due += TICK_SECONDS / STEP_SECONDS * len(self._market.symbols) * self.config.market_pace
            for _ in range(int(self._steps_due)):
                self._market.step(self._market.next_symbol())
            self._steps_due %= 1
        self._tick()

    async def _run_market(self, market: Market) -> None:
        pause = STEP_SECONDS / len(market.symbols) / self.config.market_pace
        while True:
            await asyncio.sleep(pause)
            symbol = market.next_symbol()
            try:
                market.step(symbol)
            except Exception:
                log.exception("The synthetic market of %s failed at one step", symbol)

    async def _run_ticks(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._tick()

    def _tick(self) -> None:
        """Send what goes out at intervals: books 4 times a second, summaries each second, mark prices every 3."""
        self._ticks += 1
        self._interval_faults.switch_pairs()
        self.accounts.flush_lists()
        self.trades.flush_books()
        if self._ticks % 4 == 0:
            now_ms = self.exchange.now_ms()
            self.trades.close_buckets(self._seconds_since_ms, now_ms)
            self.trades.flush_summaries()
            self._seconds_since_ms = now_ms
            self._interval_faults.spoil_sockets()
            if self._state is not None:
                self._state.rewrite_when_long()
        if self._ticks % 12 == 0:
            self.trades.publish_mark_prices()
