"""Decoding: the same batch by JSON and by MessagePack, and every kind of refusal with its reason."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.codec import QUARANTINE_REASONS, PayloadError, encode_batch
from contract.envelope import MAX_PAYLOAD_BYTES, Batch
from contract.packing import pack
from contract.streams import STREAMS
from contract.topics import Topic
from ingest.decode import decode

TOPIC = Topic("1", "site-a", "car-1", "radio")
NOW_US = 1_780_000_000_000_000


def batch(stream="radio", n=3, **columns):
    """Make a batch of `n` rows with the given columns; times are 0, 1, 2 ... ms."""
    return Batch(
        site="site-a",
        device="car-1",
        epoch="e1",
        seq=1,
        stream=stream,
        link="l5g",
        source="test/1",
        n=n,
        t0_ns=NOW_US * 1000,
        columns={"t": [i * 1_000_000 for i in range(n)], **columns},
    )


def refusal(payload, topic=TOPIC):
    with pytest.raises(PayloadError) as caught:
        decode(payload, topic=topic, received_at_us=NOW_US)
    assert caught.value.reason in QUARANTINE_REASONS
    return caught.value


@pytest.mark.parametrize("payload_format", ["json", "msgpack"])
def test_both_codecs_give_the_same_columns(payload_format):
    """Numbers, nulls, text and absent columns decode alike from JSON and MessagePack."""
    sent = batch(rsrp_dbm=[-100.5, None, -80], pci=[1, 500, None], band=["n79", None, "n79"])

    decoded = decode(encode_batch(sent, payload_format), topic=TOPIC, received_at_us=NOW_US)

    assert [NOW_US, NOW_US + 1000, NOW_US + 2000] == decoded.t_us.tolist()
    assert [-100.5, -80.0] == decoded.columns["rsrp_dbm"].values[decoded.columns["rsrp_dbm"].valid].tolist()
    assert [1, 500] == decoded.columns["pci"].values[:2].tolist()
    assert [True, True, False] == decoded.columns["pci"].valid.tolist()
    assert ["n79", None, "n79"] == decoded.columns["band"].values.tolist()
    assert not decoded.columns["sinr_db"].valid.any()
    assert decoded.columns["pci"].values.dtype == np.int32


@given(
    st.lists(st.one_of(st.none(), st.integers(-2_000_000_000, 2_000_000_000)), min_size=1, max_size=50),
    st.sampled_from(["json", "msgpack"]),
)
def test_any_integers_and_nulls_survive(values, payload_format):
    """Whatever width packing chooses, the values and nulls that arrive are those that were sent."""
    n = len(values)
    sent = batch("probe", n, session=[1] * n, seq=list(range(n)), copy=[1] * n, lost=[0] * n, ul_us=values)
    topic = TOPIC._replace(kind="probe")

    column = decode(encode_batch(sent, payload_format), topic=topic, received_at_us=NOW_US).columns["ul_us"]

    valid = np.ones(n, bool) if column.valid is None else column.valid
    back = [int(value) if ok else None for value, ok in zip(column.values, valid, strict=True)]
    assert values == back


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "malformed"),
        (b"\xc1garbage", "malformed"),
        (b'{"v": 1', "malformed"),
        (b"{}", "malformed"),
        (b"[" * 100_000, "malformed"),
        (b'{"a":' * 50_000, "malformed"),
        (b"{" + b" " * MAX_PAYLOAD_BYTES, "oversized"),
        (encode_batch(msgspec.structs.replace(batch(pci=[1, 2, 3]), v=2), "json"), "unknown_version"),
        (b'{"v": 7, "site": "site-a", "device": "car-1", "epoch": "e", "seq": 1, "body": {}}', "unknown_version"),
        (encode_batch(msgspec.structs.replace(batch(), stream="nonsense"), "json"), "identity_mismatch"),
        (encode_batch(msgspec.structs.replace(batch(), device="car-2"), "json"), "identity_mismatch"),
        (encode_batch(msgspec.structs.replace(batch(), link="A/b"), "json"), "identity_mismatch"),
        (encode_batch(msgspec.structs.replace(batch(), seq=0), "json"), "identity_mismatch"),
        (encode_batch(msgspec.structs.replace(batch(), epoch="conflict-e1"), "json"), "identity_mismatch"),
        (encode_batch(msgspec.structs.replace(batch(), seq=2**40), "json"), "identity_mismatch"),
        (encode_batch(batch(future=[1, 2, 3]), "json"), "unknown_column"),
        (encode_batch(batch("throughput", direction=["up"] * 3, protocol=["tcp"] * 3), "json"), "identity_mismatch"),
        (encode_batch(msgspec.structs.replace(batch(pci=[1, 2, 3]), n=0), "json"), "malformed"),
        (encode_batch(batch(pci=[1, 2]), "json"), "length_mismatch"),
        (encode_batch(msgspec.structs.replace(batch(pci=[1, 2, 3]), n=4), "msgpack"), "length_mismatch"),
        (encode_batch(batch(pci=[1, 2, 3.5]), "json"), "type_mismatch"),
        (encode_batch(batch(pci=[1, 2, True]), "json"), "type_mismatch"),
        (encode_batch(batch(pci=["1", "2", "3"]), "json"), "type_mismatch"),
        (encode_batch(batch(band=[1, 2, 3]), "json"), "type_mismatch"),
        (encode_batch(batch(band=["a", "b", "c\0"]), "json"), "type_mismatch"),
        (encode_batch(batch(pci=[1, 2, 1008]), "json"), "out_of_range"),
        (encode_batch(batch(pci=[1, 2, 2**70]), "json"), "type_mismatch"),
        (encode_batch(batch(rsrp_dbm=[-80, -90, 2147483647]), "msgpack"), "out_of_range"),
        (encode_batch(batch(rsrp_dbm=[-80, -90, math.nan]), "msgpack"), "out_of_range"),
        (encode_batch(batch(rsrp_dbm=[-80, -90, math.inf]), "msgpack"), "out_of_range"),
    ],
)
def test_what_the_contract_forbids_is_refused_with_its_reason(payload, reason):
    """Each kind of bad payload gets the documented reason."""
    assert reason == refusal(payload).reason


def test_missing_required_and_null_required_columns_are_refused():
    """A column without default must be there and must not hold null."""
    topic = TOPIC._replace(kind="probe")
    whole = {"session": [1] * 3, "seq": [0, 1, 2], "copy": [1] * 3, "lost": [0] * 3}

    without = {name: values for name, values in whole.items() if name != "lost"}
    missing = refusal(encode_batch(batch("probe", **without)), topic)
    null = refusal(encode_batch(batch("probe", **{**whole, "seq": [0, None, 2]})), topic)

    assert (missing.reason, "lost" in missing.detail) == ("missing_column", True)
    assert (null.reason, "seq" in null.detail) == ("type_mismatch", True)


def test_refusals_name_column_row_and_range():
    """A person can act on the detail: which column, which row, which value, which range."""
    detail = refusal(encode_batch(batch(rsrp_dbm=[-80, -200, -210]), "json")).detail

    assert "rsrp_dbm" in detail
    assert "-200" in detail
    assert "row 1" in detail
    assert "(2 such)" in detail
    assert "-156" in detail


def test_a_null_may_hide_any_placeholder():
    """The value under a null bit is not validated."""
    columns = {"t": pack("i8", [0, 1]), "pci": b"i\x01\x02" + (5).to_bytes(4, "little") + (99999).to_bytes(4, "little")}
    payload = msgspec.msgpack.encode(msgspec.structs.replace(batch(n=2), columns=columns))

    assert [True, False] == decode(payload, topic=TOPIC, received_at_us=0).columns["pci"].valid.tolist()


@given(st.binary(max_size=300))
def test_no_bytes_whatever_raise_anything_but_a_refusal(payload):
    """Random bytes become a PayloadError with a documented reason, never another exception."""
    try:
        decode(payload, topic=TOPIC, received_at_us=0)
    except PayloadError as error:
        assert error.reason in QUARANTINE_REASONS  # noqa: PT017 - any other outcome is the failure


@given(st.data())
def test_a_damaged_payload_is_refused_or_still_valid(data):
    """Flipping or cutting bytes of a good payload never raises anything but PayloadError."""
    payload = bytearray(encode_batch(batch(rsrp_dbm=[-100.5, None, -80], band=["a", None, "b"]), "msgpack"))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(payload[: data.draw(st.integers(1, len(payload)))])
    try:
        decoded = decode(damaged, topic=TOPIC, received_at_us=0)
    except PayloadError:
        return
    assert set(decoded.columns) == set(STREAMS["radio"].column_names)
