"""What learners say of a split's test images; kept, so that averages of answers cost no second training."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from makeweight.bench.hashing import hash_data, hash_settings
from makeweight.bench.learners import Averaged, Learner
from makeweight.bench.tables import Split
from makeweight.data.npz import open_npz
from makeweight.data.wording import shown
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
        How long it took to learn.
    """

    classes: NDArray[Any]
    chances: NDArray[np.float64]
    seconds: float


def answer(learner: Learner, split: Split, folder: Path) -> Answers:
    """Let a learner learn, and answer.

    Parameters
    ----------
    learner : Learner
        What learns. One that averages does not learn what a member has learnt before, in another run.
    split : Split
        Images to learn from and to answer.
    folder : Path
        Where answers are kept, by settings and images.

    Raises
    ------
    InputError
        If kept answers are damaged.
    """
    if isinstance(learner, Averaged):
        each = [_kept(member, split, folder) for member in learner.members]
        return Answers(
            each[0].classes, np.mean([one.chances for one in each], axis=0), sum(one.seconds for one in each)
        )
    path, begin = _path(learner, split, folder), time.perf_counter()
    learner.fit(split.X, split.y)
    seconds = time.perf_counter() - begin
    found = Answers(learner.classes_, learner.predict_proba(split.X_test).astype(np.float64), seconds)
    _write(path, found)
    return found


def _kept(learner: Learner, split: Split, folder: Path) -> Answers:
    """Read what a learner has said before, or let it learn."""
    path = _path(learner, split, folder)
    if not path.is_file():
        return answer(learner, split, folder)
    with open_npz(path) as file:
        read = {name: file[name] for name in Answers._fields if name in file.names}
    shapes = [array.shape for array in read.values()]
    if len(shapes) < len(Answers._fields) or shapes[1:] != [(len(split.y_test), *shapes[0]), ()]:
        raise InputError(f"{shown(path)} holds damaged answers: delete it, and run again.")
    return Answers(read["classes"], read["chances"], float(read["seconds"]))


def _path(learner: Learner, split: Split, folder: Path) -> Path:
    images = [hash_data(split.X, split.y), hash_data(split.X_test, split.y_test)]
    return folder / f"{hash_settings({'settings': learner.settings_, 'data': images})[:32]}.npz"


def _write(path: Path, answers: Answers) -> None:
    """Write answers, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.savez(file, **answers._asdict())
    partial.replace(path)
