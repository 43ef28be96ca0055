"""What is listed: currencies and pairs with their trading rules and fees."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from valr_loopback.decimals import ZERO, on_tick, to_text


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency. ``symbol`` is what the account socket shows: ``R`` for the rand (valr-api.md 1.3)."""

    code: str
    symbol: str
    long_name: str
    decimals: int


@dataclass(frozen=True, slots=True)
class Pair:
    """A row of ``/v1/public/pairs`` with the pair's fees as fractions; a negative maker fee is a reward."""

    symbol: str
    base: str
    quote: str
    tick: Decimal
    base_decimals: int
    min_base: Decimal
    max_base: Decimal
    min_quote: Decimal
    max_quote: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    start_price: Decimal
    active: bool = True
    kind: str = "SPOT"
    listed_order_types: tuple[str, ...] = ("LIMIT_POST_ONLY", "LIMIT", "MARKET", "SIMPLE")

    @property
    def order_types(self) -> tuple[str, ...]:
        """The order types allowed now: none while the pair is not active."""
        return self.listed_order_types if self.active else ()

    @property
    def tradable(self) -> bool:
        """Whether this exchange takes orders for the pair."""
        return self.active and self.kind == "SPOT"

    def on_tick(self, price: Decimal) -> bool:
        """Tell whether a price is a multiple of the tick size."""
        return on_tick(price, self.tick)

    def row(self) -> dict[str, object]:
        """Return the pair as VALR lists it (valr-api.md 3.1)."""
        row: dict[str, object] = {
            "symbol": self.symbol,
            "baseCurrency": self.base,
            "quoteCurrency": self.quote,
            "shortName": self.base + "/" + self.symbol.removeprefix(self.base),
            "active": self.active,
            "minBaseAmount": to_text(self.min_base),
            "maxBaseAmount": to_text(self.max_base),
            "minQuoteAmount": to_text(self.min_quote),
            "maxQuoteAmount": to_text(self.max_quote),
            "tickSize": to_text(self.tick),
            "baseDecimalPlaces": str(self.base_decimals),
            "marginTradingAllowed": False,
            "currencyPairType": self.kind,
        }
        if self.kind == "FUTURE":
            row |= {
                "initialMarginFraction": "0.025",
                "maintenanceMarginFraction": "0.0125",
                "autoCloseMarginFraction": "0.0125",
            }
        return row


_CURRENCIES = {
    currency.code: currency
    for currency in (
        Currency("ZAR", "R", "Rand", 2),
        Currency("EUR", "EUR", "Euro", 2),
        Currency("BTC", "BTC", "Bitcoin", 8),
        Currency("ETH", "ETH", "Ethereum", 8),
        Currency("USDT", "USDT", "Tether", 8),
        Currency("DOGE", "DOGE", "Dogecoin", 8),
        Currency("LTC", "LTC", "Litecoin", 8),
    )
}


def currency(code: str) -> Currency:
    """Return a currency; one that nobody described has its code for a name."""
    return _CURRENCIES.get(code) or Currency(code, code, code, 8)


def currencies_of(pairs: Iterable[Pair]) -> list[str]:
    """Return the codes of all currencies that occur in some pairs, each once."""
    return list(dict.fromkeys(code for pair in pairs for code in (pair.base, pair.quote)))


def _pair(symbol: str, base: str, quote: str, tick: str, decimals: int, fees: tuple[str, str], price: str) -> Pair:
    limits = {
        "ZAR": (Decimal(10), Decimal(5_000_000)),
        "USDT": (Decimal("0.52"), Decimal(250_000)),
        "BTC": (Decimal("0.000016"), Decimal("0.0512")),
    }
    base_limits = {
        "BTC": (Decimal("0.00001"), Decimal(7)),
        "ETH": (Decimal("0.0002"), Decimal("69.21")),
        "USDT": (Decimal("0.5"), Decimal(250_000)),
        "DOGE": (Decimal("2.5"), Decimal(1_100_000)),
        "LTC": (Decimal("0.0043"), Decimal("15.67")),
    }
    (min_base, max_base), (min_quote, max_quote) = base_limits[base], limits[quote]
    maker, taker = Decimal(fees[0]), Decimal(fees[1])
    return Pair(
        symbol,
        base,
        quote,
        Decimal(tick),
        decimals,
        min_base,
        max_base,
        min_quote,
        max_quote,
        maker,
        taker,
        Decimal(price),
    )


def default_pairs() -> dict[str, Pair]:
    """Return the pairs a fresh exchange lists, by symbol.

    USDTZAR rewards makers, ETHZAR is free for makers, the others charge them. BTCUSDTPERP is a perpetual with the base
    and quote of BTCUSDT, and LTCBTC a spot pair that is no longer active: both are there to be left alone by clients.
    """
    spot = [
        _pair("BTCZAR", "BTC", "ZAR", "1", 8, ("0.0008", "0.001"), "1900000"),
        _pair("ETHZAR", "ETH", "ZAR", "1", 8, ("0", "0.001"), "66000"),
        _pair("USDTZAR", "USDT", "ZAR", "0.0001", 4, ("-0.0001", "0.0005"), "18.05"),
        _pair("BTCUSDT", "BTC", "USDT", "1", 8, ("0.0008", "0.001"), "105000"),
        _pair("DOGEUSDT", "DOGE", "USDT", "0.00001", 2, ("0.001", "0.001"), "0.21"),
    ]
    perpetual = Pair(
        "BTCUSDTPERP",
        "BTC",
        "USDT",
        Decimal(1),
        4,
        Decimal("0.0001"),
        Decimal(7),
        Decimal(1),
        Decimal(250_000),
        ZERO,
        Decimal("0.0005"),
        Decimal(105_000),
        kind="FUTURE",
        listed_order_types=("LIMIT_POST_ONLY", "LIMIT", "LIMIT_REDUCE_ONLY", "MARKET_REDUCE_ONLY", "MARKET"),
    )
    retired = _pair("LTCBTC", "LTC", "BTC", "0.000001", 8, ("0.001", "0.001"), "0.0009")
    retired = Pair(**{name: getattr(retired, name) for name in Pair.__dataclass_fields__} | {"active": False})
    return {pair.symbol: pair for pair in [*spot, perpetual, retired]}
