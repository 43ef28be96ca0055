"""The names of VALR's wire: addresses, paths, event words, error codes and rate limits (valr-api.md 1, 3, 4, 5)."""

from hummingbot.core.api_throttler.data_types import LinkedLimitWeightPair, RateLimit

EXCHANGE_NAME = "valr"
DEFAULT_DOMAIN = "valr"
LOOPBACK_DOMAIN = "valr_loopback"

REST_URL = "https://api.valr.com"
LOOPBACK_URL = "http://127.0.0.1:8675"

# customerOrderId takes letters and digits safely; dashes are doubtful on v2 (valr-api.md 9).
CLIENT_ORDER_ID_PREFIX = "HBOT"
CLIENT_ORDER_ID_MAX_LENGTH = 32

# --- REST paths -------------------------------------------------------------------------------------------------------
SERVER_TIME_PATH = "/v1/public/time"
STATUS_PATH = "/v1/public/status"
PAIRS_PATH = "/v1/public/pairs"
ORDER_TYPES_PATH = "/v1/public/ordertypes"
MARKET_SUMMARY_PATH = "/v1/public/marketsummary"
PAIR_MARKET_SUMMARY_PATH = "/v1/public/{symbol}/marketsummary"
BUCKETS_PATH = "/v1/public/{symbol}/buckets"
PUBLIC_ORDER_BOOK_PATH = "/v1/public/{symbol}/orderbook"

API_KEY_PATH = "/v1/account/api-keys/current"
BALANCES_PATH = "/v1/account/balances?excludeZeroBalances=true"
TRADING_FEES_PATH = "/v1/account/fees/trade"
PAIR_TRADE_HISTORY_PATH = "/v1/account/{symbol}/tradehistory?skip={skip}&limit={limit}"
MARKET_DATA_ORDER_BOOK_PATH = "/v1/marketdata/{symbol}/orderbook"

PLACE_LIMIT_PATH = "/v2/orders/limit"
PLACE_MARKET_PATH = "/v2/orders/market"
CANCEL_ORDER_PATH = "/v2/orders/order"
OPEN_ORDERS_PATH = "/v1/orders/open"
ORDER_STATUS_BY_ID_PATH = "/v1/orders/{symbol}/orderid/{order_id}"
ORDER_STATUS_BY_CLIENT_ID_PATH = "/v1/orders/{symbol}/customerorderid/{client_order_id}"
ORDER_DETAIL_BY_ID_PATH = "/v1/orders/history/detail/orderid/{order_id}"
ORDER_DETAIL_BY_CLIENT_ID_PATH = "/v1/orders/history/detail/customerorderid/{client_order_id}"
ORDER_SUMMARY_BY_ID_PATH = "/v1/orders/history/summary/orderid/{order_id}"

TRADE_HISTORY_PAGE = 100
READ_ONLY = "read-only"

# --- Socket paths -----------------------------------------------------------------------------------------------------
ACCOUNT_SOCKET_PATH = "/ws/account"
TRADE_SOCKET_PATH = "/ws/trade"

# What VALR sends on connect can be large: a row for every open order of the account, or the books of all pairs.
MAX_FRAME_SIZE = 32 * 1024 * 1024
# Documented keep-alive is 30 s; sockets were seen closing between 30 and 60 s of silence (valr-api.md 4.1, 5.1).
SOCKET_PING_INTERVAL = 20.0
SOCKET_SILENCE_LIMIT = 45.0
# Anonymous trade sockets die at 15 minutes whatever they carry (valr-api.md 5.1).
ANONYMOUS_SOCKET_LIFETIME = 14 * 60.0
# After a handshake that VALR did not refuse, and while nobody answers.
FIRST_RECONNECT_DELAY = 0.2
# 2 s back-off ran into 429 on the handshake (valr-api.md 4.1).
RECONNECT_DELAY = 5.0
# Short enough to be back within half a minute, long enough for the 60 handshakes a minute.
RECONNECT_DELAY_MAX = 10.0
# A connection that lived this long had nothing wrong with it: the next one may follow soon.
HEALTHY_SOCKET_LIFETIME = 30.0

