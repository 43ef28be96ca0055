"""A list of pairs as long as VALR's: tokens of every size, with ticks and decimals to match (valr-api.md 1.3, 3.1).

The symbols are the same for every seed; prices, ticks, decimals and fees are drawn. They cannot be split by looking at
them: TUSDUSDC, TUSDC and TUSDT, or A, AUSD and C, are all listed.
"""

from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from itertools import islice
from math import exp, floor, log10
from random import Random

from valr_loopback.decimals import ZERO
from valr_loopback.pairs import Pair, default_pairs

# What a token was worth in dollars in some month or other: the prices of a run are drawn around these.
_DOLLARS = {
    "BTC": 105_000, "ETH": 3_656, "XRP": 2.3, "SOL": 160, "USDT": 1, "BNB": 640, "DOGE": 0.21, "ADA": 0.7, "TRX": 0.27,
    "LTC": 90, "AVAX": 21, "LINK": 15, "SHIB": 0.0000125, "XLM": 0.28, "DOT": 4.1, "BCH": 450, "UNI": 6.5, "NEAR": 2.4,
    "APT": 4.9, "ICP": 5.2, "ETC": 17, "AAVE": 260, "ATOM": 4.3, "ARB": 0.35, "OP": 0.63, "FIL": 2.5, "ALGO": 0.2,
    "1000PEPE": 0.0115, "PEPE": 0.0000115, "BONK": 0.0000158, "WIF": 0.86, "FET": 0.75, "RENDER": 3.8, "TIA": 2.2,
    "SUI": 3.3, "SEI": 0.19, "INJ": 12, "HBAR": 0.17, "VET": 0.024, "GRT": 0.09, "T": 0.016, "TUSD": 0.998, "A": 0.62,
    "AUSD": 1, "C": 0.23, "PYUSD": 1, "EURC": 1.14, "ZARP": 0.0554, "WBTC": 104_900, "CBBTC": 104_950, "USDTB": 1,
    "1INCH": 0.21, "2Z": 0.12, "0G": 1.7, "4": 0.05, "ZRO": 2.1, "ZK": 0.05, "STRK": 0.13, "W": 0.08, "JUP": 0.5,
    "JTO": 1.9, "PYTH": 0.12, "ENA": 0.33, "ONDO": 0.85, "PENDLE": 4.2, "LDO": 0.9, "RPL": 4.9, "MKR": 1_700,
    "SKY": 0.07, "COMP": 45, "CRV": 0.65, "CVX": 2.4, "SNX": 0.7, "YFI": 5_200, "BAL": 1.1, "SUSHI": 0.63, "CAKE": 2.4,
    "GMX": 15, "DYDX": 0.56, "IMX": 0.55, "MANA": 0.28, "SAND": 0.27, "AXS": 2.5, "GALA": 0.017, "ENJ": 0.08,
    "CHZ": 0.04, "FLOW": 0.38, "THETA": 0.78, "EGLD": 16, "XTZ": 0.6, "EOS": 0.7, "NEO": 6, "QTUM": 2.1, "ZEC": 52,
    "DASH": 22, "XMR": 330, "KSM": 16, "ROSE": 0.029, "CELO": 0.33, "KAVA": 0.42, "MINA": 0.21, "QNT": 110, "RUNE": 1.6,
    "STX": 0.76, "ORDI": 8.5, "SATS": 0.000045, "RATS": 0.00003, "MEME": 0.0019, "FLOKI": 0.000085, "TURBO": 0.0045,
    "NOT": 0.0022, "DOGS": 0.00015, "HMSTR": 0.0024, "CATI": 0.09, "TON": 3.1, "MOG": 0.00000095, "BRETT": 0.055,
    "POPCAT": 0.38, "MEW": 0.003, "PNUT": 0.26, "GOAT": 0.13, "ACT": 0.05, "TRUMP": 10.6, "MELANIA": 0.3, "PENGU": 0.01,
    "VIRTUAL": 1.9, "AIXBT": 0.2, "GRASS": 1.7, "IO": 0.8, "ATH": 0.035, "AKT": 1.3, "AR": 6.5, "HNT": 2.6,
    "LPT": 7.2, "BAT": 0.13, "ZRX": 0.24, "KNC": 0.33, "STORJ": 0.27, "ANKR": 0.016, "SKL": 0.02, "CELR": 0.008,
    "HYPE": 35, "PAXG": 3_350, "XAUT": 3_340,
}  # fmt: skip
_PEGGED = ("USDT", "TUSD", "AUSD", "PYUSD", "EURC", "ZARP", "WBTC", "CBBTC", "USDTB")
_AS_IN_DEFAULT_PAIRS = ("BTC", "ETH", "DOGE")
_QUOTE_DOLLARS = {"ZAR": 1 / 18.05, "USDT": 1.0, "USDC": 0.9999, "BTC": 105_000.0, "EUR": 1.14}
_OF_RANK = {"USDT": 41, "ZAR": 15, "EUR": 2}
"""How many of the tokens, the biggest first, are listed against these quotes too; against USDC all are."""

