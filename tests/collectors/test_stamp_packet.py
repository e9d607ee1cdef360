"""The bytes of STAMP: vectors of the RFCs, and that everything goes both ways."""

import contextlib
import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.stamp.packet import (
    BASE_BYTES,
    TWAMP_ANSWER_BYTES,
    UNSYNCHRONISED,
    Answer,
    ErrorEstimate,
    PacketError,
    Request,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
    ntp_stamp,
    stamp_answer,
    unix_ns_of_ntp,
    unix_ns_of_ptp,
)
from collectors.stamp.tlv import answered, extra_padding

NS = 1_000_000_000
ERA_1_UNIX_S = 2_085_978_496  # 2036-02-07T06:28:16Z

stamps = st.integers(0, 2**64 - 1)
numbers = st.integers(0, 2**32 - 1)
words = st.integers(0, 2**16 - 1).filter(lambda word: word & 0xFF)


@pytest.fixture(scope="module")
def vectors(test_data):
    published = json.loads((test_data / "stamp_vectors" / "stamp_vectors.json").read_text())
    return {vector["name"]: vector for vector in published["vectors"]} | {"reject": published["reject"]}


@pytest.mark.parametrize(
    ("stamp", "unix_ns"),
    [
        (2_208_988_800 << 32, 0),
        ((2_208_988_801 << 32) + 0x80000000, 1_500_000_000),
        ((2**32 - 1) << 32, (ERA_1_UNIX_S - 1) * NS),
        (0, ERA_1_UNIX_S * NS),
        (1 << 31, ERA_1_UNIX_S * NS + NS // 2),
    ],
)
def test_known_times_go_both_ways(stamp, unix_ns):
    assert unix_ns == unix_ns_of_ntp(stamp)
    assert stamp == ntp_stamp(unix_ns)


@given(st.integers(0, 4_100_000_000 * NS))
def test_a_nanosecond_survives_the_wire_across_the_era_of_2036(unix_ns):
    assert unix_ns == unix_ns_of_ntp(ntp_stamp(unix_ns))


@given(st.integers(0, 2_000_000_000 * NS))
def test_stamps_are_exact_to_the_nearest_step(unix_ns):
    exact = Fraction(unix_ns + 2_208_988_800 * NS, NS) * 2**32
    assert abs(ntp_stamp(unix_ns) - exact) <= Fraction(1, 2)


def test_ptp_stamps_count_nanoseconds_since_1970():
    assert 7 * NS + 999_999_999 == unix_ns_of_ptp((7 << 32) + 999_999_999)


@pytest.mark.parametrize(
    ("word", "expected", "error_s"),
    [
        (0x9234, ErrorEstimate(True, 18, 52), 0.003173828125),
        (0x2143, ErrorEstimate(False, 33, 67), 134.0),
        (0x8001, ErrorEstimate(True, 0, 1), 2.0**-32),
        (0xC0FF, ErrorEstimate(True, 0, 255, ptp=True), 255 * 2.0**-32),
    ],
)
def test_error_estimates_of_the_standards(word, expected, error_s):
    estimate = ErrorEstimate.from_word(word)
    assert expected == estimate
    assert error_s == pytest.approx(estimate.error_us / 1e6, rel=1e-15)
    assert word == estimate.word


@pytest.fixture(scope="module")
def known_answers(test_data):
    path = test_data / "rfc_vectors" / "vectors.json"
    if not path.is_file():
        pytest.skip(f"{path} not found: known answers of the standards are not tested")
    return json.loads(path.read_text())["vectors"]


def test_every_error_estimate_vector(known_answers):
    for case in known_answers["stamp_error_estimate"]:
        word = int(case["word"], 16)
        if not case["valid"]:
            with pytest.raises(PacketError):
                ErrorEstimate.from_word(word)
            continue
        estimate = ErrorEstimate.from_word(word)
        assert (bool(case["S"]), bool(case["Z"]), case["scale"], case["multiplier"]) == (
            estimate.synced, estimate.ptp, estimate.scale, estimate.multiplier
        )  # fmt: skip
        assert case["error_s"] == pytest.approx(estimate.error_us / 1e6, rel=1e-15)


def test_every_timestamp_vector(known_answers):
    for case in known_answers["timestamps"]:
        stamp = (case["ntp_seconds"] << 32) + case.get("ntp_fraction", 0)
        assert case["unix"] * NS == unix_ns_of_ntp(stamp)


def test_a_multiplier_of_zero_is_corrupt():
    with pytest.raises(PacketError) as caught:
        ErrorEstimate.from_word(0x8000)
    assert "error_estimate" == caught.value.reason


@given(words)
def test_every_valid_word_goes_both_ways(word):
    assert word == ErrorEstimate.from_word(word).word


@given(st.floats(0, 5e17))
def test_the_stated_error_is_the_least_that_covers_the_bound(bound_us):
    estimate = ErrorEstimate.from_bound_us(bound_us)
    step = Fraction(2) ** (estimate.scale - 32) * 1_000_000
    assert estimate.synced
    assert 1 <= estimate.multiplier <= 255
    assert estimate.multiplier * step >= Fraction(bound_us)
    assert estimate.multiplier == 1 or (estimate.multiplier - 1) * step < Fraction(bound_us)


@pytest.mark.parametrize("bound_us", [None, 1e24])
def test_no_bound_is_a_clock_that_nobody_vouches_for(bound_us):
    assert UNSYNCHRONISED == ErrorEstimate.from_bound_us(bound_us)
    assert not UNSYNCHRONISED.synced
    assert UNSYNCHRONISED.word & 0xFF


@pytest.mark.parametrize("bound_us", [-1.0, float("nan"), float("inf")])
def test_a_bound_that_is_none_is_refused(bound_us):
    with pytest.raises(ValueError, match="bound"):
        ErrorEstimate.from_bound_us(bound_us)


def test_the_published_sender_packet(vectors):
    vector = vectors["sender_unauth_44"]
    packet = bytes.fromhex(vector["hex"])
    request = decode_request(packet)
    estimate = ErrorEstimate.from_word(request.estimate_word)
    assert (vector["seq"], vector["ssid"]) == (request.seq, request.ssid)
    assert vector["timestamp_ntp_seconds"] == pytest.approx(request.sent_stamp / 2**32, abs=1e-9)
    assert (bool(vector["S"]), vector["scale"], vector["multiplier"], bool(vector["Z"])) == estimate
    assert packet == encode_request(request)


def test_the_published_reflector_packet(vectors):
    vector = vectors["reflector_unauth_44"]
    packet = bytes.fromhex(vector["hex"])
    answer = decode_answer(packet)
    assert (vector["seq"], vector["sender_seq"], vector["ssid"]) == (answer.refl_seq, answer.seq, answer.ssid)
    assert vector["timestamp_ntp_seconds_T3"] == pytest.approx(answer.transmit_stamp / 2**32, abs=1e-9)
    assert vector["receive_timestamp_T2"] == pytest.approx(answer.receive_stamp / 2**32, abs=1e-9)
    assert vector["sender_timestamp_T1"] == pytest.approx(answer.sent_stamp / 2**32, abs=1e-9)
    assert vector["error_estimate_s"] == answer.estimate.error_us / 1e6
    sender = ErrorEstimate.from_word(answer.sender_estimate_word)
    assert vector["sender_error_estimate_s"] == sender.error_us / 1e6
    assert vector["sender_ttl"] == answer.sender_ttl
    request = Request(answer.seq, answer.sent_stamp, answer.sender_estimate_word, answer.ssid)
    written = encode_answer(request, answer.refl_seq, answer.receive_stamp, answer.estimate, ttl=answer.sender_ttl)
    stamp_answer(written, answer.transmit_stamp)
    assert packet == written


def test_what_the_published_vectors_refuse(vectors):
    corrupt, short = vectors["reject"]
    packet = bytearray(encode_request(Request(1, 2, 0x8001, 0)))
    packet[12:14] = bytes.fromhex(corrupt["error_estimate_hex"])
    for payload, reason in ((bytes(packet), "error_estimate"), (bytes(short["len"]), "too_short")):
        with pytest.raises(PacketError) as caught:
            decode_request(payload)
        assert reason == caught.value.reason


@given(numbers, stamps, words, st.integers(0, 65535), st.binary(max_size=40))
def test_a_request_is_read_as_it_was_written(seq, stamp, word, ssid, trailer):
    request = Request(seq, stamp, word, ssid)
    assert request == decode_request(encode_request(request, trailer))


@given(st.builds(Request, numbers, stamps, words, st.integers(0, 65535)), numbers, stamps, stamps, words)
def test_an_answer_is_read_as_it_was_written(asked, refl_seq, t2, t3, word):
    estimate = ErrorEstimate.from_word(word)
    packet = encode_answer(asked, refl_seq, t2, estimate, ttl=word & 0xFF)
    stamp_answer(packet, t3)
    assert BASE_BYTES == len(packet)
    seq, t1, sender_word, ssid = asked
    expected = Answer(refl_seq, t3, estimate, ssid, t2, seq, t1, sender_word, word & 0xFF)
    assert expected == decode_answer(bytes(packet))


@given(st.binary(max_size=80))
def test_any_bytes_are_a_packet_or_refused(payload):
    for decode in (decode_request, decode_answer):
        with contextlib.suppress(PacketError):
            decode(payload)


def test_octets_that_must_be_zero_are_not_looked_at():
    request = Request(1, 2, 0x8001, 3)
    packet = bytearray(encode_request(request))
    packet[16:44] = b"\xff" * 28
    assert request == decode_request(bytes(packet))


def test_a_twamp_request_of_14_bytes_has_no_session_identifier():
    packet = encode_request(Request(5, 6, 0x8001, 1234))
    assert Request(5, 6, 0x8001, 0) == decode_request(packet[:14])
    assert Request(5, 6, 0x8001, 0) == decode_request(packet[:43])


def test_a_twamp_answer_of_41_bytes_is_read_only_where_the_peer_is_twamp():
    packet = bytes(encode_answer(Request(5, 6, 0x8001, 0), 5, 7, UNSYNCHRONISED, ttl=9))[:TWAMP_ANSWER_BYTES]
    assert 9 == decode_answer(packet, least_bytes=TWAMP_ANSWER_BYTES).sender_ttl
    with pytest.raises(PacketError, match="41 bytes"):
        decode_answer(packet)


@pytest.mark.parametrize("size", [4, 5, 100])
def test_padding_is_one_block_that_comes_back_recognised(size):
    padding = extra_padding(size)
    assert size == len(padding)
    assert bytes([0x80, 1]) + (size - 4).to_bytes(2, "big") == padding[:4]
    assert b"\x00" + padding[1:] == answered(padding)


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ("800100010080050002aabb", "000100010080050002aabb"),
        ("00050002aabb", "80050002aabb"),
        ("80010009aabb", "c0010009aabb"),
        ("800100008001000f", "00010000c001000f"),
        ("8001", "8001"),
        ("", ""),
    ],
    ids=["unknown type keeps U", "unknown type gets U", "too long gets M", "M ends the reading", "rest", "nothing"],
)
def test_blocks_of_a_request_come_back_flagged(blocks, expected):
    assert expected == answered(bytes.fromhex(blocks)).hex()
