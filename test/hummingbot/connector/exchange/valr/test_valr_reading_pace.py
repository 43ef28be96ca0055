"""When frames are let gather, and when not."""

from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.valr.valr_reading_pace import ReadingPace

MILLISECOND = 0.001


def after_a_second(frames_a_second: int, together: int) -> list[float]:
    """Return what the pace says after each round of a second in which so many frames came, so many at a time."""
    pace, rounds = ReadingPace(100.0), frames_a_second // together
    return [pace.after(together, 100.0 + number / rounds) for number in range(1, rounds + 1)]


def test_frames_are_read_as_they_come_while_they_are_few() -> None:
    assert not any(after_a_second(1980, 1))
    assert not any(after_a_second(1980, 10))


def test_frames_gather_for_a_millisecond_while_they_are_many() -> None:
    pauses = after_a_second(4000, 1)
    # The first tenth of a second tells that they are many.
    assert not any(pauses[:399])
    assert set(pauses[401:]) == {MILLISECOND}
    assert set(after_a_second(4000, 10)[42:]) == {MILLISECOND}


def test_nothing_gathers_behind_a_reader_that_is_behind() -> None:
    assert set(after_a_second(20_000, 15)[200:]) == {MILLISECOND}
    assert not any(after_a_second(20_000, 16))


def test_a_frame_after_a_silence_is_alone() -> None:
    pace = ReadingPace(100.0)
    rounds = [pace.after(15, 100.0 + number / 200) for number in range(1, 40)]
    assert rounds[-1] == MILLISECOND
    assert pace.after(1, 105.0) == 0.0
    assert pace.after(1, 105.001) == 0.0


@given(st.lists(st.tuples(st.integers(0, 100), st.floats(0.0, 0.2)), max_size=200))
def test_frames_gather_only_where_a_tenth_of_a_second_brought_two_hundred(rounds: list[tuple[int, float]]) -> None:
    now, pace, seen = 0.0, ReadingPace(0.0), []
    for frames, seconds in rounds:
        now += seconds
        seen.append((now, frames))
        pause = pace.after(frames, now)
        assert pause in (0.0, MILLISECOND)
        if pause:
            # It was counted at the latest 0.1 s and a round ago, over 0.1 s and a round.
            assert sum(count for at, count in seen if at >= now - 0.61) >= 199
