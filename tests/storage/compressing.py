"""Compressing by hand what storage undoes: Simple-8b with runs, second differences, in any of the ways there are."""

import struct

BITS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 21, 32, 64)
MASK = (1 << 64) - 1


def simple8b(values, rng=None):
    """Return a sequence as it is sent: the tightest block that fits, or, with `rng`, any that does."""
    selectors, blocks, at = [], [], 0
    while at < len(values):
        selector, block, taken = _block(values[at:], rng)
        selectors.append(selector)
        blocks.append(block)
        at += taken
    words = [
        sum(selector << 4 * place for place, selector in enumerate(selectors[first : first + 16]))
        for first in range(0, len(selectors), 16)
    ]
    return struct.pack(f">II{len(words) + len(blocks)}Q", len(values), len(blocks), *words, *blocks)


def _block(values, rng):
    ways = []
    run = next((place for place, value in enumerate(values) if value != values[0]), len(values))
    if values[0] < 1 << 36:
        ways.append((15, run << 36 | values[0], run))
    for selector, bits in enumerate(BITS[1:], start=1):
        some = values[: 64 // bits]
        if max(some) < 1 << bits:
            ways.append((selector, sum(value << bits * place for place, value in enumerate(some)), len(some)))
    return max(ways, key=lambda way: way[2]) if rng is None else ways[rng.integers(len(ways))]


def delta_delta(values, rng=None):
    """Return a column as it is sent; None in it is null. All null is sent as another algorithm, by one byte."""
    there = [value for value in values if value is not None]
    if not there:
        return b"\x06"
    last = last_step = 0
    seconds = []
    for value in there:
        step = value - last
        second = _signed(step - last_step)
        seconds.append((second << 1 ^ second >> 63) & MASK)
        last, last_step = value, _signed(step)
    nulls = simple8b([int(value is None) for value in values], rng) if len(there) < len(values) else b""
    return struct.pack(">BBqq", 4, bool(nulls), last, last_step) + simple8b(seconds, rng) + nulls


def _signed(value):
    return (value + (1 << 63) & MASK) - (1 << 63)
