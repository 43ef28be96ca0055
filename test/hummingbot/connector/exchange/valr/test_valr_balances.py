"""Balances are absolute; the newer wins, by VALR's stamps while they can be trusted."""

from decimal import Decimal

import pytest

from hummingbot.connector.exchange.valr.valr_balances import SETTLED_AFTER, BalanceBook
from hummingbot.connector.exchange.valr.valr_messages import Balance


class Account:
    def __init__(self) -> None:
        self.total: dict[str, Decimal] = {}
        self.available: dict[str, Decimal] = {}
        self.book = BalanceBook(self.total, self.available)

    def lists(self, *rows: Balance, asked_at: float, now: float, unreadable: tuple[str, ...] = ()) -> None:
        self.book.apply_list(rows, ["BTC", "ZAR"], asked_at, now, unreadable)


@pytest.fixture
def account() -> Account:
    return Account()


def balance(asset: str, total: str, updated_at: float | None = None, available: str | None = None) -> Balance:
    return Balance(
        asset=asset,
        total=Decimal(total),
        available=Decimal(total if available is None else available),
        updated_at=updated_at,
    )


def test_values_are_absolute_and_the_newer_wins(account: Account) -> None:
    account.book.apply(balance("BTC", "5", 100.0, available="3"), 0.0)
    account.book.apply(balance("BTC", "9", 99.0), 0.1)
    assert (account.total, account.available) == ({"BTC": Decimal(5)}, {"BTC": Decimal(3)})
    account.book.apply(balance("BTC", "2", 101.0), 0.2)
    account.book.apply(balance("BTC", "1"), 0.3)
    assert account.total == account.available == {"BTC": Decimal(1)}


def test_an_asset_that_is_not_listed_is_gone_unless_it_arrived_meanwhile(account: Account) -> None:
    account.book.apply(balance("ETH", "1", 100.0), 1.0)
    account.book.apply(balance("SOL", "1", 100.0), 3.0)
    account.lists(balance("BTC", "2", 100.0), asked_at=2.0, now=4.0)
    assert set(account.total) == set(account.available) == {"SOL", "BTC"}


def test_an_account_that_holds_nothing_is_known_to_hold_nothing(account: Account) -> None:
    account.lists(asked_at=1.0, now=2.0)
    assert account.total == account.available == {"BTC": Decimal(0), "ZAR": Decimal(0)}


def test_what_cannot_be_read_is_neither_gone_nor_zero(account: Account) -> None:
    account.lists(asked_at=1.0, now=2.0, unreadable=("BTC",))
    assert account.total == {}
    account.lists(balance("BTC", "1"), balance("ETH", "1"), balance("SOL", "1"), asked_at=3.0, now=4.0)
    account.lists(balance("SOL", "2"), asked_at=5.0, now=6.0, unreadable=("ETH",))
    assert account.total == account.available == {"ETH": Decimal(1), "SOL": Decimal(2)}
    account.lists(balance("ETH", "3"), asked_at=7.0, now=8.0, unreadable=("",))
    assert account.total == account.available == {"ETH": Decimal(3), "SOL": Decimal(2)}


def test_a_list_does_not_overrule_what_came_while_it_was_made(account: Account) -> None:
    account.book.apply(balance("BTC", "5", 100.0), 10.0)
    account.lists(balance("BTC", "9", 99.0), asked_at=9.0, now=10.5)
    account.lists(balance("BTC", "9", 99.0), asked_at=10.5, now=11.0)
    assert account.total["BTC"] == 5


def test_a_clock_set_back_at_valr_does_not_freeze_the_balances(account: Account) -> None:
    account.book.apply(balance("BTC", "5", 400.0), 10.0)
    asked_at = 10.0 + SETTLED_AFTER + 0.1
    account.lists(balance("BTC", "6", 105.0), asked_at=asked_at, now=asked_at + 0.1)
    assert account.total["BTC"] == 6
    account.book.apply(balance("BTC", "7", 106.0), asked_at + 1)
    assert account.total["BTC"] == 7
