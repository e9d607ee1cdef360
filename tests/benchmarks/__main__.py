"""`make bench [ARGS="NAME ... --seconds 60"]`: run the benchmarks and print one JSON object a line.

Each object: `bench`, `value`, `unit`, `peers` (name to value, measured in the same run), `ratio` (value over the best
peer). Absolute figures depend on the machine; read the ratios.
"""

import argparse
import importlib
import json
import os
from pathlib import Path

MODULES = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the names of benchmark files; none: all")
    parser.add_argument("--seconds", type=float, help="how long a sustained load lasts (default 10)")
    options = parser.parse_args()
    wanted = options.names
    if options.seconds:
        os.environ["JISSHO_TEST_BENCH_SECONDS"] = str(options.seconds)
    for name in MODULES:
        if wanted and not any(word in name for word in wanted):
            continue
        for result in importlib.import_module(f"tests.benchmarks.{name}").run():
            best = max(result["peers"].values(), default=None)
            ratio = round(result["value"] / best, 2) if best else None
            print(json.dumps({**result, "ratio": ratio}), flush=True)


if __name__ == "__main__":
    main()
