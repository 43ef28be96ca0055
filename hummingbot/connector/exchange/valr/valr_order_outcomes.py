"""What the order lifecycle says: outcomes for Hummingbot, and wishes for VALR. Values only; the rules are in
``valr_order_lifecycle``."""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import NamedTuple

from hummingbot.connector.exchange.valr.valr_messages import AccountTrade


class Stage(IntEnum):
    """What has been told of an order so far; it only ever rises."""

    SUBMITTED = 0
    OPEN = 1
    PARTIALLY_FILLED = 2
    CANCEL_PENDING = 3
    ENDED = 4


class End(Enum):
    """How an order ended."""

    FILLED = "filled"
    CANCELLED = "cancelled"
    FAILED = "failed"


# --- Outcomes: what the shell tells Hummingbot ------------------------------------------------------------------------
class Progress(NamedTuple):
    """An order rose to ``stage``, by proof."""

    client_order_id: str
    order_id: str
    trading_pair: str
    stage: Stage


class Fill(NamedTuple):
    """One new trade of an order; Hummingbot does not know the order if it is a stray."""

    client_order_id: str
    trading_pair: str
    trade: AccountTrade
    stray: bool = False


class Ended(NamedTuple):
    """An order ended; all its fills have been told before.

    ``proven`` is False only when VALR never knew the order: it stays in the journal, so that it is recognised as a
    stray should it appear after all.
    """

    client_order_id: str
    order_id: str
    trading_pair: str
    end: End
    reason: str = ""
    error_type: str = ""
    proven: bool = True
    stray: bool = False


class Level(Enum):
    """How loud a notice is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Concern(Enum):
    """What a notice is about, where monitoring counts it."""

    STRAY = "stray"
    UNEXPECTED_FILL = "unexpected fill"


@dataclass(frozen=True)
class Notice:
    """A line for the log."""

    level: Level
    text: str
    trading_pair: str = ""
    concern: Concern | None = None


Outcome = Progress | Fill | Ended | Notice


# --- Wishes: what the shell should ask VALR ---------------------------------------------------------------------------
@dataclass(frozen=True)
class LookUp:
    """Ask VALR for the state of one order, then report it (or ``not_found`` or ``lookup_failed``).

    With ``totals`` its summary is wanted first: trades do not explain what its status implied. With ``thorough``
    nothing has known it several times: its history is asked for by either id.
    """

    client_order_id: str
    order_id: str
    trading_pair: str
    totals: bool = False
    thorough: bool = False


@dataclass(frozen=True)
class FetchTrades:
    """Fetch the account's trades of one pair back to ``since`` (Unix seconds), then call ``trades_fetched``.

    Those that were fetched before need not be fetched again, unless ``again``: what is missing was not among them.
    """

    trading_pair: str
    since: float
    again: bool = False


@dataclass(frozen=True)
class SendCancel:
    """Cancel one order, then call one of the ``cancel_*`` methods with what came of it.

    ``over_rest`` asks for REST, whose answer is proof, in place of the configured channel.
    """

    client_order_id: str
    order_id: str
    trading_pair: str
    over_rest: bool


Wish = LookUp | FetchTrades | SendCancel