# --- Socket frames, both sockets --------------------------------------------------------------------------------------
PING = "PING"
PONG = "PONG"
SUBSCRIBE = "SUBSCRIBE"
SUBSCRIBED = "SUBSCRIBED"
UNSUBSCRIBED = "UNSUBSCRIBED"
UNSUPPORTED = "UNSUPPORTED"
NO_SUBSCRIPTIONS = "NO_SUBSCRIPTIONS"
ERROR = "ERROR"
AUTHENTICATED = "AUTHENTICATED"
UNAUTHORIZED = "UNAUTHORIZED"

# --- Account socket events --------------------------------------------------------------------------------------------
BALANCE_UPDATE = "BALANCE_UPDATE"
OPEN_ORDERS_UPDATE = "OPEN_ORDERS_UPDATE"
ORDER_PROCESSED = "ORDER_PROCESSED"
ORDER_STATUS_UPDATE = "ORDER_STATUS_UPDATE"
NEW_ACCOUNT_TRADE = "NEW_ACCOUNT_TRADE"
FAILED_ORDER = "FAILED_ORDER"
FAILED_CANCEL_ORDER = "FAILED_CANCEL_ORDER"
MODIFY_ORDER_OUTCOME = "MODIFY_ORDER_OUTCOME"

IGNORED_ACCOUNT_EVENTS = frozenset(
    {
        "NEW_ACCOUNT_HISTORY_RECORD",
        "INSTANT_ORDER_COMPLETED",
        "OPEN_POSITION_UPDATE",
        "REDUCE_POSITION",
        "POSITION_CLOSED",
        "ADD_CONDITIONAL_ORDER",
        "REMOVE_CONDITIONAL_ORDER",
        "NEW_PENDING_RECEIVE",
        "NEW_PENDING_SEND",
        "SEND_STATUS_UPDATE",
        "MARGIN_INFO",
        "LEVERAGE_UPDATED",
    }
)

# --- Account socket commands ------------------------------------------------------------------------------------------
PLACE_LIMIT_ORDER = "PLACE_LIMIT_ORDER"
PLACE_MARKET_ORDER = "PLACE_MARKET_ORDER"
CANCEL_LIMIT_ORDER = "CANCEL_LIMIT_ORDER"
CANCEL_ON_DISCONNECT = "CANCEL_ON_DISCONNECT"
PLACE_LIMIT_WS_RESPONSE = "PLACE_LIMIT_WS_RESPONSE"
PLACE_MARKET_WS_RESPONSE = "PLACE_MARKET_WS_RESPONSE"
CANCEL_ORDER_WS_RESPONSE = "CANCEL_ORDER_WS_RESPONSE"
CANCEL_ON_DISCONNECT_UPDATE = "CANCEL_ON_DISCONNECT_UPDATE"
RATE_LIMIT_EXCEEDED = "RATE_LIMIT_EXCEEDED"

# Every frame that answers a command, with the command it answers. INVALID_* layouts are unpublished (valr-api.md 4.4).
COMMAND_REPLIES = {
    PLACE_LIMIT_WS_RESPONSE: PLACE_LIMIT_ORDER,
    "INVALID_PLACE_LIMIT_REQUEST": PLACE_LIMIT_ORDER,
    PLACE_MARKET_WS_RESPONSE: PLACE_MARKET_ORDER,
    "INVALID_PLACE_MARKET_REQUEST": PLACE_MARKET_ORDER,
    CANCEL_ORDER_WS_RESPONSE: CANCEL_LIMIT_ORDER,
    "INVALID_CANCEL_ORDER_REQUEST": CANCEL_LIMIT_ORDER,
    CANCEL_ON_DISCONNECT_UPDATE: CANCEL_ON_DISCONNECT,
}

# --- Trade socket events ----------------------------------------------------------------------------------------------
OB_L1_DIFF = "OB_L1_DIFF"
OB_L1_SNAPSHOT = "OB_L1_SNAPSHOT"
FULL_ORDERBOOK_UPDATE = "FULL_ORDERBOOK_UPDATE"
FULL_ORDERBOOK_SNAPSHOT = "FULL_ORDERBOOK_SNAPSHOT"
AGGREGATED_ORDERBOOK_UPDATE = "AGGREGATED_ORDERBOOK_UPDATE"
NEW_TRADE = "NEW_TRADE"
NEW_TRADE_BUCKET = "NEW_TRADE_BUCKET"

