"""Each promise is held by a run in which all is well, and broken by every single thing that may go wrong."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from hummingbot_valr.demo_facts import Ledger, LedgerOrder, Touch, Trade
from hummingbot_valr.demo_log import BotLog
from hummingbot_valr.demo_promises import Quoting, Run, judge
from hummingbot_valr.demo_record import Record, RecordedFill, RecordedOrder

T = 1_795_260_000.0
QUOTING = Quoting(levels=1, spread=Decimal("0.001"), level_spread=Decimal("0.001"), tick=Decimal(1))
MID = Decimal("1900000.5")
BID, ASK = Decimal(1898100), Decimal(1901900)


def line(offset: float, message: str, level: str = "INFO", logger: str = "hummingbot.client") -> str:
    stamp = datetime.fromtimestamp(T + offset, UTC).strftime("%Y-%m-%d %H:%M:%S,%f")[:-3]
    return f"{stamp} - 77 - {logger} - {level} - {message}\n"


def event(offset: float, **fields: object) -> str:
    return line(offset, json.dumps(fields), "EVENT_LOG", "hummingbot.core.event.event_reporter")


def filled(offset: float, trade_id: str = "t1", amount: str = "0.00123456", fee: str = "2.3480214432") -> str:
    return event(
        offset,
        event_name="OrderFilledEvent",
        order_id="sell-1",
        exchange_order_id="x2",
        exchange_trade_id=trade_id,
        trade_type="TradeType.SELL",
        price="1901900",
        amount=amount,
        trade_fee={"percent": "0", "percent_token": None, "flat_fees": [{"token": "ZAR", "amount": fee}]},
    )


SOCKET_UP = line(0, "The account socket of VALR is connected and authenticated.")
QUOTED = line(1, "(BTC-ZAR) Creating 1 bid orders at (Size, Price): ['0.002 BTC, 1.8981E+6 ZAR']") + line(
    1, "(BTC-ZAR) Creating 1 ask orders at (Size, Price): ['0.002 BTC, 1901900 ZAR']"
)
CREATED = line(1.02, "Created LIMIT_MAKER BUY order buy-1 for 0.00200000 BTC-ZAR at 1898100.") + line(
    1.02, "Created LIMIT_MAKER SELL order sell-1 for 0.00200000 BTC-ZAR at 1901900."
)
CANCELLING = "".join(
    line(2, f"(BTC-ZAR) Canceling the limit order {name}. [clock=...]") for name in ("buy-1", "sell-1")
)
CANCELLED = "".join(line(2.02, f"Successfully canceled order {name}.") for name in ("buy-1", "sell-1"))
LOG = SOCKET_UP + QUOTED + CREATED + filled(1.5) + CANCELLING + CANCELLED


def log(text: str = LOG) -> BotLog:
    read = BotLog()
    read.feed(text)
    return read


def order(name: str, number: str, side: str, price: Decimal, filled: str = "0") -> LedgerOrder:
    quantity = Decimal("0.002")
    return LedgerOrder(number, name, side, price, quantity, Decimal(filled), "Cancelled", T + 1.01, T + 2.01)


def record(name: str, number: str, price: Decimal, *statuses: str) -> RecordedOrder:
    return RecordedOrder(name, number, int(price) * 10**6, 2000, statuses)


BUY = order("buy-1", "x1", "buy", BID)
SELL = order("sell-1", "x2", "sell", ASK, "0.00123456")
TRADE = Trade("t1", "x2", "sell-1", "sell", ASK, Decimal("0.00123456"), ((Decimal("2.3480214432"), "ZAR"),))
BUY_RECORD = record("buy-1", "x1", BID, "BuyOrderCreated", "OrderCancelled")
SELL_RECORD = record("sell-1", "x2", ASK, "SellOrderCreated", "OrderFilled", "OrderCancelled")
FILL = RecordedFill("t1", "sell-1", "sell", 1901900 * 10**6, 1234, TRADE.fees)
LEDGER = Ledger((BUY, SELL), (TRADE,), {}, open_orders=0, most_open=2)
RECORD = Record({"buy-1": BUY_RECORD, "sell-1": SELL_RECORD}, (FILL,))
TOUCHES = [Touch(T, MID - 500, MID + 500), Touch(T + 1.2, MID - 400, MID + 800)]


def run(**fields: object) -> Run:
    return replace(Run(QUOTING, LEDGER, RECORD, log(), TOUCHES, home_evidence="all as usual"), **fields)  # type: ignore[arg-type]


def broken(judged: Run) -> list[int]:
    return [number for number, verdict in enumerate(judge(judged), 1) if not verdict.held]


def test_all_is_well() -> None:
    verdicts = judge(run())
    assert [verdict.held for verdict in verdicts] == [True] * 7, verdicts
    assert "all 2 orders" in verdicts[0].evidence
    assert "2 cancelled" in verdicts[1].evidence
    assert "fees 2.3480214432 ZAR" in verdicts[2].evidence
    assert "2 quoted prices" in verdicts[3].evidence
    assert "no fault occurred" in verdicts[4].evidence
    assert "place at the exchange 10 / 10 ms" in verdicts[5].evidence
    assert "cancel known to the bot 20 / 20 ms" in verdicts[5].evidence


def test_an_order_the_bot_was_told_failed_needs_no_place_in_its_database() -> None:
    failed = replace(order("buy-2", "x3", "buy", BID), status="Failed", ended_at=T + 1.01)
    told = log(LOG + event(1.02, event_name="MarketOrderFailureEvent", order_id="buy-2"))
    assert broken(run(ledger=replace(LEDGER, orders=(BUY, SELL, failed)), log=told)) == []
    assert broken(run(ledger=replace(LEDGER, orders=(BUY, SELL, replace(failed, status="Filled"))), log=told)) == [2]


def test_a_run_without_fills_says_so() -> None:
    quiet = run(
        ledger=replace(LEDGER, trades=()),
        record=Record(
            {"buy-1": BUY_RECORD, "sell-1": replace(SELL_RECORD, statuses=("SellOrderCreated", "OrderCancelled"))}
        ),
        log=log(SOCKET_UP + QUOTED + CREATED + CANCELLING + CANCELLED),
    )
    assert broken(quiet) == []
    assert "no order was filled" in judge(quiet)[2].evidence


def with_ledger(**fields: object) -> Callable[[], Run]:
    return lambda: run(ledger=replace(LEDGER, **fields))  # type: ignore[arg-type]


def with_sell_record(**fields: object) -> Callable[[], Run]:
    changed = replace(SELL_RECORD, **fields)  # type: ignore[arg-type]
    return lambda: run(record=Record({"buy-1": BUY_RECORD, "sell-1": changed}, (FILL,)))


def with_log(*, without: str = "", instead: str = "", more: str = "") -> Callable[[], Run]:
    assert without in LOG
    return lambda: run(log=log(LOG.replace(without, instead) + more if without else LOG + more))


def with_fills(*fills: RecordedFill) -> Callable[[], Run]:
    return lambda: run(record=Record(RECORD.orders, fills))


UNKNOWN = order("buy-9", "x9", "buy", BID)
BOOK = "hummingbot.connector.exchange.valr.valr_api_order_book_data_source.ValrAPIOrderBookDataSource"
LATE = line(4, "Successfully canceled order buy-1.") + line(4, "Successfully canceled order sell-1.")

BREAKERS: dict[str, tuple[Callable[[], Run], list[int]]] = {
    "an order the bot does not know": (with_ledger(orders=(BUY, SELL, UNKNOWN)), [1]),
    "an order left live": (with_ledger(open_orders=1), [1]),
    "an order the demo had to cancel": (lambda: run(rescued=1), [1]),
    "too many orders at once": (with_ledger(most_open=3), [1]),
    "an order the exchange never had": (
        lambda: run(record=Record({**RECORD.orders, "buy-9": record("buy-9", "x9", BID, "BuyOrderCreated")}, (FILL,))),
        [2],
    ),
    "a failure the exchange never had": (
        with_log(more=event(3, event_name="MarketOrderFailureEvent", order_id="buy-9")),
        [2],
    ),
    "another end": (with_sell_record(statuses=("SellOrderCreated", "OrderFilled", "SellOrderCompleted")), [2]),
    "no end": (with_sell_record(statuses=("SellOrderCreated", "OrderFilled")), [2]),
    "two ends": (with_sell_record(statuses=("SellOrderCreated", "OrderCancelled", "OrderCancelled")), [2]),
    "a fill after the end": (with_sell_record(statuses=("SellOrderCreated", "OrderCancelled", "OrderFilled")), [2]),
    "another order id": (with_sell_record(order_id="x7"), [2]),
    "another price": (with_sell_record(price=1), [2]),
    "another amount": (with_sell_record(amount=1999), [2]),
    "a cancel reported too early": (
        with_ledger(orders=(replace(BUY, ended_at=T + 2.5), SELL)),
        [2],
    ),
    "a fill the bot missed": (with_log(without=filled(1.5)), [3]),
    "a fill counted twice": (with_log(more=filled(1.6)), [3]),
    "a fill of nowhere": (with_log(more=filled(1.6, "t2")), [3]),
    "another quantity in the ninth place": (
        with_log(without=filled(1.5), instead=filled(1.5, amount="0.001234560001")),
        [3],
    ),
    "another fee": (with_log(without=filled(1.5), instead=filled(1.5, fee="2.348021")), [3]),
    "a fill missing in the database": (with_fills(), [3]),
    "a fill twice in the database": (with_fills(FILL, FILL), [3]),
    "a fill of its own in the database": (with_fills(FILL, replace(FILL, trade_id="t9")), [3]),
    "another amount in the database": (with_fills(replace(FILL, amount=1235)), [3]),
    "another fee currency in the database": (with_fills(replace(FILL, fees=((TRADE.fees[0][0], "BTC"),))), [3]),
    "a book dropped": (with_log(more=line(3, "BTC-ZAR: the order book is dropped", "WARNING", BOOK)), [4]),
    "quotes from another mid": (lambda: run(touches=[Touch(T, MID - 498, MID + 502)]), [4]),
    "quotes from an old mid": (lambda: run(touches=[TOUCHES[0], Touch(T + 0.4, MID, MID + 900)]), [4]),
    "quotes from a one-sided book": (lambda: run(touches=[Touch(T, None, MID)]), [4]),
    "a bot that ended by itself": (lambda: run(ended_badly="the bot ended by itself"), [5]),
    "an error": (with_log(more=line(3, "Unexpected", "ERROR")), [5]),
    "a traceback": (with_log(more="Traceback (most recent call last):\n"), [5]),
    "a socket lost unbidden": (with_log(more=line(3, "The account socket of VALR is down: reset", "WARNING")), [5]),
    "slow to cancel": (with_log(without=CANCELLED, instead=LATE), [6]),
    "a changed file of Hummingbot": (lambda: run(home_faults=["hummingbot/VERSION was changed"]), [7]),
    "nobody looked": (lambda: run(home_evidence=""), [7]),
    "nothing happened": (lambda: run(ledger=Ledger(), record=Record(), log=log(SOCKET_UP)), [1, 2, 4, 6]),
}


@pytest.mark.parametrize("name", BREAKERS)
def test_a_promise_is_broken_by(name: str) -> None:
    make, expected = BREAKERS[name]
    assert broken(make()) == expected, judge(make())


def test_a_price_nobody_chose_breaks_the_book_promise() -> None:
    strange = replace(BUY, price=BID - 7)
    kept = replace(BUY_RECORD, price=int(BID - 7) * 10**6)
    judged = run(
        ledger=replace(LEDGER, orders=(strange, SELL)), record=Record({**RECORD.orders, "buy-1": kept}, (FILL,))
    )
    assert broken(judged) == [4]


def test_many_faults_are_counted() -> None:
    strangers = tuple(order(f"buy-{number}", f"x{number}", "buy", BID) for number in range(10, 15))
    evidence = judge(run(ledger=replace(LEDGER, orders=(BUY, SELL, *strangers))))[0].evidence
    assert evidence.endswith("; and 2 more")


DOWN = line(3.1, "The account socket of VALR is down: reset", "WARNING")
BACK = line(3.9, "The account socket of VALR is connected and authenticated.")
AGAIN = line(5, "Created LIMIT_MAKER BUY order buy-2 for 0.00200000 BTC-ZAR at 1898100.")
AGAIN_LATE = line(15, "Created LIMIT_MAKER BUY order buy-2 for 0.00200000 BTC-ZAR at 1898100.")
BACK_LATE = line(14, "The account socket of VALR is connected and authenticated.")


@pytest.mark.parametrize(
    ("more", "held", "evidence"),
    [
        (DOWN + BACK + AGAIN, True, "back after 0.9 s, a new order 2.0 s after the cut"),
        (BACK + AGAIN, False, "logged 0 times"),
        (DOWN, False, "never came back"),
        (DOWN + BACK, False, "no order was placed after"),
        (DOWN + BACK_LATE + AGAIN_LATE, False, "gone for 11.0 s"),
        (DOWN + BACK + AGAIN + line(6, "Unexpected", "ERROR"), False, "Unexpected"),
    ],
)
def test_after_the_socket_was_cut(more: str, held: bool, evidence: str) -> None:
    verdict = judge(run(log=log(LOG + more), cut_at=T + 3))[4]
    assert verdict.held is held, verdict
    assert evidence in verdict.evidence


def test_times_of_the_cut_are_left_out_of_the_speed() -> None:
    slow = log(LOG.replace(CANCELLED, LATE) + DOWN + BACK)
    assert not judge(run(log=slow, cut_at=T + 5))[5].held
    verdict = judge(run(log=slow, cut_at=T + 3))[5]
    assert not verdict.held
    assert "no time from decision to cancel" in verdict.evidence
