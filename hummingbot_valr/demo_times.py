"""How long placing and cancelling took, from the bot's log and the exchange's ledger: one machine, one clock.

A time begins when the strategy says in the log what it decided. It ends at the exchange, when the ledger says the order
was accepted or ended, and again in the bot, when its log says that the bot knows. All clocks are read to the
millisecond.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from hummingbot_valr.demo_facts import Ledger, LedgerOrder
from hummingbot_valr.demo_log import BotLog, Quote

CLOCK_STEP = 0.001
"""Both records cut their times off at this many seconds."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One order placed or cancelled; ``known`` is None while the bot's log does not say that it knows."""

    decided: float
    done: float
    known: float | None

    @property
    def seconds_to_exchange(self) -> float:
        """From the decision until the exchange had done it."""
        return max(self.done - self.decided, 0.0)

    @property
    def seconds_to_knowledge(self) -> float | None:
        """From the decision until the bot knew."""
        return None if self.known is None else max(self.known - self.decided, 0.0)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, 95th and 99th percentile and maximum of so many times, in seconds."""

    count: int
    median: float
    high: float
    top: float
    maximum: float


def place_samples(ledger: Ledger, log: BotLog) -> dict[str, Sample]:
    """Match each order to the decision it came from: the last one for its side, if it names its price."""
    samples = {}
    for order in ledger.orders:
        quote = deciding_quote(order, log.quotes)
        if quote is not None:
            known = log.created.get(order.client_order_id)
            samples[order.client_order_id] = Sample(quote.time, order.created_at, known)
    return samples


def deciding_quote(order: LedgerOrder, quotes: Sequence[Quote]) -> Quote | None:
    """Return the strategy's last decision for the order's side before the order, None if it named another price."""
    known = bisect_right(quotes, order.created_at + CLOCK_STEP, key=lambda quote: quote.time)
    quote = next((quote for quote in reversed(quotes[:known]) if quote.side == order.side), None)
    return quote if quote is not None and order.price in quote.prices else None


def cancel_samples(ledger: Ledger, log: BotLog) -> dict[str, Sample]:
    """Match each cancelled order to the strategy's decision; those cancelled as the bot stops have none."""
    return {
        order.client_order_id: Sample(
            log.cancelling[order.client_order_id], order.ended_at, log.cancelled.get(order.client_order_id)
        )
        for order in ledger.orders
        if order.status == "Cancelled" and order.ended_at is not None and order.client_order_id in log.cancelling
    }


def spread(seconds: Iterable[float]) -> Spread | None:
    """Return the percentiles (nearest rank) and the maximum, None of nothing."""
    ordered = sorted(seconds)
    if not ordered:
        return None
    return Spread(len(ordered), *(ordered[ceil(share * len(ordered)) - 1] for share in (0.5, 0.95, 0.99, 1)))


def to_exchange(samples: Iterable[Sample]) -> Spread | None:
    """Return the spread of the times until the exchange had done it."""
    return spread(sample.seconds_to_exchange for sample in samples)


def to_knowledge(samples: Iterable[Sample]) -> Spread | None:
    """Return the spread of the times until the bot knew."""
    times = [sample.seconds_to_knowledge for sample in samples]
    return spread(time for time in times if time is not None)
