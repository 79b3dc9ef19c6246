"""Runs the cases of a table that have no row yet, up to a time limit; a training that is cut off goes on later."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.metrics import confusion_matrix

from makeweight.balance.listener import Listener
from makeweight.bench.answers import answer
from makeweight.bench.drawn import drawn_metrics
from makeweight.bench.grid import side_by_side
from makeweight.bench.hashing import hash_data
from makeweight.bench.learners import BATCH_SIZES, Learner
from makeweight.bench.rows import Outcome, Row, RowFile, Run, compute_row
from makeweight.bench.settings import TableSettings
from makeweight.bench.table import Case, Selection, Table, TrainTest
from makeweight.compare.metrics import class_metrics, summary_metrics
from makeweight.data.named import NamedSet, load_named
from makeweight.data.wording import shown
from makeweight.devices import fabric_for
from makeweight.errors import InputError
from makeweight.machine import device_name, processor_name
from makeweight.progress import StepReport

TRAINING, MODELS, ANSWERS = "training", "models", "answers"


class TimeIsUpError(Exception):
    """The limit was reached within a training."""


@dataclass(frozen=True)
class Ran:
    """What a call came to.

    Attributes
    ----------
    n_known, n_added : int
        Rows that were there, and that were added.
    n_left : int
        Cases that are left, since the time was up.
    absent : list of str
        Sets that are not at hand.
    failed : list of str
        What became of cases that came to nothing, a sentence each.
    """

    n_known: int
    n_added: int
    n_left: int
    absent: list[str]
    failed: list[str] = field(default_factory=list)


class Failed(NamedTuple):
    """What became of a case that cannot be done."""

    sentence: str


@dataclass(frozen=True, eq=False)
class Job:
    """How to run a table.

    Attributes
    ----------
    table : Table
        What is run.
    settings : TableSettings
        With what.
    folder : Path
        Where unfinished trainings, models and answers are kept.
    epochs : float, optional
        Length of trainings in place of that of the settings, in balanced epochs; in the practical reading the twin and
        methods learn as long as their recipes say.
    device : str
        Where to compute.
    data_dir : Path, optional
        Where named sets are looked for.
    download : bool, default=False
        Whether files of a set that are not found are downloaded.
    """

    table: Table
    settings: TableSettings
    folder: Path
    epochs: float | None = None
    device: str = "auto"
    data_dir: Path | None = None
    download: bool = False

    def n_steps(self, case: Case, split: TrainTest) -> int:
        """Give the length of a training: balanced epochs, in batches."""
        _, counts = np.unique(split.y, return_counts=True)
        epochs = self.epochs or self.settings.reading(case.reading).epochs
        largest = split.largest or int(counts.max())
        return max(1, round(epochs * len(counts) * largest / BATCH_SIZES[case.reading]))

    def learner(self, case: Case, split: TrainTest) -> Learner:
        """Give what is to be run."""
        return self.table.learner(case, self.settings, self.n_steps(case, split))

    def kept(self, run: Run) -> Path:
        """Where an unfinished training is kept, under a name that no other has."""
        own = hashlib.sha256(json.dumps(list(run.key)).encode()).hexdigest()[:16]
        return self.folder / TRAINING / f"seed{run.subset_seed}-{own}"

    def describe(self, case: Case, split: TrainTest, data_hash: str) -> Run:
        """Describe a run on a split of some hash: its key says whether it is done."""
        n_steps = self.n_steps(case, split)
        return Run(
            protocol=f"{self.table.name}/{case.reading}/{self.table.group(case.dataset, case.details)}",
            data_hash=data_hash,
            subset_seed=case.seed,
            method=case.method,
            settings={"learner": self.learner(case, split).settings, "seed": case.seed, "fixed": self.settings.hash},
            budget=f"{n_steps} step{'s' if n_steps > 1 else ''}",
        )

    def compute(self, case: Case, split: TrainTest, kept: Path, deadline: float) -> Outcome:
        """Do a run.

        Raises
        ------
        TimeIsUpError
            If the deadline, by the monotonic clock, is reached within a training of a GAN; it is kept.
        """
        learner = self.learner(case, split)
        place = place_name(self.device)  # what another device has learnt is not this one's, though it differs by little
        models, own_answers = (self.folder / part / place for part in (MODELS, ANSWERS))
        learner.prepare(models, device=self.device, checkpoints=kept, callback=_Clock(deadline))
        answers = answer(learner, split, own_answers)
        classes, chances = answers.classes, answers.chances
        true, predicted = np.searchsorted(classes, split.y_test), chances.argmax(axis=1)
        metrics: dict[str, Any] = {**summary_metrics(true, predicted, chances)}
        each = class_metrics(true, predicted, len(classes))
        metrics |= {name: dict(zip(classes.tolist(), values, strict=True)) for name, values in each.items()}
        metrics["confusion"] = confusion_matrix(true, predicted, labels=range(len(classes))).tolist()
        counts = [int((split.y == label).sum()) for label in classes]
        metrics |= {
            "classes": classes.tolist(),
            "counts": counts,
            "threads": torch.get_num_threads(),
            "n_test": len(true),
        }
        if notes := learner.notes_:
            metrics["notes"] = notes
        if split.rare:
            metrics["recall_of_rare"] = float(np.mean([metrics["recall"][label] for label in split.rare]))
            if learner.sampler is not None:
                metrics["drawn"] = drawn_metrics(learner.sampler, split, self.device)
        return Outcome(metrics, history=learner.history_, device=device_name(self.device), seconds=answers.seconds)


def run_table(
    job: Job,
    wanted: Selection,
    rows: RowFile,
    *,
    limit: float | None = None,
    n_jobs: int = 1,
    listener: Listener | None = None,
) -> Ran:
    """Run what is missing of a table.

    Parameters
    ----------
    job : Job
        How.
    wanted : Selection
        Which cases.
    rows : RowFile
        Where rows are looked for and written to.
    limit : float, optional
        Seconds of training after which nothing new is begun and GANs stop, to go on in a later call.
    n_jobs : int, default=1
        Runs side by side, each in a process with one thread; joblib's backends carry them over a cluster.
    listener : Listener, optional
        Hears how many of how many are done, and notes.

    Returns
    -------
    Ran

    Raises
    ------
    InputError
        If there is no such method or device, no set of those wanted is at hand, or nothing can be written.
    """
    heard = listener or Listener()
    cases = job.table.cases(job.settings, wanted)
    for case in cases:
        job.table.learner(case, job.settings, n_steps=1)  # refuses methods that there are not, before data are read
    fabric_for(job.device, None)  # refuses a device that is not there
    _check_folder(job.folder)
    _check_folder(rows.path.parent)
    sets, absent = _sets(job, cases, heard)
    at_hand = [case for case in cases if case.dataset in sets]
    if not at_hand:
        raise InputError(absent[0])
    known = {row.key for row in rows}
    heard.stage("reading")

    splits = _Splits(job, sets)
    missing: list[tuple[Case, Run]] = []
    for number, case in enumerate(at_hand, start=1):
        run = job.describe(case, *splits.of(case))
        if run.key not in known:
            missing.append((case, run))
        heard.count(number, len(at_hand))
    n_known, n_added, failed = len(at_hand) - len(missing), 0, list[str]()
    heard.stage("training")
    heard.count(n_known, len(at_hand))
    deadline = time.monotonic() + limit if limit is not None else float("inf")
    waiting = ((case, splits.of(case)[0], run) for case, run in missing)
    for row in _rows(job, waiting, n_jobs, deadline):
        if isinstance(row, Failed):
            failed.append(row.sentence)
            heard.note(f"failed: {row.sentence}")
        elif row is not None:
            if rows.done(row.key) is None:
                rows.append(row)
                n_added += 1
            else:  # another command on this folder was as fast
                n_known += 1
            shutil.rmtree(job.kept(row), ignore_errors=True)
            heard.count(n_known + n_added, len(at_hand))
            told = f"{row.protocol} {row.method} seed {row.subset_seed}"
            for note in row.metrics.get("notes", []):  # type: ignore[union-attr]
                heard.note(f"{told}: {note}")
            heard.note(f"{told}: recall {100 * row.metrics['acsa']:.2f}")  # type: ignore[operator]
    n_left = len(at_hand) - n_known - n_added - len(failed)
    return Ran(n_known, n_added, n_left, sorted({case.dataset for case in cases} - set(sets)), failed)


class _Splits:
    """Draws the splits of cases, with the hashes of their training images; that of the last case is kept."""

    def __init__(self, job: Job, sets: Mapping[str, NamedSet]) -> None:
        self.job, self.sets = job, sets
        self.last: tuple[Case, tuple[TrainTest, str]] | None = None

    def of(self, case: Case) -> tuple[TrainTest, str]:
        """Give the split of a case; methods of one set, seed and detail, which come one after another, share it."""
        own = replace(case, method="")
        if self.last is None or self.last[0] != own:
            split = self.job.table.split(self.sets[case.dataset], case, self.job.settings)
            self.last = own, (split, hash_data(split.X, split.y))
        return self.last[1]


def _check_folder(folder: Path) -> None:
    """Refuse a folder that nothing can be written to, before anything is learnt."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"nothing can be written to {shown(folder)}: choose another --out.")


