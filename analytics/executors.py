"""Where the pieces of an evaluation are worked on: in this process, in several, or on a dask cluster."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager

DASK = "dask://"
PROCESSES = "processes"
_CONNECT_TIMEOUT_S = 10


class ExecutorError(ValueError):
    """Raised when an executor cannot be had; the message names the remedy."""


@contextmanager
def executor_of(where: str) -> Iterator[Executor | None]:
    """Open the executor that `where` names: "" (None, this process), "processes[:N]" or "dask://HOST:PORT".

    Raises ExecutorError.
    """
    if not where:
        yield None
    elif where.startswith(DASK):
        with _dask(where.removeprefix(DASK)) as executor:
            yield executor
    elif where.split(":", maxsplit=1)[0] == PROCESSES:
        # Not forked: a process that shares an open connection to the database would break it.
        with ProcessPoolExecutor(_processes(where), mp_context=multiprocessing.get_context("spawn")) as pool:
            yield pool
    else:
        raise ExecutorError(f"executor {where!r} is not known: use processes, processes:N or dask://HOST:PORT")


def _processes(where: str) -> int:
    count = where.removeprefix(PROCESSES).removeprefix(":")
    if not count:
        return os.cpu_count() or 1
    if not count.isdigit() or not int(count):
        raise ExecutorError(f"executor {where!r}: N in processes:N is a whole number from 1 on")
    return int(count)


@contextmanager
def _dask(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ExecutorError("executor dask:// needs distributed: pip install 'jissho[dask]'") from error
    try:
        client = Client(f"tcp://{address}", timeout=_CONNECT_TIMEOUT_S)
    except (OSError, ValueError) as error:
        raise ExecutorError(
            f"dask scheduler {address} not reachable: {error}; start one with `dask scheduler` and its workers with"
            f" `dask worker {address}`, each where jissho is installed"
        ) from error
    with client:
        executor: Executor = client.get_executor(pure=False)
        yield executor
