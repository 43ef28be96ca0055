"""The sums of a session report, each against a sum done by hand."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot_valr.demo_facts import Fees
from hummingbot_valr.session_report_facts import Bucket, Fill, Holding, Market, Mid, Quote, Session
from hummingbot_valr.session_report_figures import Point, Worth, figures, latency, mid_at

MARKET = Market("valr", "BTC-ZAR")
OTHER = Market("binance", "BTC-USDT")


def fill(time: float, side: str, price: str, amount: str, fees: Fees = (), market: Market = MARKET) -> Fill:
    return Fill(market, f"t{time}", f"o{time}", side, Decimal(price), Decimal(amount), time, fees)


def mids(*prices: tuple[float, str | None]) -> dict[Market, tuple[Mid, ...]]:
    return {MARKET: tuple(Mid(time, None if price is None else Decimal(price)) for time, price in prices)}


def fee(amount: str, currency: str) -> Fees:
    return ((Decimal(amount), currency),)


def session(**facts: object) -> Session:
    return Session("pmm", "conf.yml", 0.0, 100.0, **facts)  # type: ignore[arg-type]


def test_a_session_is_taken_apart_to_the_last_digit() -> None:
    fills = (
        fill(10, "buy", "99", "2", fee("0.01", "BTC")),
        fill(20, "sell", "102", "1", fee("-0.5", "ZAR")),
        fill(15, "buy", "1", "1", market=OTHER),
    )
    found = figures(session(fills=fills, mids=mids((5, "100"), (12, "101"), (30, "110"))), MARKET)
    assert (found.bought.fills, found.bought.amount, found.bought.value) == (1, Decimal(2), Decimal(198))
    assert (found.sold.fills, found.sold.amount, found.sold.average) == (1, Decimal(1), Decimal(102))
    assert found.volume == 300
    assert found.fees == {"BTC": Decimal("0.01"), "ZAR": Decimal("-0.5")}
    last = found.last
    assert last is not None
    # Spread: (100 - 99) * 2 + (102 - 101) * 1. Fees: 0.01 BTC at 110, less the reward. 1 BTC bought for 96 in all.
    assert (last.spread, last.fees, last.inventory) == (Decimal(3), Decimal("0.6"), Decimal("0.99"))
    assert last.result == Decimal(-198 + 102 + 110) - Decimal("0.6")
    assert last.moves == last.result + last.fees - last.spread == 11
    assert [point.time for point in found.course] == [10, 12, 20, 30]
    assert (found.unmeasured, found.tells_spread, found.unvalued) == (0, True, ())


def test_without_mid_prices_the_last_fill_is_the_price() -> None:
    found = figures(session(fills=(fill(10, "buy", "100", "1"), fill(20, "sell", "105", "0.5"))), MARKET)
    assert found.last == Point(20, Decimal("0.5"), Decimal(0), Decimal(0), Decimal("5.0"))
    assert not found.tells_spread


@pytest.mark.parametrize(
    ("prices", "unmeasured", "spread"),
    [
        ([(5, "100"), (8, None)], 2, "0"),
        ([(5, "100"), (8, None), (15, "104")], 1, "-1"),
        ([(12, "100")], 1, "-5"),
        ([(5, "101")], 0, "-3"),
    ],
)
def test_a_fill_is_measured_by_the_mid_price_of_its_moment(
    prices: list[tuple[float, str | None]], unmeasured: int, spread: str
) -> None:
    fills = (fill(10, "buy", "100", "1"), fill(20, "buy", "105", "1"))
    found = figures(session(fills=fills, mids=mids(*prices)), MARKET)
    assert (found.unmeasured, found.tells_spread) == (unmeasured, unmeasured < 2)
    assert found.last is not None
    assert found.last.spread == Decimal(spread)


def test_fees_in_a_third_currency_are_named_and_not_valued() -> None:
    found = figures(session(fills=(fill(10, "buy", "100", "1", fee("7", "VALR")),)), MARKET)
    assert (found.fees, found.unvalued) == ({"VALR": Decimal(7)}, ("VALR",))
    assert found.last is not None
    assert found.last.fees == 0


def test_nothing_filled_is_nothing_earned() -> None:
    quotes = (
        Quote(MARKET, "a", "buy", Decimal(1), Decimal(1), 1.0, 2.0, "cancelled"),
        Quote(MARKET, "b", "sell", Decimal(1), Decimal(1), 1.0),
        Quote(OTHER, "c", "sell", Decimal(1), Decimal(1), 1.0),
    )
    found = figures(session(quotes=quotes, mids=mids((1, "100"))), MARKET)
    assert (found.last, found.course, found.bought.average, found.volume) == (None, (), None, 0)
    assert found.endings == {"cancelled": 1, "open": 1}
    assert session(quotes=quotes).markets == [MARKET, OTHER]


def test_what_the_account_is_worth_changes_at_once_with_both_halves_of_a_trade() -> None:
    holdings = {
        ("valr", "BTC"): (Holding(1, Decimal(2)), Holding(5, Decimal(3))),
        ("valr", "ZAR"): (Holding(1, Decimal(50)), Holding(5, Decimal(40))),
        ("other", "ZAR"): (Holding(2, Decimal(1000)),),
    }
    found = figures(session(holdings=holdings, mids=mids((2, "10"), (7, None), (9, "11"))), MARKET)
    assert found.worth == (
        Worth(2, Decimal(2), Decimal(50), Decimal(70)),
        Worth(5, Decimal(3), Decimal(40), Decimal(70)),
        Worth(9, Decimal(3), Decimal(40), Decimal(73)),
    )


def test_the_mid_price_in_force() -> None:
    known = [Mid(1, Decimal(5)), Mid(2, None), Mid(3, Decimal(6))]
    assert [mid_at(known, time) for time in (0, 1, 1.5, 2, 9)] == [None, 5, 5, None, 6]


AMOUNTS = st.decimals(min_value="0.000001", max_value="1000", places=6)
EVENTS = st.lists(
    st.tuples(st.integers(1, 50), st.sampled_from(["buy", "sell", "mid"]), AMOUNTS, AMOUNTS), min_size=1, max_size=30
)


@given(EVENTS)
def test_the_result_is_what_the_account_changed_by(events: list[tuple[int, str, Decimal, Decimal]]) -> None:
    fills = tuple(
        fill(time, side, f"{price}", f"{amount}", fee("0.000001", "BTC"))
        for time, side, price, amount in events
        if side != "mid"
    )
    prices = sorted((time, price) for time, side, price, _ in events if side == "mid")
    found = figures(session(fills=fills, mids={MARKET: tuple(Mid(time, price) for time, price in prices)}), MARKET)
    if not fills:
        assert found.last is None
        return
    assert found.last is not None
    base = found.bought.amount - found.sold.amount - found.fees["BTC"]
    cash = found.sold.value - found.bought.value
    last_price = prices[-1][1] if prices else found.fills[-1].price
    assert found.last.result == pytest.approx(cash + base * last_price)
    assert found.last.inventory == base


def test_latencies_are_summed_up_in_buckets_that_hold_them_all() -> None:
    times = [0.0, 0.5, 1.0, 1.1, 12.0, 250.0]
    found = latency("place open", times)
    assert found is not None
    assert (found.name, found.count, found.median, found.high, found.maximum) == ("place open", 6, 1.0, 250.0, 250.0)
    assert sum(bucket.count for bucket in found.buckets) == 6
    for time in times[1:]:
        assert any(bucket.low <= time * 1.0000001 and time < bucket.high for bucket in found.buckets), time
    assert found.buckets[0] == Bucket(pytest.approx(0.01), pytest.approx(0.0126, rel=0.01), 1)
    assert latency("none", []) is None
