"""Sockets with kernel times: stamps lie between the events that they separate, and no drop goes uncounted."""

from __future__ import annotations

import select
import socket
import time

import pytest

from simulators.kernel_stamps import StampedSocket


def bound(family, host):
    stamped = StampedSocket(family)
    try:
        stamped.socket.bind((host, 0))
    except OSError as error:
        stamped.close()
        pytest.skip(f"{host} is not there: {error}")
    return stamped


def next_datagram(stamped):
    readable, _, _ = select.select([stamped], [], [], 5.0)
    assert readable
    return stamped.receive()


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_datagram_is_sent_before_it_arrives_and_before_it_is_read(family, host):
    source, sink = bound(family, host), bound(family, host)
    address = sink.socket.getsockname()
    for number in range(20):
        before_ns = time.time_ns()
        left_ns = source.send(b"%d" % number, address)
        datagram = next_datagram(sink)
        assert b"%d" % number == datagram.payload
        assert before_ns <= left_ns <= time.time_ns()
        if source.has_kernel_stamps and number > 0:
            assert left_ns <= datagram.arrival_ns <= time.time_ns()
        time.sleep(0.001)
    assert sink.receive() is None
    source.close()
    sink.close()


def test_what_a_full_buffer_swallows_is_counted():
    source, sink = bound(socket.AF_INET, "127.0.0.1"), bound(socket.AF_INET, "127.0.0.1")
    sink.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    sent = 200
    for _ in range(sent):
        source.send(bytes(1000), sink.socket.getsockname())
    received = 0
    while sink.receive() is not None:
        received += 1
    drops = sink.new_drops()
    if drops == 0 and received < sent:
        pytest.skip("this system does not count the datagrams that a full buffer swallows")
    assert sent == received + drops
    assert drops > 0
    assert 0 == sink.new_drops()
    source.close()
    sink.close()


def test_an_error_of_an_earlier_datagram_does_not_stop_the_next_one():
    source, sink = bound(socket.AF_INET, "127.0.0.1"), bound(socket.AF_INET, "127.0.0.1")
    address = sink.socket.getsockname()
    source.socket.connect(address)
    sink.close()
    source.send(b"to nobody", None)
    again = StampedSocket(socket.AF_INET)
    again.socket.bind(address)
    source.send(b"to somebody", None)
    assert b"to somebody" == next_datagram(again).payload
    source.close()
    again.close()
