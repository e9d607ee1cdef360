"""One throughput test by iperf3, which the site has installed: arguments, and its report as a row of `throughput`.

TCP: that is what effective speeds are measured with. The rate is what the receiver got, not what was handed
to the sender.
"""

from __future__ import annotations

import json
import math
import subprocess
import time
from typing import Any, Literal, NamedTuple

from contract.samples import Value

DEFAULT_PORT = 5201
_GRACE_S = 30
"""A test that does not end by then has failed: iperf3 3.12 waits for ever for a server that fell silent."""

Direction = Literal["up", "down"]


class Plan(NamedTuple):
    """How tests are made. `bind_address` picks the link on a device with several, "" leaves it to the routes."""

    host: str
    port: int = DEFAULT_PORT
    seconds: int = 10
    parallel: int = 1
    bind_address: str = ""


class Outcome(NamedTuple):
    """One test: when it ended (Unix ns), its row of `throughput` without point, and why it failed ("": it did not)."""

    ended_ns: int
    sample: dict[str, Value]
    failure: str


def arguments(plan: Plan, direction: Direction) -> list[str]:
    """Return the arguments of iperf3 for one test."""
    given = ["-c", plan.host, "-p", str(plan.port), "-t", str(plan.seconds), "-P", str(plan.parallel), "-J"]
    return given + (["-R"] if direction == "down" else []) + (["-B", plan.bind_address] if plan.bind_address else [])


def run_test(program: str, plan: Plan, direction: Direction) -> Outcome:
    """Run one test and return its outcome, a failure too. Raises OSError if there is no such program."""
    began_s = time.monotonic()
    try:
        ended = subprocess.run(  # noqa: S603 - the program and its arguments are the user's own
            [program, *arguments(plan, direction)], capture_output=True, text=True, check=False,
            timeout=plan.seconds + _GRACE_S,
        )  # fmt: skip
        output, complaint = ended.stdout, ended.stderr
    except subprocess.TimeoutExpired:
        output, complaint = "", f"no end after {plan.seconds + _GRACE_S} s"
    sample, failure = read_report(output, direction, plan.parallel)
    if failure:
        sample["interval_s"] = min(time.monotonic() - began_s, 86_400.0)
    return Outcome(time.time_ns(), sample, (complaint.strip() or failure) if failure else "")


def read_report(text: str, direction: Direction, parallel: int) -> tuple[dict[str, Value], str]:
    """Return the row that iperf3's JSON gives and "", or a row without a rate and why there is none.

    Lenient: 3.12 may end with a line that is no JSON, and print `-nan` for a rate.
    """
    row: dict[str, Value] = {
        "direction": direction, "protocol": "tcp", "interval_s": 0.0, "parallel": parallel, "rate_bps": None
    }  # fmt: skip
    begin = text.find("{")
    found: Any = {}
    if begin >= 0:
        try:
            found, _ = json.JSONDecoder().raw_decode(text[begin:].replace("-nan", "NaN"))
        except ValueError as error:
            return row, f"iperf3's report cannot be read: {error}"
    if not isinstance(found, dict):
        found = {}
    if found.get("error"):
        return row, str(found["error"])
    got, sent = (_table(found, "end", name) for name in ("sum_received", "sum_sent"))
    seconds, rate = _number(got.get("seconds")), _number(got.get("bits_per_second"))
    if seconds is None or rate is None or seconds <= 0:
        return row, "iperf3 reported no rate"
    row |= {"interval_s": seconds, "rate_bps": rate}
    for name, value in (("bytes", got.get("bytes")), ("retransmits", sent.get("retransmits"))):
        if isinstance(value, int) and value >= 0:
            row[name] = value
    return row, ""


def _table(found: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        inner = found.get(name)
        found = inner if isinstance(inner, dict) else {}
    return found


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
