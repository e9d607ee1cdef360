"""A run evaluated elsewhere, in processes or on a dask cluster, gives what it gives here, from one snapshot."""

from concurrent.futures import Executor, Future
from datetime import timedelta

import msgspec
import numpy as np
import pytest

from analytics.executors import ExecutorError, executor_of
from analytics.run_loader import Elsewhere, evaluate_run
from storage.columnar import ArrayColumn
from storage.exclusions import exclude
from tests.analytics.making import T0_US
from tests.analytics.test_loader import START, N, measured

__all__ = ["measured"]


@pytest.fixture
def dask_scheduler():
    """Address of a scheduler with one worker process on this machine."""
    distributed = pytest.importorskip("distributed", reason="distributed is not installed (jissho[dask])")
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None, silence_logs=50)
    with cluster:
        yield cluster.scheduler_address.removeprefix("tcp://")


def evaluated(connection, run, **more):
    """Return the results as plain values, in order."""
    return [msgspec.to_builtins(each) for each in evaluate_run(connection, run, "remote_driving", **more)]


def excluded(connection, run):
    """Leave ten seconds of one link out, so that every kind of work reads its data with and without them."""
    span = {"started_at": START + timedelta(seconds=20), "ended_at": START + timedelta(seconds=30)}
    exclude(connection, run, **span, reason="給電断", excluded_by="lead", link="lte")


def test_processes_give_the_same_results_in_the_same_order(db, measured):
    """Two processes, links and their pair, with an exclusion."""
    connection, run, _, _ = measured
    excluded(connection, run)
    here = evaluated(connection, run)
    with executor_of("processes:2") as pool:
        assert evaluated(connection, run, elsewhere=Elsewhere(pool, db.url)) == here
    # Without a link: what the profile asks for and nothing measured.
    assert {each["link"] for each in here} == {"", "l5g", "lte", "l5g+lte"}


def test_a_dask_cluster_gives_the_same_results_in_the_same_order(db, measured, dask_scheduler):
    """The worker is another process and reads the database itself."""
    connection, run, _, _ = measured
    excluded(connection, run)
    here = evaluated(connection, run)
    with executor_of(f"dask://{dask_scheduler}") as pool:
        assert evaluated(connection, run, elsewhere=Elsewhere(pool, db.url)) == here


class _WritesFirst(Executor):
    """Commits more packets before each piece of work that it is given."""

    def __init__(self, outbox):
        self.outbox, self.written = outbox, 0

    def submit(self, work, /, *arguments, **named):
        """Write, then work."""
        self.written += 1
        seq = np.array([N + self.written], np.int32)
        self.outbox.write(
            "probe", "lte", np.array([T0_US + 1_000_000 * self.written]),
            session=ArrayColumn(seq), seq=ArrayColumn(seq),
            copy=ArrayColumn(np.zeros(1, np.int16)), lost=ArrayColumn(np.ones(1, np.int16)),
        )  # fmt: skip
        done = Future()
        done.set_result(work(*arguments, **named))
        return done


def test_what_is_committed_while_pieces_are_worked_on_is_seen_by_none(db, measured):
    """Links and pair are judged on the same rows; the next evaluation sees the new ones."""
    connection, run, _, outbox = measured
    here = evaluated(connection, run)
    late = _WritesFirst(outbox)
    assert evaluated(connection, run, elsewhere=Elsewhere(late, db.url)) == here
    assert late.written >= 3
    assert evaluated(connection, run) != here


@pytest.mark.parametrize(
    ("where", "remedy"),
    [("threads", "processes:N"), ("processes:0", "whole number"), ("processes:many", "whole number"),
     ("dask://127.0.0.1:1", "dask scheduler")],
)  # fmt: skip
def test_an_executor_that_cannot_be_had_names_the_remedy(where, remedy, monkeypatch):
    """An unknown name, a bad number, no scheduler."""
    if where.startswith("dask"):
        pytest.importorskip("distributed", reason="distributed is not installed (jissho[dask])")
        monkeypatch.setattr("analytics.executors._CONNECT_TIMEOUT_S", 0.5)
    with pytest.raises(ExecutorError, match=remedy), executor_of(where):
        pass
