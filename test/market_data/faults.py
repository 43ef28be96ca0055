"""What goes wrong in a run: each kind of market data fault about as often as it is told to."""

from collections.abc import Iterator

from valr_loopback.fault_kinds import ANY, FaultKind
from valr_loopback.faults import Fault

# In one step of the market a pair's book changes about so often; a renewal names every pair's book and trades.
_FRAMES_A_STEP = 3.0
_TRADES_A_STEP = 1.6
FRAME_FAULTS: dict[FaultKind, dict[str, str]] = {
    FaultKind.DROP_EVENT: {"event": "OB_L1_DIFF"},
    FaultKind.BOOK_GAP: {},
    FaultKind.BOOK_BAD_CHECKSUM: {},
    FaultKind.BOOK_ALTERED: {},
    FaultKind.BOOK_CROSSED: {},
    FaultKind.BOOK_DUPLICATE: {},
    FaultKind.BOOK_REORDER: {"form": ANY},
    FaultKind.BOOK_STALLED: {},
}
SOCKET_FAULTS = (
    FaultKind.TRADE_SOCKET_CLOSE,
    FaultKind.TRADE_SOCKET_CLOSE_CLEANLY,
    FaultKind.TRADE_SOCKET_SILENT,
    FaultKind.TRADE_SOCKET_FORGETS,
)
ENDS = frozenset({*SOCKET_FAULTS, FaultKind.TRADE_SOCKET_REFUSED})
"""The kinds that cost the connector its socket."""


def market_data_faults(pairs: int, steps: float, seconds: float, frames: float, sockets: float) -> Iterator[Fault]:
    """Return faults for a run of so many steps of the market in so many simulated seconds.

    Each kind about frames is to strike some ``frames`` times, each about sockets some ``sockets`` times.
    """
    for kind, options in FRAME_FAULTS.items():
        yield Fault(kind=kind, probability=min(1.0, frames / (_FRAMES_A_STEP * steps)), **options)
    yield Fault(kind=FaultKind.TRADE_WITHOUT_ID, probability=min(1.0, frames / (_TRADES_A_STEP * steps)))
    for number, kind in enumerate(SOCKET_FAULTS, 1):
        yield Fault(kind=kind, probability=min(1.0, sockets / seconds))
        # However short the run is, once for certain.
        yield Fault(kind=kind, from_seconds=seconds * number / (len(SOCKET_FAULTS) + 1), times=1)
    yield Fault(kind=FaultKind.TRADE_SOCKET_UNSUBSCRIBES, probability=min(1.0, frames / (2 * pairs * seconds)))
    ends = len(SOCKET_FAULTS) * (sockets + 1)
    yield Fault(kind=FaultKind.TRADE_SOCKET_REFUSED, probability=0.3, form=ANY)
    # Every end of a socket brings a snapshot of each pair, every fault of a frame one more.
    snapshots = pairs + ends * pairs + len(FRAME_FAULTS) * frames
    yield Fault(kind=FaultKind.SNAPSHOT_MISSING, probability=min(1.0, frames / snapshots))
    yield Fault(kind=FaultKind.SNAPSHOT_LATE, probability=min(1.0, frames / snapshots), form=ANY, delay=(0.02, 0.1))
    named = 2 * pairs + ends * 2 * pairs + len(FRAME_FAULTS) * frames * 4 * pairs
    yield Fault(kind=FaultKind.SUBSCRIPTION_REFUSED, probability=min(1.0, frames / named))
