"""Recipes: one choice on each axis, and the numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import makeweight.opposed  # noqa: F401 - registers its head
from makeweight.augmentations import AUGMENTATIONS, Augmentation
from makeweight.component import Registry
from makeweight.evolution import EVOLUTIONS, Evolution
from makeweight.heads import HEADS, AuxiliaryClassifier, Head
from makeweight.networks import NETWORKS, Networks
from makeweight.objectives import OBJECTIVES, Objective
from makeweight.penalties import PENALTIES, Penalty
from makeweight.priors import PRIORS, Prior
from makeweight.stabilisers import MIXINGS, Mixing
from makeweight.starts import STARTS, Start

PARTS: dict[str, Registry[Any]] = {
    "networks": NETWORKS,
    "prior": PRIORS,
    "head": HEADS,
    "objective": OBJECTIVES,
    "evolution": EVOLUTIONS,
    "augmentation": AUGMENTATIONS,
    "penalty": PENALTIES,
    "mixed_batches": MIXINGS,
    "start": STARTS,
}


def _whole(low: int) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: isinstance(value, (int, np.integer)) and int(value) >= low), f"a whole number, {low} or more"


LIMITS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "batch_size": _whole(1),
    "latent_dim": _whole(1),
    "best_every": _whole(0),
    "learning_rate": (lambda value: 0 < value < math.inf, "above 0"),
    "learning_rate_decay": (lambda value: 0 <= value <= 1, "0 to 1"),
    "average_decay": (lambda value: 0 <= value < 1, "0 or more and below 1"),
    "discriminator_steps": _whole(1),
    "discriminator_speed": (lambda value: 0 < value < math.inf, "above 0"),
    "feature_matching": (lambda value: 0 <= value < math.inf, "0 or more"),
}


def _gentle_head() -> Head:
    return AuxiliaryClassifier(fakes=False, generator_weight=0.1)


@dataclass(frozen=True)
class Recipe:
    """One choice on each axis, and the numbers. What the constructor is not told is taken from here.

    Attributes
    ----------
    head : str or Head
        By default the discriminator learns classes from real images alone, and the generator is pulled towards the
        class gently, so that it keeps its variety.
    n_steps : int
        Steps of the game.
    learning_rate_decay : float
        Share of the training, at its end, over which the learning rate falls to zero.
    balanced_batches : bool
        Whether real batches hold every class equally often.
    average_decay : float
        Decay of the generator's moving average; 0 keeps none.
    best_every : int
        Steps between two rescorings of the best generator; 0 keeps none.
    draws : {"average", "best", "last"}
        Which generator draws.
    discriminator_steps : int
        Steps of the discriminator, each on a real batch of its own, for one of the generator.
    discriminator_speed : float
        The discriminator's step size, as a multiple of the generator's.
    spectral_norm, minibatch_deviation : bool
        Whether the discriminator's weights are normalised, and whether it sees the spread of a batch.
    feature_matching : float
        Weight of the distance between mean features in the generator's loss.
    """

    networks: str | Networks = "by_shape"
    prior: str | Prior = "uniform"
    head: str | Head = field(default_factory=_gentle_head)
    objective: str | Objective = "non_saturating"
    evolution: str | Evolution = "offspring"
    augmentation: str | Augmentation = "affine"
    penalty: str | Penalty = "none"
    n_steps: int = 9000
    batch_size: int = 64
    latent_dim: int = 100
    learning_rate: float = 1e-3
    learning_rate_decay: float = 0.5
    betas: tuple[float, float] = (0.5, 0.999)
    balanced_batches: bool = True
    average_decay: float = 0.999
    best_every: int = 100
    draws: str = "average"
    discriminator_steps: int = 1
    discriminator_speed: float = 1.0
    spectral_norm: bool = False
    minibatch_deviation: bool = False
    feature_matching: float = 0.0
    mixed_batches: str | Mixing = "none"
    start: str | Start = "fresh"
