"""The session-reflector: every sender's session is numbered from 0, and only requests are answered."""

import asyncio
import socket
import time

import pytest

from collectors.stamp.datagrams import Datagram, open_socket, receive
from collectors.stamp.packet import ErrorEstimate, decode_answer, encode_request
from collectors.stamp.reflector import MAX_SESSIONS, SESSION_IDLE_S, Reflector, run_reflector

NOW_NS = 1_780_272_000_000_000_000
GOOD = ErrorEstimate.from_bound_us(50.0)
UNKNOWN = ErrorEstimate.from_bound_us(None)


class Peer:
    """A reflector without a socket, and what a sender would get from it."""

    def __init__(self):
        self.reflector = Reflector(lambda: GOOD)

    def ask(self, payload, *, sender=("192.0.2.1", 40_000), now_s=1.0, ttl=61):
        datagram = Datagram(payload, sender, NOW_NS + 1000, True, ttl)
        return self.reflector.answer(datagram, now_s, lambda: NOW_NS + 3000)

    def number(self, seq, *, t_ns=None, ssid=0, **changes):
        payload = encode_request(seq, NOW_NS + seq if t_ns is None else t_ns, UNKNOWN, ssid=ssid)
        return decode_answer(self.ask(payload, **changes)).refl_seq


@pytest.fixture
def peer():
    return Peer()


def test_an_answer_has_both_times_the_request_and_the_hop_limit(peer):
    answer = decode_answer(peer.ask(encode_request(5, NOW_NS, UNKNOWN, ssid=1357)))
    assert (0, 5, 1357) == (answer.refl_seq, answer.seq, answer.ssid)
    assert (NOW_NS + 1000, NOW_NS + 3000) == (answer.received_ns, answer.sent_ns)
    assert (GOOD, 61) == (answer.error, answer.sender_ttl)


def test_t1_and_the_senders_error_estimate_come_back_untouched(peer):
    request = encode_request(5, NOW_NS, ErrorEstimate(False, 33, 67))
    answer = peer.ask(request)
    assert request[:14] == answer[24:38]


def test_arrivals_are_numbered_from_0_whatever_the_sender_counts(peer):
    assert [0, 1, 2, 3] == [peer.number(seq) for seq in (10, 12, 12, 11)]


def test_each_address_port_and_ssid_has_a_session_of_its_own(peer):
    assert [0, 1] == [peer.number(0, t_ns=NOW_NS), peer.number(1)]
    assert 0 == peer.number(2, sender=("192.0.2.1", 40_001))
    assert 0 == peer.number(2, sender=("192.0.2.2", 40_000))
    assert 0 == peer.number(2, ssid=7)
    assert 2 == peer.number(2)
    assert 4 == peer.reflector.counts.sessions


def test_a_sender_that_starts_again_on_its_port_is_numbered_anew(peer):
    assert [0, 1, 2] == [peer.number(seq) for seq in range(3)]
    assert [0, 1] == [peer.number(0, t_ns=NOW_NS + 10**9), peer.number(1, t_ns=NOW_NS + 2 * 10**9)]


def test_a_copy_of_the_first_packet_does_not_start_the_numbering_again(peer):
    """A copy, or a first packet overtaken by the second, has no later time than what came before."""
    assert [0, 1, 2] == [peer.number(0), peer.number(0), peer.number(1)]
    assert [0, 1] == [peer.number(seq, sender=("192.0.2.9", 1)) for seq in (1, 0)]


def test_a_session_that_was_idle_for_long_is_numbered_anew(peer):
    peer.number(5, now_s=0.0)
    assert 1 == peer.number(6, now_s=SESSION_IDLE_S)
    assert 0 == peer.number(7, now_s=2 * SESSION_IDLE_S + 1)


def test_room_for_new_senders_is_made_by_forgetting_the_longest_silent(peer):
    for number in range(MAX_SESSIONS):
        peer.number(1, sender=(f"host{number}", 1), now_s=number / 1e3)
    peer.number(1, sender=("one more", 1), now_s=20.0)
    assert MAX_SESSIONS == len(peer.reflector._sessions)
    assert 1 == peer.number(2, sender=("host1", 1), now_s=20.0)
    assert 0 == peer.number(2, sender=("host0", 1), now_s=20.0)


@pytest.mark.parametrize("payload", [b"", b"x", bytes(13)])
def test_garbage_is_counted_and_not_answered(peer, payload):
    assert peer.ask(payload) is None
    assert (1, 0) == (peer.reflector.counts.malformed, peer.reflector.counts.sessions)


def test_a_twamp_request_of_14_bytes_gets_the_base_packet(peer):
    answer = peer.ask(encode_request(8, NOW_NS, UNKNOWN, ssid=5)[:14])
    assert 44 == len(answer)
    assert (8, 0) == (decode_answer(answer).seq, decode_answer(answer).ssid)


@pytest.mark.parametrize("payload_bytes", [44, 48, 1400])
def test_the_rest_of_a_long_request_comes_back(peer, payload_bytes):
    """Whether it is padding or TLVs that are not known here: octets after the base packet are given back."""
    request = encode_request(1, NOW_NS, UNKNOWN, payload_bytes=payload_bytes)[:44] + bytes(
        index % 251 for index in range(payload_bytes - 44)
    )
    assert request[44:] == peer.ask(request)[44:]


async def test_the_running_reflector_answers_over_udp_and_reports_its_counts():
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    running = asyncio.create_task(
        run_reflector("127.0.0.1", 0, error_estimate=lambda: GOOD, on_ready=ready.set_result, stop=stop)
    )
    port = await asyncio.wait_for(ready, 5)
    udp = open_socket(bind=("127.0.0.1", 0))
    try:
        udp.connect(("127.0.0.1", port))
        sent_ns = time.time_ns()
        for payload in (b"garbage", encode_request(0, sent_ns, UNKNOWN), encode_request(1, sent_ns, UNKNOWN)[:14]):
            udp.send(payload)
        answers, deadline_s = [], time.monotonic() + 5
        while len(answers) < 2 and time.monotonic() < deadline_s:
            await asyncio.sleep(0.005)
            if (datagram := receive(udp)) is not None:
                answers.append((decode_answer(datagram.payload), datagram))
    finally:
        udp.close()
        stop.set()
    counts = await running
    assert [(0, 0), (1, 1)] == [(answer.refl_seq, answer.seq) for answer, _ in answers]
    for answer, datagram in answers:
        assert sent_ns <= answer.received_ns <= answer.sent_ns <= datagram.arrived_ns
        assert answer.sender_ttl == datagram.ttl
    assert (2, 1, 0) == (counts.answered, counts.malformed, counts.not_sent)


async def test_a_port_that_is_taken_is_an_error():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="in use"):
            await run_reflector("127.0.0.1", taken.getsockname()[1], error_estimate=lambda: GOOD, stop=asyncio.Event())
