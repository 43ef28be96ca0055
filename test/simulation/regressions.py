"""Days on which simulation found something, kept whole: seeds alone would mean other days with the next kind of fault.

Each has a name that says what was wrong.
"""

from typing import Any

from test.simulation.world import Incident, World


def made_day(*faults: dict[str, Any], incidents: tuple[Incident, ...] = (), **changes: Any) -> World:
    """Return a day of one pair, with network and market as usual."""
    usual: dict[str, Any] = {
        "seed": 1,
        "seconds": 240.0,
        "pairs": ("BTC-ZAR",),
        "levels": 1,
        "refresh": 5.0,
        "amounts": 1,
        "spread": 0.0006,
        "filled_order_delay": 5.0,
        "order_entry": "websocket",
        "book_feed": "l1",
        "market_pace": 0.5,
        "delay": (0.002, 0.02),
    }
    return World(faults=faults, incidents=incidents, **(usual | changes))


def fault(kind: str, begin: float, end: float, probability: float = 1.0, **fields: Any) -> dict[str, Any]:
    """Return a row of the exchange's fault plan; times are seconds of the day."""
    return {"kind": kind, "from_seconds": begin, "until_seconds": end, "probability": probability, **fields}


REGRESSIONS: dict[str, World] = {
    # A pair that VALR had refused was asked for again only after a minute.
    "a pair that was refused for a while is back within half a minute": made_day(
        fault("subscription_refused", 20, 110), fault("trade_socket_close", 20, 40, 0.3), seconds=170.0
    ),
    # The pause between alarms, meant for false ones, grew after right ones too: strategies quoted for minutes from a
    # book that stood still again as soon as it had been renewed.
    "a book that stands still again and again is not believed": made_day(
        fault("book_stalled", 60, 180), market_pace=1.0
    ),
    # Seed 21: with every frame lost while PONGs came, nothing told that a book stood still, not even the bot's orders.
    "a book that does not show an order of ours is not believed": made_day(
        fault("drop_event", 60, 180), book_feed="full"
    ),
    # Seed 3: a pair of ours that was inactive as the bot started was left alone until the list's next half hour.
    "a pair that is inactive at the start comes back with its activation": made_day(
        fault("pair_inactive", 60, 110, pair="BTCZAR"), incidents=(Incident(70, 2, "bot restarted"),), seconds=180.0
    ),
    # Seed 61: an order that Hummingbot had saved as failed was taken for proven open after a restart and asked for
    # for ever, and while it was, everything lists repeated of orders of others was kept.
    "an order saved as failed is not taken up again": made_day(
        fault("place_lost", 20, 80), incidents=(Incident(60, 2, "bot killed"),), seconds=200.0
    ),
}
