"""`make soak MINUTES=30 [SEED=1]`: strike the line with faults for so long and print what was survived.

The last line is a JSON object; the exit status is 1 where a promise was broken, and the seed gives the same faults
again.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.e2e.faults.driver import drive
from tests.fix_broker import find_mosquitto


def main() -> int:
    """Run the soak."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--count", type=int, help="so many faults instead of so many minutes")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--server-url", default="", help="a PostgreSQL that runs already, such as one with TimescaleDB")
    options = parser.parse_args()
    if find_mosquitto() is None:
        print("soak left out: no mosquitto (apt install mosquitto)", file=sys.stderr)
        return 0
    seed = options.seed if options.seed is not None else time.time_ns() % 1_000_000
    with tempfile.TemporaryDirectory(prefix="jissho-soak-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        outcome = drive(
            folder, seed, count=options.count,
            until_s=None if options.count else time.monotonic() + options.minutes * 60,
            report=lambda text: print(text, file=sys.stderr), server_url=options.server_url,
        )  # fmt: skip
        if outcome.failure:
            for log in (folder / "collector.log", folder / "ingest.log"):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
    print(json.dumps({
        "seed": seed, "faults": outcome.survived.total(), "by_kind": dict(sorted(outcome.survived.items())),
        "batches": outcome.batches, "rows": outcome.rows, "lost": 0 if not outcome.failure else None,
        "duplicated": 0 if not outcome.failure else None, "dropped_by_quota": outcome.dropped_by_quota,
        "seconds": round(outcome.seconds, 1), "failure": outcome.failure,
    }))  # fmt: skip
    return 1 if outcome.failure else 0


if __name__ == "__main__":
    sys.exit(main())
