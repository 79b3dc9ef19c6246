"""Recipes: one choice on each axis, and the numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import makeweight.opposed  # noqa: F401 - registers its head
from makeweight.augmentations import AUGMENTATIONS, Augmentation
from makeweight.component import Registry
from makeweight.evolution import EVOLUTIONS, Evolution
from makeweight.heads import HEADS, AuxiliaryClassifier, Head
from makeweight.networks import NETWORKS, Networks
from makeweight.objectives import OBJECTIVES, Objective
from makeweight.penalties import PENALTIES, Penalty
from makeweight.priors import PRIORS, Prior
from makeweight.ranges import DECAYS, SWITCH, Ranges, above, at_least, below, whole, within
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


LIMITS: Ranges = {
    "batch_size": whole(1, 1 << 20),
    "latent_dim": whole(1, 1 << 20),
    "best_every": whole(0),
    "learning_rate": above(0),
    "learning_rate_decay": within(0, 1),
    "average_decay": below(1),
    "betas": DECAYS,
    "discriminator_steps": whole(1, 1000),
    "discriminator_speed": above(0),
    "feature_matching": at_least(0),
    "spectral_norm": SWITCH,
    "minibatch_deviation": SWITCH,
    "balanced_batches": SWITCH,
}

# Settings of the papers, which have none of what this library adds to keep a small-data game alive.
WITHOUT_TRICKS: dict[str, Any] = {
    "augmentation": "none",
    "learning_rate_decay": 0.0,
    "average_decay": 0.0,
    "draws": "last",
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