# --- Error codes (valr-api.md 1.5) ------------------------------------------------------------------------------------
ERROR_INVALID_ORDER = -1
ERROR_CANCEL_ORDER_NOT_FOUND = -16
ERROR_DUPLICATE_CLIENT_ORDER_ID = -11502
ERROR_INVALID_SIGNATURE = -11252
ERROR_API_KEY_MISSING = -11268
ERROR_IP_NOT_ALLOWED = -11272
# Of orders whose pair or numbers VALR does not take (valr-api.md 1.5): its rules may have changed.
RULE_ERRORS = frozenset({-11, -21, -32, -38, -39, -12005, -12007})
AUTHENTICATION_ERRORS = frozenset({ERROR_INVALID_SIGNATURE, ERROR_API_KEY_MISSING, ERROR_IP_NOT_ALLOWED})

SPOT = "SPOT"
TIMES_IN_FORCE = ("GTC", "IOC", "FOK")

# --- Rate limits (valr-api.md 1.6) ------------------------------------------------------------------------------------
KEY_POOL = "key"
IP_POOL = "ip"
PUBLIC_POOL = "public"
PLACE_LIMIT_ID = "place"
CANCEL_LIMIT_ID = "cancel"
SOCKET_PLACE_LIMIT_ID = "socket-place"
SOCKET_CANCEL_LIMIT_ID = "socket-cancel"
SOCKET_CONNECT_LIMIT_ID = "socket-connect"
TIME_LIMIT_ID = SERVER_TIME_PATH
CANDLES_LIMIT_ID = "candles"
PRIVATE_LIMIT_ID = "private"
PUBLIC_LIMIT_ID = "public-get"
REST_ORDERS_POOL = "rest-orders"

_MINUTE = 60
_IP_BUDGET = [LinkedLimitWeightPair(IP_POOL)]
_KEY_BUDGET = [LinkedLimitWeightPair(KEY_POOL), LinkedLimitWeightPair(IP_POOL)]

RATE_LIMITS = [
    RateLimit(KEY_POOL, limit=2000, time_interval=_MINUTE),
    RateLimit(IP_POOL, limit=1200, time_interval=_MINUTE),
    RateLimit(PUBLIC_POOL, limit=30, time_interval=_MINUTE),
    RateLimit(
        PUBLIC_LIMIT_ID,
        limit=30,
        time_interval=_MINUTE,
        linked_limits=[LinkedLimitWeightPair(PUBLIC_POOL), LinkedLimitWeightPair(IP_POOL)],
    ),
    RateLimit(PRIVATE_LIMIT_ID, limit=1200, time_interval=_MINUTE, linked_limits=_KEY_BUDGET),
    # Per-second routes do not consume the per-minute budgets.
    RateLimit(TIME_LIMIT_ID, limit=20, time_interval=1),
    # Candles share the 20 a second of the clock and the status: a quarter of them.
    RateLimit(CANDLES_LIMIT_ID, limit=5, time_interval=1, linked_limits=[LinkedLimitWeightPair(TIME_LIMIT_ID)]),
    # The per-second limits of orders name VALR's v1 routes only: ours, v2, count towards the budgets of the minute as
    # well, as far as that leaves half of these to everything else; they never wait for them.
    RateLimit(REST_ORDERS_POOL, limit=600, time_interval=_MINUTE, linked_limits=_KEY_BUDGET),
    RateLimit(PLACE_LIMIT_ID, limit=400, time_interval=1),
    RateLimit(CANCEL_LIMIT_ID, limit=450, time_interval=1),
    RateLimit(SOCKET_PLACE_LIMIT_ID, limit=400, time_interval=1),
    RateLimit(SOCKET_CANCEL_LIMIT_ID, limit=450, time_interval=1),
    RateLimit(SOCKET_CONNECT_LIMIT_ID, limit=60, time_interval=_MINUTE, linked_limits=_IP_BUDGET),
]
