"""STAMP packets: byte for byte as RFC 8762 and RFC 8972 have them, and nothing read out of what is none."""

import json
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collectors.stamp.packet import (
    Answer,
    ErrorEstimate,
    PacketError,
    Request,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
    from_ntp,
    to_ntp,
)

NTP_UNIX_S = 2_208_988_800
ERA_END_UNIX_S = 2**32 - NTP_UNIX_S  # 2036-02-07T06:28:16Z
NOW_NS = 1_780_272_000_123_456_789
LARGEST_BOUND_US = 255 * 2.0**31 * 1e6

unix_ns = st.integers(0, (2**32 - 1) * 1_000_000_000)
words32 = st.integers(0, 2**32 - 1)
estimates = st.builds(ErrorEstimate, st.booleans(), st.integers(0, 63), st.integers(1, 255), st.just(False))


@pytest.fixture(scope="module")
def vectors(test_data):
    path = test_data / "stamp_vectors" / "stamp_vectors.json"
    if not path.is_file():
        pytest.skip(f"{path.name} is not among the real measurements")
    stored = json.loads(path.read_text())
    return {vector["name"]: vector for vector in stored["vectors"]} | {"reject": stored["reject"]}


def ntp_seconds(ntp):
    return ntp / 2**32


# Times


@pytest.mark.parametrize(
    ("ntp", "nanoseconds"),
    [
        (2_208_988_800 << 32, 0),
        ((2_208_988_801 << 32) + 0x8000_0000, 1_500_000_000),
        ((2**32 - 1) << 32, (ERA_END_UNIX_S - 1) * 1_000_000_000),
        (0, ERA_END_UNIX_S * 1_000_000_000),
        (1 << 32, (ERA_END_UNIX_S + 1) * 1_000_000_000),
        (((NTP_UNIX_S - 1) << 32), (2**32 - 1) * 1_000_000_000),
    ],
    ids=["1970", "1970 and 1.5 s", "last second of era 0", "2036-02-07T06:28:16Z", "a second later", "2106"],
)
def test_known_times_go_both_ways(ntp, nanoseconds):
    assert nanoseconds == from_ntp(ntp)
    assert ntp == to_ntp(nanoseconds)


def test_the_era_of_2036_begins_without_a_jump():
    """A nanosecond before and at the rollover are one nanosecond apart after the way there and back."""
    edge_ns = ERA_END_UNIX_S * 1_000_000_000
    assert [edge_ns - 1, edge_ns, edge_ns + 1] == [from_ntp(to_ntp(edge_ns + step)) for step in (-1, 0, 1)]
    assert to_ntp(edge_ns) < to_ntp(edge_ns - 1), "the wire's count starts again from 0"


@given(unix_ns)
@example(999_999_999)
@example(ERA_END_UNIX_S * 1_000_000_000 - 1)
def test_a_nanosecond_survives_the_wire(nanoseconds):
    ntp = to_ntp(nanoseconds)
    assert 0 <= ntp < 2**64
    assert abs(from_ntp(ntp) - nanoseconds) <= 1


@given(st.integers(0, 2**64 - 1))
def test_every_wire_time_is_read_within_a_nanosecond(ntp):
    """What was read and is written again differs by less than a nanosecond (4.3 steps of the wire)."""
    assert abs(to_ntp(from_ntp(ntp)) - ntp) <= 5


# Error estimate


@pytest.mark.parametrize(
    ("word", "estimate", "error_s"),
    [
        (0x9234, ErrorEstimate(True, 18, 52, False), 0.003173828125),
        (0x2143, ErrorEstimate(False, 33, 67, False), 134.0),
        (0x8001, ErrorEstimate(True, 0, 1, False), 2.0**-32),
        (0xC0FF, ErrorEstimate(True, 0, 255, True), 255 * 2.0**-32),
        (0x8000, ErrorEstimate(True, 0, 0, False), 0.0),
    ],
)
def test_error_estimate_words_of_the_rfc(word, estimate, error_s):
    assert estimate == ErrorEstimate.decode(word)
    assert word == estimate.encode()
    assert error_s == pytest.approx(estimate.error_us / 1e6, rel=1e-12)


@given(st.integers(0, 2**16 - 1))
def test_every_word_goes_both_ways(word):
    assert word == ErrorEstimate.decode(word).encode()


