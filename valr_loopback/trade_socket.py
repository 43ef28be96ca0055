"""The trade socket (valr-api.md 5): public market data, by subscription."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from valr_loopback import events, messages
from valr_loopback.book_faults import CHECKED_FEEDS, FEEDS, BookFaults
from valr_loopback.connection import Connection, read_frame
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import FaultPlan, Subject
from valr_loopback.market_data import MarketData
from valr_loopback.messages import BOOK_EVENTS, DEPTH_EVENTS, TRADE_EVENTS, Json, encode
from valr_loopback.orders import PublicTrade

Channel = tuple[str, str]
"""An event and the symbol of a pair."""


class TradeSession:
    """One trade socket and what it has subscribed to."""

    def __init__(self, hub: "TradeHub", connection: Connection) -> None:
        self.connection = connection
        self.pairs: dict[str, dict[str, None]] = defaultdict(dict)
        self.stalled: set[Channel] = set()
        self._hub = hub

    @property
    def subscribed(self) -> bool:
        """Whether the socket has any subscription."""
        return any(self.pairs.values())

    def receive(self, text: str) -> None:
        """Answer one frame of the client."""
        message = read_frame(text)
        if message is None:
            self._error("Invalid message - Invalid JSON")
            return
        match message.get("type"):
            case "PING":
                self._say({"type": "PONG"} if self.subscribed else {"type": "PONG", "message": "NO_SUBSCRIPTIONS"})
            case "SUBSCRIBE" if isinstance(message.get("subscriptions"), list):
                for subscription in message["subscriptions"]:
                    self._subscribe(subscription)
            case _:
                self._error("Invalid message - Unknown message type")

    def deliver(self, frames: Iterable[str], delay: float = 0.0) -> None:
        """Send frames, now or later."""
        for text in frames:
            if delay:
                self.connection.send_later(text, delay)
            else:
                self.connection.send(text)

    def _say(self, message: Json) -> None:
        self.connection.send(encode(message))

    def _error(self, text: str) -> None:
        self._say({"type": "ERROR", "message": text})

    def _subscribe(self, subscription: Any) -> None:
        fields = subscription if isinstance(subscription, dict) else {}
        event = str(fields.get("event"))
        wanted = fields.get("pairs")
        listed = wanted if isinstance(wanted, list) else []
        names = [str(name).upper() for name in (self._hub.symbols() if wanted is None else listed)]
        valid = [name for name in names if self._hub.takes(event, name)]
        for name in names:
            if name not in valid:
                self._error(f"Channel {event}, pair {name} combination invalid")
        before = self.pairs[event]
        for name in before:
            if name not in valid:
                self._hub.unsubscribe(self, event, name)
                self._say_unsubscribed(event, name)
        self.pairs[event] = dict.fromkeys(valid)
        for name in self.pairs[event]:
            self._say({"type": "SUBSCRIBED", "message": f"{event}:{name}"})
            if name not in before or self._hub.snapshot_on_resubscribe:
                self._hub.subscribe(self, event, name)

    def _say_unsubscribed(self, event: str, symbol: str) -> None:
        self._say({"type": "UNSUBSCRIBED", "message": f"{event}:{symbol}"})

    # What a socket may suffer

    def channels(self) -> list[Channel]:
        """Return everything the socket is subscribed to."""
        return [(event, symbol) for event, symbols in self.pairs.items() for symbol in symbols]

    def unsubscribe(self, event: str, symbol: str) -> None:
        """End a subscription and say so."""
        self._hub.unsubscribe(self, event, symbol)
        del self.pairs[event][symbol]
        self._say_unsubscribed(event, symbol)

    def forget(self) -> None:
        """End every subscription without a word."""
        for event, symbol in self.channels():
            self._hub.unsubscribe(self, event, symbol)
        self.pairs.clear()


class TradeHub:
    """Encodes each change of the market once, for all who subscribed to it, and only if anybody did."""

    def __init__(self, data: MarketData, faults: FaultPlan, *, snapshot_on_resubscribe: bool = False) -> None:
        self.snapshot_on_resubscribe = snapshot_on_resubscribe
        self._data = data
        self._faults = faults
        self._book_faults = BookFaults(faults)
        self._overtaken: dict[Channel, str] = {}
        self._subscribers: dict[Channel, dict[TradeSession, None]] = {}
        self._changed: dict[str, set[str]] = {"book": set(), "summary": set(), "bucket": set()}
        self._depth_texts: dict[tuple[str, str], str] = {}
        self.sessions: dict[TradeSession, None] = {}
        data.exchange.listen(self.on_event)

    def join(self, session: TradeSession) -> None:
        """Add a socket."""
        self.sessions[session] = None

    def leave(self, session: TradeSession) -> None:
        """Remove a socket and its subscriptions."""
        self.sessions.pop(session)
        for event, symbol in session.channels():
            self.unsubscribe(session, event, symbol)

    def symbols(self) -> list[str]:
        """Return the symbols of all active pairs."""
        return [pair.symbol for pair in self._data.exchange.engine.pairs.values() if pair.active]

    def takes(self, event: str, symbol: str) -> bool:
        """Tell whether a subscription is taken: books only of active pairs (5.2), and nothing that a fault refuses."""
        pair = self._data.exchange.engine.pairs.get(symbol)
        if pair is None or event not in TRADE_EVENTS or (event in BOOK_EVENTS and not pair.active):
            return False
        return not self._faults.strike(FaultKind.SUBSCRIPTION_REFUSED, Subject(event=event, pair=symbol))

    def subscribe(self, session: TradeSession, event: str, symbol: str) -> None:
        """Add a subscriber and send it what comes at once, if anything."""
        self._subscribers.setdefault((event, symbol), {})[session] = None
        session.stalled.discard((event, symbol))
        if event in FEEDS:
            self._send_snapshot(session, event, symbol)
        elif first := self._first(event, symbol):
            session.connection.send(first)

    def _send_snapshot(self, session: TradeSession, event: str, symbol: str) -> None:
        faults, connection = self._faults, session.connection
        subject = Subject(event=event, pair=symbol)
        if faults.strike(FaultKind.SNAPSHOT_MISSING, subject):
            return
        late = faults.strike(FaultKind.SNAPSHOT_LATE, subject)
        if not late:
            connection.send(self._first(event, symbol))
        elif faults.form(late) == "old":
            connection.send_later(self._first(event, symbol), faults.delay(late))
        else:
            connection.call_later(faults.delay(late), lambda: self._send_first(session, event, symbol))

    def _send_first(self, session: TradeSession, event: str, symbol: str) -> None:
        if session in self._subscribers.get((event, symbol), {}):
            session.connection.send(self._first(event, symbol))

    def unsubscribe(self, session: TradeSession, event: str, symbol: str) -> None:
        """Remove a subscriber."""
        subscribers = self._subscribers.get((event, symbol), {})
        subscribers.pop(session, None)
        if not subscribers:
            self._subscribers.pop((event, symbol), None)

    def _first(self, event: str, symbol: str) -> str:
        feed = self._data.feeds[symbol]
        if event in DEPTH_EVENTS:
            return feed.depth_snapshot(DEPTH_EVENTS[event])
        match event:
            case "OB_L1_DIFF":
                return feed.l1_snapshot()
            case "FULL_ORDERBOOK_UPDATE":
                return feed.full_snapshot()
            case "AGGREGATED_ORDERBOOK_UPDATE":
                return feed.aggregated_update()
            case "MARKET_SUMMARY_UPDATE":
                return self._summary(symbol)
            case "MARK_PRICE_UPDATE":
                return self._mark_price(symbol)
            case _:
                return ""

    def _publish(self, event: str, symbol: str, text: Callable[[], str]) -> None:
        subscribers = self._subscribers.get((event, symbol))
        if not subscribers:
            return
        subject = Subject(event=event, pair=symbol)
        if self._faults.strike(FaultKind.DROP_EVENT, subject):
            return
        if event in FEEDS:
            self._publish_book(subject, text(), subscribers)
            return
        encoded = text()
        for session in subscribers:
            session.connection.send(encoded)

    def _publish_book(self, subject: Subject, encoded: str, subscribers: Iterable[TradeSession]) -> None:
        faults, channel = self._faults, (subject.event, subject.pair)
        if subject.event in CHECKED_FEEDS and faults.strike(FaultKind.BOOK_GAP, subject):
            return
        if faults.strike(FaultKind.BOOK_STALLED, subject):
            for session in subscribers:
                session.stalled.add(channel)
        encoded = self._book_faults.spoiled(encoded, subject, self._data.feeds[subject.pair])
        frames = [encoded] * (2 if faults.strike(FaultKind.BOOK_DUPLICATE, subject) else 1)
        if overtaken := self._overtaken.pop(channel, None):
            frames.append(overtaken)
        delay = 0.0
        if reorder := faults.strike(FaultKind.BOOK_REORDER, subject):
            if faults.form(reorder) == "swapped":
                self._overtaken[channel] = frames.pop(0)
            else:
                delay = faults.delay(reorder)
        for session in subscribers:
            if channel not in session.stalled:
                session.deliver(frames, delay)

    def on_event(self, event: events.Event) -> None:
        """Publish a change of the market."""
        match event:
            case events.BookChanged(symbol):
                self._book_changed(symbol)
            case events.PublicTraded(trade):
                symbol = trade.symbol
                self._publish("NEW_TRADE", symbol, lambda: self._trade(trade))
                self._changed["bucket"].add(symbol)
                self._changed["summary"].add(symbol)
            case events.PairChanged(symbol):
                order_types = list(self._data.exchange.engine.pairs[symbol].order_types)
                self._publish(
                    "ALLOWED_ORDER_TYPES_UPDATED",
                    symbol,
                    lambda: _wrap("ALLOWED_ORDER_TYPES_UPDATED", symbol, order_types),
                )

    def _trade(self, trade: PublicTrade) -> str:
        row = messages.public_trade(trade, event=True)
        if self._faults.strike(FaultKind.TRADE_WITHOUT_ID, Subject(pair=trade.symbol)):
            del row["id"]
        return _wrap("NEW_TRADE", trade.symbol, row)

    def _book_changed(self, symbol: str) -> None:
        feed = self._data.feeds[symbol]
        self._publish("OB_L1_DIFF", symbol, feed.l1_diff)
        self._publish("FULL_ORDERBOOK_UPDATE", symbol, feed.full_update)
        self._changed["book"].add(symbol)
        self._changed["summary"].add(symbol)
        for event, depth in DEPTH_EVENTS.items():
            if (event, symbol) in self._subscribers:
                self._depth_changed(event, symbol, depth)

    def _depth_changed(self, event: str, symbol: str, depth: int) -> None:
        text = self._data.feeds[symbol].depth_snapshot(depth)
        shown = text[text.index('"a":') :]
        if self._depth_texts.get((event, symbol)) != shown:
            self._depth_texts[event, symbol] = shown
            self._publish(event, symbol, lambda: text)

    # What goes out at intervals

    def flush_books(self) -> None:
        """Publish the aggregated books that changed since the last call: about four times a second."""
        for symbol in self._take("book"):
            self._publish("AGGREGATED_ORDERBOOK_UPDATE", symbol, self._data.feeds[symbol].aggregated_update)

    def flush_summaries(self) -> None:
        """Publish the summaries and running candles that changed since the last call: about once a second."""
        for symbol in self._take("summary"):
            self._publish("MARKET_SUMMARY_UPDATE", symbol, partial(self._summary, symbol))
        now_ms = self._data.exchange.now_ms()
        for symbol in self._take("bucket"):
            self._publish_buckets(symbol, now_ms)

    def close_buckets(self, from_ms: int, to_ms: int) -> None:
        """Publish the candles that ended between two times, those without trades too."""
        for symbol in self._data.candles:
            self._publish_buckets(symbol, from_ms, to_ms)

    def _publish_buckets(self, symbol: str, at_ms: int, to_ms: int | None = None) -> None:
        if ("NEW_TRADE_BUCKET", symbol) not in self._subscribers:
            return
        for row in self._data.bucket_rows(symbol, at_ms, to_ms):
            self._publish("NEW_TRADE_BUCKET", symbol, partial(_wrap, "NEW_TRADE_BUCKET", symbol, row))

    def publish_mark_prices(self) -> None:
        """Publish every mark price: every 3 seconds."""
        for symbol in self._data.feeds:
            self._publish("MARK_PRICE_UPDATE", symbol, partial(self._mark_price, symbol))

    def _take(self, what: str) -> list[str]:
        # In an order that is the same in every run of a seed, since faults strike one after the other.
        changed, self._changed[what] = sorted(self._changed[what]), set()
        return changed

    def _summary(self, symbol: str) -> str:
        data = {"currencyPairSymbol": symbol, **self._data.summary(symbol)}
        return _wrap("MARKET_SUMMARY_UPDATE", symbol, data)

    def _mark_price(self, symbol: str) -> str:
        return _wrap("MARK_PRICE_UPDATE", symbol, {"price": self._data.summary(symbol)["markPrice"]})


def _wrap(event: str, symbol: str, data: object) -> str:
    return encode({"type": event, "currencyPairSymbol": symbol, "data": data})
