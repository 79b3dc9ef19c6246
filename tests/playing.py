"""Small games, players and batches to play with in tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from makeweight.augmentations import Affine
from makeweight.evolution import Acceptance, Always, Annealed, Evolution
from makeweight.heads import AuxiliaryClassifier
from makeweight.individual import Individual, Population, detached_copy
from makeweight.networks import DCGAN
from makeweight.objectives import OBJECTIVES
from makeweight.priors import Empirical
from makeweight.rules import Game, Players, judges_alike
from makeweight.stabilisers import AveragedWeights, normalise_spectrally

THREE = ("minimax", "non_saturating", "least_squares")
SHAPE, N_CLASSES, LATENT, BATCH, RATE = (1, 8, 8), 3, 5, 6, 5e-3
COLD = 1e-4  # fitness gaps here are about 1e-3
Batch = tuple[Tensor, Tensor]


def mode_dependent_trunk() -> tuple[nn.Module, int]:
    """The shape of the authors' trunk, shrunk: its batch norm and a dropout that drops nothing."""
    layers = [nn.Conv2d(1, 4, 4, 2, 1, bias=False), nn.LeakyReLU(0.2), nn.Dropout(0.0)]
    layers += [nn.Conv2d(4, 6, 4, 2, 1, bias=False), nn.BatchNorm2d(6), nn.LeakyReLU(0.2), nn.Flatten()]
    return nn.Sequential(*layers), 24


class MinibatchDeviation(nn.Module):
    """Adds the spread over the batch: ties images to their neighbours in both modes alike."""

    def forward(self, features: Tensor) -> Tensor:
        return features + features.std(0).mean()


def make_game(mutations: tuple[str, ...] = THREE, acceptance: Acceptance | None = None, **changes: Any) -> Game:
    settings: dict[str, Any] = {
        "objective": OBJECTIVES.get("non_saturating")(),
        "mutations": [OBJECTIVES.get(name)() for name in mutations],
        "acceptance": acceptance or Always(),
        "evolution": Evolution(),
        "head": AuxiliaryClassifier(),
        "prior": Empirical(),
        "augmentation": Affine(mirror=True),
        "class_counts": np.array([7, 3, 2]),
        "latent_dim": LATENT,
        "batch_size": BATCH,
        "device": torch.device("cpu"),
        "autocast": contextlib.nullcontext,
    }
    return Game(**{**settings, **changes})


def make_players(
    game: Game,
    *,
    seed: int = 0,
    by_mode: bool = False,
    average: bool = False,
    rate: float = RATE,
    swaps: bool = False,
) -> Players:
    """Players whose weights are large enough that scores, and the objectives' gradients, differ well.

    By default survivors are copied, as on a GPU, so that offspring stay in their places to be looked at.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pair = DCGAN(width=4, generator_width=6).build(SHAPE, N_CLASSES, LATENT)
        trunk, n_features = mode_dependent_trunk() if by_mode else (pair.trunk, pair.n_features)
        judge = game.head.build(trunk, n_features, len(game.class_counts))
        game.penalty.prepare(judge)
        if game.spectral_norm:
            normalise_spectrally(judge)
        for network in (pair.generator, judge):
            for parameter in network.parameters():
                parameter.data.add_(0.15 * torch.randn(parameter.shape))
        founders = [Individual(pair.generator, rate, (0.5, 0.999))]
        for _ in range(game.evolution.n_survivors - 1):
            founders.append(founders[0].offspring())
            founders[-1].weights.data.add_(0.05 * torch.randn(founders[-1].weights.shape))
    population = None if game.plain else Population(founders, len(founders) * len(game.mutations))
    if population:
        population.swaps = swaps
    return Players(
        generator=population.parent if population else founders[0],
        discriminator=Individual(judge, rate, (0.5, 0.999)),
        judges_alike=judges_alike(judge, SHAPE),
        population=population,
        average=AveragedWeights(detached_copy(pair.generator), 0.9) if average else None,
    )


def real_batches(seed: int = 0, n: int = BATCH) -> Iterator[Batch]:
    random = torch.Generator().manual_seed(seed)
    while True:
        codes = torch.randint(N_CLASSES, (n,), generator=random)
        images = (torch.randn(n, *SHAPE, generator=random) * 0.3 + codes.view(-1, 1, 1, 1) * 0.4 - 0.4).clamp(-1, 1)
        yield images, codes


RECIPES = {
    "acgan": (("non_saturating",), Always()),
    "egan": (THREE, Always()),
    "aggan": (THREE, Annealed()),
}
