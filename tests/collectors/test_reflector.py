"""The reflector: its rules without a network, and over real sockets."""

import asyncio
import contextlib
import socket

import pytest

from collectors.stamp.arrival import Arrival
from collectors.stamp.packet import (
    UNSYNCHRONISED,
    ErrorEstimate,
    Request,
    decode_answer,
    encode_request,
    ntp_stamp,
)
from collectors.stamp.reflector import MAX_SESSIONS, Reflector, SessionTable, run_reflector
from collectors.stamp.tlv import extra_padding

GOOD = ErrorEstimate.from_bound_us(50.0)
T = 1_767_225_600_000_000_000
ALICE, BOB = ("192.0.2.1", 4000), ("192.0.2.2", 4000)


def request(seq=0, *, ssid=0, word=0x8001, trailer=b""):
    return encode_request(Request(seq, ntp_stamp(T), word, ssid), trailer)


def arrival(payload, sender=ALICE, ttl=61):
    return Arrival(payload, sender, T + 5, by_kernel=True, ttl=ttl)


def number(reflector, payload, sender=ALICE, now_s=0.0):
    return decode_answer(bytes(reflector.prepare(arrival(payload, sender), now_s))).refl_seq


def test_an_answer_gives_back_the_request_with_number_arrival_time_and_ttl():
    answer = decode_answer(bytes(Reflector(lambda: GOOD).prepare(arrival(request(77, ssid=5)), 0.0)))
    assert (0, 77, 5, 61) == (answer.refl_seq, answer.seq, answer.ssid, answer.sender_ttl)
    assert (ntp_stamp(T), 0x8001) == (answer.sent_stamp, answer.sender_estimate_word)
    assert (ntp_stamp(T + 5), GOOD) == (answer.receive_stamp, answer.estimate)


def test_packets_of_a_session_are_numbered_as_they_come_whatever_their_own_numbers():
    reflector = Reflector(lambda: GOOD)
    assert [0, 1, 2] == [number(reflector, request(seq)) for seq in (9, 3, 3)]


def test_address_port_and_session_identifier_make_a_session():
    reflector = Reflector(lambda: GOOD)
    for sender, ssid in ((ALICE, 0), (ALICE, 1), (BOB, 0), (("192.0.2.1", 4001), 0)):
        assert 0 == number(reflector, request(ssid=ssid), sender)
    assert 1 == number(reflector, request(ssid=1))
    assert 4 == reflector.counts.sessions


def test_an_idle_session_is_forgotten_and_a_busy_one_is_not():
    reflector = Reflector(lambda: GOOD, sessions=SessionTable(idle_s=900.0))
    assert [0, 1, 2] == [number(reflector, request(), now_s=now_s) for now_s in (0.0, 899.0, 1798.0)]
    assert 0 == number(reflector, request(), now_s=1798.0 + 900.1)


def test_forged_senders_do_not_take_the_memory_nor_the_room_of_those_who_measure():
    sessions = SessionTable(idle_s=900.0)
    reflector = Reflector(lambda: GOOD, sessions=sessions)
    assert 0 == number(reflector, request())
    for port in range(MAX_SESSIONS):
        reflector.prepare(arrival(request(), ("198.51.100.1", port)), 1.0)
    assert MAX_SESSIONS == len(sessions)
    assert 1 == reflector.counts.no_room
    assert 1 == number(reflector, request(), now_s=500.0)
    assert 0 == number(reflector, request(), BOB, now_s=1000.0)
    assert 2 == len(sessions)


@pytest.mark.parametrize("payload", [b"", b"x", bytes(13), request()[:13], bytes(44), request(word=0x8000)])
def test_garbage_gets_no_answer_and_is_counted(payload):
    reflector = Reflector(lambda: GOOD)
    assert None is reflector.prepare(arrival(payload), 0.0)
    assert 1 == reflector.counts.received == reflector.counts.too_short + reflector.counts.corrupt


@pytest.mark.parametrize("size", [14, 41, 43])
def test_a_short_request_of_twamp_light_gets_the_base_packet(size):
    answer = Reflector(lambda: GOOD).prepare(arrival(request(3, ssid=9)[:size]), 0.0)
    assert 44 == len(answer)
    assert (3, 0) == (decode_answer(bytes(answer)).seq, decode_answer(bytes(answer)).ssid)