def place_name(device: str) -> str:
    """Name what computes for a folder: the GPU, or the processor."""
    name = device_name(device)
    name = processor_name() if name == "cpu" else name
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _rows(
    job: Job, missing: Iterable[tuple[Case, TrainTest, Run]], n_jobs: int, deadline: float
) -> Iterator[Row | Failed | None]:
    if n_jobs == 1:
        yield from (_row(job, *each, deadline) for each in missing)
        return
    # Clocks of machines differ, so each run is told, when it is handed out, how much time is left.
    tasks = ((job, *each, deadline - time.monotonic()) for each in missing)
    yield from side_by_side(_row_elsewhere, tasks, n_jobs)


def _row_elsewhere(job: Job, case: Case, split: TrainTest, run: Run, left: float) -> Row | Failed | None:
    torch.set_num_threads(1)
    return _row(job, case, split, run, time.monotonic() + left)


def _row(job: Job, case: Case, split: TrainTest, run: Run, deadline: float) -> Row | Failed | None:
    """Do a run, unless the time is up; one that cannot be done is told, so that the others are."""
    if time.monotonic() >= deadline:
        return None
    try:
        return compute_row(run, lambda run: job.compute(case, split, job.kept(run), deadline))
    except TimeIsUpError:
        return None
    except InputError as error:
        return Failed(f"{run.protocol} {run.method} seed {run.subset_seed}: {error}")


@dataclass(frozen=True)
class _Clock:
    """Ends a training when the time is up."""

    deadline: float

    def __call__(self, report: StepReport) -> None:
        if time.monotonic() >= self.deadline:
            raise TimeIsUpError


def _sets(job: Job, cases: Sequence[Case], heard: Listener) -> tuple[dict[str, NamedSet], list[str]]:
    """Read the sets that are at hand, and say what is wrong with the others."""
    found, absent = {}, []
    for name in dict.fromkeys(case.dataset for case in cases):
        try:
            found[name] = load_named(name, data_dir=job.data_dir, download=job.download)
        except InputError as error:
            absent.append(str(error))
    for fault in absent if found else []:
        heard.note(f"not run: {fault}")
    return found, absent
