"""Everything public the exchange derives from its events: feeds of the books, candles, summaries."""

from decimal import Decimal

from valr_loopback.books import BookFeed
from valr_loopback.candles import PERIODS, Candles
from valr_loopback.decimals import ROUNDING, ZERO
from valr_loopback.events import BookChanged, Event, PastTrades, PublicTraded
from valr_loopback.exchange import Exchange
from valr_loopback.messages import Json
from valr_loopback.orders import Side

_DOLLARS = ("USDT", "USDC")
_FIRST_L1_SEQUENCE = 900_000
_FIRST_FULL_SEQUENCE = 282_000


class MarketData:
    """Listens to the exchange. It must be made before anything that reads from it listens too."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        now_ms = exchange.now_ms()
        self.feeds = {
            symbol: BookFeed(symbol, book, now_ms, _FIRST_L1_SEQUENCE, _FIRST_FULL_SEQUENCE)
            for symbol, book in exchange.engine.books.items()
        }
        self.candles = {
            symbol: Candles(symbol, pair.start_price, now_ms) for symbol, pair in exchange.engine.pairs.items()
        }
        exchange.listen(self.on_event)

    def on_event(self, event: Event) -> None:
        """Take in a change of the market."""
        match event:
            case BookChanged(symbol, entries, at_ms):
                self.feeds[symbol].apply(entries, at_ms)
            case PublicTraded(trade):
                self.candles[trade.symbol].add(trade.price, trade.quantity, trade.total, trade.at_ms)
            case PastTrades(symbol, trades):
                for at_ms, price, quantity in trades:
                    self.candles[symbol].add(price, quantity, ROUNDING.multiply(price, quantity), at_ms)

    def summary(self, symbol: str) -> Json:
        """Return the 24-hour summary of a pair, without its pair key."""
        engine = self.exchange.engine
        book = engine.books[symbol]
        bid, ask = book.best_price(Side.BUY) or ZERO, book.best_price(Side.SELL) or ZERO
        return self.candles[symbol].summary(self.exchange.now_ms(), bid, ask, engine.mark_price(symbol))

    def bucket_rows(self, symbol: str, from_ms: int, to_ms: int | None = None) -> list[Json]:
        """Return the running candle of every period at a time, or those that ended between two times."""
        candles = self.candles[symbol]
        return [
            candles.row(period, candles.candle(period, from_ms))
            for period in PERIODS
            if to_ms is None or from_ms // (period * 1000) != to_ms // (period * 1000)
        ]

    def worth(self, currency: str) -> Decimal:
        """Return the price of a currency in dollars, through a pair with a dollar or the rand; 0 if none is listed."""
        prices = self.exchange.engine.last_prices
        if currency in _DOLLARS:
            return Decimal(1)
        for dollar in _DOLLARS:
            if currency + dollar in prices:
                return prices[currency + dollar]
            if dollar + currency in prices:
                return 1 / prices[dollar + currency]
        rand = prices.get("USDTZAR")
        return prices.get(currency + "ZAR", ZERO) / rand if rand else ZERO
