"""Conversions of units and times: exact, or refused."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.recording.errors import ProfileError
from contract.recording.times import decimal_ns, format_ns, iso_ns, zone
from contract.recording.units import conversion
from contract.streams import STREAMS


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        ("15.972788", "ms", "us", "15972.788"),
        ("72", "km/h", "m/s", "20"),
        ("36.6", "km/h", "m/s", "10.16666666666666666666666666666666666667"),
        ("12.5", "Mbps", "bit/s", "12500000"),
        ("1.5", "MB/s", "bit/s", "12000000"),
        ("3.05", "percent", "1", "0.0305"),
        ("-8950", "cdB[mW]", "dB[mW]", "-89.5"),
        ("-30", "dBW", "dB[mW]", "0"),
        ("50", "degF", "Cel", "10"),
        ("273.15", "K", "Cel", "0"),
        ("0", "Cel", "K", "273.15"),
        ("3.5", "GHz", "MHz", "3500"),
        ("30", "fps", "1/s", "30"),
        ("0.5", "g", "m/s2", "4.903325"),
        ("10", "kn", "m/s", "5.144444444444444444444444444444444444444"),
    ],
)
def test_values_convert_exactly(value, source, target, expected):
    result = conversion(source, target)(Decimal(value))
    assert (Decimal(expected), True) == (result, abs(result - Decimal(expected)) < Decimal("1e-30"))


@pytest.mark.parametrize(
    ("source", "target"), [("dBm", "dB"), ("ms", "m"), ("Mbps", "1"), ("furlong", "m"), ("ms", "")]
)
def test_a_pair_that_does_not_measure_the_same_thing_is_an_error(source, target):
    with pytest.raises(ProfileError, match=r"does not convert|is not known"):
        conversion(source, target)


def test_every_unit_of_the_contract_is_known_to_the_table():
    units = {column.unit for stream in STREAMS.values() for column in stream.columns} - {""}
    assert units == {unit for unit in units if conversion(unit, unit).is_identity}
    foreign = {"us": "ms", "bit/s": "Mbps", "m/s": "km/h", "1": "%", "dB[mW]": "dBm", "MHz": "GHz", "s": "min"}
    assert foreign.items() <= {unit: foreign.get(unit, unit) for unit in units}.items()


@given(st.sampled_from(["ms", "us", "min", "h"]), st.fractions(max_denominator=10**6))
def test_a_conversion_and_its_reverse_cancel_out(unit, value):
    there, back = conversion(unit, "s"), conversion("s", unit)
    both = back.after(there)
    assert (Fraction(1), 0) == (both.scale, both.shift)
    assert value == value * both.scale + both.shift


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (1723214207.0723794, "s", 1_723_214_207_072_379_400),
        ("1723214207.0723794", "s", 1_723_214_207_072_379_400),
        ("1723214207.0000000005", "s", 1_723_214_207_000_000_000),
        ("1723214207.0000000015", "s", 1_723_214_207_000_000_002),
        (1_723_214_207_123, "ms", 1_723_214_207_123_000_000),
        ("1.7232142071234567e15", "us", 1_723_214_207_123_456_700),
        (1_723_214_207_123_456_789, "ns", 1_723_214_207_123_456_789),
    ],
)
def test_decimal_digits_of_a_time_are_kept(value, unit, expected):
    assert expected == decimal_ns(value, unit)


@pytest.mark.parametrize("value", ["nan", "inf", "", "12:00", "1_000", None, True])
def test_what_is_no_number_is_no_time(value):
    with pytest.raises(ValueError, match="is not a"):
        decimal_ns(value, "s")


@pytest.mark.parametrize(
    ("text", "timezone"),
    [
        ("2025-11-27T05:03:05.123456789Z", ""),
        ("2025-11-27T14:03:05.123456789+09:00", ""),
        ("2025-11-27 14:03:05.123456789+0900", "UTC"),
        ("2025/11/27 14:03:05.123456789", "JST"),
        ("2025/11/27 14:03:05,123456789", "Asia/Tokyo"),
        ("2025-11-27T00:33:05.123456789", "-04:30"),
    ],
)
def test_iso_times_are_read_to_the_nanosecond_in_their_zone(text, timezone):
    assert 1_764_219_785_123_456_789 == iso_ns(text, zone(timezone) if timezone else None)


def test_a_time_written_by_hand_has_no_seconds():
    assert iso_ns("2025/11/27 14:03", zone("JST")) == iso_ns("2025-11-27T05:03:00Z", None)
    with pytest.raises(ValueError, match="is not an ISO 8601 date and time"):
        iso_ns("2025/11/27 14", zone("JST"))


def test_a_time_without_offset_and_zone_is_refused_rather_than_guessed():
    with pytest.raises(ValueError, match="has no offset from UTC"):
        iso_ns("2025-11-27 14:03:05", None)


def test_daylight_saving_of_the_named_zone_counts():
    summer, winter = "2025.07.01_12.00.00", "2025.01.01_12.00.00"
    pattern = "%Y.%m.%d_%H.%M.%S"
    dublin = zone("Europe/Dublin")
    assert 11 * 3600 == format_ns(summer, pattern, dublin) // 10**9 % 86_400
    assert 12 * 3600 == format_ns(winter, pattern, dublin) // 10**9 % 86_400


PATTERNS = ["%Y.%m.%d_%H.%M.%S", "%d/%m/%Y %H:%M", "%Y%m%d%H%M%S%f", "%Y-%m-%d", "%m/%d/%y %H:%M:%S", "%d %b %Y %I%p",
            "(%Y) 100%%? %m+%d", "%H:%M:%S %Y-%m-%d %z"]  # fmt: skip


@given(
    st.sampled_from(PATTERNS), st.datetimes(), st.integers(0, 40), st.sampled_from(["", "0", "9", " ", "x", "３", "-"])
)
def test_times_of_a_format_are_those_of_strptime(pattern, moment, place, slip):
    """As a logger writes them, cut short, and with a digit too many, another sign or full-width digits somewhere."""
    text = moment.replace(tzinfo=UTC).strftime(pattern)
    changed = (text[: -1 - place % 5], text[:place] + slip + text[place + 1 :], text[:place] + slip + text[place:])
    for each in (text, *changed):
        try:
            expected = datetime.strptime(each, pattern)  # noqa: DTZ007 - given below
        except ValueError as error:
            with pytest.raises(ValueError, match=re.escape(str(error))):
                format_ns(each, pattern, UTC)
            continue
        since = (expected if expected.tzinfo else expected.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
        assert since // timedelta(microseconds=1) * 1000 == format_ns(each, pattern, UTC)


def test_an_unknown_zone_is_named():
    with pytest.raises(ProfileError, match="Mars/Olympus"):
        zone("Mars/Olympus")
