"""The host source: samples of this machine pass the contract, with the outbox beside them."""

import asyncio

from collectors.host.source import HostConfig, HostSource, machine_sample, outbox_sample
from collectors.outbox import OutboxStatistics
from contract.samples import sample_faults


def test_this_machine_gives_a_valid_sample(tmp_path):
    """Every column is within the contract."""
    sample = machine_sample(tmp_path)

    assert sample_faults("host", sample) == []
    assert sample["disk_free_bytes"] > 0


def test_the_outbox_age_counts_from_the_oldest_batch():
    """Nothing waiting is age 0; without an outbox there are no such columns."""
    waiting = OutboxStatistics(epoch="e", taken=9, batches=2, bytes=100, oldest_ns=1_000_000_000, dropped=0)

    assert outbox_sample(waiting, 3_500_000_000) == {"outbox_batches": 2, "outbox_bytes": 100, "outbox_age_s": 2.5}
    assert outbox_sample(None, 0) == {}


async def test_the_source_reports_on_its_outbox(tmp_path):
    """The agent attaches the outbox; each tick asks it."""
    source = HostSource(HostConfig(interval_s=0.05))
    samples = []

    async def statistics():
        return OutboxStatistics(epoch="e", taken=3, batches=len(samples), bytes=1, oldest_ns=0, dropped=0)

    source.attach_outbox(statistics, tmp_path)
    task = asyncio.create_task(source.run(lambda stream, t_ns, sample, *, link=None: samples.append(sample)))
    async with asyncio.timeout(10):
        while len(samples) < 3:
            await asyncio.sleep(0.01)
    task.cancel()

    assert [sample["outbox_batches"] for sample in samples[:3]] == [0, 1, 2]
    assert all(sample_faults("host", sample) == [] for sample in samples)
