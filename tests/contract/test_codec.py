"""The codec: small on the wire, the same in both formats, and true to payloads of long ago."""

import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.codec import PayloadError, decode_batch, encode_batch, is_json, salvage_identity
from contract.envelope import Batch
from contract.packing import pack, unpack

PAYLOADS = sorted((Path(__file__).parent / "payloads").iterdir())


def probe_batch(**changes):
    values = {
        "site": "site-a",
        "device": "car-1",
        "epoch": "e1",
        "seq": 1,
        "stream": "probe",
        "link": "l5g",
        "source": "stamp/1",
        "n": 3,
        "t0_ns": 1_780_000_000_000_000_000,
        "columns": {"t": [0, 5, 70_000_000], "seq": [0, 1, 2], "ul_us": [-5, 70_000, None], "lost": [0, 1, 3]},
    }
    return Batch(**{**values, **changes})


@pytest.mark.parametrize("payload_format", ["json", "msgpack"])
def test_a_batch_comes_back_whole(payload_format):
    """Encoding and decoding gives the same batch; packed columns unpack to the same values."""
    payload = encode_batch(probe_batch(), payload_format)
    decoded = decode_batch(payload)
    columns = {
        name: unpack(values, decoded.n) if isinstance(values, bytes) else values
        for name, values in decoded.columns.items()
    }

    assert is_json(payload) == (payload_format == "json")
    assert probe_batch() == msgspec.structs.replace(decoded, columns=columns)


def test_packing_takes_the_narrowest_type():
    """Telemetry shares the uplink with video: 500 small integers take about 500 bytes."""
    assert len(pack("i8", list(range(100)) * 5)) == 502
    assert len(pack("i8", [40_000] * 500)) == 1002
    assert len(pack("i4", [70_000] * 500)) == 2002
    assert len(pack("i8", [2**40] * 500)) == 4002


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), max_size=70))
def test_any_integer_column_survives_packing(values):
    """Packed integers and nulls of any size come back equal."""
    assert values == unpack(pack("i8", values), len(values))


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), max_size=70))
def test_any_float_column_survives_packing(values):
    """Packed doubles and nulls come back equal, infinities and negative zero included."""
    assert values == unpack(pack("f8", values), len(values))


@pytest.mark.parametrize(("kind", "values"), [("i4", [1.5]), ("i4", ["1"]), ("i8", [2**63]), ("f4", ["x"])])
def test_what_does_not_fit_a_column_is_an_error(kind, values):
    """A collector that hands over a wrong type hears of it at once."""
    with pytest.raises((TypeError, ValueError)):
        pack(kind, values)


def test_not_a_number_is_packed_and_left_to_the_range_check():
    """NaN passes the packing; the decoder refuses it as out of range."""
    value = unpack(pack("f8", [math.nan]), 1)[0]

    assert value is not None
    assert math.isnan(value)


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.name)
def test_old_payloads_decode_for_ever(path):
    """Stored payloads of every contract revision still decode; `NAME.expected.json` beside them says to what."""
    if path.name.endswith(".expected.json"):
        return
    expected = msgspec.json.decode(path.with_suffix(path.suffix + ".expected.json").read_bytes())
    decoded = decode_batch(path.read_bytes())
    columns = {
        name: unpack(values, decoded.n) if isinstance(values, bytes) else values
        for name, values in decoded.columns.items()
    }

    assert expected == msgspec.to_builtins(msgspec.structs.replace(decoded, columns=columns))


def test_another_version_is_named():
    """A payload of another contract version says so, whatever its shape, and its identity can be read."""
    payload = b'{"v": 9, "site": "s", "device": "d", "epoch": "e", "seq": 4, "everything": "else"}'

    with pytest.raises(PayloadError, match="contract version 9") as caught:
        decode_batch(payload)

    identity = salvage_identity(payload)
    assert caught.value.reason == "unknown_version"
    assert identity is not None
    assert (identity.device, identity.seq) == ("d", 4)
