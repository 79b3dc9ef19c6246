"""The runs of a comparison: a method learns once a split, then every arm trains its classifier; rows are the record."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from makeweight.balance.copies import Originals
from makeweight.balance.gate import Gate
from makeweight.balance.listener import Listener
from makeweight.bench.grid import computed
from makeweight.bench.hashing import hash_settings
from makeweight.bench.rows import Outcome, Row, RowFile, Run, RunKey, compute_row
from makeweight.compare.arms import Arm, with_drawn
from makeweight.compare.classifier import MixedClassifier
from makeweight.compare.metrics import class_metrics, summary_metrics
from makeweight.compare.splits import Images, Split
from makeweight.component import describe, without_defaults
from makeweight.data.files import partial_name, write_whole
from makeweight.data.npz import open_npz
from makeweight.data.wording import shown
from makeweight.errors import InputError
from makeweight.machine import device_name
from makeweight.methods import get_method
from makeweight.sampler import FEW, ImageSampler, load

MODELS, PREDICTIONS, TRAINING, ROWS = "models", "predictions", "training", "rows.jsonl"
Compute = Callable[[Run], Outcome]


@dataclass(frozen=True, eq=False)
class Workbench:
    """Everything that the runs of a comparison share.

    Attributes
    ----------
    folder : Path
        Where rows, models and predictions are kept.
    images : Images
        The images.
    name, data_hash : str
        Name and hash of the data.
    base : MixedClassifier
        The classifier that all arms share; `n_steps` is set.
    folds : int or None
        Number of folds; None for a given test set.
    gan_steps : int or None
        Steps of a method that learns; None for what its recipe says.
    precision : str or None
        Precision in which methods learn; None for that of the device.
    """

    folder: Path
    images: Images
    name: str
    data_hash: str
    base: MixedClassifier
    folds: int | None
    gan_steps: int | None
    precision: str | None = None

    @property
    def rows(self) -> RowFile:
        """The file of rows."""
        return RowFile(self.folder / ROWS)

    @property
    def protocol(self) -> str:
        """The protocol of all its runs."""
        return f"compare/{self.name}/{'test' if self.folds is None else f'{self.folds} folds'}"

    @cached_property
    def split_settings(self) -> dict[str, Any]:
        """What, beside seed and fold, says how images are split."""
        clusters = hashlib.sha256(self.images.clusters.astype("<i8").tobytes()).hexdigest()
        return {"folds": self.folds, "groups": clusters if self.images.grouped else None}

    def sampler(self, method: str, seed: int) -> ImageSampler:
        """Give a method, not yet fitted."""
        kind = get_method(method)
        if not kind.learns:
            plain: ImageSampler = kind(random_state=seed, channels=self.base.channels)
            return plain
        learning: ImageSampler = kind(
            random_state=seed,
            n_steps=self.gan_steps,
            device=self.base.device,
            precision=self.precision,
            channels=self.base.channels,
        )
        return learning

    def draw_run(self, method: str, split: Split) -> Run:
        """Describe the run in which a method learns the training part of a split."""
        sampler = self.sampler(method, split.seed)
        n_steps = sampler.settings.get("n_steps")
        budget = f"{n_steps} steps" if n_steps else "no training"
        return self._run(method, {"draws": sampler.settings}, budget, split)

    def arm_run(self, arm: Arm, split: Split) -> Run:
        """Describe the run in which an arm's classifier learns the training part of a split, or its method answers."""
        settings: dict[str, Any] = {"arm": describe(arm)}
        if arm.method is not None:
            draws = self.draw_run(arm.method, split)
            settings["draws"] = draws.settings_hash
            if arm.itself:
                return self._run(arm.title, settings, draws.budget, split)
        classifier = arm.classifier(self.base).set_params(random_state=split.seed)
        told = without_defaults(classifier.get_params(deep=False), classifier.later)
        settings["classifier"] = {name: describe(value) for name, value in told.items() if name != "device"}
        return self._run(arm.title, settings, f"{classifier.n_steps} steps", split)

    def model(self, run: Run) -> Path:
        """Where the model of a draw run is kept."""
        return self.folder / MODELS / _name_of(run)

    def predictions(self, run: Run) -> Path:
        """Where the predictions of an arm run are kept."""
        return self.folder / PREDICTIONS / f"{_name_of(run)}.npz"

    def _run(self, method: str, settings: Mapping[str, Any], budget: str, split: Split) -> Run:
        return Run(
            protocol=self.protocol,
            data_hash=self.data_hash,
            subset_seed=split.seed,
            method=method,
            settings={**settings, **self.split_settings, "seed": split.seed, "fold": split.fold},
            budget=budget,
        )


