"""The execution matrix: a card for every line of NautilusTrader's execution testing spec that applies to spot.

``TC-E`` are that spec's numbers; ``TC-V`` are ours, for what it leaves to the adapter. Run as a module this writes the
matrix to standard output, as docs/execution-matrix.md shows it.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from hummingbot.core.data_type.common import OrderType
from test.hummingbot.connector.exchange.valr.execution_steps import (
    Live,
    Stage,
    Step,
    Told,
    acknowledged,
    batch,
    buy,
    cancel,
    cancel_all,
    cancel_batch,
    fault,
    fault_by_channel,
    kill,
    kill_unsaved,
    live,
    minimum_rises,
    other_buys,
    other_sells,
    pair_goes_inactive,
    restart,
    sell,
    silence,
    stop,
    told,
    valr_cancels,
)

BOTH = ("websocket", "rest")
POST_ONLY = OrderType.LIMIT_MAKER


@dataclass(frozen=True)
class Card:
    """One line of the matrix.

    ``untold`` marks the one card whose order ends without a word, because Hummingbot never knew it.
    """

    id: str
    name: str
    steps: tuple[Step, ...]
    channels: tuple[str, ...] = BOTH
    untold: bool = False

    @property
    def done(self) -> str:
        """What is done, in words."""
        return "; ".join(step.words for step in self.steps if not isinstance(step, Told | Live))

    @property
    def told(self) -> str:
        """What is told, in words."""
        return "; ".join(step.words for step in self.steps if isinstance(step, Told | Live)) or "nothing"

    async def play(self, stage: Stage) -> None:
        """Play the card to its end, where what was told must be what the ledger has."""
        for step in self.steps:
            await step.play(stage)
        await stage.finish()
        if not self.untold:
            stage.bot.assert_equal_to_the_ledger()


def card(identifier: str, name: str, *steps: Step, channels: tuple[str, ...] = BOTH, untold: bool = False) -> Card:
    """A card that plays these steps, one after the other."""
    return Card(identifier, name, steps, channels, untold)


# --- The cards --------------------------------------------------------------------------------------------------------
DEAD_SUBMIT = fault("the next placement is lost before VALR sees it", "place_lost", times=1)
LIVE_SUBMIT = fault("the next placement is done, its reply lost", "place_reply_lost", times=1)
DEAD_CANCEL = fault_by_channel("the next cancel is lost before VALR sees it", {
    "websocket": ("command_refused", {"form": "silence", "command": "CANCEL_LIMIT_ORDER", "times": 1}),
    "rest": ("rest_reset", {"form": "before", "path": "/v2/orders/order", "times": 1}),
})  # fmt: skip
LIVE_CANCEL = fault("the next cancel is done, its reply lost", "cancel_ack_lost", times=1)
CANCEL_NOT_DONE = fault("the next cancel is acknowledged and never done", "cancel_never_executed", times=1)
CANCEL_REFUSED = fault("the next cancel fails although the order is open", "cancel_refused_though_open", times=1)
CANCEL_TOO_LATE = fault("the order is filled as the cancel arrives", "cancel_loses_to_fill", times=1)
PLACED_WITH_400 = fault("the next placement is done and answered 400 in HTML", "place_html_400_though_placed", times=1)
REFUSED_WITH_400 = fault("the next placement is not done and answered 400 in HTML", "rest_html_400",
                         path="/v2/orders/limit", times=1)  # fmt: skip

# A table: each card's line first, then what it plays.
# fmt: off
MATRIX: dict[str, tuple[Card, ...]] = {
    "Market orders": (
        card("TC-E01", "Market buy",
             buy("A", "0.01"), told("A created", "A filled 0.01 at 1010000", "A completed 0.01 for 10100")),
        card("TC-E02", "Market sell",
             sell("A", "0.01"), told("A created", "A filled 0.01 at 1000000", "A completed 0.01 for 10000")),
        card("TC-E03", "Market order is immediate-or-cancel",
             buy("A", "1.5"), told("A created", "A filled 1 at 1010000", "A cancelled")),
        card("TC-E05", "Market buy by quote amount",
             buy("A", "0.01", quote_amount=Decimal(5050)),
             told("A created", "A filled 0.005 at 1010000", "A completed 0.005 for 5050")),
        card("TC-V01", "Market sell by quote amount",
             sell("A", "0.01", quote_amount=Decimal(5000)),
             told("A created", "A filled 0.005 at 1000000", "A completed 0.005 for 5000")),
        card("TC-E06", "Bought at the start, sold before the stop (also E80, E82)",
             buy("A", "0.01"), told("A created", "A filled 0.01 at 1010000", "A completed 0.01 for 10100"),
             sell("B", "0.01"), told("B created", "B filled 0.01 at 1000000", "B completed 0.01 for 10000"), stop()),
    ),
    "Limit orders": (
        card("TC-E10", "Limit buy", buy("A", "0.01", "1001000"), told("A created"), live("A")),
        card("TC-E11", "Limit sell", sell("A", "0.01", "1009000"), told("A created"), live("A")),
        card("TC-E12", "Limit buy and sell at once",
             buy("A", "0.01", "1001000"), sell("B", "0.02", "1009000"), told("A created", "B created"), live("A", "B")),
        card("TC-V02", "Limit order that takes at once",
             buy("A", "0.01", "1011000"), told("A created", "A filled 0.01 at 1010000", "A completed 0.01 for 10100")),
        card("TC-V03", "Limit order that takes a part and rests",
             sell("A", "1.2", "1000000"), told("A created", "A filled 1 at 1000000"), live("A"),
             other_buys("0.2", "1000000"), told("A filled 0.2 at 1000000", "A completed 1.2 for 1200000")),
        card("TC-V04", "Limit order filled in parts",
             sell("A", "0.03", "1005000"), told("A created"),
             other_buys("0.01", "1005000"), told("A filled 0.01 at 1005000"),
             other_buys("0.02", "1005000"), told("A filled 0.02 at 1005000", "A completed 0.03 for 30150")),
        card("TC-E13", "IOC, filled",
             buy("A", "0.01", "1011000", time_in_force="IOC"),
             told("A created", "A filled 0.01 at 1010000", "A completed 0.01 for 10100")),
        card("TC-E14", "IOC, not filled",
             buy("A", "0.01", "1009000", time_in_force="IOC"),
             told("A failed: Immediate Or Cancel order did not match")),
        card("TC-V05", "IOC, filled in part",
             buy("A", "1.5", "1010000", time_in_force="IOC"),
             told("A created", "A filled 1 at 1010000", "A cancelled")),
        card("TC-E15", "FOK, filled",
             sell("A", "0.01", "999000", time_in_force="FOK"),
             told("A created", "A filled 0.01 at 1000000", "A completed 0.01 for 10000")),
        card("TC-E16", "FOK, not filled",
             sell("A", "0.01", "1001000", time_in_force="FOK"), told("A failed: Fill Or Kill order did not match")),
        card("TC-V06", "FOK, more than the book holds",
             sell("A", "1.5", "1000000", time_in_force="FOK"), told("A failed: Fill Or Kill order did not match")),
    ),
    "Cancel and replace": (
        card("TC-E32", "Limit buy replaced",
             buy("A", "0.01", "1001000"), told("A created"), cancel("A"), told("A cancelled"),
             buy("B", "0.01", "1002000"), told("B created"), live("B")),
        card("TC-E33", "Limit sell replaced",
             sell("A", "0.01", "1009000"), told("A created"), cancel("A"), told("A cancelled"),
             sell("B", "0.01", "1008000"), told("B created"), live("B")),
    ),
    "Cancelling": (
        card("TC-E40", "Cancel one",
             buy("A", "0.01", "1001000"), told("A created"), cancel("A"), told("A cancelled"), live()),
        card("TC-E41", "Cancel all (also E81)",
             buy("A", "0.01", "1001000"), sell("B", "0.01", "1009000"), buy("C", "0.01", "1000500"),
             told("A created", "B created", "C created"), cancel_all(),
             told("A cancelled", "B cancelled", "C cancelled"), live()),
        card("TC-E42", "Cancel one by one",
             buy("A", "0.01", "1001000"), sell("B", "0.01", "1009000"), told("A created", "B created"),
             cancel("A", "B"), told("A cancelled", "B cancelled"), live()),
        card("TC-E43", "Place and cancel in batches",
             batch(buy("A", "0.01", "1001000"), sell("B", "0.01", "1009000")), told("A created", "B created"),
             cancel_batch("A", "B"), told("A cancelled", "B cancelled"), live()),
        card("TC-E44", "Cancel what is cancelled already",
             buy("A", "0.01", "1001000"), told("A created"), cancel("A"), told("A cancelled"), cancel("A")),
        card("TC-V07", "Cancel what is filled already",
             buy("A", "0.01"), told("A created", "A filled 0.01 at 1010000", "A completed 0.01 for 10100"),
             cancel("A")),
        card("TC-V08", "Cancel twice at once",
             buy("A", "0.01", "1001000"), told("A created"), cancel("A", "A"), told("A cancelled")),
        card("TC-V09", "Cancel what is filled in part",
             buy("A", "0.02", "1001000"), told("A created"),
             other_sells("0.005", "1001000"), told("A filled 0.005 at 1001000"), cancel("A"), told("A cancelled")),
        card("TC-V10", "Cancel right after placing",
             buy("A", "0.01", "1001000"), cancel("A"), told("A created", "A cancelled"), live()),
        card("TC-V11", "Cancelled by VALR",
             buy("A", "0.01", "1001000"), told("A created"), valr_cancels("A"), told("A cancelled")),
        card("TC-V12", "Cancel what ended as cancelled, unheard",
             buy("A", "0.01", "1001000"), told("A created"), silence(), valr_cancels("A"), cancel("A"),
             told("A cancelled")),
        card("TC-V13", "Cancel what ended as filled, unheard",
             buy("A", "0.01", "1001000"), told("A created"), silence(), other_sells("0.01", "1001000"), cancel("A"),
             told("A filled 0.01 at 1001000", "A completed 0.01 for 10010")),
        card("TC-V14", "Cancel that loses to a fill",
             sell("A", "0.01", "1009000"), told("A created"), CANCEL_TOO_LATE, cancel("A"),
             told("A filled 0.01 at 1009000", "A completed 0.01 for 10090")),
        card("TC-V15", "Cancel that fails although the order is open",
             buy("A", "0.01", "1001000"), told("A created"), CANCEL_REFUSED, cancel("A"), told("A cancelled"), live()),
    ),
    "Post-only": (
        card("TC-E60", "Post-only accepted",
             buy("A", "0.01", "1001000", POST_ONLY), told("A created"), live("A"),
             other_sells("0.01", "1001000"), told("A filled 0.01 at 1001000", "A completed 0.01 for 10010")),
        card("TC-E70", "Post-only rejected",
             buy("A", "0.01", "1010000", POST_ONLY), told("A failed: Post only cancelled as it would have matched"),
             live()),
    ),
    "Refused": (
        card("TC-E72", "Unsupported order type",
             buy("A", "0.01", "1001000", OrderType.AMM_SWAP), told("A failed: not in the list of supported")),
        card("TC-E73", "Unsupported time in force (also E19)",
             buy("A", "0.01", "1001000", time_in_force="DAY"), told("A failed: time_in_force is 'DAY'")),
        card("TC-V16", "Beyond the balance",
             sell("A", "4", "1020000"), sell("B", "4", "1021000"), told("A created", "B created"),
             sell("C", "4", "1022000"), told("C failed: Insufficient Balance"), live("A", "B")),
        card("TC-V17", "Below the minimum, as Hummingbot knows it",
             buy("A", "0.000001", "1001000"), told("A failed: lower than minimum order size")),
        card("TC-V18", "Below the minimum, as VALR has it",
             minimum_rises("0.1"), buy("A", "0.01", "1001000"), told("A failed: Minimum order size not met")),
        card("TC-V19", "Above the maximum",
             buy("A", "8", "1001"), told("A failed: higher than the maximum order size")),
        card("TC-V20", "Pair no longer traded",
             buy("A", "0.01", "1001000"), told("A created"), pair_goes_inactive(), told("A cancelled"),
             buy("B", "0.01", "1001000"), told("B failed: The given currency pair is not active")),
        card("TC-V21", "Would match an order of one's own",
             sell("A", "0.01", "1005000"), told("A created"), buy("B", "0.01", "1005000"),
             told("B failed: would have matched with your own order"), live("A")),
    ),
    "In doubt": (
        card("TC-V22", "Ambiguous submit, order live",
             LIVE_SUBMIT, buy("A", "0.01", "1001000"), told("A created"), live("A")),
        card("TC-V23", "Ambiguous submit, order live and nothing heard",
             silence(), LIVE_SUBMIT, buy("A", "0.01", "1001000"), told("A created"), live("A")),
        card("TC-V24", "Ambiguous submit, order filled and nothing heard",
             silence(), LIVE_SUBMIT, buy("A", "0.01", "1011000"),
             told("A created", "A filled 0.01 at 1010000", "A completed 0.01 for 10100")),
        card("TC-V25", "Ambiguous submit, order rejected and nothing heard",
             silence(), LIVE_SUBMIT, buy("A", "0.01", "1010000", POST_ONLY),
             told("A failed: Post only cancelled as it would have matched")),
        card("TC-V26", "Ambiguous submit, order dead",
             DEAD_SUBMIT, buy("A", "0.01", "1001000"), told("A failed: VALR does not know the order"), live()),
        card("TC-V27", "Submit answered 400 in HTML, order live",
             PLACED_WITH_400, buy("A", "0.01", "1001000"), told("A created"), live("A"), channels=("rest",)),
        card("TC-V28", "Submit answered 400 in HTML, order dead",
             REFUSED_WITH_400, buy("A", "0.01", "1001000"), told("A failed: VALR does not know the order"), live(),
             channels=("rest",)),
        card("TC-V29", "Ambiguous submit, cancelled while in doubt",
             LIVE_SUBMIT, buy("A", "0.01", "1001000"), cancel("A"), told("A created", "A cancelled"), live()),
        card("TC-V30", "Ambiguous cancel, order gone",
             buy("A", "0.01", "1001000"), told("A created"), LIVE_CANCEL, cancel("A"), told("A cancelled"), live()),
        card("TC-V31", "Ambiguous cancel, order gone and nothing heard",
             buy("A", "0.01", "1001000"), told("A created"), silence(), LIVE_CANCEL, cancel("A"), told("A cancelled"),
             live()),
        card("TC-V32", "Ambiguous cancel, order live",
             buy("A", "0.01", "1001000"), told("A created"), DEAD_CANCEL, cancel("A"), told("A cancelled"), live()),
        card("TC-V33", "Cancel acknowledged and never done",
             buy("A", "0.01", "1001000"), told("A created"), CANCEL_NOT_DONE, cancel("A"), told("A cancelled"), live(),
             channels=("websocket",)),
    ),
    "Stop and restart": (
        card("TC-E83", "Stop: everything cancelled, every socket closed",
             buy("A", "0.01", "1001000"), sell("B", "0.01", "1009000"), told("A created", "B created"), stop(),
             told("A cancelled", "B cancelled"), live()),
        card("TC-V34", "Stop right after placing",
             buy("A", "0.01", "1001000"), stop(), told("A created", "A cancelled"), live()),
        card("TC-V35", "Stop while a placement is in doubt and nothing is heard",
             silence(), LIVE_SUBMIT, buy("A", "0.01", "1001000"), live("A"), stop(), told("A created", "A cancelled"),
             live()),
        card("TC-E84", "Open order of an earlier run",
             buy("A", "0.01", "1001000"), told("A created"), kill(), restart(), live("A"), cancel("A"),
             told("A cancelled"), live()),
        card("TC-E85", "Order of an earlier run, filled while away",
             sell("A", "0.01", "1005000"), told("A created"), kill(), other_buys("0.01", "1005000"), restart(),
             told("A filled 0.01 at 1005000", "A completed 0.01 for 10050")),
        card("TC-V36", "Order of an earlier run, partly filled before and while away",
             sell("A", "0.03", "1005000"), told("A created"),
             other_buys("0.01", "1005000"), told("A filled 0.01 at 1005000"),
             kill(), other_buys("0.015", "1005000"), restart(), told("A filled 0.015 at 1005000"), live("A"),
             other_buys("0.005", "1005000"), told("A filled 0.005 at 1005000", "A completed 0.03 for 30150")),
        card("TC-V37", "Order of an earlier run, cancelled while away",
             buy("A", "0.01", "1001000"), told("A created"), kill(), valr_cancels("A"), restart(), told("A cancelled")),
        card("TC-V38", "Order of an earlier run, partly filled and cancelled while away",
             sell("A", "0.03", "1005000"), told("A created"), kill(), other_buys("0.01", "1005000"), valr_cancels("A"),
             restart(), told("A filled 0.01 at 1005000", "A cancelled")),
        card("TC-V39", "Cancel of an earlier run that was never done",
             buy("A", "0.01", "1001000"), told("A created"), CANCEL_NOT_DONE, cancel("A"),
             acknowledged("A"), kill(), restart(),
             told("A cancelled"), live(), channels=("websocket",)),
        card("TC-V40", "Order of an earlier run that Hummingbot never saved",
             buy("A", "0.01", "1001000"), told("A created"), live("A"), kill_unsaved(), restart(), live(), untold=True),
    ),
}
# fmt: on
CARDS = [each for group in MATRIX.values() for each in group]

NOT_APPLICABLE = {
    "TC-E04": "market orders are immediate-or-cancel at VALR, never FOK",
    "TC-E17, E18": "VALR knows no orders with an expiry",
    "TC-E20 to E27, E34, E35": "Hummingbot has no stop or conditional orders",
    "TC-E30, E31, E36": "Hummingbot has no call to modify an order; it cancels and places anew (E32, E33)",
    "TC-E50 to E53": "brackets are the strategy's business in Hummingbot",
    "TC-E61, E71": "reduce-only is for perpetuals",
    "TC-E62": "VALR has no iceberg orders",
    "TC-E63": "parameters of their own are `time_in_force` (E13 to E16) and `quote_amount` (E05)",
    "TC-E86, E87": "spot has balances, not positions",
}


# --- The page's table -------------------------------------------------------------------------------------------------
def render() -> str:
    """Return the matrix as docs/execution-matrix.md shows it."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "| card | name | what is done | what Hummingbot is told, in order |"
    yield "|---|---|---|---|"
    for group, cards in MATRIX.items():
        yield f"| | **{group}** | | |"
        for each in cards:
            only = "" if each.channels == BOTH else f" ({each.channels[0]} only)"
            yield f"| {each.id} | {each.name}{only} | {each.done} | {each.told} |"
    yield ""
    yield "Lines of the specification that do not apply:"
    yield ""
    yield "| card | why |"
    yield "|---|---|"
    for identifiers, reason in NOT_APPLICABLE.items():
        yield f"| {identifiers} | {reason} |"


if __name__ == "__main__":
    sys.stdout.write(render())
