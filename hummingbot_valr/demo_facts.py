"""What the exchange says happened: its ledger, and the best prices it published."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

Fees = tuple[tuple[Decimal, str], ...]
"""Amounts and their currencies; a maker reward is negative, a fee of nothing is left out."""


@dataclass(frozen=True, slots=True)
class Trade:
    """One fill, as the exchange's ledger or the bot's own log of events has it."""

    trade_id: str
    order_id: str
    client_order_id: str
    side: str
    price: Decimal
    quantity: Decimal
    fees: Fees


@dataclass(frozen=True, slots=True)
class LedgerOrder:
    """An order in the exchange's ledger. Times are Unix seconds; ``ended_at`` is None while it is live."""

    order_id: str
    client_order_id: str
    side: str
    price: Decimal
    quantity: Decimal
    filled: Decimal
    status: str
    created_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class Balance:
    """What the account holds of one currency."""

    available: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything the exchange knows of the account; ``most_open`` is the most orders ever live at once."""

    orders: tuple[LedgerOrder, ...] = ()
    trades: tuple[Trade, ...] = ()
    balances: Mapping[str, Balance] | None = None
    open_orders: int = 0
    most_open: int = 0


@dataclass(frozen=True, slots=True)
class Touch:
    """The best bid and ask from a time on, as published; None is an empty side."""

    time: float
    bid: Decimal | None
    ask: Decimal | None

    @property
    def mid(self) -> Decimal | None:
        """The middle between the two, None if a side is empty."""
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2


def parse_ledger(content: Mapping[str, Any]) -> Ledger:
    """Read the answer of the exchange's ``/loopback/ledger``."""
    return Ledger(
        orders=tuple(_order(row) for row in content["orders"]),
        trades=tuple(_trade(row) for row in content["trades"]),
        balances={
            currency: Balance(Decimal(row["available"]), Decimal(row["total"]))
            for currency, row in content["balances"].items()
        },
        open_orders=content["openOrders"],
        most_open=content["mostOpenOrders"],
    )


def parse_touch(content: Mapping[str, Any], time: float) -> Touch:
    """Read the one level of each side of an ``OB_L1_D1_SNAPSHOT`` that came in at ``time``."""
    bids, asks = content["d"]["b"], content["d"]["a"]
    return Touch(time, Decimal(bids[0][0]) if bids else None, Decimal(asks[0][0]) if asks else None)


def _order(row: Mapping[str, Any]) -> LedgerOrder:
    return LedgerOrder(
        order_id=row["orderId"],
        client_order_id=row["customerOrderId"],
        side=row["side"],
        price=Decimal(row["price"]),
        quantity=Decimal(row["quantity"]),
        filled=Decimal(row["filled"]),
        status=row["status"],
        created_at=_seconds(row["createdAt"]),
        ended_at=_seconds(row["endedAt"]) if row["endedAt"] else None,
    )


def _trade(row: Mapping[str, Any]) -> Trade:
    if "makerReward" in row:
        amount, currency = -Decimal(row["makerReward"]), row["makerRewardCurrency"]
    else:
        amount, currency = Decimal(row["fee"]), row["feeCurrency"]
    return Trade(
        trade_id=row["id"],
        order_id=row["orderId"],
        client_order_id=row["customerOrderId"],
        side=row["side"],
        price=Decimal(row["price"]),
        quantity=Decimal(row["quantity"]),
        fees=((amount, currency),) if amount else (),
    )


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