@dataclass(frozen=True, eq=False)
class Predictions:
    """Answers of what stands for an arm: its classifier, or its method's class output.

    Attributes
    ----------
    index : array of int of shape (n,)
        Which images are answered, as indices into those of the comparison.
    codes : array of int of shape (n,)
        Predicted classes.
    chances : array of shape (n, n_classes)
        Predicted probabilities.
    """

    index: NDArray[np.int64]
    codes: NDArray[np.int64]
    chances: NDArray[np.float64]

    def write(self, path: Path) -> None:
        """Write the answers, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        file, chances = BytesIO(), self.chances.astype(np.float32)
        np.savez_compressed(file, index=self.index, codes=self.codes.astype(np.int16), chances=chances)
        write_whole(path, file.getvalue())

    @classmethod
    def read(cls, path: Path) -> Predictions:
        """Read what was written; probabilities sum to 1 again.

        Raises
        ------
        InputError
            If the file cannot be read or holds something else.
        """
        try:
            with open_npz(path) as file:
                found = {name: file[name] for name in ("index", "codes", "chances") if name in file.names}
        except InputError as error:
            raise _damaged(path) from error
        if len(found) < 3:
            raise InputError(f"{shown(path)} holds no predictions of a comparison: delete it, and compare again.")
        index, codes, chances = found.values()
        fits = chances.ndim == 2 and index.shape == codes.shape == chances.shape[:1] and chances.dtype.kind == "f"
        if not fits or not index.dtype.kind == codes.dtype.kind == "i":
            raise _damaged(path)
        chances = chances.astype(np.float64)
        if not ((chances >= 0).all() and (chances.sum(axis=1) > 0).all()):
            raise _damaged(path)
        return cls(index, codes.astype(np.int64), chances / chances.sum(axis=1, keepdims=True))


def run_all(
    bench: Workbench, arms: Sequence[Arm], splits: Sequence[Split], n_jobs: int, listener: Listener
) -> dict[tuple[str, int, int], Row]:
    """Do every run that is not done yet.

    Parameters
    ----------
    bench : Workbench
        What the runs share.
    arms : sequence of Arm
        What is compared.
    splits : sequence of Split
        On what.
    n_jobs : int
        Runs side by side, each with one thread; 1 computes in this process, with its threads. More are carried by
        joblib: by processes of this machine, or by the backend of `joblib.parallel_config`, whose machines all have to
        see the bench's folder.
    listener : Listener
        Hears how many runs are done.

    Returns
    -------
    dict of Row
        Rows of the arms, by title, seed and fold.
    """
    methods = sorted({arm.method for arm in arms if arm.method is not None})
    draws = [(bench.draw_run(method, split), method, split) for split in splits for method in methods]
    trials = [(bench.arm_run(arm, split), arm, split) for split in splits for arm in arms]
    done = done_runs(bench)
    listener.stage("training")
    waiting_draws = [job for job in draws if job[0].key not in done and _is_needed(job, trials, done)]
    waiting = [job for job in trials if job[0].key not in done]
    n_known = len(trials) - len(waiting)
    total = len(waiting_draws) + len(trials)
    listener.count(n_known, total)
    learning = [(run, partial(_learn, bench, method, split)) for run, method, split in waiting_draws]
    for n_done, _ in enumerate(_rows(bench, learning, n_jobs), start=n_known + 1):
        listener.count(n_done, total)
    with suppress(OSError):  # it is not there, or somebody else's trainings are kept in it
        (bench.folder / TRAINING).rmdir()
    answering = [(run, partial(_train, bench, arm, split)) for run, arm, split in waiting]
    for n_done, _ in enumerate(_rows(bench, answering, n_jobs), start=n_known + len(waiting_draws) + 1):
        listener.count(n_done, total)
    by_key = {row.key: row for row in bench.rows}
    return {(arm.title, split.seed, split.fold): by_key[run.key] for run, arm, split in trials}


def done_runs(bench: Workbench) -> set[RunKey]:
    """Keys of the runs whose rows and files are there; rows of anything else are passed over."""
    own = (row for row in bench.rows if row.protocol == bench.protocol and {"seed", "fold"} <= row.settings.keys())
    return {row.key for row in own if bench.model(row).is_dir() or bench.predictions(row).is_file()}


def read_predictions(bench: Workbench, arm: Arm, splits: Iterable[Split]) -> Iterator[tuple[Split, Predictions]]:
    """Read the answers of an arm, split by split.

    Raises
    ------
    InputError
        If a file is damaged, or holds answers to other images.
    """
    n_classes = len(bench.images.classes)
    for split in splits:
        path = bench.predictions(bench.arm_run(arm, split))
        found = Predictions.read(path)
        known = found.chances.shape[1] == n_classes and (found.codes >= 0).all() and (found.codes < n_classes).all()
        if not (known and np.array_equal(found.index, split.test)):
            raise _damaged(path)
        yield split, found


def _damaged(path: Path) -> InputError:
    return InputError(f"{shown(path)} holds damaged predictions: delete it, and compare again.")


def _is_needed(draw: tuple[Run, str, Split], trials: Sequence[tuple[Run, Arm, Split]], done: set[RunKey]) -> bool:
    """Tell whether an arm that is not done yet draws by this method on this split."""
    _, method, split = draw
    return any(arm.method == method and own is split and run.key not in done for run, arm, own in trials)


def _rows(bench: Workbench, tasks: Sequence[tuple[Run, Compute]], n_jobs: int) -> Iterator[Row]:
    """Do runs and keep their rows; one whose files alone were missing has a row already."""
    known = {row.key for row in bench.rows}
    if n_jobs == 1 or len(tasks) < 2:
        found: Iterator[Row] = (compute_row(*task) for task in tasks)
    else:
        found = computed(((run, partial(_on_one_thread, work)) for run, work in tasks), n_jobs)
    for row in found:
        if row.key not in known:
            bench.rows.append(row)
        yield row


def _on_one_thread(work: Compute, run: Run) -> Outcome:
    torch.set_num_threads(1)
    return work(run)


def _learn(bench: Workbench, method: str, split: Split, run: Run) -> Outcome:
    """Let a method learn a training part, and keep the model."""
    images = bench.images
    sampler, kept = bench.sampler(method, split.seed), bench.folder / TRAINING / _name_of(run)
    if sampler.learns:
        sampler.set_params(checkpoints=kept)
    sampler.fit(images.X[split.train], images.classes[images.codes[split.train]])
    target = bench.model(run)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial_target = target.with_name(partial_name(target.name))
    sampler.save(partial_target)
    if target.is_dir():
        shutil.rmtree(target)
    partial_target.rename(target)
    shutil.rmtree(kept, ignore_errors=True)
    metrics = {"model": f"{MODELS}/{target.name}", "model_hash": sampler.model_hash_}
    device = bench.base.device if sampler.learns else "cpu"
    return Outcome(metrics, history=getattr(sampler, "history_", []), device=device_name(device))


def _train(bench: Workbench, arm: Arm, split: Split, run: Run) -> Outcome:
    """Train an arm's classifier on a training part, or take its method's, and keep its answers on the test part."""
    images = bench.images
    classifier, n_drawn = _classifier(bench, arm, split)
    chances = classifier.predict_proba(images.X[split.test]).astype(np.float64)
    answers = Predictions(np.asarray(split.test), chances.argmax(axis=1), chances)
    answers.write(bench.predictions(run))
    true, n_classes = images.codes[split.test], len(images.classes)
    metrics = {
        "predictions": f"{PREDICTIONS}/{bench.predictions(run).name}",
        "n_drawn": sum(n_drawn),
        "drawn": n_drawn,
        **summary_metrics(true, answers.codes, chances),
        **class_metrics(true, answers.codes, n_classes),
    }
    return Outcome(metrics, device=device_name(bench.base.device))


def _classifier(bench: Workbench, arm: Arm, split: Split) -> tuple[Any, list[int]]:
    """Give what answers for an arm, and from how many drawn images of each class it has learnt."""
    n_classes = len(bench.images.classes)
    if arm.itself:
        return fitted_sampler(bench, arm.method or "", split).classifier_, [0] * n_classes
    X, codes, drawn = filled(bench, arm, split)
    classifier = arm.classifier(bench.base).set_params(random_state=split.seed).fit(X, codes, drawn=drawn)
    return classifier, np.bincount(codes[drawn], minlength=n_classes).tolist()


def filled(bench: Workbench, arm: Arm, split: Split) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.bool_]]:
    """Give what an arm learns from: images, class codes, and which images are drawn."""
    images = bench.images
    X, codes = images.X[split.train], images.codes[split.train]
    counts = arm.counts(np.bincount(codes, minlength=len(images.classes)))
    if arm.method is None or not counts.any():
        return X, codes, np.zeros(len(X), bool)
    sampler = fitted_sampler(bench, arm.method, split)
    rows: list[Sequence[int]] = [range(n) for n in counts.tolist()]
    if arm.gated:
        groups = images.clusters[split.train] if images.grouped else None
        rows = _passing(sampler, X, images.classes[codes], groups, rows, split.seed, bench.base.device)
    return with_drawn(X, codes, np.arange(len(counts)), sampler, rows)


def _passing(
    sampler: ImageSampler,
    X: NDArray[Any],
    labels: NDArray[Any],
    groups: NDArray[np.int64] | None,
    rows: Sequence[Sequence[int]],
    seed: int,
    device: str,
) -> list[Sequence[int]]:
    """Choose as many rows of each class of those that the gate lets through; none of a class that it gives up."""
    large = np.isin(sampler.classes_, [label for label, n in Counter(labels.tolist()).items() if n >= FEW])
    rows = [own if enough else () for own, enough in zip(rows, large.tolist(), strict=True)]
    if not any(rows):
        return list(rows)
    originals = Originals(X, labels, [""] * len(X), sampler.codec_)
    gate = Gate(X, labels, originals, groups=groups, seed=seed, device=device).fit(_unheard)
    wanted = zip(sampler.classes_.tolist(), rows, strict=True)
    return [gate.select(sampler, label, len(own), _unheard).rows if own else own for label, own in wanted]


def _unheard(done: int, total: int) -> None:
    """Tell nobody."""


def fitted_sampler(bench: Workbench, method: str, split: Split) -> ImageSampler:
    """Load what a method learnt from the training part of a split.

    Raises
    ------
    InputError
        If the model is damaged.
    """
    model = bench.model(bench.draw_run(method, split))
    try:
        return load(model, device=bench.base.device)
    except InputError as error:
        raise InputError(f"{shown(model)} holds a damaged model: delete it, and compare again.") from error


def _name_of(run: Run) -> str:
    """Give a run's files a name that people can read and no other run has."""
    words = "".join(letter if letter.isalnum() else "-" for letter in run.method.lower())
    words = "-".join(part for part in words.split("-") if part)[:60]
    own = hash_settings({"key": json.dumps(list(run.key))})[:12]
    return f"{words}-seed{run.settings['seed']}-fold{run.settings['fold']}-{own}"
