import pytest

from test.valr_loopback.client import add_rival, running


@pytest.fixture
async def exchange():
    """A quiet server with a rival account, and a client of the demo user."""
    async with running() as (server, client):
        add_rival(server)
        yield server, client


@pytest.fixture
async def server(exchange):
    return exchange[0]


@pytest.fixture
async def client(exchange):
    return exchange[1]
