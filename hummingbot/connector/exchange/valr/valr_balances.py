"""The account's balances: absolute values from the stream and from lists, the newer wins. Pure."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal

from hummingbot.connector.exchange.valr.valr_messages import Balance

# A list asked for so many seconds after an event about an asset cannot be older than it.
SETTLED_AFTER = 5.0
# So many lists in a row, over so many seconds, are believed against VALR's stamps: its clock may have been set back.
LISTS_BELIEVED = 3
LISTS_BELIEVED_AFTER = 30.0


@dataclass(slots=True)
class _Contradiction:
    """Lists in a row that say something else of an asset than what is known, with older stamps."""

    since: float
    updated_at: float
    lists: int = 0


class BalanceBook:
    """Keeps Hummingbot's two tables of balances, by asset.

    :param total: is written to: everything owned
    :param available: is written to: what is not locked in open orders
    """

    def __init__(self, total: dict[str, Decimal], available: dict[str, Decimal]) -> None:
        self._total = total
        self._available = available
        self._updated_at: dict[str, float] = {}
        # A list that was asked for no later may be older than what is known of the asset.
        self._settled_at: dict[str, float] = {}
        self._contradictions: dict[str, _Contradiction] = {}

    def apply(self, balance: Balance, now: float) -> None:
        """Take an event about one asset, unless a newer one is known.

        :param now: monotonic seconds
        """
        if not self._is_older(balance):
            self._take(balance, now + SETTLED_AFTER)

    def apply_list(
        self,
        balances: Iterable[Balance],
        assets: Iterable[str],
        asked_at: float,
        now: float,
        unreadable: Collection[str] = (),
    ) -> None:
        """Take the list of all balances; an asset that is not listed is gone, unless the list may be older than it.

        :param assets: what is traded; known to be zero when the account holds nothing at all
        :param asked_at: monotonic seconds
        :param unreadable: what is listed with numbers that cannot be read, and keeps those it had; ``""`` for a row
            that may be any asset's
        """
        rows = list(balances)
        named = {row.asset for row in rows}.union(unreadable)
        for asset in () if "" in named else set(self._total) - named:
            if self._is_settled(asset, asked_at):
                self._forget(asset)
        for row in rows:
            if self._is_older(row):
                if not self._is_insisted_on(row, asked_at):
                    continue
                del self._updated_at[row.asset]
            elif self._is_settled(row.asset, asked_at):
                # What has no stamp is not compared with what had one long ago.
                self._updated_at.pop(row.asset, None)
            self._take(row, now)
        if not self._total and not unreadable:
            # VALR has answered and there is nothing: zero is known, and the framework's check wants to see it.
            for asset in assets:
                self._total[asset] = self._available[asset] = Decimal(0)

    def _is_older(self, balance: Balance) -> bool:
        # VALR's own order (valr-api.md 4.3), as far as it tells a time.
        return 0 < (balance.updated_at or 0) < self._updated_at.get(balance.asset, 0)

    def _is_settled(self, asset: str, asked_at: float) -> bool:
        return self._settled_at.get(asset, -math.inf) < asked_at

    def _is_insisted_on(self, row: Balance, asked_at: float) -> bool:
        """Whether lists have told long enough what VALR's stamps call older than what is known."""
        asset, updated_at = row.asset, row.updated_at or 0
        is_known = (row.total, row.available) == (self._total.get(asset), self._available.get(asset))
        if is_known or not self._is_settled(asset, asked_at):
            self._contradictions.pop(asset, None)
            return False
        contradiction = self._contradictions.get(asset)
        if contradiction is None or updated_at < contradiction.updated_at:
            # One that goes back itself is some old list that came late.
            contradiction = self._contradictions[asset] = _Contradiction(asked_at, updated_at)
        contradiction.updated_at = updated_at
        contradiction.lists += 1
        return contradiction.lists >= LISTS_BELIEVED and asked_at - contradiction.since >= LISTS_BELIEVED_AFTER

    def _take(self, balance: Balance, settled_at: float) -> None:
        asset = balance.asset
        self._updated_at[asset] = max(balance.updated_at or 0.0, self._updated_at.get(asset, 0.0))
        self._settled_at[asset] = settled_at
        self._contradictions.pop(asset, None)
        self._total[asset] = balance.total
        self._available[asset] = balance.available

    def _forget(self, asset: str) -> None:
        self._total.pop(asset, None)
        self._available.pop(asset, None)
        self._updated_at.pop(asset, None)
        self._settled_at.pop(asset, None)
        self._contradictions.pop(asset, None)
