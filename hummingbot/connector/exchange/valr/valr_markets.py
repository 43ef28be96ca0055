"""What VALR lists: its spot pairs, their rules and their prices."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from decimal import Decimal
from typing import Any

from bidict import ValueDuplicationError, bidict

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr import valr_utils
from hummingbot.connector.exchange.valr.valr_messages import (
    MarketSummary,
    PairRules,
    parse_market_summaries,
    parse_pair_rules,
    parse_symbols_with_book,
)
from hummingbot.connector.exchange.valr.valr_web_utils import ValrRequestError
from hummingbot.connector.trading_rule import TradingRule, s_decimal_max

MARKET_SUMMARY_LIFETIME = 30.0
_NAMES = ("symbol", "baseCurrency", "quoteCurrency")
# Between sides further apart than this the mid price says little.
WIDEST_SPREAD = Decimal("0.2")


class SharedCall[Answer]:
    """A call that all share who ask for its answer while it runs: VALR takes 30 public calls a minute."""

    def __init__(self, call: Callable[[], Coroutine[Any, Any, Answer]]) -> None:
        self._call = call
        self._task: asyncio.Task[Answer] | None = None
        self._waiting = 0

    async def result(self) -> Answer:
        """Return the answer, or raise what the call raised; the call ends early when nobody waits for it any more."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._call())
        task = self._task
        self._waiting += 1
        try:
            return await asyncio.shield(task)
        finally:
            self._waiting -= 1
            if not self._waiting and not task.done():
                self._task = None
                task.cancel()