@given(st.floats(0, LARGEST_BOUND_US))
@example(0.0)
@example(255 * 2.0**-32 * 1e6)
@example(255 * 2.0**-20 * 1e6 * (1 + 2**-52))
@example(2.0**-32 * 1e6)
@example(LARGEST_BOUND_US)
def test_the_stated_error_is_never_below_the_bound(bound_us):
    """What travels in 16 bits covers the bound, by 1/127 or one step of 0.23 ns at most too much."""
    estimate = ErrorEstimate.decode(ErrorEstimate.from_bound_us(bound_us).encode())
    assert estimate.is_synced
    assert estimate.error_us >= bound_us
    assert estimate.error_us <= max(bound_us * (1 + 1 / 127), bound_us + 2.0**-32 * 1e6) * (1 + 1e-12)


@given(st.integers(0, 55), st.integers(1, 256), st.integers(-3, 3))
def test_the_stated_error_covers_bounds_beside_a_step(scale, multiplier, ulps):
    """Bounds a rounding error away from a representable one do not slip below it, nor spill out of the multiplier."""
    bound_us = multiplier * 2.0 ** (scale - 32) * 1e6
    bound_us *= 1 + ulps * 2**-52
    estimate = ErrorEstimate.decode(ErrorEstimate.from_bound_us(bound_us).encode())
    assert estimate.multiplier > 0
    assert estimate.error_us >= bound_us


def test_no_bound_is_an_unsynchronised_clock():
    assert ErrorEstimate(False, 63, 255) == ErrorEstimate.from_bound_us(None)


def test_a_bound_too_large_for_the_word_is_no_bound():
    assert ErrorEstimate.from_bound_us(None) == ErrorEstimate.from_bound_us(LARGEST_BOUND_US * 1.01)


@pytest.mark.parametrize("bound_us", [-1.0, float("nan"), float("inf")])
def test_a_bound_that_is_none_is_refused(bound_us):
    with pytest.raises(ValueError, match="must be 0 or more"):
        ErrorEstimate.from_bound_us(bound_us)


# Packets


def test_a_request_lies_byte_for_byte_as_in_the_rfc():
    """Octets 0-3 number, 4-11 T1, 12-13 error estimate, 14-15 SSID, 16-43 zero."""
    packet = encode_request(0x1234, 1_500_000_000, ErrorEstimate(True, 18, 52), ssid=1357)
    assert "0000123483aa7e81800000009234054d" + "00" * 28 == packet.hex()


def test_an_answer_lies_byte_for_byte_as_in_the_rfc():
    request = Request(0x4321, 0x0000085F_A8A0902D, 0x2143, 1357)
    packet = encode_answer(request, 7, 1_500_000_000, 2_500_000_000, ErrorEstimate(True, 18, 52), ttl=111)
    expected = (
        "00000007" "83aa7e8280000000" "9234" "054d" "83aa7e8180000000"
        "00004321" "0000085fa8a0902d" "2143" "0000" "6f" "000000"
    )  # fmt: skip
    assert expected == packet.hex()


def test_the_published_sender_packet_is_read_and_written(vectors):
    vector = vectors["sender_unauth_44"]
    packet = bytes.fromhex(vector["hex"])
    request = decode_request(packet)
    error = ErrorEstimate.decode(request.error_word)
    assert (vector["len"], vector["seq"], vector["ssid"]) == (len(packet), request.seq, request.ssid)
    assert vector["timestamp_ntp_seconds"] == pytest.approx(ntp_seconds(request.sent_ntp), abs=1e-9)
    assert (bool(vector["S"]), bool(vector["Z"])) == (error.is_synced, error.is_ptp)
    assert (vector["scale"], vector["multiplier"]) == (error.scale, error.multiplier)
    assert vector["error_estimate_s"] == error.error_us / 1e6
    again = encode_request(request.seq, from_ntp(request.sent_ntp), error, ssid=request.ssid)
    assert packet[:4] + packet[12:] == again[:4] + again[12:]
    assert abs(int.from_bytes(packet[4:12], "big") - int.from_bytes(again[4:12], "big")) <= 5


def test_the_published_reflector_packet_is_read_and_written(vectors):
    vector = vectors["reflector_unauth_44"]
    packet = bytes.fromhex(vector["hex"])
    answer = decode_answer(packet)
    era_s = ERA_END_UNIX_S
    assert (vector["seq"], vector["sender_seq"], vector["ssid"]) == (answer.refl_seq, answer.seq, answer.ssid)
    assert vector["timestamp_ntp_seconds_T3"] == pytest.approx(answer.sent_ns / 1e9 - era_s, abs=1e-6)
    assert vector["receive_timestamp_T2"] == pytest.approx(answer.received_ns / 1e9 - era_s, abs=1e-6)
    assert vector["sender_timestamp_T1"] == pytest.approx(ntp_seconds(answer.sender_ntp), abs=1e-9)
    assert vector["error_estimate_s"] == answer.error.error_us / 1e6
    assert vector["sender_ttl"] == answer.sender_ttl
    sender = ErrorEstimate.decode(int.from_bytes(packet[36:38], "big"))
    assert (vector["sender_scale"], vector["sender_multiplier"]) == (sender.scale, sender.multiplier)
    assert vector["sender_error_estimate_s"] == sender.error_us / 1e6


