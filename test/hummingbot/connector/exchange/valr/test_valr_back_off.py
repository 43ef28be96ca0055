"""How long to wait after vain attempts."""

import pytest

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_back_off import ReconnectDelay, back_off

JITTER = 1.5


def delays() -> ReconnectDelay:
    return ReconnectDelay(
        CONSTANTS.FIRST_RECONNECT_DELAY,
        CONSTANTS.RECONNECT_DELAY,
        CONSTANTS.RECONNECT_DELAY_MAX,
        CONSTANTS.HEALTHY_SOCKET_LIFETIME,
    )


def is_about(pause: float, base: float) -> bool:
    return base <= pause <= base * JITTER


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 0.0), (1, 2.0), (2, 4.0), (3, 8.0), (4, 9.0), (10_000, 9.0)])
def test_it_doubles_up_to_a_longest(attempts: int, seconds: float) -> None:
    assert back_off(attempts, 2.0, 9.0) == seconds


def test_reconnects_soon_after_a_healthy_connection_and_ever_later_after_failures() -> None:
    delay = delays()
    assert is_about(delay.after_answer(0.0), 0.2)
    assert is_about(delay.after_answer(0.0), 5.0)
    assert is_about(delay.after_answer(900.0), 0.2)
    for expected in (5.0, 10.0, 10.0, 10.0):
        assert is_about(delay.after_answer(0.0), expected)
    assert is_about(delay.after_answer(30.0), 0.2)
    assert is_about(delay.after_answer(1.0), 5.0)


def test_an_exchange_that_is_away_for_seconds_is_back_promptly_and_one_that_is_away_for_long_is_tried_seldom() -> None:
    delay = delays()
    delay.after_answer(900.0)
    pauses = [delay.after_silence() for _ in range(30)]
    assert all(is_about(pause, 0.2) for pause in pauses[:17])
    assert sum(pauses[:16]) >= 3
    assert [round(pause, 3) for pause in pauses[17:23]] == sorted(round(pause, 3) for pause in pauses[17:23])
    assert all(is_about(pause, 10.0) for pause in pauses[23:])
    assert is_about(delay.after_answer(0.0), 5.0)


def test_outages_one_after_the_other_are_one() -> None:
    delay = delays()
    for _ in range(20):
        delay.after_silence()
    delay.after_answer(1.0)
    assert delay.after_silence() > 1.0
    delay.after_answer(60.0)
    assert is_about(delay.after_silence(), 0.2)


def test_two_sockets_stay_below_valrs_sixty_handshakes_a_minute() -> None:
    for _ in range(20):
        delay, elapsed, attempts = delays(), 0.0, 0
        elapsed = delay.after_answer(900.0)
        while elapsed < 60:
            attempts += 1
            elapsed += delay.after_silence()
        assert 2 * attempts < 60
