"""Messages that are ready for the book have the rows Hummingbot would make of them."""

from hummingbot.connector.exchange.valr.valr_order_book_tracker import ReadyMessage
from hummingbot.core.data_type.order_book_message import OrderBookMessage, OrderBookMessageType


def test_rows_are_hummingbots() -> None:
    content = {"trading_pair": "BTC-ZAR", "update_id": 7, "bids": [(1.5, 2.0), (1.25, 0.0)], "asks": []}
    ready, plain = (kind(OrderBookMessageType.DIFF, content, 1.0) for kind in (ReadyMessage, OrderBookMessage))
    assert (ready.bids, ready.asks) == (plain.bids, plain.asks)
    assert [type(row) for row in ready.bids] == [type(row) for row in plain.bids]
    assert (ready.bids[0].price, ready.bids[0].amount, ready.bids[0].update_id) == (1.5, 2.0, 7)
