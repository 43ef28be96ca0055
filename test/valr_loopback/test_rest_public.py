"""Public REST routes (valr-api.md 1.5, 3.1)."""

from decimal import Decimal

import pytest

from test.valr_loopback.client import running

PAIR_KEYS = [
    "symbol", "baseCurrency", "quoteCurrency", "shortName", "active", "minBaseAmount", "maxBaseAmount",
    "minQuoteAmount", "maxQuoteAmount", "tickSize", "baseDecimalPlaces", "marginTradingAllowed", "currencyPairType",
]  # fmt: skip


async def test_the_time_is_in_seconds_and_iso(client):
    time = (await client.public("/time")).json
    assert set(time) == {"epochTime", "time"}
    assert isinstance(time["epochTime"], int)
    assert time["time"].endswith("Z")


async def test_maintenance_refuses_whatever_changes_something(server, client):
    assert (await client.public("/status")).json == {"status": "online"}
    server.set_status("read-only")
    assert (await client.public("/status")).json == {"status": "read-only"}
    assert (await client.call("DELETE", "/v1/orders")).status == 503
    assert (await client.call("GET", "/v1/orders/open")).status == 200
    assert (await client.call("GET", "/v2/healthz", sign=False)).status == 200


async def test_pairs_are_listed_by_kind(client):
    every, spot, future = [(await client.public("/pairs" + kind)).json for kind in ("", "/SPOT", "/FUTURE")]
    assert sorted(every, key=str) == sorted(spot + future, key=str)
    assert [row["symbol"] for row in spot] == ["BTCZAR", "ETHZAR", "USDTZAR", "BTCUSDT", "DOGEUSDT", "LTCBTC"]
    assert [row["symbol"] for row in future] == ["BTCUSDTPERP"]
    assert list(spot[0]) == PAIR_KEYS
    assert spot[-1]["active"] is False
    assert spot[0]["shortName"] == "BTC/ZAR"
    assert future[0]["shortName"] == "BTC/USDTPERP"
    assert (future[0]["baseCurrency"], future[0]["quoteCurrency"]) == ("BTC", "USDT")
    assert all(isinstance(row["baseDecimalPlaces"], str) for row in every)
    assert (await client.public("/pairs/NOPE")).error == (400, -11)


async def test_every_spot_symbol_is_base_and_quote(client):
    for row in (await client.public("/pairs/SPOT")).json:
        assert row["symbol"] == row["baseCurrency"] + row["quoteCurrency"]


async def test_order_types_are_empty_while_a_pair_is_not_active(client):
    rows = {row["currencyPair"]: row["orderTypes"] for row in (await client.public("/ordertypes")).json}
    assert rows["LTCBTC"] == []
    assert {"LIMIT", "LIMIT_POST_ONLY", "MARKET"} <= set(rows["BTCZAR"])
    assert (await client.public("/btczar/ordertypes")).json == rows["BTCZAR"]
    active = (await client.public("/ordertypes?includeInactivePairs=false")).json
    assert "LTCBTC" not in {row["currencyPair"] for row in active}


async def test_currencies_name_the_rand_twice(client):
    rows = {row["shortName"]: row for row in (await client.public("/currencies")).json}
    assert rows["ZAR"]["symbol"] == "R"


@pytest.mark.parametrize("route", ["orderbook", "orderbook/full", "trades", "buckets", "ordertypes", "marketsummary"])
async def test_unknown_pairs_are_unsupported(client, route):
    assert (await client.public(f"/NOPE/{route}")).error == (400, -21)


async def test_an_inactive_pair_has_an_empty_book_and_no_summary(client):
    book = (await client.public("/LTCBTC/orderbook")).json
    assert (book["Asks"], book["Bids"]) == ([], [])
    assert (await client.public("/LTCBTC/marketsummary")).error == (404, -111)


async def test_unknown_routes_are_not_found(client):
    assert (await client.call("GET", "/v1/nothing/here")).status == 404


async def test_books_show_levels_and_orders(server, client):
    place = server.exchange.place_limit
    place("rival", "BTCZAR", "sell", "0.5", "1900001")
    first = place("rival", "BTCZAR", "buy", "0.2", "1900000")
    second = place("rival", "BTCZAR", "buy", "0.05", "1900000")
    place("rival", "BTCZAR", "buy", "1", "1899999")
    book = (await client.public("/BTCZAR/orderbook")).json
    assert list(book) == ["Asks", "Bids", "LastChange", "SequenceNumber"]
    assert book["Bids"][0] == {
        "side": "buy", "quantity": "0.25", "price": "1900000", "currencyPair": "BTCZAR", "orderCount": 2,
    }  # fmt: skip
    assert [row["price"] for row in book["Bids"]] == ["1900000", "1899999"]
    full = (await client.public("/BTCZAR/orderbook/full")).json
    assert [(row["id"], row["positionAtPrice"]) for row in full["Bids"][:2]] == [(first.id, 1), (second.id, 2)]
    assert full["SequenceNumber"] == book["SequenceNumber"]
    signed_book = (await client.call("GET", "/v1/marketdata/BTCZAR/orderbook")).json
    assert signed_book == book
    assert (await client.call("GET", "/v1/marketdata/BTCZAR/orderbook/full")).json == full
    assert (await client.call("GET", "/v1/marketdata/BTCZAR/orderbook", sign=False)).error == (403, -11268)


