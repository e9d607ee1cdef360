"""A process that has loaded what commands load, and forks one process for each command that it is asked for.

Loading takes a command ten times as long as most of what tests ask of it. `jissho` itself is loaded by each command, so
what it reads from its environment is read anew. A request and its answer are one line of JSON each.
"""

import gc
import importlib
import json
import os
import pkgutil
import sys

LOADED = ("contract", "storage", "analytics", "ingest", "collectors")
ALSO = ("api.run_report", "api.raw_series", "cyclopts", "rich.table", "xlsxwriter")


def load() -> None:
    """Load our packages below `jissho` that many commands need, and libraries that commands load by themselves."""
    for name in LOADED:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(module.name)
    for name in ALSO:
        importlib.import_module(name)


def serve() -> list[str]:
    """Answer requests until there are none; return, in a process of its own, the arguments of one command."""
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        if not (child := os.fork()):
            _become(request)
            return request["arguments"]
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    os._exit(0)


def _become(request: dict) -> None:
    """Take the folder, the environment and the standard streams of a command."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    writing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, (path, flags) in enumerate(
        ((os.devnull, os.O_RDONLY), (request["stdout"], writing), (request["stderr"], writing))
    ):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - the request's reader may hold more than it gave


if __name__ == "__main__":
    load()
    # Forks share what they do not touch, and a collection touches everything.
    gc.collect()
    gc.freeze()
    sys.argv = ["jissho", *serve()]
    # As `python -m jissho` would: what it raises, and with which status it ends, is this process's own.
    from jissho.cli import main

    main()
