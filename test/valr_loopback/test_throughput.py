"""The work of one command must not grow with the number of resting orders."""

import time
from random import Random

from test.work import count_calls
from valr_loopback.exchange import Exchange
from valr_loopback.faults import FaultPlan
from valr_loopback.market_data import MarketData
from valr_loopback.trade_socket import TradeHub, TradeSession

FEEDS = ("OB_L1_DIFF", "FULL_ORDERBOOK_UPDATE", "OB_L1_D20_SNAPSHOT")


class Sink:
    def __init__(self):
        self.frames = []

    def send(self, text):
        self.frames.append(text)


def crowded(resting, subscribers=1):
    exchange = Exchange(time.time)
    hub = TradeHub(MarketData(exchange), FaultPlan((), time.time, Random(1)))
    for number in range(20):
        exchange.open_account(f"crowd-{number}", {"ZAR": 10**12, "BTC": 10**6})
    for number in range(resting // 2):
        account_id = f"crowd-{number % 20}"
        exchange.place_limit(account_id, "BTCZAR", "buy", "0.01", str(1_899_000 - number % 500))
        exchange.place_limit(account_id, "BTCZAR", "sell", "0.01", str(1_901_000 + number % 500))
    sinks = [Sink() for _ in range(subscribers)]
    for sink in sinks:
        session = TradeSession(hub, sink)
        for event in FEEDS:
            session.receive(f'{{"type":"SUBSCRIBE","subscriptions":[{{"event":"{event}","pairs":["BTCZAR"]}}]}}')
    return exchange, sinks


def some_commands(exchange):
    """Place and cancel near the top, far below it, and trade."""
    for price in ("1899500", "1000000"):
        order = exchange.place_limit("crowd-1", "BTCZAR", "buy", "0.01", price)
        exchange.cancel("crowd-1", order.id)
    exchange.place_limit("crowd-1", "BTCZAR", "buy", "0.005", "1901000", time_in_force="IOC")


def test_the_work_of_a_command_does_not_grow_with_the_book():
    few, many = (crowded(resting)[0] for resting in (1_000, 10_000))
    assert count_calls(lambda: some_commands(many)) < 1.5 * count_calls(lambda: some_commands(few))


def test_each_change_is_encoded_once_for_all_subscribers():
    one, twenty = (crowded(1_000, subscribers) for subscribers in (1, 20))
    sends = (len(FEEDS) * 5 + 10) * 19 * 3
    assert count_calls(lambda: some_commands(twenty[0])) < count_calls(lambda: some_commands(one[0])) + sends
    frames = [sink.frames[-1] for sink in twenty[1]]
    assert all(frame is frames[0] for frame in frames)


def test_nothing_is_encoded_without_subscribers():
    watched, unwatched = (crowded(1_000, subscribers)[0] for subscribers in (1, 0))
    assert count_calls(lambda: some_commands(unwatched)) < count_calls(lambda: some_commands(watched)) / 2


def test_500_commands_a_second_are_far_within_reach():
    exchange, _ = crowded(10_000)
    started = time.process_time()
    for _ in range(100):
        some_commands(exchange)
    assert time.process_time() - started < 1.0
