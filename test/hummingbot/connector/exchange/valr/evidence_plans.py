"""What a story is made of: orders with what happens to each, and the faults of the day."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from .evidence_faults import Fault

QUANTITY = Decimal(1)


class Origin(Enum):
    """Where an order comes from."""

    NEW = "new"
    RESTORED = "restored from an earlier run"
    STRAY = "stray of an earlier run"
    FOREIGN = "foreign"


class Kind(Enum):
    """Of which kind an order is."""

    LIMIT = "limit"
    IOC = "limit, immediate or cancel"
    MARKET = "market"
    BY_QUOTE = "market by quote amount"


class Deed(Enum):
    """What can happen to an order on the book."""

    FILL = "filled in part"
    COMPLETE = "filled"
    CANCEL = "cancelled by the bot"
    APP_CANCEL = "cancelled in the app"
    MODIFY = "modified in the app"
    EXPIRE = "expired"


class Help(Enum):
    """What the shell does of itself that the lifecycle does not wish for; each must be enough."""

    RECONCILE = "a reconciliation without a list"
    POLL = "a poll"
    RECONNECT = "a reconnection, with VALR's unasked list"


@dataclass(frozen=True)
class Step:
    """A deed so many seconds after the one before; ``tenths`` of the quantity where it needs an amount."""

    after: float
    deed: Deed
    tenths: int = 0


@dataclass(frozen=True)
class OrderPlan:
    """One order: how it is placed, what it meets on arrival, and what happens to it later.

    :param failure: why the exchange fails it on arrival, empty if it does not
    :param arrives: False if an earlier run's placement never reached the exchange
    :param steps: deeds; a market order's are its fills on arrival
    :param remainder: the word with which a market order's remainder ends
    :param remembered: how much Hummingbot had saved of a restored order, from 0 (just submitted) to 3 (all of it)
    """

    client_order_id: str
    trading_pair: str
    origin: Origin
    kind: Kind
    starts_at: float
    failure: str
    arrives: bool
    steps: tuple[Step, ...]
    remainder: str
    remembered: int

    @property
    def immediate(self) -> bool:
        """Whether it cannot rest."""
        return self.kind is not Kind.LIMIT

    @property
    def asked(self) -> Decimal:
        """The quantity the bot knows, 0 for an amount to spend."""
        return Decimal(0) if self.kind is Kind.BY_QUOTE else QUANTITY


@dataclass(frozen=True)
class Story:
    """Orders and weather.

    :param spoiled: types of events that faults may touch
    :param over_socket: whether the connector places and cancels over the account socket while it is up, else over REST
    :param poll_every: seconds between polls, None for no polls before calm
    :param interruption: None, or ``SOCKET_DOWN`` or ``BOT_STOPPED``
    :param window: from when to when the interruption lasts
    :param waits: whether the lifecycle is left to itself after calm, before it is helped
    :param help: how it is helped
    """

    orders: tuple[OrderPlan, ...]
    faults: frozenset[Fault]
    strength: float
    seed: int
    spoiled: frozenset[str]
    over_socket: bool
    poll_every: float | None
    interruption: Fault | None
    window: tuple[float, float]
    waits: bool
    help: Help
