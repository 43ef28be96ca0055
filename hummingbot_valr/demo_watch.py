"""Watches a run from outside the bot: the exchange's public feed and ledger, and the bot's log as it grows."""

import asyncio
import hmac
import json
import time
from collections.abc import Callable, Mapping
from hashlib import sha512
from pathlib import Path
from typing import Any

import aiohttp

from hummingbot_valr.demo_facts import Ledger, Touch, parse_ledger, parse_touch
from hummingbot_valr.demo_log import BotLog
from hummingbot_valr.demo_processes import DemoError, together

_PING_EVERY = 20.0
_PAUSE = 0.5
_SHARE = 0.1
_LAST_RESORT_PAUSE = 0.1
_LAST_RESORT_LOOKS = 50


class ExchangeClient:
    """Asks the loopback exchange what happened, by HTTP and without the connector.

    Every method raises `DemoError` if the exchange does not answer.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def ledger(self) -> Ledger:
        """Return everything the exchange knows of the account."""
        return parse_ledger(await self._request("GET", "/loopback/ledger"))

    async def tick(self, symbol: str) -> str:
        """Return the price step of a pair."""
        rows = await self._request("GET", "/v1/public/pairs")
        return str(next(row["tickSize"] for row in rows if row["symbol"] == symbol))

    async def cut_account_sockets(self) -> None:
        """Have the exchange cut every account socket without a farewell."""
        await self._request("DELETE", "/loopback/account-sockets")

    async def cancel_everything(self, api_key: str, api_secret: str) -> int:
        """Cancel all orders of the account by its key, and wait for their end; returns how many were live."""
        left = live = (await self.ledger()).open_orders
        if live:
            path, stamp = "/v1/orders", str(int(time.time() * 1000))
            signature = hmac.new(api_secret.encode(), f"{stamp}DELETE{path}".encode(), sha512).hexdigest()
            headers = {"X-VALR-API-KEY": api_key, "X-VALR-SIGNATURE": signature, "X-VALR-TIMESTAMP": stamp}
            await self._request("DELETE", path, headers)
        for _ in range(_LAST_RESORT_LOOKS):
            if not left:
                break
            await asyncio.sleep(_LAST_RESORT_PAUSE)
            left = (await self.ledger()).open_orders
        return live

    async def _request(self, verb: str, path: str, headers: Mapping[str, str] | None = None) -> Any:
        try:
            async with self._session.request(verb, self._url + path, headers=headers) as response:
                response.raise_for_status()
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DemoError(f"The exchange did not answer {verb} {path}: {error or type(error).__name__}") from error
        return json.loads(text) if text else None

    async def follow_touch(self, symbol: str, on_touch: Callable[[Touch], None]) -> None:
        """Report each best bid and ask the exchange publishes, until cancelled.

        :raises DemoError: the feed ended
        """
        feed = {"type": "SUBSCRIBE", "subscriptions": [{"event": "OB_L1_D1_SNAPSHOT", "pairs": [symbol]}]}
        try:
            async with self._session.ws_connect(self._url + "/ws/trade") as socket:
                await socket.send_json(feed)
                pinging = asyncio.create_task(_ping(socket))
                try:
                    async for message in socket:
                        frame = message.json()
                        if frame["type"] == "OB_L1_D1_SNAPSHOT":
                            on_touch(parse_touch(frame, time.time()))
                finally:
                    pinging.cancel()
        except aiohttp.ClientError as error:
            raise DemoError(f"The exchange's market data failed: {error}") from error
        raise DemoError("The exchange closed its market data.")


async def _ping(socket: aiohttp.ClientWebSocketResponse) -> None:
    while True:
        await asyncio.sleep(_PING_EVERY)
        await socket.send_json({"type": "PING"})


class Watch:
    """What is known of a run at this moment; ``run`` keeps it up to date."""

    def __init__(self, client: ExchangeClient, symbol: str, log_path: Path) -> None:
        self.ledger = Ledger()
        self.log = BotLog()
        self.touches: list[Touch] = []
        self._client = client
        self._symbol = symbol
        self._log_path = log_path
        self._log_read = 0

    async def run(self) -> None:
        """Keep up to date until cancelled.

        :raises DemoError: the exchange is gone
        """
        await together(self._client.follow_touch(self._symbol, self._note_touch), self._follow())

    def _note_touch(self, touch: Touch) -> None:
        last = self.touches[-1] if self.touches else None
        if last is None or (last.bid, last.ask) != (touch.bid, touch.ask):
            self.touches.append(touch)

    async def _follow(self) -> None:
        while True:
            begun = time.monotonic()
            await self.refresh()
            # A ledger that has grown long is asked for less often.
            await asyncio.sleep(max(_PAUSE, (time.monotonic() - begun) / _SHARE))

    async def refresh(self) -> None:
        """Read the ledger and what is new in the bot's log."""
        self.ledger = await self._client.ledger()
        self.read_log()

    def read_log(self) -> None:
        """Read what is new in the bot's log, if there is one."""
        if not self._log_path.exists():
            return
        with self._log_path.open("rb") as file:
            file.seek(self._log_read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._log_read += len(whole)
        self.log.feed(whole.decode(errors="replace"))
