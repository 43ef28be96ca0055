"""Signatures, keys, permissions and sub-accounts, on REST and on the handshakes (valr-api.md 2)."""

import json
import time
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import pytest

from test.valr_loopback.client import limit, signed
from valr_loopback.auth import VIEW, sign
from valr_loopback.server import LoopbackConfig, LoopbackServer

VECTORS = json.loads((Path(__file__).parent / "vectors-signature.json").read_text())
BALANCES = "/v1/account/balances"
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket"}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['name']} {v['path']}")
def test_signatures_match_the_published_vectors(vector):
    made = sign(
        vector["secret"],
        str(vector["timestamp"]),
        vector["verb"],
        vector["path"],
        vector["body"],
        vector["subaccount_id"],
    )
    assert made == vector["signature"]


async def test_a_signed_call_is_answered(client):
    assert (await client.call("GET", BALANCES + "?excludeZeroBalances=true")).status == 200


async def test_a_call_without_a_key_is_refused(client):
    reply = await client.call("GET", BALANCES, sign=False)
    assert reply.error == (403, -11268)
    assert reply.json["message"] == "API key header missing: X-VALR-API-KEY"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda headers: headers.update({"X-VALR-SIGNATURE": "0" * 128}),
        lambda headers: headers.pop("X-VALR-SIGNATURE"),
        lambda headers: headers.pop("X-VALR-TIMESTAMP"),
        lambda headers: headers.update({"X-VALR-API-KEY": "0" * 64}),
        lambda headers: headers.update({"X-VALR-SIGNATURE": headers["X-VALR-SIGNATURE"].upper()}),
        lambda headers: headers.update({"X-VALR-SIGNATURE": "é"}),
        lambda headers: headers.update({"X-VALR-SUB-ACCOUNT-ID": "909461317243875328"}),
    ],
    ids=["wrong", "absent", "no timestamp", "unknown key", "upper case", "not ascii", "sub-account not signed"],
)
async def test_a_bad_signature_is_refused(client, spoil):
    headers = signed(client.key, client.secret, "GET", BALANCES)
    spoil(headers)
    reply = await client.call("GET", BALANCES, headers=headers)
    assert reply.error == (401, -11252)
    assert reply.json["message"] == "Request has an invalid signature"


async def test_the_query_and_the_body_are_part_of_what_is_signed(client):
    without_query = signed(client.key, client.secret, "GET", BALANCES)
    reply = await client.call("GET", BALANCES + "?excludeZeroBalances=true", headers=without_query)
    assert reply.error == (401, -11252)
    other_body = signed(client.key, client.secret, "POST", "/v1/orders/limit", json.dumps(limit(price="1")))
    assert (await client.call("POST", "/v1/orders/limit", limit(), headers=other_body)).error == (401, -11252)


async def test_a_full_address_in_the_signature_is_refused(client):
    headers = signed(client.key, client.secret, "GET", client.server.url + BALANCES)
    assert (await client.call("GET", BALANCES, headers=headers)).error == (401, -11252)


@pytest.mark.parametrize(("skew", "status"), [(-31, 401), (-28, 200), (28, 200), (31, 401)])
async def test_timestamps_may_be_30_seconds_off(client, skew, status):
    timestamp = str(int((time.time() + skew) * 1000))
    headers = signed(client.key, client.secret, "GET", BALANCES, timestamp=timestamp)
    assert (await client.call("GET", BALANCES, headers=headers)).status == status


@pytest.mark.parametrize("timestamp", ["", "soon", "1.5", "-5", "9" * 40, "²"])
async def test_unreadable_timestamps_are_refused(client, timestamp):
    headers = signed(client.key, client.secret, "GET", BALANCES, timestamp=timestamp)
    assert (await client.call("GET", BALANCES, headers=headers)).error == (401, -11252)


async def test_a_primary_key_can_speak_for_its_sub_account(server, client):
    server.exchange.place_limit(server.sub_account_id, "BTCZAR", "buy", "0.01", "1000000")
    sub = await client.call("GET", "/v1/orders/open", sub_account=server.sub_account_id)
    own = await client.call("GET", "/v1/orders/open")
    assert (len(sub.json), own.json) == (1, [])


async def test_a_sub_account_that_is_not_ones_own_is_refused(client):
    assert (await client.call("GET", BALANCES, sub_account="rival")).error == (401, -11252)


