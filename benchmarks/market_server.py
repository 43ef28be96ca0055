"""A trade socket that replays a recording; the benchmark starts it as a process of its own.

Its argument is :func:`market_frames.record`'s as JSON. It prints its port, sends the snapshots to the client that
subscribes, and then takes one order a line: ``{"batch": 0, "rate": 4100}``. It answers with the list of the times at
which it sent the batch's book frames. At rate 0 it sends as quickly as the client takes them.
"""

import asyncio
import json
import sys
import time
from random import Random

from aiohttp import WSMsgType, web
from market_frames import Recording, record


def say(message: object) -> None:
    """Answer on the standard output."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def play(socket: web.WebSocketResponse, texts: list[str], rate: float) -> list[float]:
    """Send the texts, at random moments if there is a rate, and return when those with a book were sent."""
    random = Random(1)
    sent_at: list[float] = []
    due = time.monotonic()
    for text in texts:
        if rate:
            due += random.expovariate(rate)
            if due > time.monotonic():
                await asyncio.sleep(due - time.monotonic())
        if '"NEW_TRADE"' not in text[:30]:
            sent_at.append(time.monotonic())
        await socket.send_str(text)
    return sent_at


async def take_orders(socket: web.WebSocketResponse, recording: Recording, over: asyncio.Event) -> None:
    """Play what the benchmark asks for, until it ends."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        say(await play(socket, recording.batches[order["batch"]], order["rate"]))
    over.set()


async def main() -> None:
    """Serve one client until the benchmark ends."""
    over = asyncio.Event()
    recording = record(**json.loads(sys.argv[1]))
    tasks: list[asyncio.Task[None]] = []

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for frame in socket:
            if frame.type is WSMsgType.TEXT and frame.json()["type"] == "SUBSCRIBE" and not tasks:
                for snapshot in recording.snapshots:
                    await socket.send_str(snapshot)
                tasks.append(asyncio.create_task(take_orders(socket, recording, over)))
        return socket

    app = web.Application()
    app.router.add_get("/ws/trade", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    say(runner.addresses[0][1])
    await over.wait()


if __name__ == "__main__":
    asyncio.run(main())
