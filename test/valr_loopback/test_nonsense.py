"""Whatever a client sends, it is answered; nothing it sends can break a session or a request."""

import json
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from valr_loopback.account_socket import AccountHub, AccountSession
from valr_loopback.auth import ALL_PERMISSIONS, ApiKey, Identity
from valr_loopback.errors import RefusalError
from valr_loopback.exchange import Exchange
from valr_loopback.faults import FaultPlan
from valr_loopback.market_data import MarketData
from valr_loopback.order_entry import OrderEntry
from valr_loopback.requests import read_cancel, read_limit, read_market, read_modify
from valr_loopback.trade_socket import TradeHub, TradeSession

WORDS = [
    "type", "event", "pairs", "subscriptions", "requests", "payload", "data", "clientMsgId", "SUBSCRIBE", "UNSUBSCRIBE",
    "PLACE_LIMIT_ORDER", "PLACE_MARKET_ORDER", "CANCEL_LIMIT_ORDER", "MODIFY_ORDER", "BATCH_ORDERS", "PLACE_LIMIT",
    "CANCEL_ORDER", "OB_L1_DIFF", "BTCZAR", "pair", "side", "BUY", "price", "quantity", "orderId", "customerOrderId",
    "newPrice", "baseAmount", "quoteAmount", "timeInForce", "IOC", "1", "0", "-1", "1e9", "CANCEL_ON_DISCONNECT",
    "cancelOnDisconnect", "postOnly", "PING", "newTotalQuantity", "modifyMatchStrategy",
]  # fmt: skip
texts = st.sampled_from(WORDS) | st.text(max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=12,
)
commands = st.fixed_dictionaries(
    {"type": st.sampled_from([word for word in WORDS if word.isupper()])},
    optional={"payload": values, "subscriptions": values, "requests": values, "clientMsgId": values},
)
frames = st.one_of(commands.map(json.dumps), values.map(json.dumps), st.text(max_size=20))


class Sink:
    def __init__(self):
        self.frames = []

    def send(self, text):
        self.frames.append(json.loads(text))


class Straight:
    """A command queue without a wait or a loop."""

    def submit(self, command, extra_delay=0.0):
        return command()


def town():
    exchange = Exchange(lambda: 1_795_000_000.0)
    exchange.open_account("ann", {"ZAR": 10**7, "BTC": 10})
    return exchange, MarketData(exchange), FaultPlan((), lambda: 0.0, Random(1))


@settings(deadline=None)
@given(st.lists(frames, max_size=8))
def test_the_account_socket_answers_whatever_comes(sent):
    exchange, data, faults = town()
    hub = AccountHub(exchange, "automatic", "error", data.worth, faults)
    identity = Identity(ApiKey("k", "s", "ann", ALL_PERMISSIONS, "", 0, False), "ann")
    sink = Sink()
    entry = OrderEntry(exchange, Straight(), faults)
    session = AccountSession(hub, sink, identity, entry, lambda command: True)
    hub.join(session)
    for frame in sent:
        session.receive(frame)
    before = len(sink.frames)
    session.receive('{"type":"PING"}')
    assert sink.frames[before:] == [{"type": "PONG"}]


@settings(deadline=None)
@given(st.lists(frames, max_size=8))
def test_the_trade_socket_answers_whatever_comes(sent):
    _, data, faults = town()
    sink = Sink()
    session = TradeSession(TradeHub(data, faults), sink)
    for frame in sent:
        session.receive(frame)
    session.receive('{"type":"PING"}')
    assert sink.frames[-1]["type"] == "PONG"


@given(st.dictionaries(texts, values, max_size=8))
def test_requests_are_read_or_refused(body):
    for read in (read_limit, read_market, read_cancel, read_modify):
        try:
            read(body)
        except RefusalError as refusal:
            assert refusal.body()["code"] < 0  # noqa: PT017
