"""What learners say of a split's test images; kept, so that averages of answers cost no second training."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import numpy as np
from numpy.typing import NDArray

import makeweight
from makeweight.bench.hashing import hash_data, hash_settings
from makeweight.bench.learners import Averaged, Learner
from makeweight.bench.table import TrainTest
from makeweight.checkpoints import kin_of
from makeweight.data.files import write_whole
from makeweight.data.npz import open_npz
from makeweight.errors import InputError


class Answers(NamedTuple):
    """Answers on the test images.

    Attributes
    ----------
    classes : array of shape (n_classes,)
        Labels.
    chances : array of shape (n_test, n_classes)
        Probability of each class.
    seconds : float
        How long it took to learn; a classifier that learns from drawn images counts its own training.
    """

    classes: NDArray[Any]
    chances: NDArray[np.float64]
    seconds: float


def answer(learner: Learner, split: TrainTest, folder: Path) -> Answers:
    """Let a learner learn, and answer.

    Parameters
    ----------
    learner : Learner
        What learns. One that averages does not learn what a member has learnt before, in another run.
    split : TrainTest
        Images to learn from and to answer.
    folder : Path
        Where answers are kept, by settings and images.
    """
    if isinstance(learner, Averaged):
        each = [_kept(member, split, folder) for member in learner.members]
        chances = np.mean([one.chances for one in each], axis=0)
        return Answers(each[0].classes, chances, sum(one.seconds for one in each))
    path = _path(learner, split, folder)
    learner.fit(split.X, split.y)
    found = Answers(learner.classes_, learner.predict_proba(split.X_test).astype(np.float64), learner.seconds_)
    _write(path, found)
    return found


def _kept(learner: Learner, split: TrainTest, folder: Path) -> Answers:
    """Read what a learner has said before, or let it learn, unless another process does."""
    path = _path(learner, split, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(f"{path}.lock"):
        found = _read(path, np.unique(split.y), len(split.y_test)) if path.is_file() else None
        return found or answer(learner, split, folder)


def _read(path: Path, classes: NDArray[Any], n_test: int) -> Answers | None:
    """Read answers; None where the file is damaged, so that they are given anew."""
    try:
        with open_npz(path) as file:
            own, chances, seconds = (file[name] for name in Answers._fields if name in file.names)
    except (InputError, ValueError):
        return None
    sound = np.array_equal(own, classes) and chances.shape == (n_test, len(classes)) and seconds.shape == ()
    numbers = sound and chances.dtype.kind == seconds.dtype.kind == "f" and np.isfinite(chances).all()
    if not numbers or chances.min() < 0 or not 0 <= seconds < np.inf:
        return None
    return Answers(own, chances, float(seconds))


def _path(learner: Learner, split: TrainTest, folder: Path) -> Path:
    images = [hash_data(split.X, split.y), hash_data(split.X_test, split.y_test)]
    told = {"settings": learner.settings, "data": images, "version": kin_of(makeweight.__version__)}
    return folder / f"{hash_settings(told)[:32]}.npz"


def _write(path: Path, answers: Answers) -> None:
    """Write answers, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = BytesIO()
    np.savez(file, **answers._asdict())
    write_whole(path, file.getvalue())
