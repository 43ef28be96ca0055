"""What the doctor makes of a strategy's configuration: are its pairs tradable, and is there enough to trade with?"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import chain
from pathlib import Path
from typing import Any

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_messages import (
    Balance,
    MarketSummary,
    PairRules,
    parse_market_summaries,
    parse_pair_rules,
    parse_symbols_with_book,
)
from hummingbot.connector.exchange.valr.valr_utils import is_exchange_information_valid
from hummingbot.connector.exchange.valr.valr_web_utils import ValrRequestError
from hummingbot_valr.doctor import Check, error, ok, unknown, warning
from hummingbot_valr.doctor_questions import Questions, no_answer

Balances = Mapping[str, Balance] | None
"""What is available, by asset; None if it could not be asked."""

FOLDERS = ("conf/strategies", "conf/scripts", "conf/controllers")
# Which field of a configuration names the pair that is traded on the exchange another field names.
_PAIR_FIELDS = {
    "exchange": ("market", "trading_pair", "markets", "trading_pairs", "pairs"),
    "connector": ("trading_pair", "market", "trading_pairs", "pairs"),
    "connector_name": ("trading_pair", "trading_pairs", "pairs"),
    "maker_market": ("maker_market_trading_pair",),
    "taker_market": ("taker_market_trading_pair",),
    "maker_connector": ("maker_trading_pair",),
    "taker_connector": ("taker_trading_pair",),
}


class ConfigurationError(ValueError):
    """The configuration cannot be read; the message says what was wrong."""


@dataclass(frozen=True)
class Wanted:
    """A pair that a strategy trades, and the size of its orders where the configuration tells it.

    ``amount`` is in the base currency, ``quote_amount`` in the quote currency.
    """

    trading_pair: str
    amount: Decimal | None = None
    quote_amount: Decimal | None = None


def wanted_of(contents: Iterable[Mapping[str, Any]], domain: str) -> list[Wanted]:
    """Return what a strategy's configuration, and those of its controllers, trade on ``domain``."""
    found: dict[str, Wanted] = {}
    for mapping in chain.from_iterable(map(_mappings, contents)):
        for trading_pair in _pairs_in(mapping, domain):
            amounts = _amount(mapping, "order_amount"), _amount(mapping, "order_amount_quote")
            found.setdefault(trading_pair, Wanted(trading_pair, *amounts))
    return list(found.values())


def read_configuration(configuration: Path, workspace: Path) -> dict[Path, Mapping[str, Any]]:
    """Return what a strategy's file holds, and what the files of the controllers hold that it names, by file.

    :param configuration: a path, or the name of a file in the workspace's conf/
    :raises ConfigurationError: one of them cannot be read
    """
    file = _find(configuration, workspace)
    found = {file: load_file(file)}
    for mapping in _mappings(found[file]):
        named = mapping.get("controllers_config") or ()
        for each in named.split(",") if isinstance(named, str) else named:
            controller = _find(Path(str(each).strip()), workspace)
            found[controller] = load_file(controller)
    return found


