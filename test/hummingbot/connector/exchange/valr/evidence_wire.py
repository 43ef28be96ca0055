"""The account socket between the model exchange and the shell: loses, doubles, delays and garbles what it carries."""

from collections.abc import Callable
from typing import Any

from hummingbot.connector.exchange.valr.valr_messages import AccountMessage, parse_account_frame

from .evidence_faults import Fault, Weather
from .evidence_model import CANCELLED, EXPIRED, FILLED, SLIPPED, Exchange, Row, stamp
from .evidence_timeline import Timeline

TRANSIT = 0.01
LONGEST_DELAY = 4.0
BLINDNESS = 5.0
BEYOND_PATIENCE_STARTS, BEYOND_PATIENCE_ENDS = 12.0, 32.0


class Wire:
    """One account socket.

    :param spoiled: the types of events that faults may touch
    :param deliver: takes what arrives, parsed
    """

    def __init__(
        self,
        timeline: Timeline,
        weather: Weather,
        spoiled: frozenset[str],
        deliver: Callable[[AccountMessage], None],
    ) -> None:
        self._timeline = timeline
        self._weather = weather
        self._spoiled = spoiled
        self._deliver = deliver
        self.exchange = Exchange(timeline, self.publish)
        self.is_up = False
        self.connection = 0

    def connect(self) -> None:
        """Come up; VALR sends the open orders unasked (valr-api.md 4.1)."""
        self.is_up = True
        self.connection += 1
        self.publish("OPEN_ORDERS_UPDATE", None)

    def drop(self) -> None:
        """Go down: what is under way is lost."""
        self.is_up = False

    def publish(self, kind: str, data: Row | None) -> None:
        """Send an event of the exchange on its way, as the weather allows."""
        if not self.is_up:
            return
        strikes = self._weather.strikes
        body: Any = self.open_orders() if data is None else self.habitual(data)
        spoiled = kind in self._spoiled
        for _ in range(2 if spoiled and strikes(Fault.EVENT_DOUBLED) else 1):
            if spoiled and strikes(Fault.EVENT_LOST):
                continue
            sent = self._spoil(kind, body) if spoiled else body
            late = self._weather.seconds(Fault.EVENT_LATE, 0, LONGEST_DELAY) if spoiled else 0.0
            self._send({"type": kind, "data": sent}, TRANSIT + late)

    def _send(self, frame: Row, seconds: float) -> None:
        connection = self.connection

        def arrive() -> None:
            if self.is_up and connection == self.connection:
                self._deliver(parse_account_frame(frame))

        self._timeline.after(seconds, arrive)

    def open_orders(self) -> list[Row]:
        blind = self._weather.strikes(Fault.LOOKUP_BLIND_LONG)
        fresh = BEYOND_PATIENCE_ENDS if blind else self._weather.seconds(Fault.LIST_LACKS_FRESH, 0, BLINDNESS)
        stale = self._weather.seconds(Fault.LIST_IS_STALE, 0, BLINDNESS)
        return self.exchange.open_rows(fresh, stale)

    def habitual(self, row: Row) -> Row:
        """Return an event's data, or the answer of a lookup, as this exchange's habits have it."""
        word, strikes = row.get("orderStatusType"), self._weather.strikes
        if word in (CANCELLED, EXPIRED, SLIPPED) and strikes(Fault.REMAINDER_ZEROED):
            return {**row, "remainingQuantity": "0"}
        if word == FILLED and row["orderType"] == "market" and strikes(Fault.MARKET_ZEROED):
            return {**row, "originalQuantity": "0", "remainingQuantity": "0"}
        return row

    def _spoil(self, kind: str, body: Any) -> Any:
        if isinstance(body, list):
            return [self.spoil_row("an open order", row) for row in body]
        return self.spoil_row(kind, body)

    def spoil_row(self, kind: str, row: Row) -> Row:
        """Return an event's data, or a row of an answer, as badly written as the weather has it."""
        row = dict(row)
        strikes, choose = self._weather.strikes, self._weather.choose
        if strikes(Fault.EVENT_ANONYMOUS):
            row.pop("customerOrderId", None)
        word = next((key for key in ("orderStatusType", "status") if key in row), None)
        if word is not None:
            self._spoil_status(row, word)
        if kind == "NEW_ACCOUNT_TRADE" and strikes(Fault.FEE_MISSING):
            del row["fee"], row["feeCurrency"]
        if strikes(Fault.EVENT_UNREADABLE):
            row.update(choose(Fault.EVENT_UNREADABLE, _UNREADABLE[kind]))
        return row

    def _spoil_status(self, row: Row, word: str) -> None:
        strikes, choose = self._weather.strikes, self._weather.choose
        if strikes(Fault.WORD_UNKNOWN):
            row[word] = choose(Fault.WORD_UNKNOWN, ["Pending", "Frobnicated"])
        if strikes(Fault.QUANTITY_MISSING):
            row.pop("originalQuantity", None)
        time = "orderUpdatedAt" if word == "orderStatusType" else "updatedAt"
        if strikes(Fault.STAMP_OFF):
            row[time] = stamp(self._timeline.now + choose(Fault.STAMP_OFF, [-1.0, 1.0]))
        if strikes(Fault.STAMP_MISSING):
            row.pop(time, None)


_UNREADABLE: dict[str, list[Row]] = {
    "ORDER_STATUS_UPDATE": [
        {"remainingQuantity": "1,2,3"},
        {"orderId": None},
        {"orderId": None, "customerOrderId": None},
    ],
    "an open order": [{"originalQuantity": "NaN"}, {"orderId": ""}],
    "ORDER_PROCESSED": [{"success": "perhaps"}, {"orderId": ""}],
    "a past trade": [{"price": "-"}, {"id": ""}, {"quantity": "0"}],
    "NEW_ACCOUNT_TRADE": [{"price": "-"}, {"id": ""}, {"quantity": "0"}],
    "FAILED_ORDER": [{"orderId": None}],
    "FAILED_CANCEL_ORDER": [{"message": None}],
    "MODIFY_ORDER_OUTCOME": [{"success": None}],
}
