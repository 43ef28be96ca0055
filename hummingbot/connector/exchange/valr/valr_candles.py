"""VALR's candles for Hummingbot: history over REST, then live from the trade socket (valr-api.md 3.1, 5.3)."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
import numpy as np
import pandas as pd  # type: ignore[import-untyped, unused-ignore]

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_auth import ValrAuth
from hummingbot.connector.exchange.valr.valr_back_off import back_off
from hummingbot.connector.exchange.valr.valr_candle_series import MINUTE, Bucket, CandleSeries, parse_bucket
from hummingbot.connector.exchange.valr.valr_market_messages import Channel, parse_channel, parse_refusal, parse_trade
from hummingbot.connector.exchange.valr.valr_market_socket import MarketSocket, MarketTiming
from hummingbot.connector.exchange.valr.valr_messages import parse_time
from hummingbot.connector.exchange.valr.valr_throttler import ValrThrottler
from hummingbot.connector.exchange.valr.valr_troubles import ConnectionTroubles
from hummingbot.connector.exchange.valr.valr_web_utils import (
    Endpoints,
    ValrRateLimitedError,
    ValrRequestError,
    ValrRestClient,
    build_api_factory,
)
from hummingbot.core.api_throttler.async_throttler_base import AsyncThrottlerBase
from hummingbot.core.api_throttler.data_types import RateLimit
from hummingbot.core.network_iterator import NetworkStatus
from hummingbot.core.web_assistant.connections.data_types import RESTMethod
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory
from hummingbot.data_feed.candles_feed.candles_base import CandlesBase
from hummingbot.data_feed.candles_feed.data_types import HistoricalCandlesConfig

INTERVALS = {"1m": 60, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "6h": 21600, "1d": 86400}
"""The candles that VALR has: Hummingbot's word and the seconds."""

# A page asks for one candle fewer than VALR's limit, and for the instants just outside: whether the bounds of a query
# belong to it is not documented.
_ROWS_LIMIT = 300
_PAGE = _ROWS_LIMIT - 1
_RATE_LIMITED_ATTEMPTS = 4
_MOST_AHEAD = 86_400.0


class _Limits:
    """What all feeds of one exchange share: the rate limits where no connector lends its own, and what is said."""

    def __init__(self) -> None:
        self.throttler = ValrThrottler(CONSTANTS.RATE_LIMITS)
        self.troubles = ConnectionTroubles(ValrSpotCandles.logger)


_limits: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Limits]] = WeakKeyDictionary()


def _limits_of(endpoints: Endpoints) -> _Limits:
    by_address = _limits.setdefault(asyncio.get_running_loop(), {})
    if endpoints.rest_url not in by_address:
        by_address[endpoints.rest_url] = _Limits()
    return by_address[endpoints.rest_url]


def _configured_url(domain: str) -> str | None:
    """Return the address in the user's configuration of the connector; None where a connector has none of its own."""
    # Here and not above: the settings' own import brings this module in while it is under way.
    from hummingbot.client.settings import AllConnectorSettings

    return getattr(AllConnectorSettings.get_connector_config_keys(domain), f"{domain}_url", None)


