import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import joblib
import pytest
from joblib.parallel import ThreadingBackend

from makeweight.bench import Outcome, RowFile, Run, run_grid

Work = Callable[[Run], Outcome]


def runs(n: int) -> list[Run]:
    return [
        Run(protocol="demo", data_hash="0" * 64, subset_seed=seed, method="aggan", settings={}, budget="1 step")
        for seed in range(n)
    ]


@pytest.fixture
def work() -> Work:
    """Work defined in a function travels by value, so that other processes need not import this module."""
    return lambda run: Outcome({"square": run.subset_seed**2, "process": os.getpid()}, seconds=1.0)


@pytest.fixture
def fail_at_two(work: Work) -> Work:
    def compute(run: Run) -> Outcome:
        if run.subset_seed == 2:
            raise RuntimeError("no more")
        return work(run)

    return compute


@pytest.fixture
def rows(tmp_path: Path) -> RowFile:
    return RowFile(tmp_path / "rows.jsonl")


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_rows_come_in_the_order_of_the_runs(rows: RowFile, work: Work, n_jobs: int | None) -> None:
    found = run_grid(rows, reversed(runs(5)), work, n_jobs)
    assert [row.metrics["square"] for row in found] == [16, 9, 4, 1, 0]
    assert {row.key for row in rows} == {run.key for run in runs(5)}
    others = {row.metrics["process"] for row in found} - {os.getpid()}
    assert bool(others) is (n_jobs == 2)


def test_what_is_there_is_not_computed_again(rows: RowFile, work: Work, fail_at_two: Work) -> None:
    first = run_grid(rows, runs(3), work)
    assert run_grid(rows, runs(3), fail_at_two) == first
    assert len(run_grid(rows, [*runs(4), *runs(4)], work)) == 8
    assert len(list(rows)) == 4


def test_a_grid_that_fails_keeps_what_is_done_and_goes_on(rows: RowFile, work: Work, fail_at_two: Work) -> None:
    with pytest.raises(RuntimeError, match="no more"):
        run_grid(rows, runs(4), fail_at_two)
    assert {row.subset_seed for row in rows} >= {0, 1}
    assert [row.metrics["square"] for row in run_grid(rows, runs(4), work)] == [0, 1, 4, 9]


class AllAtOnce(ThreadingBackend):  # type: ignore[misc]
    """Hands out no result before all are there, as multiprocessing's backend, of which Ray's is a kind."""

    supports_return_generator = False


def test_a_backend_that_gives_results_all_at_once_carries_a_grid(rows: RowFile, work: Work) -> None:
    joblib.register_parallel_backend("all_at_once", AllAtOnce)
    with joblib.parallel_config(backend="all_at_once"):
        found = run_grid(rows, runs(4), work, n_jobs=2)
    assert [row.metrics["square"] for row in found] == [0, 1, 4, 9]
    assert len(list(rows)) == 4


WITH_OWN_PARTS = """
import sys
from makeweight import AGGAN
from makeweight.bench import Outcome, RowFile, Run, run_grid
from makeweight.objectives import OBJECTIVES, Minimax
from makeweight.sampler import METHODS

@OBJECTIVES.register("own_minimax")
class OwnMinimax(Minimax):
    pass

@METHODS.register("own_method")
class OwnMethod(AGGAN):
    pass

def work(run):
    import os
    from makeweight.methods import get_method
    found = OBJECTIVES.resolve("own_minimax"), get_method("own_method")
    return Outcome({"found": [part.name for part in found], "process": os.getpid()})

if __name__ == "__main__":
    import os
    runs = [
        Run(protocol="demo", data_hash="0" * 64, subset_seed=seed, method="aggan", settings={}, budget="1 step")
        for seed in range(3)
    ]
    for row in run_grid(RowFile(sys.argv[1]), runs, work, n_jobs=2):
        assert row.metrics["found"] == ["own_minimax", "own_method"]
        assert row.metrics["process"] != os.getpid()
"""


def run_script(text: str, rows: RowFile) -> None:
    """Run a script in a process of its own, and give it the file of rows."""
    script = rows.path.with_name("script.py")
    script.write_text(text)
    done = subprocess.run(
        [sys.executable, script, rows.path], capture_output=True, text=True, check=False, timeout=120, cwd=script.parent
    )
    assert done.returncode == 0, done.stderr


def test_other_processes_know_what_the_caller_has_registered(rows: RowFile) -> None:
    run_script(WITH_OWN_PARTS, rows)
    assert len(list(rows)) == 3


WITH_DASK = """
import os, sys
import distributed, joblib
from makeweight.bench import Outcome, RowFile, Run, run_grid

if __name__ == "__main__":
    runs = [
        Run(protocol="demo", data_hash="0" * 64, subset_seed=seed, method="aggan", settings={}, budget="1 step")
        for seed in range(6)
    ]
    work = lambda run: Outcome({"square": run.subset_seed**2, "here": os.getpid() == PARENT})
    PARENT = os.getpid()
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with distributed.Client(cluster), joblib.parallel_config(backend="dask"):
            found = run_grid(RowFile(sys.argv[1]), runs, work, n_jobs=-1)
    assert [row.metrics for row in found] == [{"square": seed**2, "here": False} for seed in range(6)]
"""


@pytest.mark.skipif(find_spec("distributed") is None, reason="needs Dask")
def test_dask_carries_a_grid(rows: RowFile) -> None:
    """In a process of its own, since a cluster leaves threads behind that later tests would fork beside."""
    run_script(WITH_DASK, rows)
    assert sorted(row.metrics["square"] for row in rows) == [0, 1, 4, 9, 16, 25]
