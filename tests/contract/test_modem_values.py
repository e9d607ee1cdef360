"""Levels that real modems report as codes and texts: profiles make of each what its own maker says it is."""

import csv
import json
import math

import pytest

from contract.foreign import ForeignMapping, parse_foreign_profile
from contract.streams import STREAMS

TOPIC = "modem/x/bus-1/status"
RECEIVED_US = 1_748_736_100_000_000
CESQ = {
    "rat": {"const": "LTE"},
    "rsrp_dbm": {"from": "rsrp", "offset": -141, "null": ["255"]},
    "rsrq_db": {"from": "rsrq", "factor": 0.5, "offset": -20, "null": ["255"]},
}
"""LTE codes of TS 27.007 +CESQ: the low edge of their bin; 255 is unknown."""


def data(test_data, *parts):
    """Return a path of the real measurements, or skip in one line."""
    path = test_data.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} not found: levels of real modems are not tested")
    return path


def made_of(*rules, **changes):
    """Make the rows of a profile with some rules for radio values."""
    profile = {
        "topics": ["modem/{site}/{device}/status"], "names": {"link": {"const": "l5g"}}, "time": {"from": "@received"},
        "ignore_unmapped": True, "rows": [{"stream": "radio", **rule} for rule in rules], **changes,
    }  # fmt: skip
    mapping = ForeignMapping(parse_foreign_profile("test", profile))

    def rows(message):
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        return [row.values for row in mapping.rows(TOPIC, payload, RECEIVED_US).rows]

    return rows


def levels(row):
    """Return the levels of a row."""
    return row["rsrp_dbm"], row["rsrq_db"]


def test_every_radio_mapping_vector(test_data):
    """TS 38.133 10.1.6 and +CESQ: a code is the low edge of its bin; the topmost bin is open."""
    path = data(test_data, "rfc_vectors", "vectors.json")
    nr = made_of({"columns": {"rsrp_dbm": {"from": "rsrp", "offset": -157}}})
    for case in json.loads(path.read_text())["vectors"]["radio_mapping"]:
        if "ss_rsrp_code" in case:
            (row,) = nr({"rsrp": case["ss_rsrp_code"]})
            assert case["low_dbm"] == row["rsrp_dbm"]
            if case["high_dbm"] is None:
                assert case["low_dbm"] == STREAMS["radio"].column("rsrp_dbm").high
            else:
                assert case["high_dbm"] == nr({"rsrp": case["ss_rsrp_code"] + 1})[0]["rsrp_dbm"]
        else:
            (row,) = made_of({"columns": CESQ})({"rsrp": case["lte_rsrp_code"], "rsrq": case["lte_rsrq_code"]})
            assert (case["low_dbm"], case["low_db"]) == levels(row)


def test_codes_of_modems_are_what_modemmanager_says_they_are(test_data):
    """+CESQ and +XCESQ by their codes, ^SMONI by its levels; 255 and nothing at all are null, or no row."""
    known = json.loads(data(test_data, "modem", "modemmanager_known_mappings.json").read_text())
    with_snr = CESQ | {"sinr_db": {"from": "snr", "factor": 0.5, "optional": True}}
    for command, places in (("CESQ", (4, 5, None)), ("XCESQ", (5, 6, 7))):
        for case in known[command]:
            codes = [part.strip() for part in case["in"].split(":", 1)[1].split(",")]
            names = {
                name: codes[at] for name, at in zip(("rsrq", "rsrp", "snr"), places, strict=True) if at is not None
            }
            found = made_of({"columns": with_snr})(names)
            if case["rsrp_dbm"] is None:
                assert [] == found
                continue
            assert (case["rsrp_dbm"], case["rsrq_db"]) == levels(found[0])
            assert case.get("rssnr_db") == found[0]["sinr_db"]
    plain = made_of(
        {"columns": {"rsrp_dbm": {"from": "12"}, "rsrq_db": {"from": "13"}}, "where": {"13": {"is": "text"}}}
    )
    for case in known["SMONI"]:
        parts = case["in"].split(": ")[1].split(",")
        found = plain({str(place): part for place, part in enumerate(parts)})
        assert [] == found if case["rsrp_dbm"] is None else (case["rsrp_dbm"], case["rsrq_db"]) == levels(found[0])


def test_technologies_of_mmcli_are_never_merged(test_data):
    """Two technologies at once, as texts, "--" where not measured: a row for each, with its own values."""
    signal = json.loads(data(test_data, "modem", "mmcli_J_signal.json").read_text())
    missing = ["--"]
    rules = [
        {"columns": {
            "rat": {"const": rat},
            **{name: {"from": f"modem.signal.{key}.{source}", "null": missing}
               for name, source in (("rsrp_dbm", "rsrp"), ("rsrq_db", "rsrq"), ("sinr_db", "snr"))},
        }}
        for key, rat in (("5g", "NR-NSA"), ("lte", "LTE"))
    ]  # fmt: skip
    assert [("NR-NSA", None, -14.0, None), ("LTE", -104.0, None, 2.0)] == [
        (row["rat"], *levels(row), row["sinr_db"]) for row in made_of(*rules)(signal)
    ]
    nothing = {"modem": {"signal": {key: dict.fromkeys(("rsrp", "rsrq", "snr"), "--") for key in ("5g", "lte")}}}
    assert [] == made_of(*rules)(nothing)


SERVING = {
    "SA": ("type state rat duplex mcc mnc cell pci tac arfcn band bandwidth rsrp rsrq sinr scs srxlev"),
    "NSA": "rat mcc mnc pci rsrp sinr rsrq arfcn band bandwidth scs",
    "LTE": "rat duplex mcc mnc cell pci arfcn band ul_bandwidth dl_bandwidth tac rsrp rsrq rssi sinr cqi power srxlev",
}
"""Order of the values of AT+QENG="servingcell", which differs by mode: NSA has SINR before RSRQ."""


def test_serving_cells_of_quectel_modems_are_what_their_owners_read(test_data):
    """Ten captured lines, private networks among them: each mode has its own order of values."""
    path = data(test_data, "modem", "quectel_qeng_real_lines.tsv")
    with path.open() as file:
        header = next(file).removeprefix("# ").rstrip("\n").split("\t")
        captured = list(csv.DictReader(file, header, delimiter="\t", quoting=csv.QUOTE_NONE))
    compared = 0
    for line in captured:
        names = SERVING[line["expected_mode"]].split()
        text = line["line"].removeprefix("+QENG: ")
        if len(next(csv.reader([text]))) != len(names):
            assert line["module"] == "unknown"  # an old firmware, which has no SINR
            continue
        columns = {
            "rsrp_dbm": {"from": "rsrp"}, "rsrq_db": {"from": "rsrq"}, "pci": {"from": "pci"},
            "arfcn": {"from": "arfcn"},
        }  # fmt: skip
        if line["expected_mode"] != "LTE":
            columns["sinr_db"] = {"from": "sinr"}
        rule = {"format": "csv", "csv": {"names": names}, "rows": [{"stream": "radio", "columns": columns}]}
        (row,) = made_of(**rule)(text.encode())
        expected = [float(line[name]) for name in ("rsrp_dbm", "rsrq_db", "pci", "arfcn")]
        assert expected == [row[name] for name in ("rsrp_dbm", "rsrq_db", "pci", "arfcn")], line["line"]
        if line["expected_mode"] != "LTE":
            assert math.isclose(float(line["sinr"]), row["sinr_db"])
        compared += 1
    assert 9 == compared