def load_file(file: Path) -> Mapping[str, Any]:
    """Return what a YAML file holds.

    :raises ConfigurationError: it cannot be read, or holds no keys
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as problem:
        raise ConfigurationError(f"{file} cannot be read as YAML: {str(problem).splitlines()[0]}") from problem
    if not isinstance(content, dict):
        raise ConfigurationError(f"{file} holds no configuration")
    return content


async def check_strategy(ask: Questions, configuration: Path, wanted: list[Wanted], balances: Balances) -> list[Check]:
    """Return one check for each pair of a strategy."""
    if not wanted:
        return [
            warning(
                "Strategy", f"{configuration} trades nothing on this exchange", "Is it the right file, and --domain?"
            )
        ]
    try:
        rows = await ask.get(CONSTANTS.PAIRS_PATH)
        if not isinstance(rows, list):
            raise ValueError("the pairs are not a list")
        with_book = parse_symbols_with_book(await ask.get(CONSTANTS.ORDER_TYPES_PATH))
        summaries = {
            summary.symbol: summary for summary in parse_market_summaries(await ask.get(CONSTANTS.MARKET_SUMMARY_PATH))
        }
    except (ValrRequestError, ValueError) as problem:
        return [unknown(each.trading_pair, no_answer(problem)) for each in wanted]
    spot = {
        f"{row.get('baseCurrency')}-{row.get('quoteCurrency')}": row
        for row in rows
        if isinstance(row, dict) and row.get("currencyPairType") == CONSTANTS.SPOT and row.get("symbol")
    }
    return [_check_pair(each, spot.get(each.trading_pair), with_book, summaries, balances) for each in wanted]


def _check_pair(
    wanted: Wanted,
    row: Mapping[str, Any] | None,
    with_book: set[str],
    summaries: Mapping[str, MarketSummary],
    balances: Balances,
) -> Check:
    name = wanted.trading_pair
    other = "Choose a pair that is traded (public list: /v1/public/pairs)."
    if row is None:
        return error(name, "VALR has no such spot pair", other)
    if not is_exchange_information_valid(row):
        return error(name, "is not active on VALR: orders are refused", other)
    if row["symbol"] not in with_book:
        return error(name, "has no order book on VALR, only instant orders", other)
    try:
        rules = parse_pair_rules(row)
    except ValueError as problem:
        return unknown(name, str(problem))
    summary = summaries.get(rules.symbol)
    return _check_amounts(wanted, rules, summary.last_price if summary else Decimal(0), balances)


def _check_amounts(wanted: Wanted, rules: PairRules, price: Decimal, balances: Balances) -> Check:
    name = wanted.trading_pair
    smallest = f"tradable, from {rules.min_base:f} {rules.base} and {rules.min_quote:f} {rules.quote}"
    amount = wanted.amount
    if amount is None and wanted.quote_amount is not None and price:
        amount = wanted.quote_amount / price
    if amount is not None and (amount < rules.min_base or (price and amount * price < rules.min_quote)):
        return error(
            name, f"{smallest}; the configured amount {amount:f} {rules.base} is less", "Raise it: VALR refuses less."
        )
    if balances is None:
        return unknown(name, f"{smallest}; the balances are not known")
    needed = max(rules.min_base, amount or Decimal(0))
    needs = {rules.base: needed, rules.quote: max(rules.min_quote, needed * price)}
    has = {asset: _available(balances, asset) for asset in needs}
    found = f"{smallest}; available: {', '.join(f'{value:f} {asset}' for asset, value in has.items())}"
    short = [asset for asset, need in needs.items() if has[asset] < need]
    if not short:
        return ok(name, found)
    to_do = "; ".join(f"an order takes {needs[asset]:f} {asset}" for asset in short) + ": deposit, or trade smaller."
    if len(short) == len(needs):
        return error(name, f"{found}: too little for either side", to_do)
    return warning(name, f"{found}: too little {short[0]} to {'sell' if short[0] == rules.base else 'buy'}", to_do)


def _available(balances: Balances, asset: str) -> Decimal:
    balance = (balances or {}).get(asset)
    return balance.available if balance else Decimal(0)


def _find(configuration: Path, workspace: Path) -> Path:
    places = [configuration, *(workspace / folder / configuration for folder in FOLDERS)]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise ConfigurationError(f"there is no {configuration}, here or in {', '.join(FOLDERS)} of {workspace}")
    return file


def _mappings(content: Any) -> Iterator[Mapping[str, Any]]:
    """Walk a configuration."""
    if isinstance(content, dict):
        yield content
        for value in content.values():
            yield from _mappings(value)
    elif isinstance(content, list):
        for value in content:
            yield from _mappings(value)


def _pairs_in(mapping: Mapping[str, Any], domain: str) -> Iterator[str]:
    for exchange_field, pair_fields in _PAIR_FIELDS.items():
        if mapping.get(exchange_field) == domain:
            for field in pair_fields:
                yield from _pairs_named(mapping.get(field))
    # A script's `markets`: the pairs of each exchange.
    yield from _pairs_named(mapping.get(domain))


def _pairs_named(named: Any) -> Iterator[str]:
    """Read one pair, several with commas between them, or a list."""
    each = named.split(",") if isinstance(named, str) else named if isinstance(named, list) else ()
    yield from (pair.strip() for pair in each if isinstance(pair, str) and "-" in pair)


def _amount(mapping: Mapping[str, Any], field: str) -> Decimal | None:
    try:
        amount = Decimal(str(mapping[field]))
    except (KeyError, InvalidOperation):
        return None
    return amount if amount.is_finite() else None
