"""How the demo watches the loopback exchange, and its last resort against orders left live."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from hummingbot_valr.demo_facts import Touch
from hummingbot_valr.demo_processes import DemoError
from hummingbot_valr.demo_watch import ExchangeClient, Watch
from valr_loopback.orders import Side
from valr_loopback.server import LoopbackConfig, LoopbackServer

SYMBOL = "BTCZAR"


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer(LoopbackConfig(port=0, market=False)) as running:
        yield running


@pytest.fixture
async def client(server: LoopbackServer) -> AsyncIterator[ExchangeClient]:
    async with aiohttp.ClientSession() as session:
        yield ExchangeClient(session, server.url)


def place(server: LoopbackServer, price: int, side: Side = Side.BUY) -> None:
    server.exchange.place_limit(server.account_id, SYMBOL, side, Decimal("0.001"), Decimal(price))


async def test_orders_left_live_are_cancelled_and_counted(server: LoopbackServer, client: ExchangeClient) -> None:
    assert await client.cancel_everything(server.api_key, server.api_secret) == 0
    place(server, 1_000_000)
    place(server, 1_000_001)
    assert await client.cancel_everything(server.api_key, server.api_secret) == 2
    ledger = await client.ledger()
    assert (ledger.open_orders, ledger.most_open) == (0, 2)
    assert {order.status for order in ledger.orders} == {"Cancelled"}


async def test_the_best_prices_are_followed(server: LoopbackServer, client: ExchangeClient) -> None:
    touches: asyncio.Queue[Touch] = asyncio.Queue()
    following = asyncio.create_task(client.follow_touch(SYMBOL, touches.put_nowait))
    async with asyncio.timeout(5):
        assert (await touches.get()).mid is None
        place(server, 1_000_000)
        assert (await touches.get()).bid == 1_000_000
        place(server, 1_000_100, Side.SELL)
        assert (await touches.get()).mid == 1_000_050
        await server.stop()
        with pytest.raises(DemoError, match=r"closed its market data|market data failed"):
            await following


async def test_the_account_sockets_are_cut(server: LoopbackServer, client: ExchangeClient) -> None:
    await client.cut_account_sockets()
    assert await client.tick(SYMBOL) == "1"


async def test_an_exchange_that_is_gone_is_said_so(server: LoopbackServer, client: ExchangeClient) -> None:
    await server.stop()
    with pytest.raises(DemoError, match="did not answer GET /loopback/ledger"):
        await client.ledger()
    with pytest.raises(DemoError):
        await Watch(client, SYMBOL, Path("none")).run()
