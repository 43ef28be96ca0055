"""The names of the wire hang together: every limit that is used exists, every link leads somewhere."""

import pytest

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_throttler import ValrThrottler

LIMITS = {limit.limit_id: limit for limit in CONSTANTS.RATE_LIMITS}
LIMIT_IDS = [
    value for name, value in vars(CONSTANTS).items() if name.endswith(("_LIMIT_ID", "_POOL")) and isinstance(value, str)
]


def test_ids_are_unique() -> None:
    assert len(LIMITS) == len(CONSTANTS.RATE_LIMITS)


@pytest.mark.parametrize("limit_id", LIMIT_IDS)
async def test_every_limit_can_be_used(limit_id: str) -> None:
    async with ValrThrottler(CONSTANTS.RATE_LIMITS).execute_task(limit_id=limit_id):
        pass


def test_every_link_leads_to_a_limit() -> None:
    for limit in CONSTANTS.RATE_LIMITS:
        for link in limit.linked_limits:
            assert link.limit_id in LIMITS


@pytest.mark.parametrize(
    ("limit_id", "limit", "interval", "pools"),
    [
        (CONSTANTS.KEY_POOL, 2000, 60, []),
        (CONSTANTS.IP_POOL, 1200, 60, []),
        (CONSTANTS.PUBLIC_POOL, 30, 60, []),
        (CONSTANTS.PUBLIC_LIMIT_ID, 30, 60, [CONSTANTS.PUBLIC_POOL, CONSTANTS.IP_POOL]),
        (CONSTANTS.PRIVATE_LIMIT_ID, 1200, 60, [CONSTANTS.KEY_POOL, CONSTANTS.IP_POOL]),
        (CONSTANTS.TIME_LIMIT_ID, 20, 1, []),
        (CONSTANTS.REST_ORDERS_POOL, 600, 60, [CONSTANTS.KEY_POOL, CONSTANTS.IP_POOL]),
        (CONSTANTS.PLACE_LIMIT_ID, 400, 1, []),
        (CONSTANTS.CANCEL_LIMIT_ID, 450, 1, []),
        (CONSTANTS.SOCKET_PLACE_LIMIT_ID, 400, 1, []),
        (CONSTANTS.SOCKET_CANCEL_LIMIT_ID, 450, 1, []),
        (CONSTANTS.SOCKET_CONNECT_LIMIT_ID, 60, 60, [CONSTANTS.IP_POOL]),
    ],
)
def test_limits_are_valrs(limit_id: str, limit: int, interval: float, pools: list[str]) -> None:
    """valr-api.md 1.6."""
    rule = LIMITS[limit_id]
    assert (rule.limit, rule.time_interval) == (limit, interval)
    assert [link.limit_id for link in rule.linked_limits] == pools


def test_paths_are_rooted_and_versioned() -> None:
    paths = {name: value for name, value in vars(CONSTANTS).items() if name.endswith("_PATH")}
    for name, path in paths.items():
        prefixes = ("/ws/",) if "SOCKET" in name else ("/v1/", "/v2/")
        assert path.startswith(prefixes), name


def test_every_reply_answers_a_command() -> None:
    commands = {
        CONSTANTS.PLACE_LIMIT_ORDER,
        CONSTANTS.PLACE_MARKET_ORDER,
        CONSTANTS.CANCEL_LIMIT_ORDER,
        CONSTANTS.CANCEL_ON_DISCONNECT,
    }
    assert set(CONSTANTS.COMMAND_REPLIES.values()) == commands


def test_keep_alive_fits_valrs() -> None:
    """VALR documents 30 s, closes after 60 s of silence, and ends anonymous sockets at 15 minutes."""
    assert CONSTANTS.SOCKET_PING_INTERVAL < 30
    assert CONSTANTS.SOCKET_PING_INTERVAL * 2 < CONSTANTS.SOCKET_SILENCE_LIMIT < 60
    assert CONSTANTS.ANONYMOUS_SOCKET_LIFETIME < 15 * 60
    assert CONSTANTS.RECONNECT_DELAY >= 5
    assert CONSTANTS.CLIENT_ORDER_ID_MAX_LENGTH <= 50
