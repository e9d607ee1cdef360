"""The command line as a child process, for tests that meet it as a user does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class Shell:
    """Runs `jissho` against one database, from a folder of the test's, which is its JISSHO_HOME too."""

    def __init__(self, url: str, folder: Path) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("JISSHO_")}
        own = {"JISSHO_DATABASE_URL": url, "JISSHO_HOME": str(folder), "COLUMNS": "200"}
        self.environment = {**clean, **own}
        self.folder = folder

    def __call__(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one command."""
        return subprocess.run(
            [sys.executable, "-m", "jissho", *map(str, arguments)],
            capture_output=True, text=True, check=False, cwd=self.folder, env={**self.environment, **environment},
        )  # fmt: skip

    def json(self, *arguments: object) -> list[dict[str, Any]]:
        """Run one command with --json, and return its records."""
        outcome = self(*arguments, "--json")
        assert outcome.returncode == 0, outcome.stderr
        return [json.loads(line) for line in outcome.stdout.splitlines()]
