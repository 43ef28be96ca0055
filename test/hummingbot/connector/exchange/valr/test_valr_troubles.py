"""Back-off after vain attempts and refusals for rate, and the two log lines of each trouble."""

import logging

import pytest

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_back_off import back_off
from hummingbot.connector.exchange.valr.valr_troubles import ConnectionTroubles, RateGate, Trouble, rate_limit_delay


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def troubles(clock: Hand, caplog: pytest.LogCaptureFixture) -> ConnectionTroubles:
    caplog.set_level(logging.INFO)
    return ConnectionTroubles(lambda: logging.getLogger("valr"), clock)


# --- Pauses -----------------------------------------------------------------------------------------------------------
def test_pauses_double_up_to_the_longest_and_never_overflow() -> None:
    assert [back_off(attempts, 0.5, 10.0) for attempts in range(-1, 8)] == [0, 0, 0.5, 1, 2, 4, 8, 10, 10]
    assert back_off(10**6, 0.5, 10.0) == 10.0


def test_waits_grow_with_jitter_up_to_a_limit_and_follow_valrs_advice() -> None:
    for attempt, least in ((1, 0.25), (2, 0.5), (3, 1.0), (4, 2.0), (5, 4.0), (6, 5.0), (6000, 5.0)):
        drawn = [rate_limit_delay(attempt, None) for _ in range(50)]
        assert least <= min(drawn) <= max(drawn) <= least * 1.25
        assert len(set(drawn)) > 1
    assert 2.0 <= rate_limit_delay(1, 2.0) <= 2.5


@pytest.mark.parametrize(
    ("limit_id", "longest"),
    [
        (CONSTANTS.PRIVATE_LIMIT_ID, 60.0),
        (CONSTANTS.PUBLIC_LIMIT_ID, 60.0),
        (CONSTANTS.PLACE_LIMIT_ID, 5.0),
        (CONSTANTS.CANCEL_LIMIT_ID, 5.0),
        (CONSTANTS.SOCKET_CANCEL_LIMIT_ID, 5.0),
    ],
)
def test_advice_is_followed_for_a_minute_at_most_and_for_orders_for_some_seconds(
    troubles: ConnectionTroubles, clock: Hand, limit_id: str, longest: float
) -> None:
    troubles.rate_limited(limit_id, clock.now, retry_after=3.5)
    assert 3.5 <= troubles.pause(limit_id) <= 4.375
    troubles.rate_limited(limit_id, clock.now, retry_after=3600.0)
    assert longest <= troubles.pause(limit_id) <= longest * 1.25


def test_a_socket_that_answers_no_commands_has_one_line_at_each_end(
    troubles: ConnectionTroubles, clock: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    troubles.commands_answered()
    troubles.commands_unanswered()
    clock.now += 20
    troubles.commands_unanswered()
    troubles.commands_answered()
    troubles.commands_answered()
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO]
    assert "does not answer commands; orders and cancels go over REST" in caplog.text
    assert "answers commands again after 20.0 s (it struck 2 times)" in caplog.text


def test_the_gate_stays_shut_longer_with_each_refusal_in_a_row_and_not_after_a_success() -> None:
    gate = RateGate()
    assert gate.wait(0.0) == 0.0
    now, waits = 0.0, []
    for _ in range(3):
        gate.refused(now, now + 0.01)
        waits.append(gate.wait(now + 0.01))
        now = gate.opens_at
    assert 0.25 <= waits[0] < 0.32 < 0.5 <= waits[1] < 0.63 < 1.0 <= waits[2] < 1.26
    assert gate.wait(now) == 0.0
    gate.passed()
    gate.refused(10.0, 10.0)
    assert gate.wait(10.0) <= 0.3125


def test_many_refusals_of_what_was_sent_before_the_pause_ended_are_one() -> None:
    gate = RateGate()
    for reply_at in (0.01, 0.02, 0.3, 5.0):
        # The last of them come when the pause is over already.
        gate.refused(0.0, reply_at)
    assert 0.26 <= gate.opens_at <= 0.01 + 0.3125
    ended_at = gate.opens_at
    gate.refused(ended_at - 0.1, 0.4)
    assert (gate.refusals, gate.opens_at) == (1, ended_at)
    # A timer may go off a moment too early.
    gate.refused(ended_at - 1e-6, ended_at + 0.01)
    assert gate.refusals == 2
    assert 0.5 <= gate.wait(ended_at + 0.01) <= 0.625


def test_the_longest_advice_of_a_burst_is_followed() -> None:
    gate = RateGate()
    for retry_after in (None, 2.0, None, 8.0, 3.0, None):
        gate.refused(0.0, 0.01, retry_after)
    assert 8.0 <= gate.wait(0.01) <= 10.0
    assert gate.refusals == 1


# --- Lines ------------------------------------------------------------------------------------------------------------
def test_a_trouble_is_said_when_it_begins_and_when_it_has_been_over_for_a_while() -> None:
    trouble = Trouble("It rains", "It stopped")
    assert trouble.passed(0.0) is None
    assert trouble.struck(10.0, "hard") == "It rains (hard)"
    assert trouble.struck(11.0) is None
    assert trouble.passed(12.0) is None
    assert trouble.struck(13.0) is None
    assert trouble.passed(17.9) is None
    assert trouble.passed(18.0) == "It stopped after 8.0 s (it struck 3 times)."
    assert trouble.passed(19.0) is None
    assert trouble.struck(20.0) == "It rains"
    assert trouble.passed(30.0) == "It stopped after 10.0 s (it struck once)."


def test_a_rate_limit_has_one_line_at_each_end(
    troubles: ConnectionTroubles, clock: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(4):
        troubles.rate_limited(CONSTANTS.PUBLIC_LIMIT_ID, clock.now)
        clock.now += 1
    troubles.admitted(CONSTANTS.PRIVATE_LIMIT_ID)
    clock.now += 5
    troubles.admitted(CONSTANTS.PRIVATE_LIMIT_ID)
    assert [record.getMessage() for record in caplog.records] == [
        "VALR's rate limit refuses public requests; keeping off"
    ]
    troubles.admitted(CONSTANTS.PUBLIC_LIMIT_ID)
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO]
    assert "lets public requests through again after 9.0 s (it struck 4 times)" in caplog.text


def test_each_rate_limit_keeps_off_for_itself(troubles: ConnectionTroubles, clock: Hand) -> None:
    troubles.rate_limited(CONSTANTS.PRIVATE_LIMIT_ID, clock.now, retry_after=3.0)
    assert 3.0 <= troubles.pause(CONSTANTS.PRIVATE_LIMIT_ID) <= 3.75
    assert troubles.pause(CONSTANTS.CANCEL_LIMIT_ID) == 0.0


def test_an_exchange_that_does_not_answer_has_one_line_at_each_end(
    troubles: ConnectionTroubles, clock: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    troubles.answered()
    troubles.unanswered("no answer to GET /x within 10 s")
    clock.now += 60
    troubles.unanswered("again")
    clock.now += 6
    troubles.answered()
    troubles.answered()
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO]
    assert "(no answer to GET /x within 10 s)" in caplog.text
    assert "back after 66.0 s" in caplog.text


def test_read_only_mode_is_over_as_soon_as_valr_says_so(
    troubles: ConnectionTroubles, clock: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    troubles.read_only()
    clock.now += 1
    troubles.read_only_over()
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO]
    assert "read-only" in caplog.records[0].getMessage()
    assert "takes orders again" in caplog.records[1].getMessage()
