"""What two links gave together, from chunks that are made as they are asked for: no more of a run is ever in memory.

JISSHO_TEST_BENCH_PACKETS sets the packets of each link (default 10 M). Evaluated in a process of its own, so that the
peak memory is that of the evaluation and of one chunk.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from analytics.chunks import PacketChunks
from analytics.clock import ClockQuality
from analytics.leg_scan import asked_leg
from analytics.pair_scan import PairsScan
from analytics.redundancy import pair_kpis
from analytics.requirements import NO_REQUIREMENTS
from storage.columnar import ArrayColumn
from tests.benchmarks.bench_kpi_memory import PACKETS, START_US, STEP_US, simulated
from tests.benchmarks.load import peak_rss_mb

CHUNK = 100_000
APART_US = 3_000


def chunks(link: int) -> Iterator[dict[str, ArrayColumn]]:
    """Yield the packets of one link; those of the next are sent a little later."""
    rng, reached = np.random.default_rng(link), 0
    for first in range(0, PACKETS, CHUNK):
        columns = simulated(min(CHUNK, PACKETS - first), rng, has_directions=False)
        answered = columns["refl_seq"]
        moved = {
            "t_us": ArrayColumn(columns["t_us"].values + STEP_US * first + APART_US * link),
            "seq": ArrayColumn((columns["seq"].values + first).astype(np.int32)),
            "refl_seq": ArrayColumn((answered.values + reached).astype(np.int32), answered.valid),
        }
        reached += int(answered.values[-1])
        yield columns | moved


def evaluate_alone() -> None:
    """Evaluate the pair in this process and print seconds without those of making it, and peak memory, as JSON."""
    starts_us = [START_US + APART_US * link for link in range(2)]
    scan = PairsScan([
        asked_leg("car-1", name, (start_us, start_us + STEP_US * (PACKETS - 1)), NO_REQUIREMENTS,
                  ClockQuality("良", 50.0))
        for name, start_us in zip(("l5g", "lte"), starts_us, strict=True)
    ])  # fmt: skip
    packets, took_s, made_mb = (PacketChunks(), PacketChunks()), 0.0, 0
    for both in zip(chunks(0), chunks(1), strict=True):
        made_mb = made_mb or peak_rss_mb()
        started = time.perf_counter()
        scan.add([each.add(columns) for each, columns in zip(packets, both, strict=True)])
        took_s += time.perf_counter() - started
    started = time.perf_counter()
    results = pair_kpis(scan)
    took_s += time.perf_counter() - started
    print(json.dumps({
        "took_s": took_s, "results": len(results), "peak_rss_mb": peak_rss_mb(), "before_mb": made_mb,
    }))  # fmt: skip


def run() -> Iterator[dict[str, Any]]:
    """Yield `pairs_memory`."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_pairs_memory"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    yield {
        "bench": "pairs_memory", "value": round(2 * PACKETS / found.pop("took_s")), "unit": "packets/s", "peers": {},
        "packets": 2 * PACKETS, **found,
    }  # fmt: skip


if __name__ == "__main__":
    evaluate_alone()
