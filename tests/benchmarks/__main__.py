"""`make bench [ARGS=NAME ...]`: run the benchmarks and print one JSON object a line.

Each object: `bench`, `value`, `unit`, `peers` (name to value, measured in the same run), `ratio` (value over the best
peer). Absolute figures depend on the machine; read the ratios.
"""

import importlib
import json
import sys
from pathlib import Path

MODULES = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    wanted = sys.argv[1:]
    for name in MODULES:
        if wanted and not any(word in name for word in wanted):
            continue
        for result in importlib.import_module(f"tests.benchmarks.{name}").run():
            best = max(result["peers"].values(), default=None)
            ratio = round(result["value"] / best, 2) if best else None
            print(json.dumps({**result, "ratio": ratio}), flush=True)


if __name__ == "__main__":
    main()
