"""The signature against VALR's published vectors, and what is sent with it."""

import json
from pathlib import Path
from typing import Any

import pytest

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_auth import ValrAuth, sign
from hummingbot.core.web_assistant.connections.data_types import RESTMethod, RESTRequest, WSJSONRequest

VECTORS = json.loads((Path(__file__).parent / "vectors" / "signature.json").read_text())


def auth_of(vector: dict[str, Any]) -> ValrAuth:
    return ValrAuth("key", vector["secret"], lambda: vector["timestamp"] / 1000, vector["subaccount_id"])


def named(name: str) -> dict[str, Any]:
    return next(vector for vector in VECTORS if vector["name"] == name)


def test_there_are_ten_vectors() -> None:
    assert len(VECTORS) == 10


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['name']}-{vector['signature'][:8]}")
def test_signature(vector: dict[str, Any]) -> None:
    signature = sign(
        vector["secret"],
        vector["timestamp"],
        vector["verb"],
        vector["path"],
        vector["body"],
        vector["subaccount_id"],
    )
    assert signature == vector["signature"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['name']}-{vector['signature'][:8]}")
async def test_rest_request(vector: dict[str, Any]) -> None:
    request = RESTRequest(
        method=RESTMethod[vector["verb"]],
        url=f"https://api.valr.com{vector['path']}",
        data=vector["body"] or None,
        headers={"Content-Type": "application/json"},
    )
    signed = await auth_of(vector).rest_authenticate(request)
    expected = {
        "Content-Type": "application/json",
        "X-VALR-API-KEY": "key",
        "X-VALR-SIGNATURE": vector["signature"],
        "X-VALR-TIMESTAMP": str(vector["timestamp"]),
    }
    if vector["subaccount_id"]:
        expected["X-VALR-SUB-ACCOUNT-ID"] = vector["subaccount_id"]
    assert signed.headers == expected
    assert signed.data == (vector["body"] or None)


async def test_parameters_are_signed_as_part_of_the_path() -> None:
    vector = named("rest-get-query")
    request = RESTRequest(
        method=RESTMethod.GET,
        url="https://api.valr.com/v1/account/balances",
        params={"excludeZeroBalances": "true"},
    )
    signed = await auth_of(vector).rest_authenticate(request)
    assert signed.headers["X-VALR-SIGNATURE"] == vector["signature"]


@pytest.mark.parametrize(
    ("name", "path"), [("ws-account", CONSTANTS.ACCOUNT_SOCKET_PATH), ("ws-trade", CONSTANTS.TRADE_SOCKET_PATH)]
)
def test_handshake(name: str, path: str) -> None:
    vector = named(name)
    assert auth_of(vector).handshake_headers(path) == {
        "X-VALR-API-KEY": "key",
        "X-VALR-SIGNATURE": vector["signature"],
        "X-VALR-TIMESTAMP": str(vector["timestamp"]),
    }


def test_handshake_of_a_sub_account_sends_and_signs_its_id() -> None:
    auth = ValrAuth("key", "secret", lambda: 1.0, "42")
    headers = auth.handshake_headers("/ws/account")
    assert headers["X-VALR-SUB-ACCOUNT-ID"] == "42"
    assert headers["X-VALR-SIGNATURE"] == sign("secret", 1000, "GET", "/ws/account", "", "42")


def test_every_request_is_stamped_anew() -> None:
    times = iter([1.0, 2.5])
    auth = ValrAuth("key", "secret", lambda: next(times))
    first, second = auth.headers("GET", "/"), auth.headers("GET", "/")
    assert (first["X-VALR-TIMESTAMP"], second["X-VALR-TIMESTAMP"]) == ("1000", "2500")
    assert first["X-VALR-SIGNATURE"] != second["X-VALR-SIGNATURE"]


async def test_socket_messages_are_not_signed() -> None:
    request = WSJSONRequest({"type": "PING"})
    assert await ValrAuth("key", "secret", lambda: 1.0).ws_authenticate(request) is request


@pytest.mark.parametrize(("key", "secret", "expected"), [("k", "s", True), ("", "s", False), ("k", "", False)])
def test_has_keys(key: str, secret: str, expected: bool) -> None:
    assert ValrAuth(key, secret, lambda: 1.0).has_keys is expected


def test_nothing_secret_is_shown() -> None:
    auth = ValrAuth("my-key", "my-secret", lambda: 1.0)
    assert "my-" not in repr(auth)
    assert "my-" not in auth.account_fingerprint


def test_fingerprint_tells_accounts_apart() -> None:
    prints = {ValrAuth(key, "s", lambda: 1.0, sub).account_fingerprint for key in "ab" for sub in ("", "1")}
    assert len(prints) == 4
    assert ValrAuth("a", "s", lambda: 1.0).account_fingerprint == ValrAuth("a", "t", lambda: 2.0).account_fingerprint
