"""Grids of independent runs, side by side on this machine or, by joblib's backends, on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import joblib
from joblib.parallel import get_active_backend

from makeweight.bench.rows import Outcome, Row, RowFile, Run, compute_row
from makeweight.component import OwnPart, own_parts, register_parts

T = TypeVar("T")


def run_grid(
    rows: RowFile, runs: Iterable[Run], compute: Callable[[Run], Outcome], n_jobs: int | None = None
) -> list[Row]:
    """Give the rows of many runs, of which those missing are computed, several at a time.

    Each row is written as soon as it is there, and by this process alone, so that a grid which is stopped goes on
    where it was; with backends that hand out results all at once, such as Ray's, at the end. Where the work is done is
    joblib's choice: in processes of this machine, among which it shares the cores, or on the cluster of a Dask or Ray
    backend chosen by `joblib.parallel_config`.

    Parameters
    ----------
    rows : RowFile
        Where rows are looked for and written to.
    runs : iterable of Run
        What is to be run.
    compute : callable
        Does one run; it travels to where the work is done.
    n_jobs : int, optional
        Runs at a time; joblib's setting, 1 by default, -1 for as many as there are cores.

    Returns
    -------
    list of Row
        In the order of `runs`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> rows = RowFile(Path(tempfile.mkdtemp()) / "rows.jsonl")
    >>> runs = [
    ...     Run(protocol="demo", data_hash="0" * 64, subset_seed=seed, method="aggan", settings={}, budget="1 step")
    ...     for seed in range(3)
    ... ]
    >>> [row.metrics["seed"] for row in run_grid(rows, runs, lambda run: Outcome({"seed": run.subset_seed}))]
    [0, 1, 2]
    """
    wanted = list(runs)
    found = {row.key: row for row in rows}
    missing = {run.key: run for run in wanted if run.key not in found}
    for row in computed(((run, compute) for run in missing.values()), n_jobs):
        rows.append(row)
        found[row.key] = row
    return [found[run.key] for run in wanted]


def computed(tasks: Iterable[tuple[Run, Callable[[Run], Outcome]]], n_jobs: int | None = None) -> Iterator[Row]:
    """Do runs, each by its own function, and give their rows as they end; see `run_grid`."""
    return side_by_side(compute_row, tasks, n_jobs)


def side_by_side(work: Callable[..., T], tasks: Iterable[tuple[Any, ...]], n_jobs: int | None = None) -> Iterator[T]:
    """Call a function for each task, several at a time; see `run_grid`.

    Parts and methods that the caller has registered are known wherever the work is done.

    Parameters
    ----------
    work : callable
        Takes the entries of a task; it travels to where the work is done.
    tasks : iterable of tuple
        What is to be done; each is taken when it is handed out.
    n_jobs : int, optional
        Tasks at a time, as for `run_grid`.

    Yields
    ------
    object
        What the function gives, as soon as it is there if the backend in use can do so.
    """
    backend, _ = get_active_backend()
    told = "generator_unordered" if backend.supports_return_generator else "list"
    parallel, own = joblib.Parallel(n_jobs=n_jobs, return_as=told, pre_dispatch="n_jobs"), own_parts()
    yield from parallel(joblib.delayed(_knowing)(own, work, task) for task in tasks)


def _knowing(own: Sequence[OwnPart], work: Callable[..., T], task: tuple[Any, ...]) -> T:
    register_parts(own)
    return work(*task)