class ValrSpotCandles(CandlesBase):
    """The newest ``max_records`` candles of one pair, without gaps, kept up to date.

    :raises ValueError: VALR has no candles of this ``interval``
    """

    domain = CONSTANTS.DEFAULT_DOMAIN
    _logger: logging.Logger | None = None

    def __init__(
        self, trading_pair: str, interval: str = "1m", max_records: int = 150, timing: MarketTiming | None = None
    ) -> None:
        if interval not in INTERVALS:
            raise ValueError(f"VALR has no candles of {interval!r}; it has {', '.join(INTERVALS)}.")
        super().__init__(trading_pair, interval, max_records)
        self._endpoints = Endpoints.for_domain(self.domain, _configured_url(self.domain))
        self._timing = timing or MarketTiming()
        self._check_network_interval = self._timing.reconnect_delay
        self._network_error_wait_time = self._timing.reconnect_delay
        self._series: CandleSeries | None = None
        self._ahead = 0.0
        # Where the series may have gaps from on; None: nowhere.
        self._unknown_since: float | None = None
        self._filled = False
        self._lost_at: float | None = None
        self._subscribed = False
        self._wants_signature = self._is_signed = False
        self._warned: set[str] = set()

    @classmethod
    def logger(cls) -> logging.Logger:
        """Return the log of the candles feeds."""
        if ValrSpotCandles._logger is None:
            ValrSpotCandles._logger = logging.getLogger(__name__)
        return ValrSpotCandles._logger

    def attach_connector(self, connector: Any) -> None:
        """Use the rate limits, the symbols and the address of a connector of the same exchange."""
        super().attach_connector(connector)
        self._endpoints = connector.endpoints

    # --- What Hummingbot asks about us --------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        """The feed's name, also of the file that ``load_candles_from_csv`` reads."""
        return f"{self.domain}_{self._trading_pair}"

    @property
    def intervals(self) -> dict[str, int]:
        """The seconds of each interval."""
        return INTERVALS

    @property
    def rest_url(self) -> str:
        """Where REST is."""
        return self._endpoints.rest_url

    @property
    def wss_url(self) -> str:
        """Where the trade socket is."""
        return self._endpoints.socket(CONSTANTS.TRADE_SOCKET_PATH)

    @property
    def health_check_url(self) -> str:
        """The lightest request there is."""
        return self.rest_url + CONSTANTS.SERVER_TIME_PATH

    @property
    def candles_endpoint(self) -> str:
        """The path of the candles."""
        return CONSTANTS.BUCKETS_PATH.format(symbol=self._ex_trading_pair)

    @property
    def candles_url(self) -> str:
        """The address of the candles."""
        return self.rest_url + self.candles_endpoint

    @property
    def candles_max_result_per_rest_request(self) -> int:
        """How many candles one request brings at most; ``fetch_candles`` makes as many requests as it takes."""
        return _ROWS_LIMIT

    @property
    def rate_limits(self) -> list[RateLimit]:
        """VALR's limits (valr-api.md 1.6)."""
        return CONSTANTS.RATE_LIMITS

    @property
    def ready(self) -> bool:
        """Whether all candles are there that were asked for, or all that VALR has, and are up to date."""
        if self._lost_at is not None and time.monotonic() - self._lost_at > self._timing.stale_book_limit:
            return False
        return self._filled and len(self._candles) > 0

    def get_exchange_trading_pair(self, trading_pair: str) -> str:
        """Return VALR's symbol: of every spot pair it is base and quote in one word (valr-api.md 1.3)."""
        return trading_pair.replace("-", "")

    async def check_network(self) -> NetworkStatus:
        """Tell whether VALR answers; a feed at work keeps its connection by itself."""
        if self._listen_candles_task is not None:
            return NetworkStatus.CONNECTED
        try:
            async with self._connections() as (_, rest):
                await rest.server_time()
        except (ValrRequestError, ValueError):
            return NetworkStatus.NOT_CONNECTED
        return NetworkStatus.CONNECTED

    async def stop_network(self) -> None:
        """Stop; when this returns, no task, socket or session is left."""
        task = self._listen_candles_task
        await super().stop_network()
        if task is not None:
            await asyncio.wait({task})

    async def _resolve_exchange_symbol(self) -> str:
        # A connector that has not started yet is not made to ask for its symbols: its start would cut that short.
        if self._connector is not None and self._connector.trading_pair_symbol_map_ready():
            return await super()._resolve_exchange_symbol()
        return self.get_exchange_trading_pair(self._trading_pair)

    # --- History ------------------------------------------------------------------------------------------------------
    async def fetch_candles(
        self, start_time: int | None = None, end_time: int | None = None, limit: int | None = None
    ) -> np.ndarray[Any, Any]:
        """Return the candles that start from ``start_time`` to ``end_time`` (Unix seconds, included), oldest first.

        :param limit: how many at most, counted from ``end_time`` if there is one; a page if a time is not given
        :raises ValueError: neither time is given, or VALR's answer cannot be read
        :raises ValrRequestError: no answer
        """
        if start_time is None and end_time is None:
            raise ValueError("Either the start time or end time must be specified.")
        await self.initialize_exchange_data()
        step = self.interval_in_seconds
        async with self._connections() as (_, rest):
            first, last = _span(start_time, end_time, limit, step, await rest.server_time())
            if first > last:
                return np.empty((0, len(self.columns)))
            series = CandleSeries(step, (last - first) // step + 1, last)
            await self._load(rest, series, first)
        return np.array([candle.row() for candle in series.candles()]).reshape(-1, len(self.columns))

    async def get_historical_candles(self, config: HistoricalCandlesConfig) -> pd.DataFrame:
        """Return the candles that start within the times of ``config``; raises what ``fetch_candles`` raises."""
        rows = await self.fetch_candles(config.start_time, config.end_time)
        return pd.DataFrame(rows, columns=self.columns)

    @asynccontextmanager
    async def _connections(self) -> AsyncIterator[tuple[WebAssistantsFactory, ValrRestClient]]:
        """Lend connections of our own under shared limits; none is left open afterwards."""
        limits = _limits_of(self._endpoints)
        throttler: AsyncThrottlerBase = getattr(self._connector, "throttler", None) or limits.throttler
        async with build_api_factory(throttler) as factory:
            yield factory, ValrRestClient(factory, self.rest_url, limits.troubles)

    async def _load(self, rest: ValrRestClient, series: CandleSeries, since: int) -> None:
        """Fetch the candles of ``series`` that start from ``since`` to the running one, the newest first."""
        step = self.interval_in_seconds
        for last in range(series.running, since - 1, -_PAGE * step):
            await self._load_page(rest, series, step, max(since, last - (_PAGE - 1) * step), last)
        if since <= series.oldest and not series.is_full:
            # The first ones had no trades, and VALR left them out: they lie at the price before them.
            for bucket in await self._query(rest, step, endTime=series.oldest - 1, limit=1):
                series.take_bucket(step, bucket.candle)

    async def _load_page(self, rest: ValrRestClient, series: CandleSeries, period: int, first: int, last: int) -> None:
        rows = await self._query(rest, period, startTime=first - 1, endTime=last + period, limit=_ROWS_LIMIT)
        for bucket in rows:
            if bucket.period == period and first <= bucket.candle.start <= last:
                series.take_bucket(period, bucket.candle)

    async def _query(self, rest: ValrRestClient, period: int, **parameters: int) -> list[Bucket]:
        path = CONSTANTS.BUCKETS_PATH.format(symbol=self._ex_trading_pair)
        params = {"periodSeconds": period, "includeEmpty": "true", **parameters}
        rows = await _patiently(
            lambda: rest.request(RESTMethod.GET, path, params=params, limit_id=CONSTANTS.CANDLES_LIMIT_ID)
        )
        if not isinstance(rows, list):
            raise ValueError("VALR's candles are not a list")
        found, problem = [], None
        for row in rows:
            try:
                found.append(parse_bucket(row))
            except ValueError as error:
                problem = error
        if problem is not None:
            if not found:
                raise problem
            self._warn(f"{self.name}: candles of VALR were left out: {problem}", "candles")
        return found

    # --- Live ---------------------------------------------------------------------------------------------------------
    async def listen_for_subscriptions(self) -> None:
        """Keep the candles up to date until cancelled: connect, serve, reconnect."""
        delay = self._timing.new_reconnect_delay()
        while True:
            connected_at = time.monotonic()
            try:
                await self._serve()
                continue
            except (OSError, ValueError, aiohttp.ClientError) as error:
                reason = f"{type(error).__name__}: {error}"
            except Exception:  # noqa: BLE001 - the task's outermost loop
                self.logger().exception(f"{self.name}: the candles met an unexpected error.")
                reason = "unexpected error"
            finally:
                self._interrupted()
            pause = delay.after_answer(time.monotonic() - connected_at)
            self.logger().warning(f"{self.name}: the candles are interrupted ({reason}); again in {pause:.1f} s.")
            await asyncio.sleep(pause)

    async def _serve(self) -> None:
        """Serve from one connection until it is as old as VALR lets it get.

        :raises OSError, aiohttp.ClientError: no connection could be made, or it was lost
        :raises ValueError: VALR's clock cannot be read
        """
        async with self._connections() as (factory, rest):
            series = self._series_at(await rest.server_time())
            socket = await self._connect(factory, series)
            catching_up = asyncio.create_task(self._catch_up(rest, series))
            try:
                socket.subscribe({channel.event: [channel.symbol] for channel in self._channels})
                while (lifetime := self._timing.anonymous_lifetime - socket.age) > 0:
                    period_ends = series.running + self.interval_in_seconds - self._now()
                    await asyncio.wait({socket.task}, timeout=max(0.0, min(lifetime, period_ends)))
                    if socket.task.done():
                        raise socket.failure()
                    series.advance(self._now())
                    self._publish()
            finally:
                catching_up.cancel()
                await asyncio.wait({catching_up})
                await socket.close()

    async def _connect(self, factory: WebAssistantsFactory, series: CandleSeries) -> MarketSocket:
        assistant = await factory.get_ws_assistant()
        async with factory.throttler.execute_task(limit_id=CONSTANTS.SOCKET_CONNECT_LIMIT_ID):
            # Signed when its turn has come: VALR refuses old timestamps.
            headers = self._handshake_headers()
            self._is_signed = bool(headers)
            try:
                async with asyncio.timeout(self._timing.connect_deadline):
                    # The JSON PING replaces the protocol's own, which `ping_timeout` would start.
                    await assistant.connect(ws_url=self.wss_url, ws_headers=headers, ping_timeout=None)
            except aiohttp.WSServerHandshakeError as error:
                if error.status in (400, 401, 403):
                    self._note_refusal()
                raise
        self._subscribed = False
        return MarketSocket(assistant, self._timing, partial(self._on_frame, series))

    def _note_refusal(self) -> None:
        # The other way the next time: with the connector's keys, or without.
        self._wants_signature = not self._is_signed

    def _handshake_headers(self) -> dict[str, str]:
        auth: ValrAuth | None = getattr(self._connector, "authenticator", None)
        if auth is None or not auth.has_keys or not self._wants_signature:
            return {}
        return auth.handshake_headers(CONSTANTS.TRADE_SOCKET_PATH)

    @property
    def _channels(self) -> list[Channel]:
        return [Channel(event, self._ex_trading_pair) for event in (CONSTANTS.NEW_TRADE_BUCKET, CONSTANTS.NEW_TRADE)]

    def _series_at(self, server_time: float) -> CandleSeries:
        """Set VALR's clock; return the series that goes on, or a new one if its time has not come yet."""
        self._ahead = server_time - time.monotonic()
        if self._series is None or server_time < self._series.running - MINUTE:
            self._series = CandleSeries(self.interval_in_seconds, self.max_records + 1, server_time)
            self._unknown_since, self._filled = 0.0, False
        self._series.advance(server_time)
        return self._series

    def _now(self) -> float:
        return self._ahead + time.monotonic()

    def _interrupted(self) -> None:
        if self._lost_at is None:
            self._lost_at = time.monotonic()
        if self._unknown_since is None:
            # A socket is noticed to be dead only after a silence.
            self._unknown_since = self._now() - self._timing.silence_limit

    async def _catch_up(self, rest: ValrRestClient, series: CandleSeries) -> None:
        """Fetch what is not known yet, and the minutes of the running candle, until that has succeeded."""
        attempts = 0
        while self._unknown_since is not None:
            try:
                await self._fetch_unknown(rest, series, self._unknown_since)
                self._unknown_since, self._lost_at, self._filled = None, None, True
            except (ValrRequestError, ValueError) as error:
                attempts += 1
                if attempts == 1:
                    self.logger().warning(f"{self.name}: the candles could not be fetched yet, trying on: {error}")
                await asyncio.sleep(
                    back_off(attempts, self._timing.first_reconnect_delay, self._timing.reconnect_delay_max)
                )
            except Exception:  # noqa: BLE001 - the task's outermost loop
                self.logger().exception(f"{self.name}: the candles met an unexpected error.")
                await asyncio.sleep(self._timing.reconnect_delay_max)
        self._publish()

    async def _fetch_unknown(self, rest: ValrRestClient, series: CandleSeries, since: float) -> None:
        running, step = series.running, self.interval_in_seconds
        await self._load(rest, series, max(series.oldest, int(since - since % step)))
        if step == MINUTE:
            return
        # Buckets of the minutes, and trades, keep a longer candle up to date; this is what they add to.
        for first in range(running, int(self._now()) + 1, _PAGE * MINUTE):
            await self._load_page(rest, series, MINUTE, first, first + (_PAGE - 1) * MINUTE)

    def _on_frame(self, series: CandleSeries, frame: Mapping[str, Any]) -> None:
        try:
            self._read(series, frame)
        except ValueError as error:
            self._warn(f"{self.name}: a frame of VALR was left out: {error}", str(frame.get("type")))

    def _read(self, series: CandleSeries, frame: Mapping[str, Any]) -> None:
        kind = frame.get("type")
        if kind == CONSTANTS.NEW_TRADE_BUCKET and frame.get("currencyPairSymbol") == self._ex_trading_pair:
            bucket = parse_bucket(frame.get("data"))
            self._has_come(bucket.candle.start)
            series.take_bucket(bucket.period, bucket.candle)
            self._publish()
        elif kind == CONSTANTS.NEW_TRADE and frame.get("currencyPairSymbol") == self._ex_trading_pair:
            trade, at = parse_trade(frame), parse_time(frame["data"].get("tradedAt"))
            self._has_come(at)
            series.take_trade(trade, at)
            self._publish()
        elif kind == CONSTANTS.SUBSCRIBED and parse_channel(frame.get("message")) in self._channels:
            self._subscribed = True
            series.watch_trades(self._now())
        elif kind == CONSTANTS.UNAUTHORIZED:
            self._note_refusal()
            raise ConnectionError(f"VALR refuses {'the keys' if self._is_signed else 'a socket without keys'}")
        elif kind == CONSTANTS.UNSUBSCRIBED and parse_channel(frame.get("message")) in self._channels:
            raise ConnectionError("VALR has ended the subscription")
        elif kind == CONSTANTS.PONG and self._subscribed and frame.get("message") == CONSTANTS.NO_SUBSCRIPTIONS:
            raise ConnectionError("VALR has forgotten the subscription")
        elif kind == CONSTANTS.ERROR and (refused := parse_refusal(frame.get("message"))) is not None:
            self._warn(f"{self.name}: VALR refuses {refused.event} of {refused.symbol}.", f"refused {refused.event}")

    def _has_come(self, at: float) -> None:
        """Correct VALR's clock by what has happened there: it cannot be earlier."""
        if at > self._now() + _MOST_AHEAD:
            raise ValueError(f"it is of {at:.0f} s Unix time, which is yet to come")
        self._ahead = max(self._ahead, at - time.monotonic())

    def _publish(self) -> None:
        """Bring Hummingbot's rows up to date."""
        if self._series is None or not (changed := self._series.changes()):
            return
        while self._candles and self._candles[-1][0] >= changed[0].start:
            self._candles.pop()
        if self._candles and self._candles[-1][0] != changed[0].start - self.interval_in_seconds:
            # Somebody else's rows, such as a history that the market data provider put there.
            self._candles.clear()
            changed = self._series.candles()
        self._candles.extend(candle.row() for candle in changed)

    def _warn(self, text: str, kind: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            self.logger().warning(text)


class ValrLoopbackSpotCandles(ValrSpotCandles):
    """The candles of the loopback exchange at the address in the user's configuration, else at its usual one."""

    domain = CONSTANTS.LOOPBACK_DOMAIN


def _span(start: int | None, end: int | None, limit: int | None, step: int, now: float) -> tuple[int, int]:
    """Return where the first and the last of the candles that were asked for start; none has started after ``now``."""
    if limit is None and None in (start, end):
        limit = _ROWS_LIMIT
    reach = (max(limit, 1) - 1) * step if limit is not None else None
    newest = int(now - now % step)
    first = -(-int(start) // step) * step if start is not None else 0
    if end is None:
        return first, min(first + (reach or 0), newest)
    last = min(int(end - end % step), newest)
    return (first if reach is None else max(first, last - reach)), last


async def _patiently(request: Callable[[], Awaitable[Any]]) -> Any:
    """Ask again, after the pause that the REST client keeps, while VALR refuses for the rate.

    :raises ValrRateLimitedError: VALR goes on refusing
    """
    for _ in range(_RATE_LIMITED_ATTEMPTS - 1):
        try:
            return await request()
        except ValrRateLimitedError:
            continue
    return await request()
