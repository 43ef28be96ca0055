"""Accounts and their balances: money that can move, and never appears or vanishes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from valr_loopback.decimals import ZERO

TREASURY = "exchange"
"""The exchange's own account: fees go to it, maker rewards come from it."""


class InsufficientBalanceError(Exception):
    """An account has less available than was asked of it."""


@dataclass(slots=True)
class Wallet:
    """One currency of one account. ``reserved`` is locked in open orders."""

    available: Decimal = ZERO
    reserved: Decimal = ZERO
    updated_ms: int = 0

    @property
    def total(self) -> Decimal:
        """Everything the account owns of the currency."""
        return self.available + self.reserved


@dataclass(slots=True)
class Account:
    """An account. ``parent_id`` marks a sub-account; a ``quiet`` account (a market bot) keeps no history."""

    id: str
    label: str
    parent_id: str = ""
    quiet: bool = False
    wallets: dict[str, Wallet] = field(default_factory=dict)


class Accounts:
    """Every account of the exchange. Amounts are positive; callers compute under ``decimals.EXACT``."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}

    def open(
        self,
        account_id: str,
        balances: Mapping[str, Decimal],
        *,
        label: str = "",
        parent_id: str = "",
        quiet: bool = False,
        now_ms: int = 0,
    ) -> Account:
        """Open an account with money from outside.

        Raises:
            ValueError: if the account exists.
        """
        if account_id in self._accounts:
            raise ValueError(f"account {account_id} exists")
        account = Account(account_id, label or account_id, parent_id, quiet)
        account.wallets = {code: Wallet(amount, ZERO, now_ms) for code, amount in balances.items()}
        self._accounts[account_id] = account
        return account

    def get(self, account_id: str) -> Account:
        """Return an account.

        Raises:
            KeyError: if there is none of that id.
        """
        return self._accounts[account_id]

    def children(self, account_id: str) -> list[Account]:
        """Return the sub-accounts of an account."""
        return [account for account in self._accounts.values() if account.parent_id == account_id]

    def wallet(self, account_id: str, currency: str) -> Wallet:
        """Return the wallet of one currency, empty if the account never held any."""
        return self._accounts[account_id].wallets.setdefault(currency, Wallet())

    def reserve(self, account_id: str, currency: str, amount: Decimal, now_ms: int) -> None:
        """Lock available money for an order.

        Raises:
            InsufficientBalanceError: if less is available; nothing is locked then.
        """
        wallet = self.wallet(account_id, currency)
        if wallet.available < amount:
            raise InsufficientBalanceError(currency)
        wallet.available -= amount
        wallet.reserved += amount
        wallet.updated_ms = now_ms

    def release(self, account_id: str, currency: str, amount: Decimal, now_ms: int) -> None:
        """Make locked money available again."""
        wallet = self.wallet(account_id, currency)
        wallet.reserved -= amount
        wallet.available += amount
        wallet.updated_ms = now_ms

    def spend(self, account_id: str, currency: str, amount: Decimal, now_ms: int) -> None:
        """Take locked money out of an account; the caller credits it elsewhere."""
        wallet = self.wallet(account_id, currency)
        wallet.reserved -= amount
        wallet.updated_ms = now_ms

    def credit(self, account_id: str, currency: str, amount: Decimal, now_ms: int) -> None:
        """Put money into an account, or take it out of the treasury with a negative amount."""
        wallet = self.wallet(account_id, currency)
        wallet.available += amount
        wallet.updated_ms = now_ms

    def supply(self, currency: str) -> Decimal:
        """Return what all accounts together own of a currency: constant for the life of the exchange."""
        return sum((a.wallets[currency].total for a in self._accounts.values() if currency in a.wallets), ZERO)
