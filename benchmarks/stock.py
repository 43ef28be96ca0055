"""Stock: the same connector on Hummingbot's own paths, as every built-in connector runs on them.

Hummingbot's throttler, its connections (one session for the process, idle connections kept 15 s), orders over REST
through ``ExchangePyBase._api_request``, ``buy`` and ``sell`` of the base class, its intervals of polling, and its order
book tracker, which asks for a snapshot of each pair over REST, one pair a second.
"""

import functools
import time
from typing import Any

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_api_order_book_data_source import ValrAPIOrderBookDataSource
from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange
from hummingbot.connector.exchange_py_base import ExchangePyBase
from hummingbot.core.api_throttler.async_throttler import AsyncThrottler
from hummingbot.core.api_throttler.data_types import TaskLog
from hummingbot.core.data_type.order_book_message import OrderBookMessage, OrderBookMessageType
from hummingbot.core.data_type.order_book_tracker import OrderBookTracker
from hummingbot.core.data_type.order_book_tracker_data_source import OrderBookTrackerDataSource
from hummingbot.core.data_type.user_stream_tracker_data_source import UserStreamTrackerDataSource
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory
from hummingbot.core.web_assistant.connections.data_types import RESTMethod, WSResponse
from hummingbot.core.web_assistant.connections.ws_connection import WSConnection
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory


class StockWSConnection(WSConnection):
    """Hummingbot's socket connection; our reader of market data asks it under these names."""

    receive_message = WSConnection.receive

    @staticmethod
    def decode(message: WSResponse) -> Any:
        """Return what Hummingbot has decoded."""
        return message.data

    def let_gather(self, seconds: float) -> None:
        """Go on: Hummingbot reads each frame as it comes."""


class StockConnections(ConnectionsFactory):
    """One for the whole process: here each stock connector stands for a process of its own."""

    def __new__(cls) -> "StockConnections":
        """Return one of its own for each connector, where the base class is a singleton."""
        return object.__new__(cls)

    async def get_ws_connection(self) -> WSConnection:
        """Return a connection on the one session."""
        return StockWSConnection(aiohttp_client_session=await self._get_shared_client())


class StockOrderBookDataSource(ValrAPIOrderBookDataSource):
    """Asks for a pair's first book over REST; what changes it comes over the socket."""

    async def _order_book_snapshot(self, trading_pair: str) -> OrderBookMessage:
        assert isinstance(self._connector, ValrExchange)
        symbol = await self._connector.exchange_symbol_associated_to_pair(trading_pair)
        path = CONSTANTS.PUBLIC_ORDER_BOOK_PATH.format(symbol=symbol)
        book = await self._connector._api_get(path_url=path, limit_id=CONSTANTS.PUBLIC_LIMIT_ID)
        sides = {side.lower(): [(row["price"], row["quantity"]) for row in book[side]] for side in ("Bids", "Asks")}
        content = {"trading_pair": trading_pair, "update_id": 0, **sides}
        return OrderBookMessage(OrderBookMessageType.SNAPSHOT, content, time.time())


class StockExchange(ValrExchange):
    """What a built-in connector for VALR would be."""

    SHORT_POLL_INTERVAL = ExchangePyBase.SHORT_POLL_INTERVAL
    LONG_POLL_INTERVAL = ExchangePyBase.LONG_POLL_INTERVAL
    TICK_INTERVAL_LIMIT = ExchangePyBase.TICK_INTERVAL_LIMIT

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{**options, "valr_order_entry": "rest"})

    buy = ExchangePyBase.buy
    sell = ExchangePyBase.sell

    def _create_web_assistants_factory(self) -> WebAssistantsFactory:
        stock_throttler = self._throttler
        super()._create_web_assistants_factory()
        assert isinstance(stock_throttler, AsyncThrottler)
        self._throttler = stock_throttler
        self._order_entry._throttler = stock_throttler
        connections = StockConnections()
        factory = WebAssistantsFactory(throttler=stock_throttler, auth=self._auth, connections_factory=connections)
        self._rest._factory = factory
        return factory

    def _create_order_book_data_source(self) -> OrderBookTrackerDataSource:
        return StockOrderBookDataSource(
            trading_pairs=self._trading_pairs,
            connector=self,
            api_factory=self._web_assistants_factory,
            endpoints=self._endpoints,
            auth=self._auth,
            book_feed=self._options.book_feed,
            metrics=self._metrics,
        )

    def _create_user_stream_data_source(self) -> UserStreamTrackerDataSource:
        source: Any = super()._create_user_stream_data_source()
        # Ours reads its own kind of connection directly.
        base = UserStreamTrackerDataSource._process_websocket_messages
        source._process_websocket_messages = functools.partial(base, source)
        return source

    def _set_order_book_tracker(self, order_book_tracker: OrderBookTracker) -> None:
        ExchangePyBase._set_order_book_tracker(self, order_book_tracker)

    _make_network_check_request = ExchangePyBase._make_network_check_request

    async def stop_network(self) -> None:
        """Stop, and close the session that Hummingbot would keep for the life of the process."""
        await super().stop_network()
        await self._web_assistants_factory.close()

    async def _signed_request(
        self, method: RESTMethod, path: str, *, body: Any = None, limit_id: str | None = None, **ours: Any
    ) -> Any:
        return await ExchangePyBase._api_request(
            self,
            path,
            overwrite_url=self._endpoints.rest_url + path,
            method=method,
            data=body,
            is_auth_required=True,
            limit_id=limit_id or CONSTANTS.PRIVATE_LIMIT_ID,
        )


def log_calls(connector: ValrExchange, count: int) -> None:
    """Fill the log of a stock throttler up to ``count`` calls, as polling and trading do; these limit nothing."""
    throttler = connector.throttler
    limit = next(each for each in throttler._rate_limits if each.limit_id == CONSTANTS.PRIVATE_LIMIT_ID)
    missing = count - len(throttler._task_logs)
    throttler._task_logs += [TaskLog(time.time(), limit, weight=0) for _ in range(missing)]
