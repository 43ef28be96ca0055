"""``ValrExchange``: wires the rooms of the connector to Hummingbot's ``ExchangePyBase``."""

import asyncio
import contextlib
import functools
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from bidict import bidict

import hummingbot
from hummingbot.connector.client_order_tracker import ClientOrderTracker
from hummingbot.connector.constants import s_decimal_NaN
from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr import valr_utils, valr_versions
from hummingbot.connector.exchange.valr import valr_web_utils as web_utils
from hummingbot.connector.exchange.valr.valr_access import AccessWatch
from hummingbot.connector.exchange.valr.valr_account_events import AccountEvents
from hummingbot.connector.exchange.valr.valr_api_order_book_data_source import ValrAPIOrderBookDataSource
from hummingbot.connector.exchange.valr.valr_api_user_stream_data_source import ValrAPIUserStreamDataSource
from hummingbot.connector.exchange.valr.valr_auth import ValrAuth, explain_refusal, explain_sub_account
from hummingbot.connector.exchange.valr.valr_back_off import back_off
from hummingbot.connector.exchange.valr.valr_balances import BalanceBook
from hummingbot.connector.exchange.valr.valr_clock import ValrClock
from hummingbot.connector.exchange.valr.valr_latency import LatencyRecorder
from hummingbot.connector.exchange.valr.valr_markets import Markets, SharedCall
from hummingbot.connector.exchange.valr.valr_messages import (
    AccountTrade,
    OpenOrdersReader,
    OrderWord,
    TradingFee,
    parse_account_frame,
    parse_balances,
    parse_trading_fees,
)
from hummingbot.connector.exchange.valr.valr_metrics import (
    CLOCK_TOLERANCE,
    Gauges,
    IncidentKind,
    LimitUse,
    Metrics,
    MetricsView,
)
from hummingbot.connector.exchange.valr.valr_order_book import QueuePosition
from hummingbot.connector.exchange.valr.valr_order_book_tracker import PromptOrderBookTracker
from hummingbot.connector.exchange.valr.valr_order_entry import (
    OrderEntry,
    Placement,
    SentCommand,
    is_cancel_not_found,
    limit_payload,
)
from hummingbot.connector.exchange.valr.valr_order_journal import OrderJournal
from hummingbot.connector.exchange.valr.valr_order_keeper import OrderKeeper, Warner, is_unknown_order
from hummingbot.connector.exchange.valr.valr_order_numbers import (
    LIMIT_TYPES,
    MEANINGFUL_QUALIFIERS,
    PlainOrders,
    check_qualifiers,
    positive,
)
from hummingbot.connector.exchange.valr.valr_order_outcomes import LookUp
from hummingbot.connector.exchange.valr.valr_order_tracker import ValrOrderTracker
from hummingbot.connector.exchange.valr.valr_prometheus import MetricsEndpoint
from hummingbot.connector.exchange.valr.valr_session_record import SessionRecord
from hummingbot.connector.exchange.valr.valr_throttler import ValrThrottler
from hummingbot.connector.exchange.valr.valr_troubles import ConnectionTroubles
from hummingbot.connector.exchange.valr.valr_web_utils import (
    REQUEST_DEADLINE,
    Endpoints,
    ValrConnectionsFactory,
    ValrKeyRefusedError,
    ValrNotSentError,
    ValrRateLimitedError,
    ValrReadOnlyError,
    ValrRefusedError,
    ValrRequestError,
    ValrRestClient,
    ValrUnknownOutcomeError,
)
from hummingbot.connector.exchange_py_base import ExchangePyBase
from hummingbot.connector.trading_rule import TradingRule
from hummingbot.core.api_throttler.data_types import RateLimit
from hummingbot.core.data_type.cancellation_result import CancellationResult
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState, OrderUpdate, TradeUpdate
from hummingbot.core.data_type.order_book_tracker import OrderBookTracker
from hummingbot.core.data_type.order_book_tracker_data_source import OrderBookTrackerDataSource
from hummingbot.core.data_type.trade_fee import TokenAmount, TradeFeeBase
from hummingbot.core.data_type.user_stream_tracker_data_source import UserStreamTrackerDataSource
from hummingbot.core.utils.async_utils import safe_ensure_future, safe_wrapper
from hummingbot.core.web_assistant.auth import AuthBase
from hummingbot.core.web_assistant.connections.data_types import RESTMethod
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory

WORD_STATES = {
    OrderWord.OPEN: OrderState.OPEN,
    OrderWord.PARTIALLY_FILLED: OrderState.PARTIALLY_FILLED,
    OrderWord.FILLED: OrderState.FILLED,
    OrderWord.CANCELLED: OrderState.CANCELED,
    OrderWord.FAILED: OrderState.FAILED,
    OrderWord.EXPIRED: OrderState.CANCELED,
}

# A socket that has brought a frame within this many seconds proves the network better than any request.
LIVENESS_WINDOW = 30.0
NETWORK_CHECK_RETRY = 0.5
# Two requests of ten seconds. Hummingbot would end the check after five, and with it a slow look-up of VALR's name.
NETWORK_CHECK_TIMEOUT = 25.0
# Without the account socket there is a poll every two seconds, each of whose calls may take ten.
POLL_WINDOW = 15.0
# How long the first poll waits until the difference of the clocks is known: its requests are signed with the time.
FIRST_CLOCK_PATIENCE = 3.0
REFRESH_RETRY = 2.0
REFRESH_RETRY_MAX = 60.0
RULES_DOUBT_INTERVAL = 60.0


