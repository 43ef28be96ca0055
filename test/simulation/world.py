"""What a simulated day is made of: drawn from one integer, printed as it is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from hummingbot.connector.exchange.valr.valr_api_user_stream_data_source import LONG_LIST
from valr_loopback.fault_kinds import ANY, KINDS, FaultKind

PAIRS = {"BTC-ZAR": ("BTCZAR", "0.002"), "ETH-ZAR": ("ETHZAR", "0.05"), "USDT-ZAR": ("USDTZAR", "120")}
"""The pairs a bot may trade: VALR's symbol, and an order amount that its balances bear many times over."""

KILLED_PLACING = "bot killed as it places"
"""The incident whose value is how many seconds after the next placement was begun."""

BOT_ENDS = ("bot restarted", "bot killed", KILLED_PLACING)
LONGEST_WAIT = 30.0
"""Seconds in which a bot that is to be killed as it places has to place something."""

CALM_START = 10.0
QUIET_END = 60.0
"""Seconds at the end in which nothing goes wrong any more."""

_EVENTS = (
    "",
    "",
    "ORDER_STATUS_UPDATE",
    "NEW_ACCOUNT_TRADE",
    "ORDER_PROCESSED",
    "OPEN_ORDERS_UPDATE",
    "BALANCE_UPDATE",
)
_BOOK_EVENTS = ("OB_L1_DIFF", "FULL_ORDERBOOK_UPDATE")
_STORMS: tuple[tuple[str, ...], ...] = (
    (
        "place_",
        "events_before_reply",
        "lookup_",
        "drop_event",
        "open_orders_missing_fresh",
        "command_refused",
        "rest_reset",
    ),
    ("cancel_", "drop_event", "reorder_events", "open_orders_stale", "lookup_", "rest_slow", "command_refused"),
    (
        "drop_event",
        "duplicate_event",
        "reorder_events",
        "missing_field",
        "unknown_",
        "omit_",
        "commas_",
        "open_orders_",
    ),
    ("account_", "rest_", "clock_off", "read_only", "drop_event"),
    ("book_", "snapshot_", "subscription_", "trade_"),
)
"""Beginnings of the kinds that make each other worse when they strike together."""

