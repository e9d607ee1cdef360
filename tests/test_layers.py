"""The layers of the design: who may import whom."""

import subprocess
import sys
from pathlib import Path


def test_import_rules_are_kept():
    """import-linter finds no broken contract."""
    outcome = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        check=False,
    )

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_the_edge_starts_without_server_libraries():
    """`jissho collect --help` and the collectors load neither numpy nor a web or database library."""
    code = (
        "import sys, collectors.config, collectors.agent, jissho.cli;"
        "heavy = {'numpy', 'fastapi', 'psycopg', 'nicegui', 'pyarrow'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert outcome.returncode == 0, outcome.stderr
