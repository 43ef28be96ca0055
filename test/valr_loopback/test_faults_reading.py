"""The four ways to switch faults on: a file, the command line, code and control calls; what they say of nonsense."""

import json

import aiohttp
import pytest

from test.valr_loopback.client import Books, faulty, limit, running
from test.valr_loopback.test_command_line import read_until, start
from valr_loopback.fault_files import FaultError, load_faults, parse_fault, read_faults
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import Fault

ROW = "- kind: duplicate_event\n  event: ORDER_PROCESSED\n  probability: 0.5\n  delay: [1, 2]\n  nth: [1, 3]\n"
FAULT = Fault(kind="duplicate_event", event="ORDER_PROCESSED", probability=0.5, delay=(1, 2), nth={1, 3})
WRONG = [
    ('[{"kind": "nonsense"}]', "fault 1: unknown kind 'nonsense'"),
    ('[{"kind": "drop_events"}]', "fault 1: unknown kind 'drop_events', did you mean drop_event?"),
    ('[{"kind": "drop_event"}, {"kind": "drop_event", "chance": 1}]', "fault 2: unknown option 'chance'"),
    ('[{"event": "NEW_TRADE"}]', "fault 1: kind is missing"),
    ('[{"kind": "rest_503", "event": "NEW_TRADE"}]', "fault 1: rest_503 does not take event"),
    ('[{"kind": "rest_503", "probability": "often"}]', "fault 1: probability: "),
    ('{"faults": 7}', "expected a list"),
    ('{"faults": [], "fault": []}', "expected a list"),
    ('"just text"', "expected a list"),
    ("[5]", "fault 1: expected a mapping of options, not 5"),
]


# Files


@pytest.mark.parametrize("text", [ROW, "faults:\n" + ROW])
def test_faults_are_read_from_a_file(tmp_path, text):
    file = tmp_path / "faults.yaml"
    file.write_text(text)
    assert load_faults(file) == [FAULT]


@pytest.mark.parametrize(("text", "said"), [*WRONG, ("{", "expected")])
def test_wrong_files_say_what_is_wrong(tmp_path, text, said):
    file = tmp_path / "faults.yaml"
    file.write_text(text)
    with pytest.raises(FaultError) as error:
        load_faults(file)
    assert str(error.value).startswith(str(file))
    assert said in str(error.value)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(FaultError, match=r"none\.yaml"):
        load_faults(tmp_path / "none.yaml")


# The command line


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("drop_event", {"kind": "drop_event"}),
        (
            "duplicate_event:event=ORDER_PROCESSED,probability=0.5,delay=1/2,nth=1/3",
            FAULT.model_dump(exclude_defaults=True),
        ),
        ("rest_slow: delay=3 , path=/v1/orders/open", {"kind": "rest_slow", "delay": 3, "path": "/v1/orders/open"}),
        ("drop_event:orders=bot-/x,side=SELL", {"kind": "drop_event", "orders": ["bot-", "x"], "side": "sell"}),
        ("read_only:every=60,for_seconds=5.5", {"kind": "read_only", "every": 60, "for_seconds": 5.5}),
        ("clock_off:offset=-90", {"kind": "clock_off", "offset": -90}),
        ("account_socket_refused:form=429,times=2", {"kind": "account_socket_refused", "form": "429", "times": 2}),
    ],
)  # fmt: skip
def test_faults_are_read_from_the_command_line(text, fault):
    assert parse_fault(text) == Fault(**fault)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "nonsense: unknown kind 'nonsense'"),
        ("drop_event:often", "'often' is not option=value"),
        ("drop_event:times=1,times=2", "times is given twice"),
        ("drop_event:times=x", "times: "),
        ("drop_event:kind=book_gap", "kind is given twice"),
        ("drop_event:path=/x", "drop_event does not take path"),
        ("rest_slow:delay=3/1", "delay must be a range"),
    ],
)
def test_wrong_options_say_what_is_wrong(text, said):
    with pytest.raises(FaultError) as error:
        parse_fault(text)
    assert said in str(error.value)


async def test_the_command_line_lists_every_kind_in_a_line():
    process = await start("--list-faults")
    out, _ = await process.communicate()
    lines = out.decode().splitlines()
    assert process.returncode == 0
    assert [line.split()[0] for line in lines if line and not line.startswith("Every")] == [
        kind.value for kind in FaultKind
    ]
    late = next(line for line in lines if line.startswith("cancel_executed_late "))
    assert "[orders side pair delay=1/5] a cancel is acknowledged at once" in late
    assert "probability" in lines[-1]