async def test_a_sub_accounts_own_key_must_not_name_it(server, client):
    key = server.add_key(server.sub_account_id)
    client.key, client.secret = key.key, key.secret
    assert (await client.call("GET", BALANCES, sub_account=server.sub_account_id)).error == (401, -11252)
    assert (await client.call("GET", "/v1/account/api-keys/current")).json["isSubAccount"] is True


async def test_the_list_of_sub_accounts_refuses_the_sub_account_header(server, client):
    listed = await client.call("GET", "/v1/account/subaccounts")
    assert listed.json == [{"label": "demo sub", "id": server.sub_account_id}]
    refused = await client.call("GET", "/v1/account/subaccounts", sub_account=server.sub_account_id)
    assert refused.status == 401


async def test_a_key_that_may_only_view_cannot_trade(server, client):
    key = server.add_key(server.account_id, (VIEW,), "viewer")
    client.key, client.secret = key.key, key.secret
    row = (await client.call("GET", "/v1/account/api-keys/current")).json
    assert (row["label"], row["permissions"]) == ("viewer", ["View access"])
    assert (await client.call("POST", "/v1/orders/limit", limit())).error == (401, -11273)
    async with client.socket() as socket:
        answer = await socket.reply({"type": "PLACE_LIMIT_ORDER", "payload": limit()})
    assert answer["error"]["code"] == -11273
    assert server.exchange.orders(server.account_id) == []


@pytest.mark.parametrize("cidr", ["192.0.2.1", "192.0.2.0/24", "2001:db8::/32"])
@pytest.mark.parametrize("path", ["/ws/account", "/ws/trade"])
async def test_a_key_bound_to_another_address_is_refused(server, client, path, cidr):
    server.bind_key(server.api_key, cidr)
    reply = await client.call("GET", BALANCES)
    assert reply.error == (401, -11272)
    assert reply.json["message"] == "The originating IP Address has not been whitelisted."
    assert (await client.call("POST", "/v1/orders/limit", limit())).error == (401, -11272)
    headers = signed(client.key, client.secret, "GET", path)
    assert (await client.call("GET", path, headers=headers | UPGRADE)).error == (401, -11272)
    assert (await client.call("GET", "/v1/public/time", sign=False)).status == 200
    assert server.exchange.orders(server.account_id) == []


@pytest.mark.parametrize("cidr", ["127.0.0.1", "127.0.0.0/8"])
async def test_a_key_bound_to_this_address_is_taken(server, client, cidr):
    assert "allowedIpAddressCidr" not in (await client.call("GET", "/v1/account/api-keys/current")).json
    server.bind_key(server.api_key, "192.0.2.1")
    server.bind_key(server.api_key, cidr)
    row = (await client.call("GET", "/v1/account/api-keys/current")).json
    assert ip_network(row["allowedIpAddressCidr"]) == ip_network(cidr)
    async with client.socket(), client.socket("/ws/trade"):
        pass


async def test_only_the_owner_is_told_that_a_key_is_bound(server, client):
    server.bind_key(server.api_key, "192.0.2.1")
    headers = signed(client.key, "wrong", "GET", BALANCES)
    assert (await client.call("GET", BALANCES, headers=headers)).error == (401, -11252)


def test_a_key_cannot_be_bound_to_what_is_no_address():
    with pytest.raises(ValueError, match="does not appear to be an IPv4 or IPv6 network"):
        LoopbackServer(LoopbackConfig(port=0)).bind_key("key", "at home")


@pytest.mark.parametrize("path", ["/ws/account", "/ws/trade"])
async def test_a_bad_signature_refuses_the_handshake(client, path):
    headers = signed(client.key, "wrong", "GET", path)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await client.session.ws_connect(client.server.websocket_url + path, headers=headers)
    assert refusal.value.status == 401


async def test_the_account_socket_needs_a_key(client):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await client.session.ws_connect(client.server.websocket_url + "/ws/account")
    assert refusal.value.status == 403


async def test_a_socket_of_a_sub_account_shows_that_account(server, client):
    async with client.socket(sub_account=server.sub_account_id) as socket:
        server.exchange.place_limit(server.sub_account_id, "BTCZAR", "buy", "0.01", "1000000")
        await socket.one("ORDER_STATUS_UPDATE", orderStatusType="Placed")


async def test_a_signed_trade_socket_is_greeted(client):
    async with client.socket("/ws/trade") as socket:
        await socket.one("AUTHENTICATED")
