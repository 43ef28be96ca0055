"""The server's clock as clients see it: the exchange's own, or off by some seconds (fault ``clock_off``).

The exchange goes on by the right time. What is off is what the wire makes of it: times sent are shifted one way, times
received the other, and signatures are checked by the wrong time.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import formatdate

from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import FaultPlan

_ISO_TIME = re.compile(r'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?)Z"')
_EPOCH_TIME = re.compile(r'"(epochTime|lc|LastChange)":(\d+)')


class WireClock:
    """Tells the time the server believes in."""

    def __init__(self, now_ms: Callable[[], int], faults: FaultPlan) -> None:
        self._now_ms = now_ms
        self._faults = faults

    def now_ms(self) -> int:
        """Return the time in epoch milliseconds."""
        return self._now_ms() + self.offset_ms()

    def offset_ms(self) -> int:
        """Return by how many milliseconds the clock is ahead."""
        if not self._faults.holds(FaultKind.CLOCK_OFF):
            return 0
        return int(sum(fault.offset for fault in self._faults.standing(FaultKind.CLOCK_OFF)) * 1000)

    def headers(self) -> dict[str, str]:
        """Return the headers of an answer that tell the time, where it is not the time everybody has."""
        return {"Date": formatdate(self.now_ms() / 1000, usegmt=True)} if self.offset_ms() else {}

    def stamped(self, text: str) -> str:
        """Return an outgoing text with its times as this clock has them."""
        offset_ms = self.offset_ms()
        if not offset_ms:
            return text
        text = _ISO_TIME.sub(lambda match: f'"{_shifted(match[1], offset_ms)}Z"', text)
        return _EPOCH_TIME.sub(lambda match: f'"{match[1]}":{_shifted_epoch(match[2], offset_ms)}', text)


def _shifted(time: str, offset_ms: int) -> str:
    moment = datetime.fromisoformat(time) + timedelta(milliseconds=offset_ms)
    return moment.isoformat(timespec="milliseconds" if "." in time else "seconds")


def _shifted_epoch(digits: str, offset_ms: int) -> int:
    # Seconds have ten digits until the year 2286, milliseconds thirteen.
    return int(digits) + (offset_ms // 1000 if len(digits) < 12 else offset_ms)
