"""Hummingbot's interactive client in a real terminal, from the first key to `exit`, against a loopback exchange."""

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from test.clients.exchange import PAIR, Exchange
from test.clients.interactive import Client
from test.clients.screens import check_screen
from test.clients.terminal import PATIENCE, Terminal, is_available
from test.clients.workspace import EVERYTHING, STRATEGY, with_password

pytestmark = [
    pytest.mark.skipif(not is_available(), reason="tmux is not installed: the terminal of these tests"),
    pytest.mark.skipif(not EVERYTHING, reason="a day at a terminal takes a minute: make clients"),
]

DEFAULT_PORT = "8675"
CONNECT = {
    "key": "Enter the API key that the loopback exchange printed",
    "secret": "Enter the API secret that the loopback exchange printed",
    "url": "Enter the address of the loopback exchange (usually http://127.0.0.1:8675)",
}
CREATE = {
    "Enter the strategy name (e.g., market_making, arbitrage):": "pure_market_making",
    "Enter your maker spot connector": STRATEGY["exchange"],
    "Enter the token trading pair you would like to trade on valr_loopback (e.g. BTC-ZAR)": PAIR,
    "place the first bid order? (Enter 1 to indicate 1%)": STRATEGY["bid_spread"],
    "place the first ask order? (Enter 1 to indicate 1%)": STRATEGY["ask_spread"],
    "How often do you want to cancel and replace bids and asks (in seconds)?": STRATEGY["order_refresh_time"],
    "What is the amount of BTC per order?": STRATEGY["order_amount"],
    "(Yes/No)": "",
    "Enter a new file name for your configuration": "",
}
CONFIGURATION = "template_version: 24\nstrategy: pure_market_making\n" + "".join(
    f"{name}: {value}\n" for name, value in STRATEGY.items()
)


def connect(client: Client, exchange: Exchange, key: str, secret: str) -> None:
    client.command("connect valr_loopback")
    client.answer(CONNECT["key"], key)
    client.answer(CONNECT["secret"], secret)
    client.answer(CONNECT["url"], exchange.port, erase=DEFAULT_PORT)


def test_a_day_at_the_terminal(home: Path, exchange: Exchange, offline_environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "hummingbot_valr.client"]
    with Terminal(command, home, with_password(offline_environment)) as terminal:
        client = Client(terminal)
        client.wait_until_started()
        client.discard("wrongly typed")

        connect(client, exchange, exchange.key.key, exchange.view_only.secret)
        client.wait_for("invalid signature")
        connect(client, exchange, exchange.key.key, exchange.key.secret)
        check_screen("client_connect", client.wait_for("You are now connected to valr_loopback."))
        client.command("balance")
        check_screen("client_balance", client.wait_for("Exchanges Total"))
        client.command("create")
        for question, reply in CREATE.items():
            client.answer(question, reply)
        check_screen("client_create", client.wait_for('Enter "start" to start market making.'))

        client.command("start")
        check_screen("client_start", client.wait_for("started successfully"))
        terminal.wait_until(lambda _: exchange.has_filled_one, "a fill on the exchange")
        client.command("status --live")
        check_screen("client_status", client.wait_for_live("1 sell", "Press escape"))
        client.end_live("Stopped live status display update.")
        client.command("order_book --live")
        check_screen("client_order_book", client.wait_for_right_pane("market: valr_loopback BTC-ZAR", "ask_price"))
        client.command("order_book --close")
        client.close_right_pane()
        client.command("history")
        check_screen("client_history", client.wait_for("Return %"))
        client.command("stop")
        check_screen("client_stop", client.wait_for("Hummingbot stopped."))
        assert exchange.live == []
        client.command("exit")
        assert terminal.wait_for_end() == 0


@pytest.mark.parametrize("way", ["closed", "SIGTERM"])
def test_a_client_that_is_ended_from_outside_leaves_no_order_live(
    way: str, home: Path, exchange: Exchange, offline_environment: dict[str, str]
) -> None:
    # A new shell and its child do not ignore what the process of this test may ignore.
    code = "import os, runpy, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL);"
    code += "open('client.pid', 'w').write(str(os.getpid()));"
    code += "runpy.run_module('hummingbot_valr.client', run_name='__main__')"
    (home / "conf" / "strategies" / "conf_ended.yml").write_text(CONFIGURATION)
    with Terminal([sys.executable, "-c", code], home, with_password(offline_environment)) as terminal:
        client = Client(terminal)
        client.wait_until_started()
        connect(client, exchange, exchange.key.key, exchange.key.secret)
        client.wait_for("You are now connected to valr_loopback.")
        client.command("import conf_ended.yml")
        client.wait_for('Enter "start" to start market making.')
        client.command("start")
        terminal.wait_until(lambda _: exchange.live, "a live order")
        pid = int((home / "client.pid").read_text())
        if way == "SIGTERM":
            os.kill(pid, signal.SIGTERM)
            assert terminal.wait_for_end() == 0
    deadline = time.monotonic() + PATIENCE
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline, "the client did not end"
        time.sleep(0.1)
    assert exchange.live == []
