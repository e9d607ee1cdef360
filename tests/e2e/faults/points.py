"""Named points at which a child process can be told to die or to stall, without a hook in the product's code.

The children wrap the product's own methods and pass a point by name; the driver arms a point by writing a file. The
file is taken away before the process dies, so that the next life passes unharmed.
"""

import os
import signal
import time
from pathlib import Path

FOLDER = "JISSHO_TEST_FAULTS"


def arm(folder: Path, who: str, point: str, action: str = "kill") -> Path:
    """Let `who` die (or "stall:SECONDS") when it next passes `point`; return the file that is gone once it has."""
    path = folder / f"{who}.{point}"
    path.with_suffix(path.suffix + ".tmp").write_text(action, encoding="utf-8")
    path.with_suffix(path.suffix + ".tmp").rename(path)
    return path


def is_armed(who: str, point: str) -> bool:
    """Tell whether this point waits for us."""
    return (Path(os.environ[FOLDER]) / f"{who}.{point}").exists()


def passing(who: str, point: str) -> None:
    """Pass a point: die or stall here if it is armed."""
    path = Path(os.environ[FOLDER]) / f"{who}.{point}"
    try:
        action = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    path.unlink()
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(action.partition(":")[2]))
