"""Balances are absolute; the newer wins, by VALR's stamps while they can be trusted."""

from decimal import Decimal

import pytest

from hummingbot.connector.exchange.valr.valr_balances import LISTS_BELIEVED_AFTER, SETTLED_AFTER, BalanceBook
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


def test_an_asset_that_is_not_listed_is_gone_unless_an_event_told_of_it_a_moment_ago(account: Account) -> None:
    account.book.apply(balance("ETH", "1", 100.0), 1.0)
    account.book.apply(balance("SOL", "1", 100.0), 7.0)
    account.book.apply(balance("XRP", "1", 100.0), 8.0)
    asked_at = 1.0 + SETTLED_AFTER + 1.5
    account.lists(balance("BTC", "2", 100.0), asked_at=asked_at, now=9.0)
    assert set(account.total) == set(account.available) == {"SOL", "XRP", "BTC"}
    account.lists(balance("SOL", "1", 100.0), asked_at=10.0, now=11.0)
    assert set(account.total) == {"SOL", "XRP"}
    account.lists(asked_at=8.0 + SETTLED_AFTER + 0.1, now=14.0)
    assert account.total == {"BTC": 0, "ZAR": 0}


def test_an_asset_that_was_listed_and_is_not_any_more_is_gone_at_once(account: Account) -> None:
    account.lists(balance("ETH", "1"), balance("BTC", "1"), asked_at=1.0, now=1.5)
    # Two lists were asked for at the same time, and the older one comes last.
    account.lists(balance("BTC", "1"), asked_at=1.2, now=1.6)
    assert set(account.total) == {"ETH", "BTC"}
    account.lists(balance("BTC", "1"), asked_at=2.0, now=2.1)
    assert set(account.total) == set(account.available) == {"BTC"}


def test_an_asset_that_was_gone_begins_anew(account: Account) -> None:
    account.lists(balance("ETH", "1", 100.0), balance("BTC", "1"), asked_at=1.0, now=1.5)
    account.lists(balance("BTC", "1"), asked_at=2.0, now=2.5)
    account.lists(balance("ETH", "2", 99.0), balance("BTC", "1"), asked_at=3.0, now=3.5)
    assert account.total["ETH"] == 2


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


def test_an_old_list_does_not_overrule_an_event_however_long_ago_that_came(account: Account) -> None:
    account.book.apply(balance("BTC", "5", 100.0, available="3"), 10.0)
    for asked_at in (20.0, 49.0):
        account.lists(balance("BTC", "9", 99.0), asked_at=asked_at, now=asked_at + 0.1)
    assert (account.total, account.available) == ({"BTC": Decimal(5)}, {"BTC": Decimal(3)})
    account.lists(balance("BTC", "7", 100.0), asked_at=49.5, now=50.0)
    assert account.total["BTC"] == 7


@pytest.mark.parametrize("stamps", [(99.0, 99.0, 99.0), (60.0, 70.0, 90.0)])
def test_lists_that_go_on_contradicting_the_stamps_are_believed(
    account: Account, stamps: tuple[float, float, float]
) -> None:
    """A clock set back at VALR must not freeze the balances."""
    account.book.apply(balance("BTC", "5", 100.0), 0.0)
    for asked_at, stamp in zip((10.0, 20.0), stamps, strict=False):
        account.lists(balance("BTC", "6", stamp), asked_at=asked_at, now=asked_at + 0.1)
        assert account.total["BTC"] == 5
    believed_at = 10.0 + LISTS_BELIEVED_AFTER
    account.lists(balance("BTC", "6", stamps[2]), asked_at=believed_at, now=believed_at + 0.1)
    assert account.total["BTC"] == account.available["BTC"] == 6
    account.book.apply(balance("BTC", "7", 99.5), believed_at + 1)
    assert account.total["BTC"] == 7


def contradict(account: Account, *asked_at: float, total: str = "6", stamp: float = 99.0) -> None:
    for moment in asked_at:
        account.lists(balance("BTC", total, stamp), asked_at=moment, now=moment + 0.1)


def test_many_lists_within_a_short_time_are_not_believed(account: Account) -> None:
    account.book.apply(balance("BTC", "5", 100.0), 0.0)
    contradict(account, *(10.0 + number for number in range(29)))
    assert account.total["BTC"] == 5


def test_two_lists_are_not_believed_however_far_apart(account: Account) -> None:
    account.book.apply(balance("BTC", "5", 100.0), 0.0)
    contradict(account, 10.0, 100.0)
    assert account.total["BTC"] == 5
    contradict(account, 100.1)
    assert account.total["BTC"] == 6


def test_only_contradictions_in_a_row_count(account: Account) -> None:
    account.book.apply(balance("BTC", "5", 100.0), 0.0)
    contradict(account, 10.0, 20.0)
    # It says the same with an older stamp: nothing to contradict.
    contradict(account, 30.0, total="5")
    contradict(account, 40.0, 41.0)
    # An even older one begins anew.
    contradict(account, 71.0, stamp=98.0)
    contradict(account, 80.0)
    assert account.total["BTC"] == 5
    # So does an event, of which a list that was asked for shortly after it need not know.
    account.book.apply(balance("BTC", "4", 101.0), 100.0)
    contradict(account, 104.0, 110.0, 120.0, 135.0)
    assert account.total["BTC"] == 4
    contradict(account, 140.0)
    assert account.total["BTC"] == 6


def test_rows_without_stamps_are_taken_and_forget_the_stamps_of_long_ago(account: Account) -> None:
    account.book.apply(balance("BTC", "5", 100.0), 10.0)
    account.lists(balance("BTC", "6"), asked_at=11.0, now=11.1)
    assert account.total["BTC"] == 6
    account.book.apply(balance("BTC", "7", 99.0), 12.0)
    assert account.total["BTC"] == 6
    account.lists(balance("BTC", "8"), asked_at=20.0, now=20.1)
    account.book.apply(balance("BTC", "9", 99.0), 21.0)
    assert account.total["BTC"] == 9