class Markets:
    """Asks VALR for its lists and reads them; ``untradable`` are those of our pairs that were not active in the last.

    :param get: performs a REST GET
    :param warn: warns, but not of the same kind of trouble over and over
    """

    def __init__(
        self,
        get: Callable[..., Awaitable[Any]],
        warn: Callable[[str, str], object],
        logger: Callable[[], logging.Logger],
    ) -> None:
        self._get = get
        self._warn = warn
        self._logger = logger
        self._own_symbols: dict[str, str] = {}
        # Said already: the list is asked for again and again while a pair of ours is missing.
        self._unreadable: set[str] = set()
        self.untradable: frozenset[str] = frozenset()
        self._summaries: dict[str, MarketSummary] = {}
        self._summaries_time = -math.inf
        self._rows_call = SharedCall(self._ask_for_rows)
        self._summaries_call = SharedCall(self._ask_for_summaries)

    async def rows_with_book(self) -> list[Any]:
        """Return the rows of the pairs that have an order book, and of those that are inactive.

        :raises ValrRequestError: no answer
        :raises ValueError: an answer that is no list, or an empty one
        """
        return await self._rows_call.result()

    async def _ask_for_rows(self) -> list[Any]:
        rows = await self._get(path_url=CONSTANTS.PAIRS_PATH)
        if not isinstance(rows, list):
            raise ValueError("VALR's list of pairs is not a list")
        rows = self._named(rows)
        if not rows:
            raise ValueError("VALR's list of pairs is empty")
        try:
            with_book = parse_symbols_with_book(await self._get(path_url=CONSTANTS.ORDER_TYPES_PATH))
            if not with_book:
                raise ValueError("no pair takes limit orders")
        except (ValrRequestError, ValueError) as error:
            self._warn(
                f"VALR's order types could not be fetched ({error}); every active spot pair is offered.", "order types"
            )
            return rows
        # VALR lists no order types for an inactive pair.
        return [row for row in rows if row["symbol"] in with_book or valr_utils.is_active(row) is False]

    def _named(self, rows: Iterable[Any]) -> list[Any]:
        """Return the rows that say which pair they are of."""
        named = []
        for row in rows:
            if isinstance(row, dict) and all(row.get(key) and isinstance(row[key], str) for key in _NAMES):
                named.append(row)
            else:
                symbol = row.get("symbol") if isinstance(row, dict) else row
                self._warn(f"VALR's pair {symbol} names no symbol or no currencies and is left out.", f"pair {symbol}")
        return named

    def trading_rules(self, rows: Iterable[Any], trading_pairs: Iterable[str]) -> list[TradingRule]:
        """Return the rules of every active spot pair, and of ours that are inactive."""
        listed = self._named(rows)
        # The active ones last, since the last rules of a pair count: VALR goes on listing its former symbols.
        wanted = [*_inactive(listed, trading_pairs), *filter(valr_utils.is_exchange_information_valid, listed)]
        rules = []
        unreadable = set()
        for row in wanted:
            try:
                rules.append(_trading_rule(parse_pair_rules(row)))
            except ValueError as error:
                symbol = row["symbol"]
                unreadable.add(symbol)
                if symbol not in self._unreadable:
                    self._logger().error(f"Error parsing the trading pair rule {row}. Skipping. ({error})")
        self._unreadable = unreadable
        return rules

    def symbol_map(self, rows: Iterable[Any], trading_pairs: list[str]) -> bidict[str, str]:
        """Return VALR's symbol and Hummingbot's name of every active spot pair, and of ours.

        A pair of ours that is inactive may have orders to look up and to cancel, and may become active again.
        """
        rows = self._named(rows)
        mapping: bidict[str, str] = bidict()
        for row in filter(valr_utils.is_exchange_information_valid, rows):
            try:
                mapping[row["symbol"]] = _name(row)
            except ValueDuplicationError:
                self._logger().error(f"VALR lists two symbols for one spot pair; {row['symbol']} is left out.")
        self.untradable = frozenset(trading_pairs) - frozenset(mapping.values())
        inactive = {row["symbol"]: _name(row) for row in _inactive(rows, trading_pairs)}
        for symbol, trading_pair in (self._own_symbols | inactive).items():
            if trading_pair not in mapping.inverse:
                mapping.setdefault(symbol, trading_pair)
        self._own_symbols = {mapping.inverse[pair]: pair for pair in trading_pairs if pair in mapping.inverse}
        return mapping

    async def summaries(self) -> dict[str, MarketSummary]:
        """Return the market summary of every pair by its symbol, at most half a minute old.

        :raises ValrRequestError: no answer
        :raises ValueError: an answer that is none
        """
        if time.monotonic() - self._summaries_time > MARKET_SUMMARY_LIFETIME:
            await self._summaries_call.result()
        return self._summaries

    async def _ask_for_summaries(self) -> None:
        rows = await self._get(path_url=CONSTANTS.MARKET_SUMMARY_PATH)
        self._summaries = {summary.symbol: summary for summary in parse_market_summaries(rows)}
        self._summaries_time = time.monotonic()

    async def rates(self, symbols: Mapping[str, str]) -> dict[str, Decimal]:
        """Return what the base of every pair is worth in its quote: the mid price, else the last, else nothing.

        :param symbols: VALR's symbol and Hummingbot's name of the pairs wanted
        :raises ValrRequestError: no answer
        :raises ValueError: an answer that is none
        """
        summaries = await self.summaries()
        rates = {symbols[symbol]: _rate(summary) for symbol, summary in summaries.items() if symbol in symbols}
        return {trading_pair: rate for trading_pair, rate in rates.items() if rate > 0}


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['baseCurrency']}-{row['quoteCurrency']}"


def _inactive(rows: Iterable[Any], trading_pairs: Iterable[str]) -> list[Any]:
    """Return the rows of those of the pairs that are spot pairs and inactive now."""
    ours = set(trading_pairs)
    return [
        row
        for row in rows
        if valr_utils.is_active(row) is False and valr_utils.is_spot_pair(row) and _name(row) in ours
    ]


def _rate(summary: MarketSummary) -> Decimal:
    bid, ask = summary.bid_price, summary.ask_price
    return (bid + ask) / 2 if 0 < bid <= ask <= bid * (1 + WIDEST_SPREAD) else summary.last_price


def _trading_rule(rules: PairRules) -> TradingRule:
    return TradingRule(
        trading_pair=f"{rules.base}-{rules.quote}",
        # An amount that rounds to nothing is below any minimum.
        min_order_size=rules.min_base or rules.step,
        max_order_size=rules.max_base or s_decimal_max,
        min_price_increment=rules.tick_size,
        min_base_amount_increment=rules.step,
        min_notional_size=rules.min_quote,
    )
