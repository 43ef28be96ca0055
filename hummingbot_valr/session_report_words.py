"""A session in words and in numbers as people read them. Pure."""

from collections import Counter
from datetime import datetime, tzinfo
from decimal import Context, Decimal

from hummingbot_valr.session_report_facts import Incident, Latency, Session
from hummingbot_valr.session_report_figures import Figures

_CENT = Decimal("0.01")
_PRICE_DIGITS = Context(prec=8)
_SMALL_DIGITS = Context(prec=4)
_ENDED = {"cancelled": "cancelled", "filled": "filled completely", "failed": "failed"}
_LATENCIES = {
    "place open": "the orders were proven open",
    "cancel end": "those that were cancelled were proven gone",
}


# --- Numbers and times ------------------------------------------------------------------------------------------------
def exact(number: Decimal) -> str:
    """Write every digit of a number but zeros at its end."""
    return _minus(f"{number.normalize():,f}")


def money(amount: Decimal) -> str:
    """Write an amount to the hundredth, a small one to four digits."""
    if not amount:
        return "0"
    return _minus(f"{amount.quantize(_CENT):,f}" if abs(amount) >= 1 else f"{amount.normalize(_SMALL_DIGITS):f}")


def price(number: Decimal) -> str:
    """Write a price to eight digits."""
    return f"{number.normalize(_PRICE_DIGITS):,f}"


def signed(amount: Decimal) -> str:
    """Write an amount with its sign."""
    return f"+{money(amount)}" if amount > 0 else money(amount)


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def clock(time: float, zone: tzinfo) -> str:
    """Write the time of day."""
    return f"{datetime.fromtimestamp(time, zone):%H:%M:%S}"


def moment(time: float, session: Session, zone: tzinfo) -> str:
    """Write the time of day, with the date where the session has several days."""
    date = datetime.fromtimestamp(time, zone)
    several = day(session.begin, zone) != day(session.end, zone)
    return f"{date.day} {date:%b %H:%M:%S}" if several else clock(time, zone)


def day(time: float, zone: tzinfo) -> str:
    """Write the date."""
    date = datetime.fromtimestamp(time, zone)
    return f"{date.day} {date:%B %Y}"


def duration(seconds: float) -> str:
    """Write how long something took, in its two largest units."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next(index for index, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)


def milliseconds(time: float) -> str:
    """Write a number of milliseconds to about three digits."""
    return f"{time:,.{0 if time >= 100 else 1 if time >= 10 else 2}f}"


def counted(count: int, thing: str) -> str:
    """Write how many there are of something."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def listed(parts: list[str]) -> str:
    """Join parts of a sentence."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


# --- Sentences --------------------------------------------------------------------------------------------------------
def summary(session: Session, all_figures: list[Figures], zone: tzinfo) -> list[str]:
    """Say in some sentences what happened, the most important first."""
    said = [_when(session, all_figures, zone)]
    for figures in all_figures:
        said += _market(figures, named=len(all_figures) > 1)
    if session.latencies:
        said.append(_speed(session.latencies))
    said.append(incidents_in_words(session.incidents))
    return [sentence for sentence in said if sentence]


def _when(session: Session, all_figures: list[Figures], zone: tzinfo) -> str:
    same_day = day(session.begin, zone) == day(session.end, zone)
    until = clock(session.end, zone) if same_day else f"{clock(session.end, zone)} on {day(session.end, zone)}"
    where = listed([f"{each.market.pair} on {each.market.connector}" for each in all_figures]) if all_figures else ""
    return (
        f"From {clock(session.begin, zone)} on {day(session.begin, zone)} until {until}"
        f" ({duration(session.end - session.begin)}), {session.strategy or 'the bot'}"
        f" {f'traded {where}' if where else 'placed no orders'}."
    )


def _market(figures: Figures, named: bool) -> list[str]:
    said = [f"{figures.market.pair} on {figures.market.connector}:"] if named else []
    said.append(_orders(figures))
    last = figures.last
    if last is None:
        return [" ".join([*said, "Nothing was filled."])]
    said.append(_traded(figures))
    quote, base = figures.market.quote, figures.market.base
    change = (
        f"{money(abs(last.result))} {quote} {'more' if last.result > 0 else 'less'} than"
        if last.result
        else "as much as"
    )
    said.append(f"At the end the account is worth {change} without the session{_parts(figures)}.")
    gained = last.inventory
    if gained:
        said.append(f"It holds {exact(abs(gained))} {base} {'more' if gained > 0 else 'less'} than at the beginning.")
    return [" ".join(said[:2] if named else said[:1]), " ".join(said[2:] if named else said[1:])]


def _orders(figures: Figures) -> str:
    endings = figures.endings
    ends = [f"{endings[name]:,} {words}" for name, words in _ENDED.items() if endings[name]]
    text = (
        f"{counted(len(figures.quotes), 'order')}: {listed(ends)}."
        if ends
        else f"{counted(len(figures.quotes), 'order')}."
    )
    if endings["open"]:
        text += f" {counted(endings['open'], 'order')} without an end on record: see whether any is still live."
    return text


def _traded(figures: Figures) -> str:
    base, quote = figures.market.base, figures.market.quote
    parts = [
        f"{verb} {exact(traded.amount)} {base} at {price(traded.average)} on average"
        for verb, traded in (("bought", figures.bought), ("sold", figures.sold))
        if traded.average is not None
    ]
    return f"{counted(len(figures.fills), 'fill')}: it {listed(parts)}, {money(figures.volume)} {quote} in all."


def _parts(figures: Figures) -> str:
    last = figures.last
    assert last is not None
    fees = f"{money(last.fees)} paid in fees" if last.fees >= 0 else f"{money(-last.fees)} earned in maker rewards"
    if not figures.tells_spread:
        return f", with {fees} in it"
    share = last.spread / figures.volume * 10000 if figures.volume else Decimal(0)
    return (
        f": {signed(last.spread)} of spread captured ({money(share)} basis points of what was traded),"
        f" {signed(last.moves)} from price moves of the inventory, and {fees}"
    )


def _speed(latencies: tuple[Latency, ...]) -> str:
    parts = [
        f"half of {_LATENCIES[each.name]} within {milliseconds(each.median)} ms"
        f" (99 % within {milliseconds(each.high)} ms)"
        for each in latencies
        if each.name in _LATENCIES
    ]
    return f"Speed: {listed(parts)}." if parts else ""


def incidents_in_words(incidents: tuple[Incident, ...] | None) -> str:
    """Say what went wrong, how often and for how long."""
    if incidents is None:
        return "Whether connections were lost or orders needed a second look is not known: nobody recorded incidents."
    if not incidents:
        return "No incident: no connection lost, no book dropped, no cancel sent twice, nothing refused for its rate."
    counts = Counter(incident.kind for incident in incidents)
    kinds = [_kind(kind, count, incidents) for kind, count in counts.most_common()]
    return f"{counted(len(incidents), 'incident')}: {listed(kinds)}."


def _kind(kind: str, count: int, incidents: tuple[Incident, ...]) -> str:
    lasted = [
        incident.end - incident.time for incident in incidents if incident.kind == kind and incident.end is not None
    ]
    times = "once" if count == 1 else f"{count:,} times"
    return f"{kind} {times}" + (
        f" (over after {duration(max(lasted))}{' at most' if count > 1 else ''})" if lasted else ""
    )