async def test_the_aggregated_book_ends_at_40_levels(server, client):
    for step in range(50):
        server.exchange.place_limit("rival", "BTCZAR", "buy", "0.01", str(1_800_000 - step))
    assert len((await client.public("/BTCZAR/orderbook")).json["Bids"]) == 40
    assert len((await client.public("/BTCZAR/orderbook/full")).json["Bids"]) == 50


def trade(server, quantity="0.1", price="1900000"):
    server.exchange.place_limit("rival", "BTCZAR", "sell", quantity, price)
    return server.exchange.place_limit(server.account_id, "BTCZAR", "buy", quantity, price)


async def test_trades_come_newest_first_in_pages(server, client):
    for price in range(1_900_000, 1_900_005):
        trade(server, price=str(price))
    rows = (await client.public("/BTCZAR/trades?limit=3")).json
    assert [row["price"] for row in rows] == ["1900004", "1900003", "1900002"]
    assert list(rows[0]) == [
        "price", "quantity", "currencyPair", "tradedAt", "takerSide", "sequenceId", "id", "quoteVolume",
    ]  # fmt: skip
    assert (rows[0]["takerSide"], rows[0]["quoteVolume"]) == ("buy", "190000.4")
    assert rows[0]["sequenceId"] > 2**53
    before = (await client.public(f"/BTCZAR/trades?beforeId={rows[2]['id']}")).json
    assert [row["price"] for row in before] == ["1900001", "1900000"]
    assert (await client.public("/BTCZAR/trades?beforeId=unknown")).json == []
    skipped = (await client.public("/BTCZAR/trades?skip=4&limit=900")).json
    assert [row["price"] for row in skipped] == ["1900000"]
    assert (await client.public("/BTCZAR/trades?limit=many")).error == (400, -11)
    assert (await client.call("GET", "/v1/marketdata/BTCZAR/tradehistory?limit=3")).json == rows
    assert (await client.public("/BTCZAR/trades?endTime=2020-01-01T00:00:00Z")).json == []
    assert len((await client.public("/BTCZAR/trades?startTime=2020-01-01T00:00:00")).json) == 5
    assert (await client.public("/BTCZAR/trades?startTime=today")).error == (400, -11)


async def test_summaries_and_candles_follow_the_trades():
    moment = [1_795_000_020.0]
    async with running(clock=lambda: moment[0]) as (server, client):
        server.exchange.open_account("rival", {"BTC": 10})
        for price in ("1900000", "1900010", "1899990"):
            trade(server, price=price)
        moment[0] += 120
        trade(server, price="1900020")
        summary = (await client.public("/BTCZAR/marketsummary")).json
        assert (summary["lastTradedPrice"], summary["highPrice"], summary["lowPrice"]) == (
            "1900020",
            "1900020",
            "1899990",
        )
        assert Decimal(summary["baseVolume"]) == Decimal("0.4")
        assert (summary["bidPrice"], summary["askPrice"], summary["markPrice"]) == ("0", "0", "1900020")
        listed = {row["currencyPair"] for row in (await client.public("/marketsummary")).json}
        assert "BTCZAR" in listed
        assert "LTCBTC" not in listed
        rows = (await client.public("/BTCZAR/buckets?periodSeconds=60")).json
        assert [row["open"] for row in rows] == ["1900020", "1900000"]
        assert rows[1] == {
            "currencyPairSymbol": "BTCZAR", "bucketPeriodInSeconds": 60, "startTime": "2026-11-18T11:07:00Z",
            "open": "1900000", "high": "1900010", "low": "1899990", "close": "1899990",
            "volume": "0.3", "quoteVolume": "570000",
        }  # fmt: skip
        filled = (await client.public("/BTCZAR/buckets?periodSeconds=60&includeEmpty=true")).json
        assert [(row["close"], row["volume"]) for row in filled] == [
            ("1900020", "0.1"), ("1899990", "0"), ("1899990", "0.3"),
        ]  # fmt: skip
        since = int(moment[0]) // 60 * 60 - 60
        window = (await client.public(f"/BTCZAR/buckets?startTime={since}&includeEmpty=true&skip=1")).json
        assert [row["volume"] for row in window] == ["0"]
        earlier = (await client.public(f"/BTCZAR/buckets?endTime={since}")).json
        assert [row["volume"] for row in earlier] == ["0.3"]
        assert (await client.public("/BTCZAR/buckets?periodSeconds=61")).error == (400, -11)
        empty = (await client.public("/ETHZAR/buckets?includeEmpty=true")).json
        assert empty[-1]["close"] == "66000"


async def test_public_answers_say_how_long_they_may_be_kept(client):
    assert (await client.public("/BTCZAR/orderbook")).headers["Cache-Control"] == "max-age=30"