def test_what_the_published_vectors_refuse_is_refused(vectors):
    corrupt, short = vectors["reject"]
    packet = bytearray(bytes.fromhex(vectors["reflector_unauth_44"]["hex"]))
    packet[12:14] = bytes.fromhex(corrupt["error_estimate_hex"])
    with pytest.raises(PacketError, match="multiplier 0"):
        decode_answer(bytes(packet))
    with pytest.raises(PacketError, match=f"{short['len']} bytes"):
        decode_request(bytes(short["len"]))


requests = st.builds(Request, words32, st.integers(0, 2**64 - 1), st.integers(0, 65_535), st.integers(0, 65_535))
sent_and_received = st.tuples(unix_ns, unix_ns).filter(lambda times: 0 not in {to_ntp(time_ns) for time_ns in times})


@given(requests, words32, sent_and_received, estimates, st.tuples(st.integers(0, 255), st.binary(max_size=64)))
def test_an_answer_is_read_as_it_was_written(request, refl_seq, times, error, ttl_and_rest):
    (sent_ns, received_ns), (ttl, rest) = times, ttl_and_rest
    packet = encode_answer(request, refl_seq, received_ns, sent_ns, error, ttl=ttl, rest=rest)
    assert 44 + len(rest) == len(packet)
    assert rest == packet[44:]
    expected = Answer(refl_seq, sent_ns, error, request.ssid, received_ns, request.seq, request.sent_ntp, ttl)
    assert expected == decode_answer(packet)


@given(words32, unix_ns, estimates, st.integers(0, 65_535), st.integers(44, 1500))
def test_a_request_is_read_as_it_was_written(seq, sent_ns, error, ssid, payload_bytes):
    packet = encode_request(seq, sent_ns, error, ssid=ssid, payload_bytes=payload_bytes)
    assert Request(seq, to_ntp(sent_ns), error.encode(), ssid) == decode_request(packet)


@pytest.mark.parametrize(("asked", "sent"), [(44, 44), (45, 48), (47, 48), (48, 48), (49, 49), (1400, 1400), (0, 44)])
def test_padding_is_one_tlv_that_fills_the_asked_length(asked, sent):
    """Extra Padding (type 1, flag U set by the sender); its length field counts the value only."""
    packet = encode_request(1, NOW_NS, ErrorEstimate.from_bound_us(5.0), payload_bytes=asked)
    assert sent == len(packet)
    if sent > 44:
        assert (0x80, 1, sent - 48) == struct.unpack_from("!BBH", packet, 44)
        assert bytes(sent - 48) == packet[48:]


def test_a_twamp_request_of_14_bytes_is_read_without_ssid():
    packet = encode_request(5, NOW_NS, ErrorEstimate(True, 18, 52), ssid=9)
    assert Request(5, to_ntp(NOW_NS), 0x9234, 0) == decode_request(packet[:14])
    assert 0 == decode_request(packet[:43]).ssid, "padding of a TWAMP sender is no SSID"
    assert 9 == decode_request(packet).ssid


@given(st.binary(max_size=13))
def test_too_short_a_request_is_refused(packet):
    with pytest.raises(PacketError, match="at least 14"):
        decode_request(packet)


@given(st.binary(max_size=43))
def test_too_short_an_answer_is_refused(packet):
    with pytest.raises(PacketError, match="an answer has 44"):
        decode_answer(packet)


@given(st.binary(min_size=44, max_size=120))
def test_any_bytes_are_an_answer_or_refused(packet):
    """Bytes from anywhere raise PacketError and nothing else."""
    try:
        answer = decode_answer(packet)
    except PacketError:
        return
    assert answer.error.multiplier > 0
    assert not answer.error.is_ptp


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [(13, b"\x00", "multiplier 0"), (12, b"\xc0", "PTP"), (4, bytes(8), "zero"), (16, bytes(8), "zero")],
)
def test_an_answer_that_cannot_be_measured_with_is_refused(place, value, reason):
    request = Request(1, to_ntp(NOW_NS), 0x8001, 0)
    packet = bytearray(encode_answer(request, 0, NOW_NS, NOW_NS + 1, ErrorEstimate(True, 0, 1)))
    packet[place : place + len(value)] = value
    with pytest.raises(PacketError, match=reason):
        decode_answer(bytes(packet))
