"""The account's balances: absolute values from the stream and from lists, the newer wins. Pure."""

import math
from collections.abc import Collection, Iterable
from decimal import Decimal

from hummingbot.connector.exchange.valr.valr_messages import Balance

# A list asked for so many seconds after the last news of an asset cannot be older than them.
SETTLED_AFTER = 5.0


class BalanceBook:
    """Keeps Hummingbot's two tables of balances, by asset.

    :param total: is written to: everything owned
    :param available: is written to: what is not locked in open orders
    """

    def __init__(self, total: dict[str, Decimal], available: dict[str, Decimal]) -> None:
        self._total = total
        self._available = available
        self._updated_at: dict[str, float] = {}
        self._arrived_at: dict[str, float] = {}

    def apply(self, balance: Balance, now: float) -> None:
        """Take one balance, unless a newer one of the asset is known.

        :param now: monotonic seconds
        """
        updated_at = balance.updated_at or 0.0
        known = self._updated_at.get(balance.asset, 0.0)
        if updated_at and updated_at < known:
            return
        self._updated_at[balance.asset] = max(updated_at, known)
        self._arrived_at[balance.asset] = now
        self._total[balance.asset] = balance.total
        self._available[balance.asset] = balance.available

    def apply_list(
        self,
        balances: Iterable[Balance],
        assets: Iterable[str],
        asked_at: float,
        now: float,
        unreadable: Collection[str] = (),
    ) -> None:
        """Take the list of all balances; an asset that is not listed is gone, unless it arrived since it was asked for.

        :param assets: what is traded; known to be zero when the account holds nothing at all
        :param asked_at: monotonic seconds
        :param unreadable: what is listed with numbers that cannot be read, and keeps those it had; ``""`` for a row
            that may be any asset's
        """
        rows = list(balances)
        named = {row.asset for row in rows}.union(unreadable)
        for asset in () if "" in named else set(self._total) - named:
            if self._arrived_at.get(asset, -math.inf) < asked_at:
                self._total.pop(asset, None)
                self._available.pop(asset, None)
        for row in rows:
            if self._arrived_at.get(row.asset, math.inf) < asked_at - SETTLED_AFTER:
                # Nothing newer came for long: the list is right, even by a clock that VALR has set back.
                self._updated_at.pop(row.asset, None)
            self.apply(row, now)
        if not self._total and not unreadable:
            # VALR has answered and there is nothing: zero is known, and the framework's check wants to see it.
            for asset in assets:
                self._total[asset] = self._available[asset] = Decimal(0)