_SOCKET_KINDS = ("account_socket_close", "account_socket_close_cleanly", "account_socket_silent")


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that befalls the network, the exchange or the bot, at a second and for so many."""

    at: float
    lasts: float
    what: str
    value: float = 0.0

    def __str__(self) -> str:
        return f"{self.at:.1f} s: {self.what} for {self.lasts:.1f} s" + (f" ({self.value:.3g})" if self.value else "")


@dataclass(frozen=True, slots=True)
class World:
    """One simulated day. Times are seconds since its begin; ``faults`` are rows of the exchange's fault plan.

    ``long_list`` is from how many characters the bot sets a list of open orders aside: a day's own are short.
    """

    seed: int
    seconds: float
    pairs: tuple[str, ...]
    levels: int
    refresh: float
    amounts: int
    spread: float
    filled_order_delay: float
    order_entry: str
    book_feed: str
    market_pace: float
    delay: tuple[float, float]
    faults: tuple[Mapping[str, Any], ...]
    incidents: tuple[Incident, ...]
    long_list: int = LONG_LIST

    @property
    def kills_bot(self) -> bool:
        """Whether a bot has to leave behind what Hummingbot had saved of it."""
        return any(incident.what in BOT_ENDS[1:] for incident in self.incidents)

    @property
    def restarts_exchange(self) -> bool:
        """Whether the exchange has to remember across a restart."""
        return any(incident.what in ("exchange restarted", "exchange killed") for incident in self.incidents)

    @property
    def quiet_from(self) -> float:
        """When nothing goes wrong any more."""
        return self.seconds - QUIET_END

    def lines(self) -> list[str]:
        """Describe it."""
        return [
            f"seed {self.seed}: {self.seconds:.0f} s, {', '.join(self.pairs)}, {self.levels} levels of {self.amounts} "
            f"amounts every {self.refresh:.1f} s at {self.spread:.4f}, refilled after "
            f"{self.filled_order_delay:.1f} s, orders over {self.order_entry}, books by {self.book_feed}, market pace "
            f"{self.market_pace:.2f}, network {self.delay[0] * 1000:.1f}-{self.delay[1] * 1000:.1f} ms, lists of open "
            f"orders set aside from {self.long_list} characters",
            *(f"fault {' '.join(f'{name}={value}' for name, value in row.items())}" for row in self.faults),
            *(f"incident {incident}" for incident in self.incidents),
        ]


def draw_world(seed: int, minutes: float) -> World:
    """Draw a day from a seed."""
    random = Random(f"{seed} world")
    seconds = 60.0 * minutes
    pairs = tuple(random.sample(sorted(PAIRS), random.choice((1, 1, 1, 1, 2, 3))))
    window = (CALM_START, max(seconds - QUIET_END, CALM_START))
    return World(
        seed=seed,
        seconds=seconds,
        pairs=pairs,
        levels=random.choice((1, 1, 1, 2, 3)),
        refresh=random.choice((1.0, 2.0, 5.0, 5.0, 10.0, 15.0, 30.0)),
        amounts=random.choice((1, 1, 3)),
        spread=random.choice((0.0003, 0.0006, 0.0015)),
        filled_order_delay=random.choice((1.0, 5.0, 20.0)),
        order_entry=random.choice(("websocket", "websocket", "rest")),
        book_feed=random.choice(("l1", "l1", "full", "aggregated")),
        market_pace=random.choice((0.1, 0.2, 0.5)),
        delay=random.choice(((0.0002, 0.001), (0.002, 0.02), (0.01, 0.12))),
        faults=tuple(_draw_faults(random, window, pairs)),
        incidents=tuple(sorted(_draw_incidents(random, window), key=lambda incident: incident.at)),
        long_list=Random(f"{seed} lists").choice((LONG_LIST, 500, 0)),
    )


def _moment(random: Random, window: tuple[float, float], shortest: float, longest: float) -> tuple[float, float]:
    begin = random.uniform(*window)
    lasts = min(random.uniform(shortest, longest), max(window[1] - begin, 0.0))
    return round(begin, 1), round(lasts, 1)


def _draw_faults(random: Random, window: tuple[float, float], pairs: Sequence[str]) -> list[dict[str, Any]]:
    """Draw kinds first, so that each of them comes as often as another; on some days a storm of related ones."""
    singles = random.sample(list(FaultKind), random.choice((0, 1, 2, 3, 5, 8)))
    faults = [_draw_fault(random, kind, pairs, *_moment(random, window, 5.0, 90.0)) for kind in singles]
    if random.random() < 0.4:
        beginnings = random.choice(_STORMS)
        related = [kind for kind in FaultKind if kind.value.startswith(beginnings)]
        moment = _moment(random, window, 20.0, 90.0)
        faults += [_draw_fault(random, kind, pairs, *moment) for kind in random.sample(related, random.randint(3, 6))]
    return faults


def _draw_fault(random: Random, kind: FaultKind, pairs: Sequence[str], begin: float, lasts: float) -> dict[str, Any]:
    takes, forms = KINDS[kind].takes, KINDS[kind].forms
    row: dict[str, Any] = {
        "kind": kind.value,
        "from_seconds": begin,
        "until_seconds": round(begin + lasts, 1),
        "probability": random.choice((0.1, 0.3, 0.6, 1.0)),
    }
    if kind.value in _SOCKET_KINDS:
        # One opportunity a second: less often, or nothing else happens.
        row["probability"] = random.choice((0.03, 0.1, 0.3))
    if forms:
        row["form"] = random.choice([form for form in (*forms, ANY) if form])
    if "event" in takes and (event := random.choice(_BOOK_EVENTS if kind.value.startswith("book") else _EVENTS)):
        row["event"] = event
    if "side" in takes and random.random() < 0.2:
        row["side"] = random.choice(("buy", "sell"))
    if "pair" in takes and (kind is FaultKind.PAIR_INACTIVE or random.random() < 0.2):
        row["pair"] = PAIRS[random.choice(pairs)][0]
    if "offset" in takes:
        row["offset"] = str(random.choice((-200, -20, -3, 3, 20, 200)))
        row["probability"] = 1.0
    return row


def _draw_incidents(random: Random, window: tuple[float, float]) -> list[Incident]:
    kinds = {
        "stall to the exchange": (1.0, 20.0),
        "stall to the bot": (1.0, 20.0),
        "slow network": (5.0, 60.0),
        "reset of every connection": (0.0, 0.0),
        "silence both ways": (5.0, 60.0),
        "silence to the exchange": (5.0, 60.0),
        "silence to the bot": (5.0, 60.0),
        "connections refused": (2.0, 30.0),
        "exchange restarted": (0.5, 10.0),
        "exchange killed": (0.5, 20.0),
        "bot restarted": (0.5, 10.0),
        "bot killed": (0.5, 10.0),
        KILLED_PLACING: (0.5, 10.0),
    }
    incidents = []
    for what in random.sample(sorted(kinds), random.choice((0, 0, 1, 1, 2, 3))):
        patience = LONGEST_WAIT if what == KILLED_PLACING else 0.0
        begin, lasts = _moment(random, (window[0], max(window[1] - patience, window[0])), *kinds[what])
        values = {"slow network": random.uniform(0.05, 1.0), KILLED_PLACING: random.choice((0.0, 0.002, 0.02, 0.2))}
        incidents.append(Incident(begin, lasts, what, values.get(what, 0.0)))
    return incidents