_MIN_DOLLARS, _MAX_DOLLARS = 0.52, 60_000.0
_FEES = (("0", "0.001"), ("0.0008", "0.001"), ("-0.0001", "0.0005"), ("0.001", "0.001"))
_FINEST_TICK = -8


def _listed() -> Iterator[tuple[str, str]]:
    """Walk base and quote of every pair beyond the default ones, big and small tokens mixed as they come."""
    taken = {(pair.base, pair.quote) for pair in default_pairs().values() if pair.tradable}
    yield from (("USDC", "ZAR"), ("USDC", "USDT"), ("USDT", "EUR"), ("ETH", "BTC"))
    for rank, base in enumerate(_DOLLARS):
        for quote in ("USDC", *(quote for quote, reach in _OF_RANK.items() if rank < reach)):
            if base != quote and (base, quote) not in taken:
                yield base, quote


MANY_SYMBOLS = tuple(base + quote for base, quote in _listed())
FEWEST_PAIRS = sum(pair.tradable for pair in default_pairs().values())
MOST_PAIRS = FEWEST_PAIRS + len(MANY_SYMBOLS)


def many_pairs(count: int, seed: int) -> dict[str, Pair]:
    """Return the default pairs and so many more that ``count`` are tradable, by symbol.

    Prices agree: what a token is worth does not depend on the pair it is asked in, but for a thousandth.

    Raises:
        ValueError: if ``count`` is not between ``FEWEST_PAIRS`` and ``MOST_PAIRS``.
    """
    if not FEWEST_PAIRS <= count <= MOST_PAIRS:
        raise ValueError(f"the number of pairs must be between {FEWEST_PAIRS} and {MOST_PAIRS}")
    random = Random(f"{seed} pairs")
    pairs = default_pairs()
    drawn = {base: about * exp(random.gauss(0, 0.2)) for base, about in _DOLLARS.items()}
    fixed = {base: _DOLLARS[base] for base in (*_PEGGED, *_AS_IN_DEFAULT_PAIRS)}
    dollars = _QUOTE_DOLLARS | drawn | fixed
    for base, quote in islice(_listed(), count - FEWEST_PAIRS):
        pairs[base + quote] = _pair(base, quote, dollars[base], random)
    return pairs


def _pair(base: str, quote: str, dollars: float, random: Random) -> Pair:
    price = dollars / _QUOTE_DOLLARS[quote] * exp(random.gauss(0, 0.0003))
    tick = Decimal(1).scaleb(min(0, max(_FINEST_TICK, floor(log10(price)) - random.choice((4, 4, 5)))))
    decimals = min(8, max(0, floor(log10(dollars)) + random.choice((2, 3, 5))))
    smallest, largest = (_steps(limit / dollars, decimals) for limit in (_MIN_DOLLARS, _MAX_DOLLARS))
    lowest, highest = (_steps(limit / _QUOTE_DOLLARS[quote], 6) for limit in (_MIN_DOLLARS, _MAX_DOLLARS))
    maker_fee, taker_fee = map(Decimal, random.choice(_FEES))
    start = max((Decimal(price) / tick).quantize(Decimal(1), ROUND_HALF_EVEN), Decimal(1)) * tick
    return Pair(
        base + quote, base, quote, tick, decimals, smallest, largest, lowest, highest, maker_fee, taker_fee, start
    )


def _steps(value: float, decimals: int) -> Decimal:
    """Return a limit in two digits, and in whole steps of so many decimals."""
    digits = Decimal(f"{value:.1e}")
    return max(digits.quantize(Decimal(1).scaleb(-decimals), ROUND_CEILING), ZERO)
