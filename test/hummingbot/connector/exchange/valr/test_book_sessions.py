"""The data source on drawn sessions of two pairs, one of which is lied to: Hummingbot's books show proven truths only.

The trade socket's other end is in this process, and time is the event loop's: it jumps to the next timer when nothing
is left to do. ``BOOK_EXAMPLES`` and ``BOOK_SEED`` are those of ``test_book_properties``.
"""

import asyncio
import selectors
from collections import Counter
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from hummingbot.connector.exchange.valr.valr_api_order_book_data_source import ValrAPIOrderBookDataSource
from hummingbot.connector.exchange.valr.valr_auth import ValrAuth
from hummingbot.connector.exchange.valr.valr_order_book_tracker import PromptOrderBookTracker
from hummingbot.connector.exchange.valr.valr_web_utils import Endpoints, build_api_factory
from hummingbot.core.web_assistant.connections.data_types import WSJSONRequest

from .book_faults import Fault, FaultKind, altered_content
from .book_sessions import (
    AGGREGATED,
    AGGREGATED_DEPTH,
    FEEDS,
    FULL,
    L1,
    SIDES,
    Deed,
    Frame,
    Json,
    Market,
    Step,
    Story,
    Tape,
    Truth,
    do,
    opened,
    stories,
)
from .test_book_properties import proven

LIED_TO, LEFT_ALONE = "BTCZAR", "ETHZAR"
PAIRS = {LIED_TO: "BTC-ZAR", LEFT_ALONE: "ETH-ZAR"}
EVENTS = {"OB_L1_DIFF": L1, "FULL_ORDERBOOK_UPDATE": FULL, "AGGREGATED_ORDERBOOK_UPDATE": AGGREGATED}
BETWEEN_STEPS = 0.05
# A dropped socket comes back and brings its snapshots within this time; so does a book that was asked for afresh.
RECOVERY = 10.0

Rows = list[list[tuple[float, float]]]


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop without waiting: when nothing is ready, its clock jumps to the next timer."""

    def __init__(self) -> None:
        self._jumped = 0.0
        loop = self

        class Selector(selectors.DefaultSelector):
            def select(self, timeout: float | None = None) -> Any:
                assert timeout is not None, "nothing is left that could happen"
                loop._jumped += max(timeout, 0.0)
                return super().select(0)

        super().__init__(Selector())

    def time(self) -> float:
        return self._jumped


class Exchange:
    """Two markets and the connections to their trade socket."""

    def __init__(self, markets: dict[str, Market]) -> None:
        self.markets = markets
        self.wires: list[Wire] = []
        self.connections = 0
        self.snapshots: Counter[str] = Counter()
        self.told: dict[str, list[Truth]] = {symbol: [] for symbol in markets}

    async def get_ws_assistant(self) -> "Wire":
        return Wire(self)

    def step(self, symbol: str, step: Step, fault: Fault | None = None) -> None:
        """Do a deed and tell of it, with a fault in what is told."""
        do(self.markets[symbol], step)
        for wire in self.wires:
            wire.tell(symbol, fault)

    def drop(self) -> None:
        """Close every connection."""
        for wire in list(self.wires):
            wire.hang_up()

    def is_told(self, symbol: str) -> bool:
        """Whether the last frame has told how the market stands now."""
        return bool(self.told[symbol]) and self.told[symbol][-1] == self.markets[symbol].truth()


class Wire:
    """One connection, in the place of Hummingbot's socket assistant and the connection in it."""

    def __init__(self, exchange: Exchange) -> None:
        self._connection = self
        self._exchange = exchange
        self._frames: asyncio.Queue[Json | None] = asyncio.Queue()
        self._tapes: dict[tuple[str, str], Tape] = {}

    async def connect(self, **_: Any) -> None:
        self._exchange.connections += 1
        self._exchange.wires.append(self)
        self._frames.put_nowait({"type": "AUTHENTICATED"})

    async def disconnect(self) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        if self in self._exchange.wires:
            self._exchange.wires.remove(self)
        self._frames.put_nowait(None)

    async def receive_message(self) -> Json | None:
        return await self._frames.get()

    @staticmethod
    def decode(message: Json) -> Json:
        return message

    async def send(self, request: WSJSONRequest) -> None:
        frame = request.payload
        if frame["type"] == "PING":
            self._frames.put_nowait({"type": "PONG"})
        for subscription in frame.get("subscriptions", []):
            self._subscribe(subscription["event"], subscription["pairs"])

    def _subscribe(self, name: str, symbols: list[str]) -> None:
        feed = EVENTS.get(name)
        for symbol in self._exchange.markets if feed else ():
            key = (name, symbol)
            if key in self._tapes and symbol not in symbols:
                del self._tapes[key]
                self._frames.put_nowait({"type": "UNSUBSCRIBED", "message": f"{name}:{symbol}"})
            elif key not in self._tapes and symbol in symbols and feed:
                self._frames.put_nowait({"type": "SUBSCRIBED", "message": f"{name}:{symbol}"})
                self._tapes[key] = Tape(feed, self._exchange.markets[symbol])
                self._exchange.snapshots[symbol] += 1
                self._put(symbol, self._tapes[key].snapshot(), None, feed)

    def tell(self, symbol: str, fault: Fault | None) -> None:
        for (name, each), tape in self._tapes.items():
            if each == symbol and (frame := tape.message()):
                self._put(symbol, frame, fault, EVENTS[name])

    def _put(self, symbol: str, frame: Frame, fault: Fault | None, feed: str) -> None:
        content = frame.content
        content["ps" if feed == L1 else "currencyPairSymbol"] = symbol
        spoilt = altered_content(feed, content, fault) if fault and fault.kind in REFUSED_AT_ONCE else None
        if fault and fault.kind is FaultKind.LOST:
            return
        self._frames.put_nowait(spoilt or content)
        if spoilt is None:
            self._exchange.told[symbol].append(frame.truth)
        if fault and fault.kind is FaultKind.DOUBLED:
            self._frames.put_nowait(content)


