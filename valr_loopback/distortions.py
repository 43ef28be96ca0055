"""Faults that spoil what a message says: fields lost, added, or written in a way nobody expects (valr-api.md 4.3).

They work on messages on their way out; what they are told about is never touched.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import orjson

from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import Fault, FaultPlan, Subject
from valr_loopback.messages import Json, encode

UNKNOWN_STATUS_WORDS = ("Archived", "Pending Review", "Cancelled Pending", "FILLED_ELSEWHERE", "")
UNKNOWN_EVENTS = ("ORDER_ARCHIVED", "ORDER_CANCEL_CONFIRMED", "ACCOUNT_RECALIBRATED")
_ONLY_FOR = {
    FaultKind.OPEN_ORDERS_OBJECT_LAYOUT: "OPEN_ORDERS_UPDATE",
    FaultKind.UNKNOWN_STATUS_WORD: "ORDER_STATUS_UPDATE",
}
_LONG_NUMBER = re.compile(r"-?\d{4,}(\.\d+)?")


class Distortions:
    """Spoils outgoing messages as the faults in force will have it."""

    def __init__(self, faults: FaultPlan) -> None:
        self._faults = faults

    def event(self, text: str, subject: Subject, account_id: str) -> str:
        """Return an account event as it is to be sent: spoiled, or as it was."""
        if not self._faults.holds(*_DISTORTIONS):
            return text
        struck = [
            (distort, fault)
            for kind, distort in _DISTORTIONS.items()
            if subject.event == _ONLY_FOR.get(kind, subject.event) and (fault := self._faults.strike(kind, subject))
        ]
        if not struck:
            return text
        message: Json = orjson.loads(text)
        for distort, fault in struck:
            distort(message, fault, self._faults.random, account_id)
        return encode(message)

    def companion(self, text: str, subject: Subject) -> str:
        """Return an event of a type nobody documented, to be sent along with an account event; empty for none."""
        if not self._faults.strike(FaultKind.UNKNOWN_EVENT, subject):
            return ""
        message: Json = orjson.loads(text)
        message["type"] = self._faults.random.choice(UNKNOWN_EVENTS)
        for row in _rows(message):
            row["status"] = "CANCELLED"
        return encode(message)

    def lookup(self, row: Json, subject: Subject) -> Json:
        """Return the answer to a lookup of an order as it is to be sent."""
        if self._faults.strike(FaultKind.UNKNOWN_STATUS_WORD, subject):
            return row | {"orderStatusType": self._faults.random.choice(UNKNOWN_STATUS_WORDS)}
        return row


def _rows(message: Json) -> list[Json]:
    data = message["data"]
    if isinstance(data, dict):
        data = data.get("orders", [data])
    return list(data)


def _omit_client_order_id(message: Json, fault: Fault, random: Random, account_id: str) -> None:
    for row in _rows(message):
        row.pop("customerOrderId", None)


def _lose_field(message: Json, fault: Fault, random: Random, account_id: str) -> None:
    """Lose the field that is named from every row, or from one row a field that is drawn."""
    rows = _rows(message)
    if fault.field:
        for row in (message, *rows):
            row.pop(fault.field, None)
    elif rows:
        row = random.choice(rows)
        row.pop(random.choice(list(row)), None)


def _add_fields(message: Json, fault: Fault, random: Random, account_id: str) -> None:
    message["sequence"] = random.randrange(10**9)
    message["meta"] = {"type": "SNAPSHOT", "tags": ["a", {"orderStatusType": "Cancelled"}], "none": None}
    for row in _rows(message):
        row["riskScore"] = random.random()
        row["routing"] = {"orderId": "none", "legs": [{"orderStatusType": "Failed", "remainingQuantity": "0"}, []]}
        row["isFinal"] = random.random() < 0.5


def _write_commas(message: Json, fault: Fault, random: Random, account_id: str) -> None:
    for row in _rows(message):
        row.update({name: _with_commas(name, value) for name, value in row.items()})


def _with_commas(name: str, value: Any) -> Any:
    # A client order id may look like a number, and is none.
    if not isinstance(value, str) or name.lower().endswith("id") or not _LONG_NUMBER.fullmatch(value):
        return value
    return f"{Decimal(value):,}"


def _change_status_word(message: Json, fault: Fault, random: Random, account_id: str) -> None:
    message["data"]["orderStatusType"] = random.choice(UNKNOWN_STATUS_WORDS)


def _wrap_list(message: Json, fault: Fault, random: Random, account_id: str) -> None:
    """Write the list of open orders as an object, as the mirror of VALR's documentation prints it (4.3)."""
    rows = _rows(message)
    for row in rows:
        row["side"] = row["side"].upper()
    message["data"] = {"accountId": account_id, "orders": rows}


_DISTORTIONS: dict[FaultKind, Callable[[Json, Fault, Random, str], None]] = {
    FaultKind.OMIT_CUSTOMER_ORDER_ID: _omit_client_order_id,
    FaultKind.UNKNOWN_STATUS_WORD: _change_status_word,
    FaultKind.COMMAS_IN_NUMBERS: _write_commas,
    FaultKind.EXTRA_FIELDS: _add_fields,
    FaultKind.OPEN_ORDERS_OBJECT_LAYOUT: _wrap_list,
    FaultKind.MISSING_FIELD: _lose_field,  # last: what is missing is so for good
}
