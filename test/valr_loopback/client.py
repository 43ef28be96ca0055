"""A small VALR client for the tests: signs by the published rule, sends what it is told, waits for what should come."""

import asyncio
import hmac
import json
import time
from collections import Counter
from contextlib import asynccontextmanager
from hashlib import sha512

import aiohttp

from valr_loopback.counterparty import COUNTERPARTY
from valr_loopback.faults import Fault
from valr_loopback.ledger import ledger
from valr_loopback.server import LoopbackConfig, LoopbackServer

PATIENCE = 5.0
QUIET = {"market": False, "engine_delay": (0, 0), "lookup_delay": (0, 0)}


def signed(key, secret, verb, path, body="", *, sub_account="", timestamp=None):
    timestamp = str(int(time.time() * 1000)) if timestamp is None else timestamp
    message = f"{timestamp}{verb}{path}{body}{sub_account}"
    headers = {
        "X-VALR-API-KEY": key,
        "X-VALR-SIGNATURE": hmac.new(secret.encode(), message.encode(), sha512).hexdigest(),
        "X-VALR-TIMESTAMP": timestamp,
    }
    if body:
        headers["Content-Type"] = "application/json"
    return headers | ({"X-VALR-SUB-ACCOUNT-ID": sub_account} if sub_account else {})


async def until(condition, patience=PATIENCE):
    """Wait until a condition holds, and return what it gives."""
    deadline = time.monotonic() + patience
    while not (result := condition()):
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.005)
    return result


class Reply:
    def __init__(self, status, text, headers):
        self.status, self.text, self.headers = status, text, headers

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def error(self):
        return self.status, self.json["code"]


class Socket:
    """Collects the frames of one socket as they come."""

    def __init__(self, socket):
        self.socket = socket
        self.frames = []
        self.texts = []
        self._task = asyncio.create_task(self._collect())

    async def _collect(self):
        async for message in self.socket:
            self.texts.append(message.data)
            self.frames.append(json.loads(message.data))

    async def send(self, message):
        await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def until(self, condition, patience=PATIENCE):
        """Wait until the condition gives something true of the frames so far, and return that."""
        deadline = time.monotonic() + patience
        while not (result := condition(self.frames)):
            assert time.monotonic() < deadline, f"did not come; got {[frame['type'] for frame in self.frames]}"
            await asyncio.sleep(0.005)
        return result

    async def one(self, kind, **fields):
        """Wait for a frame of a type whose data has these fields, and return its data (or the frame without data)."""

        def match(frames):
            for frame in frames:
                data = frame.get("data", frame)
                if frame["type"] == kind and all(data.get(name) == value for name, value in fields.items()):
                    return [data]
            return None

        return (await self.until(match))[0]

    async def reply(self, message, message_id="m1"):
        """Send a command and wait for the frame that echoes its id."""
        await self.send({**message, "clientMsgId": message_id})
        return (await self.until(lambda frames: [f for f in frames if f.get("clientMsgId") == message_id]))[0]

    async def settled(self):
        """Wait until everything sent before has been answered."""
        before = sum(frame["type"] == "PONG" for frame in self.frames)
        await self.send({"type": "PING"})
        await self.until(lambda frames: sum(frame["type"] == "PONG" for frame in frames) > before)

    def kinds(self):
        return [frame["type"] for frame in self.frames]

    def of(self, kind):
        return [frame.get("data", frame) for frame in self.frames if frame["type"] == kind]

    async def closed(self, patience=PATIENCE):
        await asyncio.wait_for(asyncio.shield(self._task), patience)
        return self.socket.close_code


class Client:
    """Signs by the time of ``clock``."""

    def __init__(self, server, session, clock=time.time):
        self.server, self.session, self.clock = server, session, clock
        self.key, self.secret = server.api_key, server.api_secret

    def _signed(self, verb, path, text, sub_account):
        timestamp = str(int(self.clock() * 1000))
        return signed(self.key, self.secret, verb, path, text, sub_account=sub_account, timestamp=timestamp)

    async def call(self, verb, path, body=None, *, headers=None, sign=True, sub_account=""):
        text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
        if headers is None:
            headers = self._signed(verb, path, text, sub_account) if sign else {}
        async with self.session.request(verb, self.server.url + path, data=text or None, headers=headers) as response:
            return Reply(response.status, await response.text(), response.headers)

    async def public(self, path):
        return await self.call("GET", "/v1/public" + path, sign=False)

    @asynccontextmanager
    async def socket(self, path="/ws/account", *, sign=True, sub_account="", **options):
        headers = self._signed("GET", path, "", sub_account) if sign else {}
        async with self.session.ws_connect(self.server.websocket_url + path, headers=headers, **options) as connected:
            yield Socket(connected)


@asynccontextmanager
async def running(clock=time.time, **config):
    """A quiet server, and a client of its demo user."""
    async with (
        LoopbackServer(LoopbackConfig(port=0, **(QUIET | config)), clock) as server,
        aiohttp.ClientSession() as session,
    ):
        yield server, Client(server, session, clock)


def faulty(*faults, **config):
    """A quiet server with these faults in force, each a kind or the options of a fault, and a client."""
    rows = [{"kind": fault} if isinstance(fault, str) else fault for fault in faults]
    return running(faults=tuple(Fault(**row) for row in rows), **config)


def place(client_order_id="a", **more):
    payload = limit(customerOrderId=client_order_id, **more)
    return {"type": "PLACE_LIMIT_ORDER", "clientMsgId": client_order_id, "payload": payload}


def cancel(client_order_id="a"):
    payload = {"customerOrderId": client_order_id, "pair": "BTCZAR"}
    return {"type": "CANCEL_LIMIT_ORDER", "clientMsgId": f"cancel {client_order_id}", "payload": payload}


class Books:
    """Checks that no money appears or vanishes, and that what is reserved is what open orders hold."""

    def __init__(self, server):
        self.server = server
        self.before = self._money()

    def _money(self):
        engine = self.server.exchange.engine
        staked = 10**12 if COUNTERPARTY in engine.portfolios else 0
        return {code: engine.accounts.supply(code) - staked for code in engine.currencies}

    def check(self):
        assert self._money() == self.before
        engine = self.server.exchange.engine
        for account_id, portfolio in engine.portfolios.items():
            held = Counter()
            for order in portfolio.open.values():
                held[order.given_currency] += order.reserved
            wallets = engine.accounts.get(account_id).wallets
            assert {code: wallet.reserved for code, wallet in wallets.items() if wallet.reserved} == held

    def orders(self):
        """The client ids and states of the demo user's orders, in the ledger anybody can ask for."""
        self.check()
        rows = ledger(self.server.exchange, self.server.account_id)["orders"]
        return {row["customerOrderId"]: row["status"] for row in rows}


def limit(side="BUY", price="1800000", quantity="0.001", pair="BTCZAR", **more):
    return {"side": side, "price": price, "quantity": quantity, "pair": pair, **more}


def add_rival(server, **money):
    """Open a second account with money, to trade against the demo user."""
    server.exchange.open_account(
        "rival", money or {"ZAR": 10**8, "BTC": 100, "USDT": 10**7, "DOGE": 10**7, "ETH": 1000}
    )
    return "rival"