@pytest.mark.parametrize("option", ["--faults", "--fault"])
async def test_the_command_line_refuses_what_it_cannot_read(tmp_path, option):
    process = await start(option, str(tmp_path / "none.yaml"))
    _, err = await process.communicate()
    assert process.returncode == 1
    assert "Cannot use the faults: " in err.decode()
    assert "none.yaml" in err.decode()


async def test_the_command_line_puts_files_and_options_in_force(tmp_path):
    file = tmp_path / "faults.yaml"
    file.write_text("- kind: rest_500\n  path: /time\n")
    process = await start(
        "--port", "0", "--no-market", "--faults", str(file),
        "--fault", "rest_503:path=/pairs", "--fault", "rest_429:path=/currencies",
    )  # fmt: skip
    printed = await read_until(process, "Ctrl-C")
    url = next(word for word in printed.split() if word.startswith("http://"))
    async with aiohttp.ClientSession() as session:
        paths = ("/time", "/pairs", "/currencies", "/status")
        statuses = [(await session.get(f"{url}/v1/public{path}")).status for path in paths]
    assert statuses == [500, 503, 429, 200]
    process.terminate()
    await process.communicate()


# Code


async def test_code_puts_faults_in_force_and_lifts_them():
    async with faulty("rest_500") as (server, client):
        server.faults.add(Fault(kind="rest_503", path="/status"))
        assert (await client.public("/time")).status == 500
        server.faults.clear()
        assert (await client.public("/time")).status == 200
        server.faults.replace([Fault(kind="rest_503", path="/status")])
        assert [(await client.public(path)).status for path in ("/time", "/status")] == [200, 503]


# Control calls


async def control(client, verb, body=None):
    return await client.call(verb, "/loopback/faults", body, sign=False)


async def test_control_calls_show_replace_and_lift_the_plan():
    async with running() as (server, client):
        books = Books(server)
        assert (await control(client, "GET")).json == {"faults": [], "struck": {}}
        row = {"kind": "rest_503", "path": "/orders", "nth": [1, 3]}
        shown = {**row, "opportunities": 0, "struck": 0}
        for body in ([row], {"faults": [row]}):
            reply = await control(client, "PUT", body)
            assert (reply.status, reply.json) == (200, {"faults": [shown], "struck": {}})
        for _ in range(2):
            await client.call("POST", "/v1/orders/limit", limit(customerOrderId="a"))
        assert (await control(client, "GET")).json == {
            "faults": [{**row, "opportunities": 2, "struck": 1}],
            "struck": {"rest_503": 1},
        }
        assert books.orders().keys() == {"a"}
        assert (await control(client, "DELETE")).json == {"faults": [], "struck": {"rest_503": 1}}
        assert (await client.call("GET", "/v1/orders/open")).status == 200


@pytest.mark.parametrize(("text", "said"), [*WRONG, ("{", "the body is not JSON"), ("", "the body is not JSON")])
async def test_a_wrong_control_call_says_what_is_wrong_and_changes_nothing(text, said):
    async with faulty("rest_500") as (server, client):
        reply = await control(client, "PUT", text)
        assert reply.status == 400
        assert said in reply.json["message"]
        assert [armed.fault.kind for armed in server.faults] == ["rest_500"]


async def test_no_fault_touches_the_control_calls():
    rest = [f"rest_{name}" for name in ("429", "503", "500", "html_400", "reset", "slow", "timeout")]
    async with faulty(*rest, "read_only", {"kind": "clock_off", "offset": 3600}) as (server, client):
        order = server.exchange.place_limit(server.account_id, "BTCZAR", "buy", "0.1", "1000000")
        assert (await client.call("GET", "/loopback/ledger", sign=False)).json["orders"][0]["orderId"] == order.id
        assert (await client.call("DELETE", "/loopback/account-sockets", sign=False)).json == {"cut": 0}
        assert len((await control(client, "GET")).json["faults"]) == 9
        assert server.faults.struck == {}
        assert (await control(client, "PUT", json.dumps([]))).status == 200
        assert (await client.public("/status")).json == {"status": "online"}


def test_what_is_shown_can_be_put_back():
    rows = [{"kind": kind, **NEEDED.get(kind, {})} for kind in FaultKind]
    faults = read_faults(rows)
    assert read_faults([json.loads(fault.model_dump_json(exclude_defaults=True)) for fault in faults]) == faults


NEEDED = {"clock_off": {"offset": 1.5}, "pair_inactive": {"pair": "BTCZAR"}}
