"""What a session report takes from the connector's session record: JSON lines in Hummingbot's data folder.

Each line has ``t`` (Unix seconds) and ``kind``. A run is all lines from a ``start`` to the next one of another run.
Lines that cannot be read, such as the last one of a killed bot, are counted and left out.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

from hummingbot_valr.session_report_database import BAD_VALUE
from hummingbot_valr.session_report_facts import (
    BUY,
    SELL,
    Fill,
    Holding,
    Incident,
    Market,
    Mid,
    Quote,
    ReportError,
)

SUFFIX = "_session.jsonl"
OLD_SUFFIX = "_session.old.jsonl"

_PLAIN_DECIMAL = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_OVER = {
    "account socket lost": "account socket back",
    "market socket lost": "market socket back",
    "REST lost": "REST back",
    "book dropped": "book resynced",
    "commands unanswered": "commands answered",
    "rate limited": "rate limit over",
    "clock off": "clock right",
    "read-only begun": "read-only over",
}
_BEGUN = {over: begun for begun, over in _OVER.items()}


@dataclass(slots=True)
class Run:
    """One run of a connector. ``quotes`` are by client order id; ``ends`` also name orders of earlier runs.

    ``whole`` is whether its beginning is on record, ``stopped`` whether it ended in order.
    """

    connector: str
    name: str
    begin: float
    end: float
    whole: bool = True
    stopped: bool = False
    settings: str = ""
    quotes: dict[str, Quote] = field(default_factory=dict)
    ends: dict[str, tuple[float, str]] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    mids: defaultdict[Market, list[Mid]] = field(default_factory=lambda: defaultdict(list))
    holdings: defaultdict[str, list[Holding]] = field(default_factory=lambda: defaultdict(list))
    latencies: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    incidents: list[Incident] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0
    _pending: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def take(self, line: Mapping[str, Any], time: float) -> None:
        """Take one line; one of an unknown kind says nothing to us.

        :raises KeyError, TypeError, ValueError, ArithmeticError: it is not what it should be
        """
        taker = _TAKERS.get(line["kind"])
        if taker is not None:
            taker(self, line, time)
        self.end = max(self.end, time)

    def _take_stop(self, line: Mapping[str, Any], time: float) -> None:
        if not isinstance(line["counters"], dict):
            raise ValueError(f"{line['counters']} are no counters")
        self.counters = {str(name): int(count) for name, count in line["counters"].items()}
        self.stopped = True

    def _take_book(self, line: Mapping[str, Any], time: float) -> None:
        price = None if line["mid"] is None else _number(line["mid"])
        self.mids[self._market(line)].append(Mid(time, price))

    def _take_balance(self, line: Mapping[str, Any], time: float) -> None:
        self.holdings[str(line["currency"])].append(Holding(time, _number(line["total"])))

    def _take_order(self, line: Mapping[str, Any], time: float) -> None:
        price = None if line["price"] is None else _number(line["price"])
        quote = Quote(self._market(line), str(line["id"]), _side(line), price, _number(line["amount"]), time)
        self.quotes[quote.client_order_id] = quote

    def _take_open(self, line: Mapping[str, Any], time: float) -> None:
        quote = self.quotes.get(line["id"])
        if quote is not None:
            self.quotes[quote.client_order_id] = replace(quote, begin=time)

    def _take_end(self, line: Mapping[str, Any], time: float) -> None:
        identifier, ending = str(line["id"]), str(line["end"])
        self.ends[identifier] = (time, ending)
        if identifier in self.quotes:
            self.quotes[identifier] = replace(self.quotes[identifier], end=time, ending=ending)

    def _take_fill(self, line: Mapping[str, Any], time: float) -> None:
        fee, traded_at = _number(line["fee"]), line.get("traded_at")
        self.fills.append(
            Fill(
                market=self._market(line),
                trade_id=str(line["trade_id"]),
                client_order_id=str(line["id"]),
                side=_side(line),
                price=_number(line["price"]),
                amount=_number(line["amount"]),
                # What was learnt late, after a lost socket, happened when VALR says it did.
                time=time if traded_at is None else min(time, _time(traded_at)),
                fees=((fee, str(line["fee_currency"])),) if fee else (),
            )
        )

    def _take_latency(self, line: Mapping[str, Any], time: float) -> None:
        self.latencies[str(line["measure"])].append(_finite(line["ms"]))

    def _take_incident(self, line: Mapping[str, Any], time: float) -> None:
        kind, pair, text = str(line["incident"]), str(line["pair"]), str(line["text"])
        begun = self._pending.get((_BEGUN.get(kind, ""), pair))
        if begun:
            index = begun.pop(0)
            self.incidents[index] = replace(self.incidents[index], end=time)
            return
        if kind in _OVER:
            self._pending.setdefault((kind, pair), []).append(len(self.incidents))
        self.incidents.append(Incident(time, kind, f"{pair}: {text}" if pair and pair not in text else text))

    def _market(self, line: Mapping[str, Any]) -> Market:
        base, _, quote = str(line["pair"]).partition("-")
        if not (base and quote):
            raise ValueError(f"{line['pair']} is no trading pair")
        return Market(self.connector, str(line["pair"]))


_TAKERS = {
    "stop": Run._take_stop,
    "book": Run._take_book,
    "balance": Run._take_balance,
    "order": Run._take_order,
    "open": Run._take_open,
    "end": Run._take_end,
    "fill": Run._take_fill,
    "latency": Run._take_latency,
    "incident": Run._take_incident,
}


def read_runs(data: Path) -> list[Run]:
    """Read every run of every connector in a data folder, the one that began last at the end.

    :raises ReportError: a record cannot be read at all
    """
    runs: list[Run] = []
    for path in sorted(data.glob(f"*{SUFFIX}")):
        stem = path.name.removesuffix(SUFFIX)
        runs += _read_connector(stem, [data / f"{stem}{OLD_SUFFIX}", path])
    return sorted(runs, key=lambda run: run.begin)


def _read_connector(connector: str, paths: list[Path]) -> list[Run]:
    runs: list[Run] = []
    for path in filter(Path.exists, paths):
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                for text in file:
                    _read_line(runs, connector, text)
        except OSError as error:
            raise ReportError(f"The session record {path} cannot be read: {error.strerror}.") from error
    return runs


def _read_line(runs: list[Run], connector: str, text: str) -> None:
    try:
        line = json.loads(text)
        time = _time(line["t"])
        if line["kind"] == "start":
            if not runs or runs[-1].name != line["run"]:
                runs.append(_begun(connector, line, time))
            runs[-1].stopped = False
        elif runs:
            runs[-1].take(line, time)
    except (*BAD_VALUE, RecursionError):
        if runs:
            runs[-1].unreadable += 1


def _begun(connector: str, line: Mapping[str, Any], time: float) -> Run:
    settings = f"orders over {line['order_entry']}, book feed {line['book_feed']}"
    return Run(connector, str(line["run"]), time, time, whole=not line.get("continued"), settings=settings)


def _number(text: str) -> Decimal:
    if not _PLAIN_DECIMAL.fullmatch(text):
        raise ValueError(f"{text} is no amount")
    return Decimal(text)


def _finite(number: Any) -> float:
    if isinstance(number, bool) or not isinstance(number, int | float) or not isfinite(number):
        raise ValueError(f"{number} is no number")
    return float(number)


def _time(number: Any) -> float:
    time = _finite(number)
    if not 0 < time < 1e11:
        raise ValueError(f"{number} is no time in Unix seconds")
    return time


def _side(line: Mapping[str, Any]) -> str:
    if line["side"] not in (BUY, SELL):
        raise ValueError(f"{line['side']} is no side")
    return str(line["side"])
