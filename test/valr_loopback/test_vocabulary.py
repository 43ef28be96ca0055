"""Decimals, ids, times and candles: the small words of the wire (valr-api.md 1.2)."""

from decimal import Decimal, Inexact, localcontext
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valr_loopback.candles import Candles
from valr_loopback.decimals import EXACT, on_tick, parse, percentage, to_text, truncate
from valr_loopback.ids import IdSource
from valr_loopback.times import iso, iso_seconds, parse_iso


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.00000100", "0.000001"),
        ("1E+3", "1000"),
        ("1E-10", "0.0000000001"),
        ("-0.0", "0"),
        ("0E-8", "0"),
        ("-1.50", "-1.5"),
        ("123456789012345678901234567890.123456789012345678", "123456789012345678901234567890.123456789012345678"),
    ],
)
def test_decimals_are_written_plainly(value, text):
    assert to_text(Decimal(value)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=15))
def test_what_is_written_is_read_back_unchanged(value):
    text = to_text(value)
    assert parse(text) == value
    assert "E" not in text
    assert "." not in text or text[-1] != "0"


@pytest.mark.parametrize("text", ["", "1e5", "1,000", ".5", "1.", "+1", " 1", "1 ", "NaN", "0x10", "1" * 31, "١"])
def test_other_ways_to_write_a_number_are_refused(text):
    with pytest.raises(ValueError, match="not a plain decimal"):
        parse(text)


def test_rounding_is_toward_zero_and_ticks_are_exact():
    assert truncate(Decimal("0.129"), 2) == Decimal("0.12")
    assert on_tick(Decimal("0.00021"), Decimal("0.00001"))
    assert not on_tick(Decimal("0.000215"), Decimal("0.00001"))
    assert percentage(Decimal(1), Decimal(3)) == Decimal("33.33")
    assert percentage(Decimal(1), Decimal(0)) == 0


def test_money_that_does_not_fit_is_an_error_and_not_rounded():
    with localcontext(EXACT), pytest.raises(Inexact):
        Decimal(10) ** 60 + Decimal(10) ** -30


def test_ids_are_version_7_uuids_of_their_time():
    ids = [IdSource(Random(4)).uuid(1_795_000_000_123) for _ in range(2)]
    assert ids[0] == ids[1]
    parsed = UUID(ids[0])
    assert (parsed.version, str(parsed), parsed.int >> 80) == (7, ids[0], 1_795_000_000_123)


@given(st.integers(0, 4_000_000_000_000))
def test_times_are_read_back_unchanged(time_ms):
    assert parse_iso(iso(time_ms)) == time_ms
    assert parse_iso(iso_seconds(time_ms)) == time_ms // 1000 * 1000


def test_times_with_other_zones_and_digits():
    assert parse_iso("2025-06-17T12:34:05.123456789Z") == parse_iso("2025-06-17T14:34:05.123+02:00")


def test_old_candles_are_forgotten():
    candles = Candles("BTCZAR", Decimal(1), 0)
    for minute in range(2_100):
        candles.add(Decimal(minute + 1), Decimal(1), Decimal(1), minute * 60_000)
    rows = candles.newest_first(60, None, 2_100 * 60_000, 0, 5_000, include_empty=False)
    assert (len(rows), rows[-1]["open"]) == (2_000, "101")