def test_a_longer_request_gets_an_answer_as_long_with_known_blocks_recognised():
    padding = extra_padding(100)
    answer = Reflector(lambda: GOOD).prepare(arrival(request(trailer=padding)), 0.0)
    assert b"\x00" + padding[1:] == answer[44:]


def test_the_error_estimate_is_asked_for_each_answer():
    estimates = iter([GOOD, UNSYNCHRONISED])
    reflector = Reflector(lambda: next(estimates))
    words = [decode_answer(bytes(reflector.prepare(arrival(request()), 0.0))).estimate for _ in range(2)]
    assert [GOOD, UNSYNCHRONISED] == words


@contextlib.asynccontextmanager
async def running(host):
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    ready = loop.create_future()
    task = asyncio.create_task(
        run_reflector(host, 0, error_estimate=lambda: GOOD, on_ready=ready.set_result, stop=stop)
    )
    try:
        yield await asyncio.wait_for(ready, 5), task, stop
    finally:
        stop.set()
        await task


async def exchange(udp, payload):
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(udp, payload)
    return await asyncio.wait_for(loop.sock_recv(udp, 2048), 5)


def peer(address, family=socket.AF_INET):
    udp = socket.socket(family, socket.SOCK_DGRAM)
    udp.setblocking(False)
    udp.connect(address)
    return udp


async def test_over_udp_it_answers_ignores_garbage_and_reports_its_counts():
    async with running("127.0.0.1") as (port, task, stop):
        with peer(("127.0.0.1", port)) as udp:
            for garbage in (b"", b"GET / HTTP/1.1\r\n", bytes(44), b"\xff" * 12):
                udp.send(garbage)
            answers = [decode_answer(await exchange(udp, request(seq))) for seq in range(3)]
        assert [0, 1, 2] == [answer.refl_seq for answer in answers]
        for answer in answers:
            received_ns, answered_ns = answer.times_ns()
            assert 0 <= answered_ns - received_ns < 1_000_000_000
            assert 64 >= answer.sender_ttl > 0
        stop.set()
        counts = await task
    # "GET / HTTP/1." reads as a TWAMP request: nothing in 14 octets says that it is none.
    assert (7, 4, 2, 1) == (counts.received, counts.answered, counts.too_short, counts.corrupt)
    assert "4 of 7 packets answered in 1 sessions" in str(counts)


async def test_an_answer_leaves_from_the_address_to_which_the_request_came():
    async with running("0.0.0.0") as (port, _, _):
        for host in ("127.0.0.1", "127.0.0.2", "127.3.2.1"):
            with peer((host, port)) as udp:  # a connected socket takes answers from that address only
                assert 0 == decode_answer(await exchange(udp, request())).refl_seq


async def test_it_answers_in_the_traffic_class_of_the_request():
    async with running("127.0.0.1") as (port, _, _):
        with peer(("127.0.0.1", port)) as udp:
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 46 << 2)
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
            await exchange(udp, request())
            udp.send(request())
            loop = asyncio.get_running_loop()
            readable = loop.create_future()
            loop.add_reader(udp, lambda: readable.done() or readable.set_result(None))
            await asyncio.wait_for(readable, 5)
            loop.remove_reader(udp)
            _, ancillary, _, _ = udp.recvmsg(2048, 64)
    assert [(socket.IPPROTO_IP, socket.IP_TOS, bytes([46 << 2]))] == ancillary


async def test_it_serves_ipv6_and_ipv4_on_one_port():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with running("::") as (port, _, _):
        for family, host in ((socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1")):
            with peer((host, port), family) as udp:
                assert 0 == decode_answer(await exchange(udp, request())).refl_seq


async def test_a_port_that_is_taken_is_an_error():
    async with running("127.0.0.1") as (port, _, _):
        with pytest.raises(OSError, match="in use"):
            await run_reflector("127.0.0.1", port, error_estimate=lambda: GOOD, stop=asyncio.Event())