class ValrExchange(ExchangePyBase):
    """VALR spot, or the loopback exchange that stands in for it.

    :param valr_url: address of the exchange where it is not the domain's usual one: scheme and host, without a path
    :param connector_configuration: the whole configuration map, as Hummingbot passes it
    :param valr_sub_account_id: acts for this sub-account of the primary account whose key is used
    :param valr_order_entry: ``websocket`` or ``rest``
    :param valr_book_feed: ``l1``, ``full`` or ``aggregated``
    :param valr_cancel_on_disconnect: VALR cancels every order of the account when the account socket drops
    :param valr_earlier_orders: what becomes of live orders of an earlier run: ``keep`` or ``cancel``
    :param valr_session_record: what happens is written down in the data folder while the connector trades
    :param valr_metrics_port: where Prometheus finds the metrics on this machine; 0 for nowhere
    :param options: the options once more under their names in the configuration map, as Hummingbot passes them to
        instances without keys; a keyword wins over these, and these over ``connector_configuration``
    """

    web_utils = web_utils
    _throttler: ValrThrottler
    # With the stream the poll is a backstop; without it, the only eyes there are.
    SHORT_POLL_INTERVAL = 2.0
    LONG_POLL_INTERVAL = 10.0
    # A stream that has not even answered a PING may be dead.
    TICK_INTERVAL_LIMIT = CONSTANTS.SOCKET_PING_INTERVAL + 5.0

    def __init__(
        self,
        valr_api_key: str = "",
        valr_api_secret: str = "",
        valr_url: str | None = None,
        balance_asset_limit: dict[str, dict[str, Decimal]] | None = None,
        rate_limits_share_pct: Decimal = Decimal("100"),
        trading_pairs: list[str] | None = None,
        trading_required: bool = True,
        domain: str = CONSTANTS.DEFAULT_DOMAIN,
        connector_configuration: Any = None,
        valr_sub_account_id: str | None = None,
        valr_order_entry: str | None = None,
        valr_book_feed: str | None = None,
        valr_cancel_on_disconnect: bool | None = None,
        valr_earlier_orders: str | None = None,
        valr_session_record: bool | None = None,
        valr_metrics_port: int | None = None,
        **options: Any,
    ) -> None:
        keywords = {
            "sub_account_id": valr_sub_account_id,
            "order_entry": valr_order_entry,
            "book_feed": valr_book_feed,
            "cancel_on_disconnect": valr_cancel_on_disconnect,
            "earlier_orders": valr_earlier_orders,
            "session_record": valr_session_record,
            "metrics_port": valr_metrics_port,
        }
        self._options = valr_utils.read_options(keywords, options, connector_configuration)
        self._api_key = valr_api_key
        self._api_secret = valr_api_secret
        self._domain = domain
        # Hummingbot gives an instance without keys "" for each of them, the address too, and the whole map beside.
        address = valr_url or getattr(connector_configuration, f"{domain}_url", None)
        if address:
            valr_utils.require_host_only(address)
        self._endpoints = Endpoints.for_domain(domain, address)
        self._trading_pairs = trading_pairs or []
        self._first_pairs = frozenset(self._trading_pairs)
        self._trading_required = trading_required
        self._warn = Warner(self.logger)
        self._markets = Markets(self._api_get, self._warn, self.logger)
        self._symbol_map_call = SharedCall(self._initialize_trading_pair_symbol_map)
        self._is_started = False
        self._started: set[asyncio.Task[Any]] = set()
        self._symbols: dict[str, str] = {}
        self._vain_lists = 0
        self._list_again_at = -math.inf
        self._rules_doubted_at = -math.inf
        self._plain_orders = PlainOrders()
        self._fee_classes: dict[bool, type[TradeFeeBase]] = {}
        self._open_orders_reader = OpenOrdersReader()
        self._calls = 0
        self._is_dead_man_set = False
        self._has_heard_of_orders = False
        self._account_polled_at = -math.inf
        self._read_only_watch: asyncio.Task[None] | None = None
        self._clock_measurement: asyncio.Task[None] | None = None
        self._metrics = Metrics()
        self._latency = LatencyRecorder(self._metrics.latency)
        self._troubles = ConnectionTroubles(self.logger, metrics=self._metrics)
        super().__init__(balance_asset_limit, rate_limits_share_pct)
        self.check_network_timeout = NETWORK_CHECK_TIMEOUT
        self._balances = BalanceBook(self._account_balances, self._account_available_balances)
        self._keeper = OrderKeeper(
            order_entry=self._order_entry,
            request=self._signed_request,
            journal=OrderJournal(_data_folder, self._auth.account_fingerprint),
            tracker=self._order_tracker,
            symbol_of=self._symbol_of_traded,
            trade_update=self._trade_update,
            event_time=self._event_time,
            valr_time=self._time_synchronizer.time,
            on_open=self._order_book_source.expect_change,
            latency=self._latency,
            metrics=self._metrics,
            logger=self.logger,
        )
        self._account_events = AccountEvents(
            self._keeper,
            self._balances,
            self._latency,
            self._metrics.counters,
            self._time_synchronizer.time,
            self._warn,
            self.logger,
        )
        self._metrics_view = MetricsView(self._metrics, self._gauges)
        self._session_record = SessionRecord(
            _data_folder,
            {
                "connector": domain,
                "pairs": self._trading_pairs,
                "order_entry": self._options.order_entry,
                "book_feed": self._options.book_feed,
            },
            self._metrics,
            self.logger,
        )
        self._metrics_endpoint = MetricsEndpoint(
            domain, self._options.metrics_port, self._metrics_view, self._latency, self.logger
        )

    # --- What the base class asks about us ----------------------------------------------------------------------------
    @property
    def name(self) -> str:
        """The connector's name: also the key into Hummingbot's settings and database."""
        return self._domain

    @property
    def authenticator(self) -> AuthBase:
        """The signer of requests and handshakes."""
        return ValrAuth(
            self._api_key, self._api_secret, lambda: self._time_synchronizer.time(), self._options.sub_account_id
        )

    @property
    def rate_limits_rules(self) -> list[RateLimit]:
        """VALR's limits (valr-api.md 1.6)."""
        return CONSTANTS.RATE_LIMITS

    @property
    def domain(self) -> str:
        """``valr`` or ``valr_loopback``."""
        return self._domain

    @property
    def endpoints(self) -> Endpoints:
        """Where this instance's VALR listens."""
        return self._endpoints

    @property
    def client_order_id_max_length(self) -> int:
        """Longest client order id."""
        return CONSTANTS.CLIENT_ORDER_ID_MAX_LENGTH

    @property
    def client_order_id_prefix(self) -> str:
        """Prefix of every client order id."""
        return CONSTANTS.CLIENT_ORDER_ID_PREFIX

    @property
    def trading_rules_request_path(self) -> str:
        """Where the trading rules come from."""
        return CONSTANTS.PAIRS_PATH

    @property
    def trading_pairs_request_path(self) -> str:
        """Where the pairs come from."""
        return CONSTANTS.PAIRS_PATH

    @property
    def check_network_request_path(self) -> str:
        """The lightest request there is; it has a generous limit of its own."""
        return CONSTANTS.SERVER_TIME_PATH

    @property
    def trading_pairs(self) -> list[str]:
        """The pairs this instance trades."""
        return self._trading_pairs

    @property
    def is_cancel_request_in_exchange_synchronous(self) -> bool:
        """VALR acknowledges a cancel; the order has ended when its end is proven."""
        return False

    @property
    def latency(self) -> LatencyRecorder:
        """How long placements, cancels and events take."""
        return self._latency

    @property
    def metrics(self) -> MetricsView:
        """What has happened to this connector, and what is true of it now, in numbers."""
        return self._metrics_view

    def _gauges(self) -> Gauges:
        return Gauges(
            ready=self.ready,
            account_socket_up=self._metrics.account_socket.is_up,
            market_socket_up=self._metrics.market_socket.is_up,
            read_only=self._order_entry.is_held,
            live_orders=self._keeper.live_count,
            clock_offset=self._metrics.clock_offset,
            book_ages={pair: self._order_book_source.book_age(pair) for pair in self._trading_pairs},
            rate_limits={
                limit.limit_id: LimitUse(self._throttler.used(limit.limit_id), int(limit.limit), limit.time_interval)
                for limit in self._throttler.limits
            },
        )

    def queue_position(self, client_order_id: str) -> QueuePosition | None:
        """Return where a live order of ours stands in the queue at its price.

        :return: the number of orders and the volume (base currency) that are matched before it; None when the order is
            not on the proven book, or when the pair's book does not come from the ``full`` feed, the only one that
            shows orders (valr-api.md 5.4)
        """
        order = self._order_tracker.active_orders.get(client_order_id)
        if order is None or order.exchange_order_id is None:
            return None
        return self._order_book_source.queue_position(order.trading_pair, order.exchange_order_id)

    @property
    def status_dict(self) -> dict[str, bool]:
        """What has been prepared, by Hummingbot's names, and still holds.

        The rules are when those of every pair are known, the books while strategies see that of one pair at least.
        """
        status: dict[str, bool] = super().status_dict
        if self._trading_pairs and not any(map(self._order_book_source.shows_book, self._trading_pairs)):
            status["order_books_initialized"] = False
        # A pair that is added while others are traded must not stop them.
        ours = (pair for pair in self._trading_pairs if pair in self._first_pairs)
        if self._trading_required and not all(pair in self._trading_rules for pair in ours):
            status["trading_rule_initialized"] = False
        return status

    def _is_user_stream_initialized(self) -> bool:
        """Tell whether what becomes of orders is heard of: once the socket has been up, polls stand in for it."""
        polled = self._has_heard_of_orders and time.monotonic() - self._account_polled_at < POLL_WINDOW
        return polled or bool(super()._is_user_stream_initialized())

    @property
    def is_trading_required(self) -> bool:
        """Whether orders will be placed, not only market data read."""
        return self._trading_required

    def supported_order_types(self) -> list[OrderType]:
        """Limit, post-only limit and market."""
        return [*LIMIT_TYPES, OrderType.MARKET]

    def _is_request_exception_related_to_time_synchronizer(self, request_exception: Exception) -> bool:
        # In which words VALR refuses a wrong time is not known (valr-api.md 9); these say something else.
        return (
            isinstance(request_exception, ValrRefusedError)
            and request_exception.code not in (CONSTANTS.ERROR_API_KEY_MISSING, CONSTANTS.ERROR_IP_NOT_ALLOWED)
            and (request_exception.code == CONSTANTS.ERROR_INVALID_SIGNATURE or request_exception.status in (401, 403))
        )

    def _is_order_not_found_during_status_update_error(self, status_update_exception: Exception) -> bool:
        return isinstance(status_update_exception, ValrRefusedError) and is_unknown_order(status_update_exception)

    def _is_order_not_found_during_cancelation_error(self, cancelation_exception: Exception) -> bool:
        return isinstance(cancelation_exception, ValrRefusedError) and is_cancel_not_found(cancelation_exception)

    # --- Construction of the rooms ------------------------------------------------------------------------------------
    def _create_web_assistants_factory(self) -> WebAssistantsFactory:
        # The base class has just made its own; this is its first hook after that.
        self._time_synchronizer = ValrClock()
        self._throttler = ValrThrottler(self.rate_limits_rules, self._throttler.limits_pct * 100, self._metrics)
        self._connections = ValrConnectionsFactory()
        factory = web_utils.build_api_factory(self._throttler, self._auth, self._connections)
        self._rest = ValrRestClient(factory, self._endpoints.rest_url, self._troubles)
        self._order_entry = OrderEntry(
            self._signed_request,
            self._throttler,
            self._troubles,
            prefer_socket=self._options.order_entry == "websocket",
        )
        self._access = AccessWatch(
            self._rest,
            self._api_get,
            self._time_synchronizer,
            self._order_entry,
            self._troubles,
            self._metrics,
            self._warn,
            self.logger,
        )
        return factory

    def _set_order_book_tracker(self, order_book_tracker: OrderBookTracker) -> None:
        """Take a tracker that does not pause for a second between the pairs."""
        super()._set_order_book_tracker(PromptOrderBookTracker(self._orderbook_ds, self.trading_pairs, self.domain))

    def _create_order_tracker(self) -> ClientOrderTracker:
        return ValrOrderTracker(connector=self)

    def _create_order_book_data_source(self) -> OrderBookTrackerDataSource:
        return ValrAPIOrderBookDataSource(
            trading_pairs=self._trading_pairs,
            connector=self,
            api_factory=self._web_assistants_factory,
            endpoints=self._endpoints,
            auth=self._auth,
            book_feed=self._options.book_feed,
            metrics=self._metrics,
            doubt_clock=self._access.doubt_clock,
        )

    def _create_user_stream_data_source(self) -> UserStreamTrackerDataSource:
        return ValrAPIUserStreamDataSource(
            auth=self._auth,
            endpoints=self._endpoints,
            api_factory=self._web_assistants_factory,
            order_entry=self._order_entry,
            on_connected=self._on_account_socket_connected,
            on_refused=self._on_account_socket_refused,
            metrics=self._metrics,
            take_event=self._take_account_frame,
        )

    # --- REST ---------------------------------------------------------------------------------------------------------
    async def _api_request(
        self,
        path_url: str,
        overwrite_url: str | None = None,
        method: RESTMethod = RESTMethod.GET,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        is_auth_required: bool = False,
        return_err: bool = False,
        limit_id: str | None = None,
        headers: dict[str, Any] | None = None,
        deadline: float = REQUEST_DEADLINE,
        before_sending: Callable[[], None] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Perform a call with a deadline and typed errors; the base class has neither."""
        self._calls += 1
        try:
            return await self._call_twice_if_the_clock_is_off(
                functools.partial(
                    self._rest.request,
                    method,
                    path_url,
                    body=data,
                    params=params,
                    signed=is_auth_required,
                    limit_id=limit_id,
                    headers=headers,
                    url=overwrite_url,
                    deadline=deadline,
                    before_sending=before_sending,
                ),
                is_auth_required,
            )
        except ValrUnknownOutcomeError as error:
            if error.is_unavailable and method is not RESTMethod.GET:
                self._suspect_read_only_mode(str(error))
            raise
        finally:
            self._calls -= 1
            if not self._calls and not self._is_started and not self._keeper.is_running:
                # Whoever only asks a question (connect, balance, a list of pairs) never stops us: leave nothing open.
                await self._connections.close_rest()

    async def _call_twice_if_the_clock_is_off(self, call: Callable[[], Awaitable[Any]], signed: bool) -> Any:
        """Repeat a signed call that VALR refused, and so did not execute, if our clock proves to have been wrong.

        One refused for its signature in so many words is repeated all the same: at worst it is refused once more.
        """
        offset_ms = self._time_synchronizer.time_offset_ms
        try:
            return await call()
        except ValrRefusedError as error:
            if not signed or not self._is_request_exception_related_to_time_synchronizer(error):
                raise
            await self._access.doubt_clock()
            was_off = abs(self._time_synchronizer.time_offset_ms - offset_ms) / 1000
            if was_off >= CLOCK_TOLERANCE:
                self._warn(
                    f"VALR refused a request signed {was_off:.1f} s off its clock ({error}); asking again.", "clock off"
                )
            elif error.code != CONSTANTS.ERROR_INVALID_SIGNATURE:
                raise
        return await call()

    async def _signed_request(
        self,
        method: RESTMethod,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        limit_id: str | None = None,
        deadline: float = REQUEST_DEADLINE,
        before_sending: Callable[[], None] | None = None,
    ) -> Any:
        return await self._api_request(
            path,
            method=method,
            data=body,
            is_auth_required=True,
            limit_id=limit_id,
            deadline=deadline,
            before_sending=before_sending,
        )

    def _suspect_read_only_mode(self, detail: str) -> None:
        if self._read_only_watch is None or self._read_only_watch.done():
            self._read_only_watch = self._keeper.spawn(self._watch_read_only_mode(detail))

    async def _watch_read_only_mode(self, detail: str) -> None:
        await self._access.watch_read_only_mode(detail)
        self._keeper.reconcile()

    async def _update_time_synchronizer(self, pass_on_non_cancelled_error: bool = False) -> None:
        """Measure the difference of the clocks beside the poll; a failure leaves the last measurement in place.

        In the base class no balance, order or trade is polled until VALR's clock was read, and a failure is announced
        through the whole interactive application, which it builds for that.
        """
        is_first = self._clock_measurement is None
        if self._clock_measurement is None or self._clock_measurement.done():
            if self._troubles.pause(CONSTANTS.TIME_LIMIT_ID):
                return
            self._clock_measurement = self._keeper.spawn(self._access.measure_clock())
        if is_first:
            await asyncio.wait({self._clock_measurement}, timeout=FIRST_CLOCK_PATIENCE)

    async def _make_network_check_request(self) -> None:
        """Answer from the sockets' liveness: one failed health request would tear down everything that works."""
        now = time.time()
        last_frames = (self._user_stream_source.last_frame_time, self._order_book_source.last_message_time)
        if any(now - last_frame < LIVENESS_WINDOW for last_frame in last_frames):
            return
        if self._troubles.pause(CONSTANTS.TIME_LIMIT_ID):
            # It has refused for the rate a moment ago: it is there, and its sockets may be open to us.
            return
        try:
            await self._ask_whether_it_is_there()
        except ValrRequestError:
            # For one answer that failed Hummingbot would begin, or begin again, ten seconds later.
            await self._sleep(NETWORK_CHECK_RETRY)
            await self._ask_whether_it_is_there()

    async def _ask_whether_it_is_there(self) -> None:
        with contextlib.suppress(ValrRefusedError, ValrRateLimitedError):
            await self._api_get(path_url=self.check_network_request_path)

    @property
    def _user_stream_source(self) -> ValrAPIUserStreamDataSource:
        return self._user_stream_tracker.data_source

    @property
    def _order_book_source(self) -> ValrAPIOrderBookDataSource:
        return self._orderbook_ds

    # --- Network life -------------------------------------------------------------------------------------------------
    async def start_network(self) -> None:
        """Start every loop; orders of an earlier run are asked for first of all."""
        await super().start_network()
        self._is_started = True
        valr_versions.warn_if_untested(Path(hummingbot.root_path()), self.logger())  # type: ignore[attr-defined]
        if self._trading_required:
            if self._options.session_record:
                self._session_record.start()
            self._keeper.ensure_running()
            self._keeper.reconcile()
            self._keeper.spawn(self._access.check_key())
        await self._metrics_endpoint.start()

    async def stop_network(self) -> None:
        """Stop every loop; what was being asked is asked again after the next start."""
        was_started, self._is_started = self._is_started, False
        self._has_heard_of_orders = False
        # Hummingbot's engine ends its loop at the first wait: what must happen comes before it.
        if self._latency.snapshot():
            self.logger().info(self._latency.line())
        self._keeper.halt()
        self._metrics.stopped()
        if self._session_record.is_open:
            self._session_record.stop(
                {
                    "counters": self._metrics_view.counters(),
                    "latency": {name: asdict(summary) for name, summary in self._latency.snapshot().items()},
                }
            )
        await super().stop_network()
        await self._metrics_endpoint.stop()
        await self._keeper.stop()
        if was_started or not self._calls:
            # The base class also stops before each start, when somebody may be asking for balances already.
            await self._web_assistants_factory.close()

    def tick(self, timestamp: float) -> None:
        """Record prices and balances beside what the base class does."""
        super().tick(timestamp)
        self._session_record.sample(self._best_quotes, self._own_balances)

    def _best_quotes(self) -> dict[str, tuple[Decimal, Decimal] | None]:
        return {pair: self._best_quote(pair) for pair in self._trading_pairs}

    def _best_quote(self, trading_pair: str) -> tuple[Decimal, Decimal] | None:
        book = self.order_books.get(trading_pair)
        if book is None or not self._order_book_source.has_live_book(trading_pair):
            return None
        try:
            bid, ask = book.get_price(False), book.get_price(True)
        except OSError:
            # Hummingbot's word for an empty side.
            return None
        # The book's floats came from VALR's decimal text, which their shortest text is again.
        return Decimal(str(bid)), Decimal(str(ask))

    def _own_balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        assets = dict.fromkeys(asset for pair in self._trading_pairs for asset in pair.split("-"))
        available = self._account_available_balances
        return {
            asset: (self._account_balances[asset], available.get(asset, Decimal(0)))
            for asset in assets
            if asset in self._account_balances
        }

    def _on_account_socket_connected(self) -> None:
        self._has_heard_of_orders = True
        self._poll_notifier.set()
        live = self._keeper.reconcile()
        if live:
            self.logger().info(f"Reconciling {live} orders with VALR after the account socket (re)connected.")
        if self._is_dead_man_set:
            self.logger().warning(
                "The account socket had dropped, at which VALR was told to cancel every open order of the account "
                "(cancel_on_disconnect): orders that were open then are reported as cancelled on proof."
            )
        self._is_dead_man_set = False
        if self._options.cancel_on_disconnect:
            self._keeper.spawn(self._request_cancel_on_disconnect())

    def _on_account_socket_refused(self) -> None:
        self._keeper.spawn(self._access.look_for_a_refusals_cause())

    async def _request_cancel_on_disconnect(self) -> None:
        try:
            await self._order_entry.cancel_on_disconnect()
        except ValrRequestError as error:
            text = f"VALR did not take cancel-on-disconnect: {error}; orders stay live when the account socket drops"
            self.logger().error(text)
            self._metrics.incident(IncidentKind.DEAD_MAN_NOT_SET, text)
        else:
            self._is_dead_man_set = True
            self.logger().info("VALR cancels every open order of the account from now on when this socket drops.")

    async def _trading_rules_polling_loop(self) -> None:
        await self._keep_fresh("trading rules", self._update_rules_of_all_pairs, self.TRADING_RULES_INTERVAL)

    async def _update_rules_of_all_pairs(self) -> None:
        """Refresh the rules.

        :raises ValrRequestError: no answer
        :raises ValueError: an answer that is none, or one after which the rules of a pair of ours are not known
        """
        await self._update_trading_rules()
        missing = [trading_pair for trading_pair in self._trading_pairs if trading_pair not in self._trading_rules]
        if missing:
            raise ValueError(f"none are listed that can be used for {', '.join(missing)}")

    async def _trading_fees_polling_loop(self) -> None:
        await self._keep_fresh("trading fees", self._update_trading_fees, self.TRADING_FEES_INTERVAL)

    async def _keep_fresh(self, what: str, update: Callable[[], Awaitable[None]], interval: float) -> None:
        """Update now and every ``interval`` seconds; after trouble sooner, with growing pauses.

        The base class tries twice a second, which the 30 public calls a minute do not bear, and announces trouble
        through the whole interactive application, which it builds for that.
        """
        failures = 0
        while True:
            try:
                await update()
                failures = 0
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - the outermost loop of the task
                failures += 1
                self._say_unfetched(what, error)
            await self._sleep(back_off(failures, REFRESH_RETRY, REFRESH_RETRY_MAX) if failures else interval)

    def _say_unfetched(self, what: str, error: Exception) -> None:
        if isinstance(error, ValrRequestError | ValueError):
            self._warn(f"VALR's {what} could not be fetched: {error}", what)
        else:
            self.logger().error(f"Unexpected error while fetching {what}.", exc_info=error)

    # --- Orders -------------------------------------------------------------------------------------------------------
    def _symbol_of_traded(self, trading_pair: str) -> str:
        """Return the symbol of a pair that orders were sent of: no lookup or cancel of these waits for VALR's list.

        Of every spot pair it is base and quote in one word (valr-api.md 1.3).
        """
        return self._symbols.get(trading_pair) or trading_pair.replace("-", "")

    async def _symbol_of(self, trading_pair: str) -> str:
        symbol = self._symbols.get(trading_pair)
        if symbol is None:
            try:
                symbol = await self.exchange_symbol_associated_to_pair(trading_pair=trading_pair)
            except KeyError as error:
                raise ValrNotSentError(f"VALR's symbol of {trading_pair} is not known") from error
        return symbol

    def _trade_update(self, order: InFlightOrder, trade: AccountTrade) -> TradeUpdate:
        # The wire says what was paid and in which coin; a reward is a negative fee (valr-api.md 7).
        flat_fees = [TokenAmount(token=trade.fee_currency, amount=trade.fee)] if trade.fee else []
        return TradeUpdate(
            trade_id=trade.trade_id,
            client_order_id=order.client_order_id,
            exchange_order_id=trade.order_id,
            trading_pair=order.trading_pair,
            fill_timestamp=trade.traded_at,
            fill_price=trade.price,
            fill_base_amount=trade.quantity,
            fill_quote_amount=trade.quantity * trade.price,
            fee=self._fee_class(order.trade_type is TradeType.BUY)(flat_fees=flat_fees),
        )

    def _fee_class(self, is_buy: bool) -> type[TradeFeeBase]:
        """Return how Hummingbot counts a fee of this side; to ask for it each time would cost as much as the rest."""
        fee_class = self._fee_classes.get(is_buy)
        if fee_class is None:
            side = TradeType.BUY if is_buy else TradeType.SELL
            fee_class = type(TradeFeeBase.new_spot_fee(fee_schema=self.trade_fee_schema(), trade_type=side))
            self._fee_classes[is_buy] = fee_class
        return fee_class

    def _event_time(self) -> float:
        now = self.current_timestamp
        return time.time() if now is None or math.isnan(now) else now

    # --- Placing ------------------------------------------------------------------------------------------------------
    def buy(
        self,
        trading_pair: str,
        amount: Decimal,
        order_type: OrderType = OrderType.LIMIT,
        price: Decimal = s_decimal_NaN,
        **kwargs: Any,
    ) -> str:
        """Place an order to buy and return its client order id; its frame is written before this returns.

        :param time_in_force: of a limit order: ``GTC``, ``IOC`` or ``FOK``
        :param quote_amount: a market order spends so much of the quote currency, in place of ``amount``
        """
        return self._submit(TradeType.BUY, trading_pair, amount, order_type, price, kwargs)

    def sell(
        self,
        trading_pair: str,
        amount: Decimal,
        order_type: OrderType = OrderType.LIMIT,
        price: Decimal = s_decimal_NaN,
        **kwargs: Any,
    ) -> str:
        """Place an order to sell; as :meth:`buy`."""
        return self._submit(TradeType.SELL, trading_pair, amount, order_type, price, kwargs)

    def _submit(
        self,
        side: TradeType,
        trading_pair: str,
        amount: Decimal,
        order_type: OrderType,
        price: Decimal,
        qualifiers: dict[str, Any],
    ) -> str:
        numbers = sent = None
        is_buy = side is TradeType.BUY
        if order_type in LIMIT_TYPES and MEANINGFUL_QUALIFIERS.isdisjoint(qualifiers):
            numbers = self._plain_orders.numbers(trading_pair, amount, price)
        if numbers is None:
            order_id = self._keeper.ids.new(is_buy, trading_pair)
        else:
            order_id = self._keeper.ids.take(is_buy, trading_pair)
            symbol, quantity, limit_price = numbers
            # A plain tuple: the frame leaves before anything else is made of them.
            fields = order_id, symbol, is_buy, quantity, limit_price, order_type is OrderType.LIMIT_MAKER
            sent = self._keeper.write_now(order_id, limit_payload(*fields), trading_pair)
        if sent is None:
            self._start_now(self._create_order(side, order_id, trading_pair, amount, order_type, price, **qualifiers))
        else:
            # On record only now: nothing that comes in can be read before this turn of the event loop is over.
            placement = Placement(*fields)
            self.start_tracking_order(
                order_id, None, trading_pair, side, placement.price, placement.quantity, order_type
            )
            self._start_now(self._see_to(self._order_tracker.active_orders[order_id], placement, sent))
        return order_id

    def _start_now(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run ``work`` up to its first wait at once, the rest beside everything else.

        The base class lets the event loop turn before anything is sent, behind all else that waits for its turn. As it
        does, this takes work before the loop runs, too.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            safe_ensure_future(work)
            return
        task = asyncio.Task(safe_wrapper(work), loop=loop, eager_start=True)
        if not task.done():
            self._started.add(task)
            task.add_done_callback(self._started.discard)

    async def _create_order(
        self,
        trade_type: TradeType,
        order_id: str,
        trading_pair: str,
        amount: Decimal,
        order_type: OrderType,
        price: Decimal | None = None,
        **kwargs: Any,
    ) -> None:
        """Create an order.

        Numbers that are none, a pair without rules, and a market order without a book to price it, fail it; the base
        leaves it pending, or unknown, or takes a negative amount for filled.
        """
        try:
            if trading_pair not in self._trading_rules:
                raise ValueError(f"The trading rules of {trading_pair} are not known.")
            amount = positive(amount, f"the amount of an order of {trading_pair}")
            if order_type is not OrderType.MARKET:
                price = positive(price, f"the price of an order of {trading_pair}")
            await super()._create_order(trade_type, order_id, trading_pair, amount, order_type, price, **kwargs)
        except (ArithmeticError, ValueError) as error:
            # What goes wrong once an order is being sent, the base class sees to itself.
            if order_id not in self._order_tracker.active_orders:
                # Not None, which Hummingbot could not read back from what it saves.
                nothing = s_decimal_NaN, Decimal(0)
                self.start_tracking_order(order_id, None, trading_pair, trade_type, *nothing, order_type)
            self._on_order_failure(order_id, trading_pair, amount, trade_type, order_type, price, error)

    async def _see_to(self, order: InFlightOrder, placement: Placement, sent: SentCommand) -> None:
        """Wait for what comes of an order that was written."""
        try:
            await self._until_placed(order, self._keeper.place(placement, order.trading_pair, sent))
        except (ValrRequestError, OSError) as error:
            self._on_order_failure(
                order.client_order_id,
                order.trading_pair,
                order.amount,
                order.trade_type,
                order.order_type,
                order.price,
                error,
            )

    async def _place_order_and_process_update(self, order: InFlightOrder, **kwargs: Any) -> str:
        """Place an order; an unknown outcome keeps it pending until it is looked up, where the base would fail it."""
        placing = self._place_order(
            order_id=order.client_order_id,
            trading_pair=order.trading_pair,
            amount=order.amount,
            trade_type=order.trade_type,
            order_type=order.order_type,
            price=order.price,
            **kwargs,
        )
        placed = await self._until_placed(order, placing)
        return placed[0] if placed else ""

    async def _until_placed[PlacedT](self, order: InFlightOrder, placing: Awaitable[PlacedT]) -> PlacedT | None:
        try:
            return await placing
        except ValrUnknownOutcomeError as error:
            if self._keeper.is_in_doubt(order.client_order_id):
                self.logger().warning(
                    f"It is not known yet whether VALR has order {order.client_order_id}: {error}; looking it up"
                )
            return None

    async def _place_order(
        self,
        order_id: str,
        trading_pair: str,
        amount: Decimal,
        trade_type: TradeType,
        order_type: OrderType,
        price: Decimal,
        time_in_force: str = "GTC",
        quote_amount: Decimal | None = None,
        **kwargs: Any,
    ) -> tuple[str, float]:
        """Send an order; how it may be qualified beyond Hummingbot's order types comes as keywords of ``buy``/``sell``.

        :param time_in_force: of a limit order: ``GTC``, ``IOC`` or ``FOK``
        :param quote_amount: a market order spends or earns so much of the quote currency, in place of ``amount``
        """
        check_qualifiers(order_type, time_in_force, quote_amount)
        largest = self._trading_rules[trading_pair].max_order_size
        if amount > largest:
            raise ValueError(
                f"Order amount {amount} is higher than the maximum order size {largest} of {trading_pair}."
            )
        if order_type is not OrderType.MARKET and not price:
            raise ValueError(f"The price is lower than the smallest price step of {trading_pair}.")
        placement = Placement(
            client_order_id=order_id,
            symbol=await self._symbol_of(trading_pair),
            is_buy=trade_type is TradeType.BUY,
            quantity=amount,
            price=None if order_type is OrderType.MARKET else price,
            post_only=order_type is OrderType.LIMIT_MAKER,
            time_in_force=time_in_force,
            quote_amount=quote_amount,
        )
        return await self._keeper.place(placement, trading_pair), time.time()

    def _on_order_failure(
        self,
        order_id: str,
        trading_pair: str,
        amount: Decimal,
        trade_type: TradeType,
        order_type: OrderType,
        price: Decimal | None,
        exception: Exception,
        **kwargs: Any,
    ) -> None:
        """Log and fail; without the base's app warning, which would build the whole interactive application."""
        if isinstance(exception, ValrReadOnlyError):
            # One line said so when it began; a strategy that goes on trying need not fill the log.
            self._update_order_after_failure(order_id, trading_pair, exception)
            return
        if isinstance(exception, ValrRefusedError) and exception.code in CONSTANTS.RULE_ERRORS:
            self._doubt_rules()
        self.logger().network(
            f"Error submitting {trade_type.name.lower()} {order_type.name.upper()} order to {self.name_cap} for "
            f"{amount} {trading_pair} {price}.",
            exc_info=not isinstance(exception, ValrRequestError),
        )
        self.logger().warning(f"Order {order_id} was not placed: {exception}")
        self._update_order_after_failure(order_id, trading_pair, exception)

    def _update_order_after_failure(self, order_id: str, trading_pair: str, exception: Exception | None = None) -> None:
        self._keeper.fail(order_id, exception)

    def start_tracking_order(
        self,
        order_id: str,
        exchange_order_id: str | None,
        trading_pair: str,
        trade_type: TradeType,
        price: Decimal | None,
        amount: Decimal,
        order_type: OrderType,
        time_in_force: str = "GTC",
        quote_amount: Decimal | None = None,
        **kwargs: Any,
    ) -> None:
        """Put an order on the tracker's and on our own record."""
        super().start_tracking_order(
            order_id, exchange_order_id, trading_pair, trade_type, price, amount, order_type, **kwargs
        )
        self._keeper.track(
            self._order_tracker.active_orders[order_id],
            immediate=time_in_force != "GTC",
            # How much base a quote amount fetches, only the trades will tell.
            quantity=amount if quote_amount is None else Decimal(0),
        )

    def restore_tracking_states(self, saved_states: dict[str, Any]) -> None:
        """Take up the orders of an earlier run; what became of them meanwhile is asked at once."""
        super().restore_tracking_states(saved_states)
        orders = list(self._order_tracker.all_updatable_orders.values())
        self._keeper.restore(orders)
        self._say_what_becomes_of([order.client_order_id for order in orders if not order.is_failure])

    def _say_what_becomes_of(self, earlier_orders: list[str]) -> None:
        if not earlier_orders:
            return
        names = ", ".join(earlier_orders)
        if self._options.earlier_orders == "cancel":
            self._keeper.cancel_earlier(earlier_orders)
            self.logger().warning(f"Orders of an earlier run are cancelled if they live (earlier_orders): {names}.")
        else:
            self.logger().warning(
                f"Orders of an earlier run may be live and are looked after: {names}. A strategy that does not know "
                "them leaves them alone until the bot is stopped; with earlier_orders: cancel they go at the start."
            )

    # --- Cancelling ---------------------------------------------------------------------------------------------------
    def cancel(self, trading_pair: str, client_order_id: str) -> str:
        """Ask for a cancel and return the client order id; its frame is written before this returns."""
        self._start_now(self._execute_cancel(trading_pair, client_order_id))
        return client_order_id

    async def _place_cancel(self, order_id: str, tracked_order: InFlightOrder) -> bool:
        return await self._keeper.cancel(order_id)

    async def _execute_order_cancel(self, order: InFlightOrder) -> str | None:
        """Ask for a cancel; from here on the lifecycle sees to it, so the base's states and counters stay out of it."""
        return order.client_order_id if await self._place_cancel(order.client_order_id, order) else None

    async def cancel_all(self, timeout_seconds: float) -> list[CancellationResult]:
        """Cancel every live order and wait for the proof; success means proven, where the base means acknowledged."""
        # An order asked for just now is on record only after the loop has turned once.
        await asyncio.sleep(0)
        # One that was enlarged in VALR's app lives on where Hummingbot takes it for filled.
        identifiers = [
            order.client_order_id
            for order in self.in_flight_orders.values()
            if not order.is_done or self._keeper.is_live(order.client_order_id)
        ]
        # Who stops leaves these behind otherwise, until the next start.
        identifiers += [each for each in self._keeper.shown_strays if each not in identifiers]
        gone = await self._keeper.cancel_and_prove(identifiers, timeout_seconds)
        return sorted(
            (CancellationResult(each, each in gone) for each in identifiers), key=lambda result: not result.success
        )

    # --- Account socket events ----------------------------------------------------------------------------------------
    async def _user_stream_event_listener(self) -> None:
        """Take what other code than our account socket puts into the queue."""
        async for frame in self._iter_user_event_queue():
            await self._take_account_frame(frame)

    async def _take_account_frame(self, frame: Any, heard_at: float | None = None) -> None:
        heard_at = time.monotonic() if heard_at is None else heard_at
        try:
            await self._account_events.take(parse_account_frame(frame, self._open_orders_reader), heard_at)
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 - the outermost step of the task: the next event must be taken
            self.logger().error("Unexpected error in user stream listener loop.", exc_info=True)

    # --- Polling ------------------------------------------------------------------------------------------------------
    async def _update_order_status(self) -> None:
        await self._keeper.poll()

    async def _update_lost_orders_status(self) -> None:
        await self._keeper.poll_lost()

    async def _request_order_status(self, tracked_order: InFlightOrder) -> OrderUpdate:
        """Return what VALR says of an order; the connector itself goes through the lifecycle."""
        report = await self._keeper.fetch_report(
            LookUp(tracked_order.client_order_id, tracked_order.exchange_order_id or "", tracked_order.trading_pair)
        )
        if report is None:
            raise ValrRequestError(f"VALR does not know order {tracked_order.client_order_id}")
        return OrderUpdate(
            client_order_id=tracked_order.client_order_id,
            exchange_order_id=report.order_id,
            trading_pair=tracked_order.trading_pair,
            update_timestamp=report.updated_at or self._event_time(),
            new_state=WORD_STATES.get(report.word, tracked_order.current_state),
        )

    async def _all_trade_updates_for_order(self, order: InFlightOrder) -> list[TradeUpdate]:
        trades = await self._keeper.trades_since(order.trading_pair, order.creation_timestamp - 60)
        return [self._trade_update(order, trade) for trade in trades if trade.order_id == order.exchange_order_id]

    # --- Balances and fees --------------------------------------------------------------------------------------------
    async def _update_all_balances(self) -> None:
        """Refresh the balances; trouble is one line now and then, where the base logs a traceback each time."""
        try:
            await self._update_balances()
        except (ValrRequestError, ValueError) as error:
            self._warn(f"The balances could not be updated: {error}", "balances")

    async def _update_balances(self) -> None:
        asked_at = time.monotonic()
        try:
            rows = await self._api_get(path_url=CONSTANTS.BALANCES_PATH, is_auth_required=True)
        except ValrRefusedError as error:
            # All that `connect` and `balance` show of it is this text.
            if problem := await self._explain_key_refusal(error):
                raise ValrKeyRefusedError(problem, error) from error
            raise
        assets = [asset for trading_pair in self._trading_pairs for asset in trading_pair.split("-")]
        listed = parse_balances(rows)
        self._account_polled_at = time.monotonic()
        for asset, problem in listed.unreadable.items():
            name = asset or "an asset without a name"
            self._warn(f"The balance of {name} cannot be read ({problem}); it is kept as it was.", f"balance {asset}")
        self._balances.apply_list(listed.balances, assets, asked_at, time.monotonic(), listed.unreadable)
        if not self._is_started:
            # Somebody connects, or looks: a key that can be read with but not traded with is told now.
            await self._access.check_key()

    async def _explain_key_refusal(self, error: ValrRefusedError) -> str:
        problem = explain_refusal(error.code, error.status)
        if not problem or not self._options.sub_account_id:
            return problem
        # The same question as the key's own account: is it the sub-account that VALR refuses?
        own = ValrAuth(self._api_key, self._api_secret, self._time_synchronizer.time)
        path = CONSTANTS.API_KEY_PATH
        try:
            await self._api_get(path_url=path, headers=own.headers("GET", path), limit_id=CONSTANTS.PRIVATE_LIMIT_ID)
        except (ValrRequestError, ValueError):
            return problem
        return explain_sub_account(self._options.sub_account_id)

    async def _update_trading_fees(self) -> None:
        """Refresh the account's own fees, by VALR's symbols: which pairs these are may be known later.

        :raises ValrRequestError: no answer
        :raises ValueError: an answer that is no list, or names no fee
        """
        rows = await self._api_get(path_url=CONSTANTS.TRADING_FEES_PATH, is_auth_required=True)
        fees = {fee.symbol: fee for fee in parse_trading_fees(rows)}
        if not fees:
            raise ValueError("VALR names none")
        self._trading_fees |= fees

    def _get_fee(
        self,
        base_currency: str,
        quote_currency: str,
        order_type: OrderType,
        order_side: TradeType,
        amount: Decimal,
        price: Decimal = Decimal("NaN"),
        is_maker: bool | None = None,
    ) -> TradeFeeBase:
        maker = order_type is OrderType.LIMIT_MAKER if is_maker is None else is_maker
        schema = self.trade_fee_schema()
        symbol = self._symbols.get(f"{base_currency}-{quote_currency}")
        rates: TradingFee | None = self._trading_fees.get(symbol)
        if rates is not None:
            percent = (rates.maker_percent if maker else rates.taker_percent) / 100
        else:
            percent = schema.maker_percent_fee_decimal if maker else schema.taker_percent_fee_decimal
        return TradeFeeBase.new_spot_fee(fee_schema=schema, trade_type=order_side, percent=percent)

    # --- Pairs, rules, prices -----------------------------------------------------------------------------------------
    async def _make_trading_pairs_request(self) -> Any:
        return await self._markets.rows_with_book()

    async def _make_trading_rules_request(self) -> Any:
        return await self._markets.rows_with_book()

    async def _format_trading_rules(self, exchange_info_dict: Any) -> list[TradingRule]:
        return self._markets.trading_rules(exchange_info_dict, self._trading_pairs)

    async def _update_trading_rules(self) -> None:
        """Refresh the rules; a pair of ours that is listed no longer keeps its last ones: nothing must crash on it."""
        rules, untradable = dict(self._trading_rules), self._markets.untradable
        await super()._update_trading_rules()
        for trading_pair in self._trading_pairs:
            if trading_pair in rules:
                self._trading_rules.setdefault(trading_pair, rules[trading_pair])
        self._plain_orders.note(self._trading_rules, self._symbols)
        for trading_pair in sorted(self._markets.untradable - untradable):
            self.logger().error(f"{trading_pair} is not tradable on VALR: no orders are taken until it is active.")

    def _doubt_rules(self) -> None:
        """VALR refused an order for its numbers: ask for the rules soon, though not for each such order."""
        now = time.monotonic()
        if now - self._rules_doubted_at >= RULES_DOUBT_INTERVAL:
            self._rules_doubted_at = now
            self._keeper.spawn(self._symbol_map_call.result())

    async def trading_pair_symbol_map(self) -> Mapping[str, str]:
        """Return VALR's symbols with Hummingbot's names; empty when VALR does not tell them.

        In the base class everybody who waits for them asks in turn when they cannot be had: a call for every pair. And
        it never asks again: a pair of ours that VALR did not list then may be listed now.
        """
        if not self.trading_pair_symbol_map_ready() or self._is_pair_awaited():
            self._list_again_at = time.monotonic() + REFRESH_RETRY
            await self._symbol_map_call.result()
        return await super().trading_pair_symbol_map() if self.trading_pair_symbol_map_ready() else bidict()

    def _is_pair_awaited(self) -> bool:
        return time.monotonic() >= self._list_again_at and not self._symbols.keys() >= set(self._trading_pairs)

    def _set_trading_pair_symbol_map(self, trading_pair_and_symbol_map: Mapping[str, str] | None) -> None:
        super()._set_trading_pair_symbol_map(trading_pair_and_symbol_map)
        self._symbols = {pair: symbol for symbol, pair in (trading_pair_and_symbol_map or {}).items()}

    async def _initialize_trading_pair_symbol_map(self) -> None:
        """Ask for the pairs; trouble is one line now and then, where the base logs a traceback each time."""
        try:
            await self._update_trading_rules()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the outermost step of the task that all share
            # That VALR does not answer, or refuses for the rate, has been said.
            if not isinstance(error, ValrRequestError) or isinstance(error, ValrRefusedError):
                self._say_unfetched("list of pairs", error)

    def _initialize_trading_pair_symbols_from_exchange_info(self, exchange_info: Any) -> None:
        self._set_trading_pair_symbol_map(self._markets.symbol_map(exchange_info, self._trading_pairs))
        self._vain_lists = 0 if self._symbols.keys() >= set(self._trading_pairs) else self._vain_lists + 1
        self._list_again_at = time.monotonic() + back_off(self._vain_lists, REFRESH_RETRY, REFRESH_RETRY_MAX)

    async def get_last_traded_prices(self, trading_pairs: list[str]) -> dict[str, float]:
        """Return the last prices there are: from the trade socket where it has spoken, else from one REST call.

        :raises ValrRequestError: no answer, and no pair of which the socket has spoken
        :raises ValueError: no price of any pair
        """
        heard = {pair: self._order_book_source.last_trade_price(pair) for pair in trading_pairs}
        prices = {pair: float(price) for pair, price in heard.items() if price is not None}
        missing = [pair for pair in trading_pairs if pair not in prices]
        if missing:
            try:
                prices |= await self._summarised_prices(missing)
            except (ValrRequestError, ValueError):
                if not prices:
                    raise
        if missing and not prices:
            raise ValueError(f"VALR has no market summary of {', '.join(missing)}")
        return prices

    async def _summarised_prices(self, trading_pairs: list[str]) -> dict[str, float]:
        symbols = (await self.trading_pair_symbol_map()).items()
        if not symbols:
            raise ValrNotSentError(f"VALR's symbol of {', '.join(trading_pairs)} is not known")
        summaries = await self._markets.summaries()
        return {
            pair: float(summaries[symbol].last_price)
            for symbol, pair in symbols
            if pair in trading_pairs and symbol in summaries
        }

    async def _get_last_traded_price(self, trading_pair: str) -> float:
        return (await self.get_last_traded_prices([trading_pair]))[trading_pair]

    async def get_all_pairs_prices(self) -> list[dict[str, str]]:
        """Return the rate of every spot pair that has one, for rate sources: ``symbol`` (BTC-ZAR) and ``price``."""
        rates = await self._markets.rates(await self.trading_pair_symbol_map())
        return [{"symbol": trading_pair, "price": f"{rate:f}"} for trading_pair, rate in rates.items()]


def _data_folder() -> Path:
    # The checkout holds a part of the namespace only: a type checker does not see the installed package's function.
    return Path(hummingbot.data_path())  # type: ignore[attr-defined]
