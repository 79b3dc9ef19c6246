"""What a training will cost, foretold from a few steps."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from makeweight.devices import fabric_for
from makeweight.progress import Report
from makeweight.schedule import Schedule, report_every


class Trains(Protocol):
    """A sampler that trains, of any kind; `ImageSampler.learns` says which do."""

    device: str
    precision: str | None
    learns_apart: ClassVar[bool]

    def setting(self, name: str) -> Any:
        """Give the value of a parameter that is in force."""

    def _schedule(self, counts: NDArray[np.int64]) -> Schedule: ...


@dataclass(frozen=True)
class Estimate:
    """What a training will cost: steps, seconds, and bytes of memory."""

    n_steps: int
    seconds: float
    bytes: int


def estimate(sampler: Trains, image_shape: tuple[int, ...], class_counts: ArrayLike) -> Estimate:
    """Foretell what `fit` will cost from a few steps on random images.

    Parameters
    ----------
    sampler : ImageSampler
        One that trains. Its settings are used; it is not changed, and nothing is kept of the trial.
    image_shape : tuple of int
        (h, w), (h, w, c) or (c, h, w), as the sampler's `channels` says where the shape leaves that open.
    class_counts : array-like of int, of shape (n_classes,)
        Training images of each class, of one byte a value.
    """
    counts = np.asarray(class_counts)
    n_classes, n_images = len(counts), int(counts.sum())
    pause = report_every(fabric_for(sampler.device, sampler.precision).device)
    warm_up, timed = pause, max(3, pause)
    marks: dict[type[Report], list[Report]] = {}  # of the game, and of an autoencoder before it
    n_tried = max(2 * n_classes, 64)
    trial = clone(sampler).set_params(
        n_steps=max(warm_up + timed, n_classes if sampler.learns_apart else 1),
        n_epochs=None,
        budget=None,
        callback=lambda report: marks.setdefault(type(report), []).append(report),
        warm_start=False,
        checkpoints=None,
        sampling_strategy="auto",
        random_state=0,
    )
    of_gans = {"best_every": 0, "draws": "last"}  # so few steps rescore nothing
    of_trial = trial.get_params(deep=False)
    trial.set_params(**{name: value for name, value in of_gans.items() if name in of_trial})
    share = sampler.setting("start").share if "start" in of_trial else 0.0
    if share:
        trial.set_params(start=clone(sampler.setting("start")).set_params(share=1.0))
    X = np.random.default_rng(0).integers(0, 256, (n_tried, *image_shape)).astype(np.uint8)
    trial.fit(X, np.arange(n_tried) % n_classes)
    *before, of_game = map(_seconds_of_a_step, marks.values())
    a_step = of_game + share * sum(before)
    schedule = sampler._schedule(counts)
    if schedule.budget is not None:  # of which the game has its part, whatever the pace of what comes before
        n_steps, seconds = round(schedule.budget / (1 + share) / of_game), schedule.budget
    else:
        n_steps = schedule.n_steps or 0
        seconds = n_steps * a_step
    return Estimate(n_steps, seconds, _peak_memory() + n_images * int(np.prod(image_shape)))


def _seconds_of_a_step(reports: list[Report]) -> float:
    """Give the pace after the first steps; a method that trains once a class begins to count again with each."""
    told = [(other.seconds - one.seconds, other.step - one.step) for one, other in pairwise(reports)]
    told = [(seconds, steps) for seconds, steps in told if steps > 0] or [(each.seconds, each.step) for each in reports]
    return sum(seconds for seconds, _ in told) / sum(steps for _, steps in told)


def _peak_memory() -> int:
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