REFUSED_AT_ONCE = (FaultKind.CHECKSUM, FaultKind.SIDE_MISSING, FaultKind.TRUNCATED)
FAULTS = st.builds(
    Fault,
    st.sampled_from([*REFUSED_AT_ONCE, FaultKind.LOST, FaultKind.DOUBLED]),
    st.just(0),
    st.integers(0, 99),
    st.integers(0, 31),
)
NOW_AND_THEN = st.sampled_from([False] * 7 + [True])
SELDOM = st.sampled_from([False] * 60 + [True])


class Symbols:
    """The part of the exchange class that the data source asks."""

    async def exchange_symbol_associated_to_pair(self, trading_pair: str) -> str:
        return trading_pair.replace("-", "")

    async def get_last_traded_prices(self, trading_pairs: list[str]) -> dict[str, float]:
        return dict.fromkeys(trading_pairs, 1.0)


class Session:
    """The data source and Hummingbot's tracker on an exchange."""

    def __init__(self, exchange: Exchange, feed: str) -> None:
        self.exchange = exchange
        auth = ValrAuth("key", "secret", lambda: 1_700_000_000.0)
        self.api = build_api_factory(auth=auth)
        self.api.get_ws_assistant = exchange.get_ws_assistant
        pairs = list(PAIRS.values())
        endpoints = Endpoints("http://localhost", "ws://localhost")
        self.source = ValrAPIOrderBookDataSource(pairs, Symbols(), self.api, endpoints, auth, book_feed=feed)
        self.tracker = PromptOrderBookTracker(data_source=self.source, trading_pairs=pairs)

    async def started(self) -> None:
        self.tracker.start()
        await asyncio.sleep(RECOVERY)
        assert self.tracker.ready

    def shown(self, symbol: str) -> Rows:
        """Hummingbot's book."""
        book = self.tracker.order_books[PAIRS[symbol]]
        return [[(row.price, row.amount) for row in side] for side in (book.bid_entries(), book.ask_entries())]

    def is_live(self, symbol: str) -> bool:
        return self.source.has_live_book(PAIRS[symbol])

    def check(self, symbol: str) -> None:
        """A live book is what the exchange said last; any other was true once, or is empty."""
        told = self.exchange.told[symbol]
        shown = self.shown(symbol)
        if self.is_live(symbol):
            depth = AGGREGATED_DEPTH if self.source.book_feed(PAIRS[symbol]) == AGGREGATED else None
            assert shown == rows(told[-1], depth)
        else:
            assert shown == [[], []] or any(
                shown == rows(truth, depth) for truth in told for depth in (None, AGGREGATED_DEPTH)
            )


def rows(truth: Truth, depth: int | None) -> Rows:
    return [truth.rows[side][:depth] for side in SIDES]


async def play(feed: str, story: Story, faults: list[Fault | None], drops: list[bool]) -> None:
    exchange = Exchange({LIED_TO: opened(story), LEFT_ALONE: opened(story._replace(shuffle=story.shuffle + 1))})
    session = Session(exchange, feed)
    await session.started()
    try:
        for number, (step, fault, dropped) in enumerate(zip(story.steps, faults, drops, strict=False)):
            exchange.step(LIED_TO, step, fault)
            exchange.step(LEFT_ALONE, story.steps[-1 - number])
            if dropped:
                exchange.drop()
            await asyncio.sleep(BETWEEN_STEPS)
            for symbol in PAIRS:
                session.check(symbol)
            # Whatever the one pair goes through, the other is never asked for again.
            assert session.is_live(LEFT_ALONE) or any(drops[: number + 1])
            assert exchange.snapshots[LEFT_ALONE] <= exchange.connections
        await in_peace(exchange)
        for symbol in PAIRS:
            assert session.is_live(symbol)
            assert exchange.is_told(symbol)
            session.check(symbol)
        event(f"{feed}: {exchange.snapshots[LIED_TO] - exchange.connections} times asked afresh")
        event(f"{feed}: ended on {session.source.book_feed(PAIRS[LIED_TO])}")
    finally:
        session.tracker.stop()
        await asyncio.sleep(RECOVERY)
        await session.api.close()


async def in_peace(exchange: Exchange) -> None:
    """Let the books recover, and both markets tell how they stand."""
    await asyncio.sleep(RECOVERY)
    for number in range(3):
        for symbol in PAIRS:
            if number == 0 or not exchange.is_told(symbol):
                exchange.step(symbol, Step(Deed.PLACE, "Bids", 40, number, 0, True))
        await asyncio.sleep(RECOVERY)


@pytest.mark.parametrize("feed", FEEDS)
def test_hummingbot_sees_only_what_is_proven(feed: str) -> None:
    fault = st.tuples(NOW_AND_THEN, FAULTS).map(lambda drawn: drawn[1] if drawn[0] else None)

    @proven(0.5)
    @given(stories(24), st.lists(fault, min_size=24, max_size=24), st.lists(SELDOM, min_size=24, max_size=24))
    def told(story: Story, faults: list[Fault | None], drops: list[bool]) -> None:
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            runner.run(play(feed, story, faults, drops))

    told()
