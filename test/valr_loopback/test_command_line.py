"""``python -m valr_loopback``: what it prints, how it stops, what it says when it cannot start."""

import asyncio
import re
import signal
import socket
import sys

import aiohttp
import pytest

from test.valr_loopback.client import signed


async def start(*arguments):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "valr_loopback",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def read_until(process, word):
    lines = []
    while not lines or word not in lines[-1]:
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        assert line, (await process.stderr.read()).decode()
        lines.append(line.decode())
    return "".join(lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_listens_prints_where_and_stops_on_signals(number):
    process = await start("--port", "0", "--seed", "5")
    printed = await read_until(process, "Ctrl-C")
    url = re.search(r"http://127\.0\.0\.1:\d+", printed)[0]
    assert url.replace("http", "ws") + "/ws/account" in printed
    assert len(re.findall(r"\b[0-9a-f]{64}\b", printed)) == 2
    async with aiohttp.ClientSession() as session, session.get(url + "/v1/public/time") as reply:
        assert reply.status == 200
    process.send_signal(number)
    out, err = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, b"Stopped" in out, b"Traceback" in err) == (0, True, False)


async def test_it_lists_as_many_pairs_as_it_is_told():
    process = await start("--port", "0", "--pairs", "7", "--no-market")
    url = re.search(r"http://127\.0\.0\.1:\d+", await read_until(process, "Ctrl-C"))[0]
    async with aiohttp.ClientSession() as session, session.get(url + "/v1/public/pairs/SPOT") as reply:
        assert sum(row["active"] for row in await reply.json()) == 7
    process.terminate()
    await asyncio.wait_for(process.communicate(), 10)


async def test_the_demo_key_can_be_bound_to_an_address():
    process = await start("--port", "0", "--no-market", "--allowed-ip", "192.0.2.0/24")
    printed = await read_until(process, "Ctrl-C")
    url = re.search(r"http://127\.0\.0\.1:\d+", printed)[0]
    key, secret = re.findall(r"\b[0-9a-f]{64}\b", printed)
    headers = signed(key, secret, "GET", "/v1/account/balances")
    async with aiohttp.ClientSession() as session, session.get(url + "/v1/account/balances", headers=headers) as reply:
        assert (reply.status, (await reply.json())["code"]) == (401, -11272)
    process.terminate()
    await asyncio.wait_for(process.communicate(), 10)


async def test_what_is_no_address_is_a_clear_error():
    process = await start("--port", "0", "--allowed-ip", "home")
    _, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert b"Cannot use --allowed-ip: 'home' does not appear to be an IPv4 or IPv6 network" in err


async def test_a_taken_port_is_a_clear_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await start("--port", str(port))
        _, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in err.decode()
    assert "Traceback" not in err.decode()


async def test_a_port_out_of_range_is_refused():
    process = await start("--port", "70000")
    _, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert "--port" in err.decode()
    assert "65535" in err.decode()
