"""The clock source: chrony's and the kernel's words, their signs, and never "good" without being told so."""

import asyncio
import os
from pathlib import Path

import pytest

import collectors.clock
from collectors.clock.chrony import parse_tracking
from collectors.clock.kernel import STA_UNSYNC, KernelClock, kernel_sample, read_kernel_clock
from collectors.clock.source import KIND, ClockConfig, ClockSource
from contract.samples import sample_faults

AHEAD = (
    "B99DE5FE,185.157.229.254,3,1789237487.797281660,-0.000354626,0.000372696,0.000408864,5.867,0.008,0.233,"
    "0.024403038,0.009397091,1033.5,Normal"
)
BEHIND = (
    "A29FC87B,162.159.200.123,4,1791399269.344973790,2.640070677,-0.000615063,0.000504202,6.208,1.894,0.166,"
    "0.038470995,0.001050412,65.1,Normal"
)


async def first_sample(config):
    """Run the source until its first sample."""
    found = asyncio.get_running_loop().create_future()

    def emit(stream, t_ns, sample, *, link=None):
        if not found.done():
            found.set_result((stream, sample, link, t_ns))

    task = asyncio.create_task(ClockSource(config).run(emit))
    done, _ = await asyncio.wait({task, found}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    task.cancel()
    if task in done:
        await task
    stream, sample, _, _ = found.result()
    assert (stream, sample_faults(stream, sample)) == ("clock", [])
    return sample


@pytest.mark.parametrize(
    ("line", "bound_s", "offset_us"), [(AHEAD, 0.021953236, 354.626), (BEHIND, 2.6603565865, -2640070.677)]
)
def test_real_captures_give_the_known_bound_and_sign(line, bound_s, offset_us):
    """|offset| + root dispersion + root delay / 2; field 5 positive means slow, so our offset is negative."""
    sample = parse_tracking(line)

    assert sample["bound_us"] == pytest.approx(bound_s * 1e6, rel=1e-9)
    assert sample["offset_us"] == pytest.approx(offset_us)
    assert sample["synced"] is True
    assert sample_faults("clock", sample) == []


def test_own_captures():
    """An unsynchronised chrony has no bound, whatever its numbers say."""
    lines = (Path(collectors.clock.__file__).parent / "testcases" / "chronyc_tracking.csv").read_text().splitlines()
    lost, good = (parse_tracking(line) for line in lines)

    assert (lost["synced"], lost["bound_us"]) == (False, None)
    assert good["bound_us"] == pytest.approx(10 + 100 + 200)


@pytest.mark.parametrize("line", ["", "506 Cannot talk to daemon", "1,2,3"])
def test_anything_else_is_an_error(line):
    """A line that is not tracking is no clock."""
    with pytest.raises(ValueError, match="fields"):
        parse_tracking(line)


def test_the_kernel_gives_a_bound_only_while_it_is_disciplined():
    """STA_UNSYNC or TIME_ERROR: not synchronised, no bound."""
    good = kernel_sample(KernelClock(0, 0, 65536 * 3, 1500, 20))

    assert (good["synced"], good["bound_us"], good["freq_ppm"]) == (True, 1500.0, 3.0)
    for clock in (KernelClock(0, STA_UNSYNC, 0, 10, 10), KernelClock(5, 0, 0, 10, 10)):
        assert (kernel_sample(clock)["synced"], kernel_sample(clock)["bound_us"]) == (False, None)
    assert sample_faults("clock", kernel_sample(read_kernel_clock())) == []


async def test_a_declared_clock_needs_its_reason():
    """A bound by hand is possible, with a reason, which travels in the sample."""
    with pytest.raises(ValueError, match="declared_reason"):
        ClockConfig(method="declared")

    sample = await first_sample(ClockConfig(method="declared", declared_bound_us=50.0, declared_reason="one computer"))
    assert (sample["bound_us"], sample["reference"]) == (50.0, "one computer")


def fake_chronyc(tmp_path, monkeypatch, script):
    program = tmp_path / "chronyc"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


async def test_chrony_is_asked_as_a_program(tmp_path, monkeypatch):
    """Its answer becomes the sample; its failure is an OSError with its words; "auto" then asks the kernel."""
    fake_chronyc(tmp_path, monkeypatch, f"echo '{AHEAD}'")
    assert (await first_sample(ClockConfig(method="auto")))["method"] == "chrony"

    fake_chronyc(tmp_path, monkeypatch, "echo '506 Cannot talk to daemon'; exit 1")
    with pytest.raises(OSError, match="506 Cannot talk to daemon; is chronyd running"):
        await first_sample(ClockConfig(method="chrony"))
    assert (await first_sample(ClockConfig(method="auto")))["method"] == "adjtimex"


async def test_a_chrony_that_hangs_does_not_hold_the_source(tmp_path, monkeypatch):
    """After three seconds it is ended and reported."""
    fake_chronyc(tmp_path, monkeypatch, "exec sleep 60")
    monkeypatch.setattr("collectors.clock.source._CHRONYC_TIMEOUT_S", 0.2)

    with pytest.raises(OSError, match="did not answer"):
        await first_sample(ClockConfig(method="chrony"))
    assert KIND.name == "clock"
