"""What the demo shows: a live view while the bot trades, one plain line where there is no terminal, and the summary."""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hummingbot_valr.demo_facts import LedgerOrder, Trade
from hummingbot_valr.demo_log import Latency
from hummingbot_valr.demo_promises import Verdict, in_milliseconds
from hummingbot_valr.demo_times import Sample, Spread, cancel_samples, place_samples, to_exchange, to_knowledge
from hummingbot_valr.demo_watch import Watch

TIMES = "median / 95 %, from the strategy's decision on"

_SHOWN_FILLS = 5
_NO_CELLS = ("-", "-", "-", "0")
_COLOURS = {"buy": "green", "sell": "red"}


def live_view(watch: Watch, title: str, currencies: Sequence[str]) -> RenderableType:
    """Draw the best prices, our live orders, the last fills, the balances and the times."""
    rows = Table.grid(padding=(0, 2))
    rows.add_row("[b]book[/b]", _book(watch))
    rows.add_row("[b]balances[/b]", _balances(watch, currencies))
    rows.add_row("[b]orders[/b]", counts(watch))
    for name, done, known in _times(watch):
        rows.add_row(f"[b]{name}[/b]", f"done by the exchange {done}, known to the bot {known} ({TIMES})")
    orders = _table("side", "price", "amount", "filled")
    for order in sorted(_live(watch), key=lambda order: order.price, reverse=True):
        orders.add_row(_side(order.side), f"{order.price:f}", f"{order.quantity:f}", f"{order.filled:f}")
    fills = _table("side", "price", "amount", "fee")
    for trade in watch.ledger.trades[: -_SHOWN_FILLS - 1 : -1]:
        fills.add_row(_side(trade.side), f"{trade.price:f}", f"{trade.quantity:f}", _fees(trade))
    heads = (Text("our live orders, by the exchange's ledger", "bold"), Text("last fills", "bold"))
    return Panel(Group(rows, heads[0], orders, heads[1], fills), title=title)


def plain_line(watch: Watch) -> str:
    """Say the same in one line."""
    times = "; ".join(f"{name} {done}, known {known}" for name, done, known in _times(watch))
    return f"{_book(watch)} | {counts(watch)} | {times or 'no times yet'}"


def counts(watch: Watch) -> str:
    """Count the orders of the ledger by what became of them."""
    ends = Counter(order.status for order in watch.ledger.orders)
    return (
        f"{len(watch.ledger.orders)} placed, {ends['Cancelled']} cancelled, {ends['Filled']} filled, "
        f"{watch.ledger.open_orders} live, at most {watch.ledger.most_open} at once, {len(watch.ledger.trades)} fills"
    )


def summary(verdicts: Iterable[Verdict]) -> RenderableType:
    """Draw the verdicts, one row each."""
    table = Table(title="What was promised, and what happened", title_justify="left", show_lines=True)
    table.add_column("promise", ratio=2)
    table.add_column("", no_wrap=True)
    table.add_column("evidence", ratio=5)
    for verdict in verdicts:
        word = Text("held", "green") if verdict.held else Text("broken", "bold red")
        table.add_row(Text(verdict.promise), word, Text(verdict.evidence))
    return table


def plain_summary(verdicts: Iterable[Verdict]) -> str:
    """Say the verdicts, one line each."""
    return "\n".join(
        f"{verdict.promise}: {'held' if verdict.held else 'broken'} ({verdict.evidence})" for verdict in verdicts
    )


def latencies(watch: Watch) -> str:
    """Draw what the connector says it measured below what was measured from outside, one line each."""
    rows = [("times in ms, those of a cut socket included", "median", "99 %", "max", "count")]
    for name, samples in _samples(watch).items():
        for end, times in (("at the exchange", to_exchange(samples)), ("known to the bot", to_knowledge(samples))):
            what = f"from outside: decision to {name} {end}"
            rows.append((what, *(_outside_cells(times) if times else _NO_CELLS)))
    for name, latency in watch.log.latencies.items():
        rows.append((f"by the connector: {name}", *(_inside_cells(latency) if latency else _NO_CELLS)))
    lines = [f"{name:<52}{p50:>9}{p99:>9}{maximum:>9}{count:>7}" for name, p50, p99, maximum, count in rows]
    if not watch.log.latencies:
        lines.append("by the connector: its log has no line about latency")
    return "\n".join(lines)


def _outside_cells(times: Spread) -> tuple[str, str, str, str]:
    p50, p99, maximum = (f"{1000 * seconds:.0f}" for seconds in (times.median, times.top, times.maximum))
    return p50, p99, maximum, str(times.count)


def _inside_cells(latency: Latency) -> tuple[str, str, str, str]:
    return f"{latency.p50:.2f}", f"{latency.p99:.2f}", f"{latency.maximum:.2f}", str(latency.count)


def _book(watch: Watch) -> str:
    if not watch.touches:
        return "no prices yet"
    touch = watch.touches[-1]
    return f"bid {_number(touch.bid)}  ask {_number(touch.ask)}"


def _balances(watch: Watch, currencies: Sequence[str]) -> str:
    held = watch.ledger.balances or {}
    return "   ".join(
        f"{held[code].total:f} {code} ({held[code].available:f} free)" for code in currencies if code in held
    )


def _samples(watch: Watch) -> dict[str, list[Sample]]:
    samples = {"place": place_samples(watch.ledger, watch.log), "cancel": cancel_samples(watch.ledger, watch.log)}
    return {name: list(each.values()) for name, each in samples.items()}


def _times(watch: Watch) -> list[tuple[str, str, str]]:
    return [
        (name, _milliseconds(to_exchange(each)), _milliseconds(to_knowledge(each)))
        for name, each in _samples(watch).items()
        if each
    ]


def _milliseconds(times: Spread | None) -> str:
    return "not yet" if times is None else in_milliseconds(times)


def _live(watch: Watch) -> list[LedgerOrder]:
    return [order for order in watch.ledger.orders if order.ended_at is None]


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2))
    for column in columns:
        table.add_column(column, justify="left" if column == "side" else "right", style="default")
    return table


def _side(side: str) -> Text:
    return Text(side, _COLOURS.get(side, ""))


def _fees(trade: Trade) -> str:
    return ", ".join(f"{amount:f} {currency}" for amount, currency in trade.fees) or "none"


def _number(number: Decimal | None) -> str:
    return "none" if number is None else f"{number:f}"
