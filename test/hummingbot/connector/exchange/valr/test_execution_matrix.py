"""The execution matrix: every card against the loopback exchange, over each order-entry channel."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from hummingbot.connector.exchange.valr import valr_order_keeper, valr_order_lifecycle
from hummingbot.core.data_type.order_book_tracker import OrderBookTracker
from test.hummingbot.connector.exchange.valr.execution_cards import CARDS, Card, render
from test.hummingbot.connector.exchange.valr.execution_steps import Stage

PAGE = Path(__file__).parents[5] / "docs" / "execution-matrix.md"


@pytest.fixture(autouse=True)
def quick_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(delay: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(valr_order_keeper, "STRAY_GRACE", 1.0)
    monkeypatch.setattr(valr_order_lifecycle, "PATIENCE", 2.0)
    # Hummingbot rests for a second after each book it opens.
    monkeypatch.setattr(OrderBookTracker, "_sleep", staticmethod(at_once))


@pytest.mark.parametrize(
    ("card", "channel"),
    [pytest.param(card, channel, id=f"{card.id}-{channel}") for card in CARDS for channel in card.channels],
)
async def test_card(card: Card, channel: str) -> None:
    async with Stage(channel) as stage:
        await card.play(stage)


def test_every_card_has_a_number_of_its_own() -> None:
    assert max(Counter(card.id for card in CARDS).values()) == 1


def test_the_page_shows_the_matrix_as_it_is() -> None:
    assert render() in PAGE.read_text(encoding="utf-8")
