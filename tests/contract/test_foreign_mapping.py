"""Foreign messages to rows: known answers, honest refusals, and no message at all that could stop ingest."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import contract.foreign
from contract.codec import QUARANTINE_REASONS, PayloadError
from contract.foreign import (
    ForeignMapping,
    load_foreign_profile,
    message_digest,
    parse_foreign_profile,
    shipped_foreign_profiles,
)
from contract.samples import sample_faults

TESTCASES = Path(contract.foreign.__file__).parent / "testcases"
RECEIVED_US = 1_748_736_100_000_000
TOPIC = "cpe/yokohama/bus-1/status"
T_NS = 1_748_736_000 * 10**9


def mapping(**changes):
    """A small profile; `columns` and the like replace what stands there."""
    return ForeignMapping(
        parse_foreign_profile(
            "test",
            {
                "topics": ["cpe/{site}/{device}/status"],
                "names": {"link": {"const": "l5g"}},
                "time": {"from": "t", "unit": "s"},
                "stream": "radio",
                "columns": {"rsrp_dbm": {"from": "rsrp"}},
                **changes,
            },
        )
    )


def rows(made, message, topic=TOPIC):
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    return made.rows(topic, payload, RECEIVED_US).rows


def refusal(made, message, topic=TOPIC):
    with pytest.raises(PayloadError) as caught:
        rows(made, message, topic)
    return caught.value


@pytest.mark.parametrize("name", shipped_foreign_profiles())
def test_the_shipped_profiles_read_their_samples(name):
    """Each line of a sample gives the rows that stand beside it."""
    made = ForeignMapping(load_foreign_profile(name))
    expected = [json.loads(line) for line in (TESTCASES / f"{name}.expected.jsonl").read_text().splitlines()]
    found = []
    for line in (TESTCASES / f"{name}.txt").read_text().splitlines():
        topic, _, payload = line.partition(" ")
        for row in rows(made, payload.encode(), topic):
            shown = {key: value for key, value in row.values.items() if value is not None}
            found.append({**row._asdict(), "values": shown})

    assert expected == found


def test_the_readme_shows_a_profile_that_works():
    """Its example is read as it stands, and its table names every shipped profile."""
    readme = (TESTCASES.parent / "README.md").read_text()
    block = readme.split("```toml\n")[1].split("```")[0]
    made = ForeignMapping(parse_foreign_profile("readme", tomllib.loads(block)))
    message = {
        "serial": "CPE-1", "sim": "SIM 1", "time": "2025-06-01 09:00:00", "name": "wan", "fields": {"users": 3},
        "cells": [{"role": "serving", "rsrp": -885, "bler": 1.5}],
    }  # fmt: skip

    found = rows(made, message, "cpe/yokohama/x/status")
    assert [(row.device, row.link, row.stream, row.t_ns) for row in found] == [
        ("cpe-1", "l5g", "radio", T_NS),
        ("cpe-1", "l5g", "metric", T_NS),
    ]
    assert all(f"| `{name}` |" in readme for name in shipped_foreign_profiles())


@pytest.mark.parametrize(
    ("stream", "column", "rule", "value", "expected"),
    [
        ("probe", "rtt_us", {"unit": "ms"}, 15.972788, 15973),
        ("probe", "ul_us", {"unit": "s"}, "0.0125", 12500),
        ("radio", "rsrp_dbm", {"unit": "0.1 dBm"}, -885, -88.5),
        ("radio", "sinr_db", {"unit": "0.01 dB"}, 2150, 21.5),
        ("radio", "bler_ratio", {"unit": "percent"}, "3.05", 0.0305),
        ("radio", "rsrp_dbm", {"offset": -157}, 97, -60.0),
        ("radio", "rsrp_dbm", {"null": ["-32768"]}, -32768.0, None),
        ("radio", "rsrp_dbm", {"null": ["-32768"]}, "-32768", None),
        ("radio", "rat", {"values": {"20": "NR-SA"}}, 20, "NR-SA"),
        ("radio", "rat", {"values": {"true": "NR-SA"}}, True, "NR-SA"),
        ("vehicle", "speed_mps", {"unit": "km/h"}, 72, 20.0),
        ("vehicle", "door_open", {}, True, True),
        ("vehicle", "door_open", {"values": {"open": True}}, "open", True),
        ("host", "cpu_ratio", {"factor": -1, "offset": 100, "unit": "%"}, 87.5, 0.125),
        ("host", "temperature_c", {"unit": "K"}, 300, 26.85),
        ("position", "lat_deg", {"factor": 1e-7}, 354437000, 35.4437),
        ("throughput", "rate_bps", {"unit": "Mbps"}, 12.5, 12_500_000.0),
        ("event", "detail", {}, {"a": [1, "温"]}, '{"a": [1, "温"]}'),
    ],
)
def test_values_come_in_the_units_of_the_contract(stream, column, rule, value, expected):
    """Scale, offset, units, null markers and value maps give the known answer."""
    fixed = {
        "probe": {"session": {"const": 1}, "seq": {"const": 1}, "copy": {"const": 1}, "lost": {"const": 0}},
        "position": {"mode": {"const": 3}},
        "event": {"name": {"const": "x"}, "severity": {"const": "info"}, "message": {"const": "x"}},
        "throughput": {
            "direction": {"const": "up"},
            "protocol": {"const": "udp"},
            "interval_s": {"const": 1},
        },
    }.get(stream, {})
    always = {"radio": "pci", "vehicle": "operator", "host": "uptime_s", "probe": "refl_seq"}.get(stream)
    other = {always: {"from": "other"}} if always else {}
    made = mapping(stream=stream, columns={**fixed, **other, column: {"from": "v", **rule}})

    (row,) = rows(made, {"t": 1748736000, "v": value, "other": 7})
    assert expected == row.values[column]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"from": "t", "unit": "s"}, {"t": 1748736000}),
        ({"from": "t", "unit": "s"}, {"t": "1748736000.000"}),
        ({"from": "t", "unit": "ms"}, {"t": 1748736000000}),
        ({"from": "t", "unit": "us"}, {"t": 1748736000000000}),
        ({"from": "t", "unit": "iso"}, {"t": "2025-06-01T00:00:00Z"}),
        ({"from": "t", "unit": "iso", "timezone": "Asia/Tokyo"}, {"t": "2025/06/01 09:00:00"}),
        ({"from": "t", "unit": "iso", "timezone": "Asia/Tokyo"}, {"t": "2025-06-01T02:00:00+02:00"}),
        ({"from": ["d", "c"], "timezone": "JST"}, {"d": "2025-06-01", "c": "09:00:00"}),
        ({"from": "t", "format": "%d.%m.%y %H%M%S", "timezone": "JST"}, {"t": "01.06.25 090000"}),
        ({"from": "$.head.t", "unit": "s"}, {"head": {"t": 1748736000}}),
        ({"from": "t", "unit": "s", "offset_s": -2.5}, {"t": 1748736002.5}),
    ],
)
def test_times_of_all_kinds_are_the_same_moment(rule, message):
    """2025-06-01 09:00 in Japan, however it is written."""
    (row,) = rows(mapping(time=rule), {**message, "rsrp": -90})

    assert row.t_ns == T_NS


@pytest.mark.parametrize(
    ("message", "reason", "words"),
    [
        (b"\xff", "malformed", ["JSON"]),
        (b'{"t": 1748736000, "rsrp": "\\ud800"}', "malformed", []),
        ({"t": 1748736000}, "missing_column", ["columns.rsrp_dbm", "optional = true"]),
        ({"t": 1748736000, "rsrp": None}, "nothing_mapped", ["ignore_unmapped"]),
        ({"t": 1748736000, "rsrp": -300}, "out_of_range", ["-300", "-156"]),
        ({"t": 1748736000, "rsrp": "weak"}, "type_mismatch", ["weak"]),
        ({"t": 1748736000, "rsrp": [1]}, "type_mismatch", ["rsrp"]),
        ({"rsrp": -90}, "bad_time", ["missing", "t"]),
        ({"t": "soon", "rsrp": -90}, "bad_time", ["soon"]),
        ({"t": 1748736000000, "rsrp": -90}, "bad_time", ["time.unit"]),
        ({"t": 0, "rsrp": -90}, "bad_time", ["before 2000"]),
        ({"t": "1e999999", "rsrp": -90}, "bad_time", []),
        ({"t": 1748736000, "rsrp": "1e999999"}, "out_of_range", []),
        ({"t": 1748736000, "rsrp": "sNaN"}, "out_of_range", []),
        ([], "missing_column", []),
    ],
)
def test_what_cannot_be_read_says_why(message, reason, words):
    """The reason is one of the table, and the detail names the place and the remedy."""
    error = refusal(mapping(), message)

    assert error.reason == reason
    assert all(word in error.detail for word in words), error.detail


def test_names_come_from_topic_payload_and_map_and_are_checked():
    """Captured levels, paths, lower case and maps give names; one that is none is refused with the remedy."""
    made = mapping(
        topics=["x/{site}/+/data"],
        names={
            "device": {"from": "serial", "case": "lower"},
            "link": {"from": "sim", "values": {"SIM 1": "l5g"}},
        },
    )
    good = {"t": 1748736000, "rsrp": -90, "serial": "SN-0A1B", "sim": "SIM 1"}

    (row,) = rows(made, good, "x/yokohama/anything/data")
    assert (row.site, row.device, row.link) == ("yokohama", "sn-0a1b", "l5g")
    error = refusal(made, {**good, "sim": "SIM 2"}, "x/yokohama/y/data")
    assert error.reason == "identity_mismatch"
    assert "SIM 2" in error.detail
    assert "values" in error.detail
    assert refusal(made, good, "x/Yokohama/y/data").reason == "identity_mismatch"
    assert refusal(made, {**good, "serial": None}, "x/yokohama/y/data").reason == "identity_mismatch"


def test_records_of_a_list_are_chosen_and_ancestors_reached():
    """`each` walks lists and objects, `where` chooses, `^` and `@key` reach what is around a record."""
    made = mapping(
        stream="metric",
        each=["batch.*.fields.*"],
        where={"^^.name": {"not_in": ["skip"]}, "@value": {"is": "number"}},
        time={"from": "^^.t", "unit": "s"},
        columns={
            "name": {"template": "{^^.name}.{@key}"},
            "value": {"from": "@value"},
            "unit": {"const": "1"},
        },
    )
    message = {
        "batch": [
            {"name": "a", "t": 1748736000, "fields": {"x": 1, "y": "text", "z.z": 2.5}},
            {"name": "skip", "t": 1748736000, "fields": {"x": 3}},
        ]
    }

    assert [(row.values["name"], row.values["value"]) for row in rows(made, message)] == [("a.x", 1), ("a.z.z", 2.5)]


def test_a_metric_is_found_by_its_name():
    """`metrics[name=...]` and RFC 6901 pointers reach what dots cannot."""
    made = mapping(columns={
        "rsrp_dbm": {"from": "metrics[name=Radio/RSRP.avg].value"},
        "sinr_db": {"from": "/fields/sinr.db"},
        "pci": {"from": "$/list/1"},
    })  # fmt: skip
    message = {
        "t": 1748736000, "fields": {"sinr.db": 12}, "list": [7, 101],
        "metrics": [{"name": "x", "value": 0}, {"name": "Radio/RSRP.avg", "value": -91}],
    }  # fmt: skip

    (row,) = rows(made, message)
    assert row.values == {"rsrp_dbm": -91, "sinr_db": 12, "pci": 101}


def test_csv_in_a_message_is_read_with_the_same_words():
    """A CSV payload is a list of records whose columns are called by their headings, dots and all."""
    made = mapping(
        format="csv",
        csv={"encoding": "cp932", "delimiter": ";"},
        time={"from": "時刻", "timezone": "JST"},
        columns={"rsrp_dbm": {"from": "RSRP.avg", "null": ["-200"]}, "pci": {"from": "PCI[-]", "optional": True}},
    )
    text = "時刻;RSRP.avg;PCI[-]\n2025-06-01 09:00:00;-88.5;101\n2025-06-01 09:00:01;-200;102\n"

    found = rows(made, text.encode("cp932"))
    assert [(row.t_ns - T_NS, row.values) for row in found] == [
        (0, {"rsrp_dbm": -88.5, "pci": 101}),
        (10**9, {"rsrp_dbm": None, "pci": 102}),
    ]
    assert refusal(made, b"\x81").reason == "malformed"


def test_a_device_without_time_gets_that_of_arrival():
    """Such rows stand at the time of reception, and the message says of itself that it has none."""
    mapped = mapping(time={"from": "@received"}).rows(TOPIC, b'{"rsrp": -90}', RECEIVED_US)

    assert mapped.is_arrival
    assert mapped.rows[0].t_ns == RECEIVED_US * 1000


def test_digests_tell_messages_apart():
    """Topic, payload and, where there is no time, the second of arrival count, and nothing else does."""
    one = message_digest("a/b", b"c", None)

    assert one == message_digest("a/b", b"c", None)
    assert len({
        one,
        message_digest("a/b", b"d", None),
        message_digest("a/bc", b"", None),
        message_digest("a/", b"bc", None),
        message_digest("a/b", b"c", 1_000_000),
        message_digest("a/b", b"c", 2_000_000),
        message_digest("a/b", b"1c", None),
    }) == 7  # fmt: skip
    assert message_digest("a", b"", 1_000_001) == message_digest("a", b"", 1_999_999)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.sampled_from(["1e999999", "NaN", "sNaN", "2025-06-01", 1748736000, 1748736000123, -32768, "serving", "cpu"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["time", "timestamp", "cells", "gps", "metrics", "name", "fields", "tags", "value", "rsrp",
                         "mode", "role", "fix", "lat", "pci", "t"]) | st.text(max_size=3), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip
MAPPINGS = [ForeignMapping(load_foreign_profile(name)) for name in shipped_foreign_profiles()]


@given(st.sampled_from(MAPPINGS), JSON | st.binary(max_size=60))
def test_any_message_gives_rows_or_a_reason(made, message):
    """Whatever a stranger sends: rows that the contract allows, or one of the reasons, with text that can be stored."""
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    topic = made.patterns[0].example
    try:
        found, error = made.rows(topic, payload, RECEIVED_US).rows, None
    except PayloadError as caught:
        found, error = (), caught
    if error is not None:
        assert error.reason in QUARANTINE_REASONS
        assert "\0" not in error.detail
        assert error.detail.encode()
    for row in found:
        assert sample_faults(row.stream, row.values) == []
