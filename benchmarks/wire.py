"""When the event loop writes to a socket: what ``submit`` is measured to."""

import time
from asyncio import selector_events
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

MASKED = 0x80


def plain(data: bytes) -> bytes:
    """Return what a write carried: a client's socket frame unmasked, anything else as it is (RFC 6455, 5.2)."""
    if len(data) < 6 or not data[1] & MASKED or data[0] not in (0x81, 0x82):
        return data
    start = {126: 4, 127: 10}.get(data[1] & 0x7F, 2)
    mask, payload = data[start : start + 4], data[start + 4 :]
    whole = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(len(payload), "big")


class WireTap:
    """Notes each write of every connection while it is open: the moment, and what was written.

    :param now: the clock
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.writes: list[tuple[float, bytes]] = []
        self._now = now

    def __enter__(self) -> Self:
        transport: Any = selector_events._SelectorSocketTransport  # type: ignore[attr-defined]
        self._write = write = transport.write
        note, now = self.writes.append, self._now

        def tapped(connection: Any, data: bytes) -> None:
            note((now(), data))
            write(connection, data)

        transport.write = tapped
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        transport: Any = selector_events._SelectorSocketTransport  # type: ignore[attr-defined]
        transport.write = self._write

    def moments_of(self, texts: list[str]) -> dict[str, float]:
        """Return the moment of the first write that carried each text.

        :raises ValueError: one was never written
        """
        missing, moments = set(texts), dict[str, float]()
        for moment, data in self.writes:
            written = plain(data).decode(errors="replace")
            for text in [each for each in missing if each in written]:
                moments[text] = moment
                missing.remove(text)
        if missing:
            raise ValueError(f"never written: {', '.join(sorted(missing))}")
        return moments
