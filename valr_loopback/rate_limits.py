"""VALR's rate limits (valr-api.md 1.6). Counters start anew with each calendar second or minute."""

import re
from collections import Counter
from dataclasses import dataclass

_MINUTE_MS = 60_000
_SECOND_MS = 1_000


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests in each window."""

    name: str
    count: int
    window_ms: int


PER_KEY = Limit("key", 2000, _MINUTE_MS)
PER_IP = Limit("ip", 1200, _MINUTE_MS)
PUBLIC = Limit("public", 30, _MINUTE_MS)
HANDSHAKES = Limit("handshakes", 60, _MINUTE_MS)
_FAST_PUBLIC = Limit("fast public", 20, _SECOND_MS)
_PLACE = Limit("place", 400, _SECOND_MS)
_CANCEL = Limit("cancel", 450, _SECOND_MS)
_BATCH = Limit("batch", 400, _SECOND_MS)
_MODIFY = Limit("modify", 400, _SECOND_MS)

COMMANDS = {
    "PLACE_LIMIT_ORDER": _PLACE,
    "PLACE_MARKET_ORDER": _PLACE,
    "CANCEL_LIMIT_ORDER": _CANCEL,
    "MODIFY_ORDER": _MODIFY,
    "BATCH_ORDERS": _BATCH,
}
"""The limits of account socket commands, per account; they share no counter with REST."""

_ROUTES = (
    ("GET", re.compile(r"/v1/public/(time|status|[^/]+/buckets)"), _FAST_PUBLIC),
    ("POST", re.compile(r"/v[12]/orders(/.*)?"), _PLACE),
    ("DELETE", re.compile(r"/v[12]/orders(/.*)?"), _CANCEL),
    ("POST", re.compile(r"/v1/batch/orders"), _BATCH),
    ("PUT", re.compile(r"/v[12]/orders/modify"), _MODIFY),
)


class RateLimiter:
    """Counts requests per limit and caller; ``refused`` how often each limit was overstepped."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}

    def take(self, limit: Limit, caller: str, now_ms: int) -> bool:
        """Count one request of a caller; false if it is one too many in this window."""
        window = now_ms // limit.window_ms
        counted_in, count = self._counts.get((limit.name, caller), (window, 0))
        count = count + 1 if counted_in == window else 1
        self._counts[limit.name, caller] = (window, count)
        self.refused[limit.name] += count > limit.count
        return count <= limit.count

    def take_request(self, verb: str, path: str, ip: str, key: str, now_ms: int) -> bool:
        """Count one REST request. Per-second routes do not use up the per-minute budgets."""
        for route_verb, pattern, limit in _ROUTES:
            if verb == route_verb and pattern.fullmatch(path):
                return self.take(limit, key or ip, now_ms)
        if path.startswith("/v1/public/"):
            return self.take(PUBLIC, ip, now_ms)
        by_ip = self.take(PER_IP, ip, now_ms)
        return self.take(PER_KEY, key, now_ms) and by_ip if key else by_ip
