"""What the connector relies on inside Hummingbot, beyond what imports prove: names it overrides, and names it uses.

An override whose name the base class gave up is never called again, without any error: orders would then be handled by
the base class's rules. The lists are kept complete by a test, which reads them off the connector.
"""

import asyncio
import importlib
import pkgutil
from typing import Any

OVERRIDDEN: dict[str, tuple[str, ...]] = {
    "hummingbot.connector.client_order_tracker:ClientOrderTracker": (
        "_trigger_order_creation",
        "all_fillable_orders",
        "all_orders",
        "fetch_order",
        "process_trade_update",
    ),
    "hummingbot.connector.exchange_py_base:ExchangePyBase": (
        "LONG_POLL_INTERVAL",
        "SHORT_POLL_INTERVAL",
        "TICK_INTERVAL_LIMIT",
        "_all_trade_updates_for_order",
        "_api_request",
        "_create_order",
        "_create_order_book_data_source",
        "_create_order_tracker",
        "_create_user_stream_data_source",
        "_create_web_assistants_factory",
        "_execute_order_cancel",
        "_format_trading_rules",
        "_get_fee",
        "_get_last_traded_price",
        "_initialize_trading_pair_symbol_map",
        "_initialize_trading_pair_symbols_from_exchange_info",
        "_is_order_not_found_during_cancelation_error",
        "_is_order_not_found_during_status_update_error",
        "_is_request_exception_related_to_time_synchronizer",
        "_is_user_stream_initialized",
        "_make_network_check_request",
        "_make_trading_pairs_request",
        "_make_trading_rules_request",
        "_on_order_failure",
        "_place_cancel",
        "_place_order",
        "_place_order_and_process_update",
        "_request_order_status",
        "_set_order_book_tracker",
        "_set_trading_pair_symbol_map",
        "_trading_fees_polling_loop",
        "_trading_rules_polling_loop",
        "_update_all_balances",
        "_update_balances",
        "_update_lost_orders_status",
        "_update_order_after_failure",
        "_update_order_status",
        "_update_time_synchronizer",
        "_update_trading_fees",
        "_update_trading_rules",
        "_user_stream_event_listener",
        "authenticator",
        "buy",
        "cancel",
        "cancel_all",
        "check_network_request_path",
        "client_order_id_max_length",
        "client_order_id_prefix",
        "domain",
        "get_last_traded_prices",
        "is_cancel_request_in_exchange_synchronous",
        "is_trading_required",
        "name",
        "rate_limits_rules",
        "restore_tracking_states",
        "sell",
        "start_network",
        "start_tracking_order",
        "status_dict",
        "stop_network",
        "supported_order_types",
        "tick",
        "trading_pair_symbol_map",
        "trading_pairs",
        "trading_pairs_request_path",
        "trading_rules_request_path",
        "web_utils",
    ),
    "hummingbot.connector.time_synchronizer:TimeSynchronizer": (
        "add_time_offset_ms_sample",
        "clear_time_offset_ms_samples",
        "time_offset_ms",
    ),
    "hummingbot.core.api_throttler.async_throttler_base:AsyncThrottlerBase": (
        "add_rate_limits",
        "execute_task",
        "set_rate_limits",
    ),
    "hummingbot.core.data_type.order_book:OrderBook": (
        "apply_diffs",
        "restore_from_snapshot_and_diffs",
    ),
    "hummingbot.core.data_type.order_book_message:OrderBookMessage": (
        "asks",
        "bids",
    ),
    "hummingbot.core.data_type.order_book_tracker:OrderBookTracker": (
        "_emit_trade_event_loop",
        "_init_order_books",
        "_order_book_diff_router",
    ),
    "hummingbot.core.data_type.order_book_tracker_data_source:OrderBookTrackerDataSource": (
        "_order_book_snapshot",
        "_request_order_book_snapshots",
        "get_last_traded_prices",
        "listen_for_order_book_diffs",
        "listen_for_subscriptions",
        "listen_for_trades",
        "subscribe_to_trading_pair",
        "unsubscribe_from_trading_pair",
    ),
    "hummingbot.core.data_type.user_stream_tracker_data_source:UserStreamTrackerDataSource": (
        "_connected_websocket_assistant",
        "_process_event_message",
        "_process_websocket_messages",
        "_subscribe_channels",
        "listen_for_user_stream",
    ),
    "hummingbot.core.rate_oracle.sources.rate_source_base:RateSourceBase": (
        "get_prices",
        "name",
    ),
    "hummingbot.core.web_assistant.auth:AuthBase": (
        "rest_authenticate",
        "ws_authenticate",
    ),
    "hummingbot.core.web_assistant.connections.connections_factory:ConnectionsFactory": (
        "_get_shared_client",
        "get_ws_connection",
    ),
    "hummingbot.core.web_assistant.connections.ws_connection:WSConnection": (
        "connect",
        "disconnect",
        "receive",
    ),
    "hummingbot.data_feed.candles_feed.candles_base:CandlesBase": (
        "_resolve_exchange_symbol",
        "attach_connector",
        "candles_endpoint",
        "candles_max_result_per_rest_request",
        "candles_url",
        "check_network",
        "fetch_candles",
        "get_exchange_trading_pair",
        "get_historical_candles",
        "health_check_url",
        "intervals",
        "listen_for_subscriptions",
        "logger",
        "name",
        "rate_limits",
        "ready",
        "rest_url",
        "stop_network",
        "wss_url",
    ),
}

USED_OF_EXCHANGE = (
    "TRADING_FEES_INTERVAL",
    "TRADING_RULES_INTERVAL",
    "_account_available_balances",
    "_account_balances",
    "_api_get",
    "_auth",
    "_execute_cancel",
    "_iter_user_event_queue",
    "_order_tracker",
    "_orderbook_ds",
    "_poll_notifier",
    "_sleep",
    "_trading_rules",
    "_user_stream_tracker",
    "_web_assistants_factory",
    "current_timestamp",
    "exchange_symbol_associated_to_pair",
    "in_flight_orders",
    "logger",
    "name_cap",
    "order_books",
    "ready",
    "trade_fee_schema",
    "trading_pair_symbol_map_ready",
)


def missing_hooks(overridden: dict[str, tuple[str, ...]], used_of_exchange: tuple[str, ...]) -> list[str]:
    """Return what of the lists this process's Hummingbot lacks, as ``Class.name``; all of it imports and is built.

    :raises Exception: whatever the import of the connector, or building it, raises
    """
    import hummingbot.client.settings  # noqa: F401 - before the configuration modules, which import each other in a ring
    import hummingbot.connector.exchange.valr as connector

    for module in pkgutil.iter_modules(connector.__path__):
        importlib.import_module(f"{connector.__name__}.{module.name}")
    missing = []
    for place, names in overridden.items():
        module_name, class_name = place.split(":")
        base = getattr(importlib.import_module(module_name), class_name, None)
        missing += [f"{class_name}.{name}" for name in names if not hasattr(base, name)]
    exchange = _built_exchange()
    return missing + [f"ExchangePyBase.{name}" for name in used_of_exchange if not hasattr(exchange, name)]


def _built_exchange() -> Any:
    from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange

    async def build() -> Any:
        return ValrExchange(trading_pairs=[], trading_required=False)

    # Hummingbot's objects take the current loop when they are built: this one's, or one made for it.
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(build())
    return ValrExchange(trading_pairs=[], trading_required=False)
