"""How good the images are that a learner drew, by classifiers of the whole training part of a set."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makeweight.bench.hashing import hash_data
from makeweight.bench.table import TrainTest
from makeweight.quality import CrossFit, evaluate_images
from makeweight.quality.inputs import QualityInput
from makeweight.sampler import ImageSampler

N_JUDGED = 200  # images a class
FIGURES = {"seen": "accuracy", "frechet": "frechet", "ssim": "ssim"}


@dataclass(frozen=True)
class _Whole:
    """The whole training images of a split, equal to those with the same bytes."""

    hash: str
    X: NDArray[Any] = field(compare=False)
    y: NDArray[Any] = field(compare=False)


@lru_cache(maxsize=1)
def _judges(whole: _Whole, device: str) -> CrossFit:
    """Train classifiers of a set once for all its cases, which takes longer than most of what they judge."""
    data = QualityInput.check(whole.X, whole.y, whole.X[:1], whole.y[:1], None)
    return CrossFit(device=device).fit(data.X, data.codes, codec=data.codec)


def drawn_metrics(sampler: ImageSampler, split: TrainTest, device: str) -> dict[str, float | int]:
    """Measure what a method draws of a split's rare classes.

    Parameters
    ----------
    sampler : ImageSampler
        One that has learnt.
    split : TrainTest
        Its `X_whole` are what drawn images are held against: classifiers are trained on one part of them and judge by
        what they have not seen.
    device : str
        Where these are trained.

    Returns
    -------
    dict
        `seen`, how often the classifiers see the class asked for, 0 to 1; `frechet`, the mean over the classes of the
        Fréchet distance on the classifiers' features; `ssim`, the mean SSIM of two drawn images of a class, and
        `ssim_of_real`; what could not be told is left out. `n_judged` images a class.
    """
    assert split.X_whole is not None
    assert split.y_whole is not None
    X_drawn = np.concatenate([sampler.draw(label, range(N_JUDGED)) for label in split.rare])
    y_drawn = np.repeat(split.rare, N_JUDGED)
    X, y = split.X_whole, split.y_whole
    judges = _judges(_Whole(hash_data(X, y), X, y), device)
    report = evaluate_images(X, y, X_drawn, y_drawn, device=device, crossfit=judges)
    found: dict[str, list[float | None]] = {
        name: [each.figures[figure].value for each in report.classes] for name, figure in FIGURES.items()
    }
    found["ssim_of_real"] = [each.figures["ssim"].reference for each in report.classes]
    told = {name: [value for value in values if value is not None] for name, values in found.items()}
    means: dict[str, Any] = {name: float(np.mean(values)) for name, values in told.items() if values}
    return {**means, "n_judged": N_JUDGED}
