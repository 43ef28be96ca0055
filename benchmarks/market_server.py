"""A trade socket with a market of many pairs, in a process of its own; :func:`benchmarks.market_replay.market_server`
starts it.

Its argument is JSON: ``feed``, ``symbols``, ``depth`` and ``seed`` as :mod:`benchmarks.market_frames` has them. It
prints its port, sends the snapshots to the client that subscribes, and then takes one order a line, such as
``{"seconds": 10, "rate": 4100}``: so long it sends so many frames a second, at random moments. It answers each order
with the book frames it sent: the index of the symbol and the monotonic time of each.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from random import Random

from aiohttp import WSMsgType, web

from benchmarks.market_frames import Venue, mixed_frames, new_venues

Frames = Iterator[tuple[str, str]]


def say(message: object) -> None:
    """Answer on the standard output."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def play(
    socket: web.WebSocketResponse, frames: Frames, seconds: float, rate: float, random: Random
) -> tuple[list[str], list[float]]:
    """Send frames; return the symbols of those that change a book, and when each was handed to the kernel."""
    symbols: list[str] = []
    sent_at: list[float] = []
    due = time.monotonic()
    end = due + seconds
    while (due := due + random.expovariate(rate)) < end:
        symbol, text = next(frames)
        if due > time.monotonic():
            await asyncio.sleep(due - time.monotonic())
        if symbol:
            symbols.append(symbol)
            sent_at.append(time.monotonic())
        await socket.send_str(text)
    return symbols, sent_at


async def take_orders(socket: web.WebSocketResponse, venues: list[Venue], random: Random, over: asyncio.Event) -> None:
    """Play what the benchmark asks for, until it ends."""
    frames = mixed_frames(venues, random)
    index_of = {venue.symbol: index for index, venue in enumerate(venues)}
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        symbols, sent_at = await play(socket, frames, order["seconds"], order["rate"], random)
        say({"symbols": [index_of[symbol] for symbol in symbols], "sent_at": sent_at})
    over.set()


async def main(feed: str, symbols: list[str], depth: int, seed: int) -> None:
    """Serve one client until the benchmark ends."""
    random = Random(f"{seed} {feed} {len(symbols)} {depth}")
    venues = new_venues(feed, symbols, depth, random)
    over = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        # The benchmark goes when it likes.
        with contextlib.suppress(ConnectionError):
            await answer(socket)
        return socket

    async def answer(socket: web.WebSocketResponse) -> None:
        async for frame in socket:
            if frame.type is not WSMsgType.TEXT:
                continue
            if frame.json()["type"] == "PING":
                await socket.send_str('{"type":"PONG"}')
            elif frame.json()["type"] == "SUBSCRIBE" and not tasks:
                for venue in venues:
                    await socket.send_str(venue.snapshot())
                tasks.append(asyncio.create_task(take_orders(socket, venues, random, over)))

    app = web.Application()
    app.router.add_get("/ws/trade", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    say(runner.addresses[0][1])
    await over.wait()


if __name__ == "__main__":
    asyncio.run(main(**json.loads(sys.argv[1])))
