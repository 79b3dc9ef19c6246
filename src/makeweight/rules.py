"""The game's rules and its two players: what is combined with what, and what makes no sense together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from makeweight.augmentations import Augmentation, Transform
from makeweight.errors import InputError
from makeweight.evolution import Acceptance, Evolution, FitnessTerm
from makeweight.heads import Head
from makeweight.individual import Individual, Population, detached_copy
from makeweight.judges import Judgement, batch_norms
from makeweight.objectives import Objective
from makeweight.parts import in_parts
from makeweight.penalties import Free, Penalty
from makeweight.priors import Prior, Request
from makeweight.stabilisers import AveragedWeights, Mixing
from makeweight.team import Team

MIXES_NOTHING = (
    "mixed_batches changes nothing, since the discriminator judges each image by itself: choose networks with batch "
    "norm, such as DCGAN(batch_norm=True)"
)
NO_BATCH_NORM = (
    "evolution.batch_statistics changes nothing, since the discriminator has no batch norm: choose networks with it, "
    "such as DCGAN(batch_norm=True)"
)
NOTHING_SCORED = (
    "evolution.batch_statistics changes nothing, since a single offspring always survives and is not scored: give "
    "several mutations, or a best_every above 0 and no more than the steps taken"
)


class Batch(NamedTuple):
    """Images of shape (batch, c, h, w), the classes they are said to show, and how they are changed to be judged."""

    images: Tensor
    codes: Tensor
    transform: Transform


def changed(batch: Batch) -> Tensor:
    """Change the images of a batch as they are to be judged.

    Raises
    ------
    InputError
        If an augmentation gives images of another shape.
    """
    images = batch.transform(batch.images)
    if images.shape != batch.images.shape:
        was, now = (tuple(each.shape) for each in (batch.images, images))
        raise InputError(
            f"the augmentation makes images of shape {now} of those of shape {was}: let it keep the shape."
        )
    return images


@dataclass(frozen=True)
class Game:
    """The rules: everything that stays the same from step to step.

    Raises
    ------
    InputError
        For parts that make no sense together.
    """

    objective: Objective
    mutations: list[Objective]
    acceptance: Acceptance
    evolution: Evolution
    head: Head
    prior: Prior
    augmentation: Augmentation
    class_counts: NDArray[np.int64]
    latent_dim: int
    batch_size: int
    device: torch.device
    autocast: Callable[[], AbstractContextManager[object]]
    penalty: Penalty = field(default_factory=Free)
    mixing: Mixing = field(default_factory=Mixing)
    feature_matching: float = 0.0
    discriminator_steps: int = 1
    discriminator_speed: float = 1.0
    spectral_norm: bool = False
    steps_per_epoch: int = 1
    team: Team = field(default_factory=Team)
    n_parts: int = 1

    def __post_init__(self) -> None:
        problem = next(problems(self), None)
        if problem:
            raise InputError(problem)

    @cached_property
    def terms(self) -> list[FitnessTerm]:
        """What the fitness adds up."""
        return self.evolution.terms()

    @property
    def plain(self) -> bool:
        """Whether there is nothing to choose, so that a step is an ordinary gradient step."""
        return len(self.mutations) == self.evolution.n_survivors == 1 and not self.acceptance.scores_parent

    def request(self, random: torch.Generator) -> Request:
        """Draw what the generator is asked for in this process's part of one batch, on the processor."""
        n = self.batch_size // self.team.size
        return self.team.own(lambda: self.prior.draw(n, self.latent_dim, self.class_counts, random))

    def transform(self, random: torch.Generator, n_steps: int = 0) -> Transform:
        """Draw the augmentation of this process's part of one batch, after `n_steps` of the game."""
        n = self.batch_size // self.team.size
        return self.team.own(lambda: self.augmentation.draw(n, random, n_steps))

    def draw(self, generator: nn.Module, request: Request) -> Tensor:
        """Draw float32 images of shape (batch, c, h, w)."""
        with self.autocast():
            images: Tensor = in_parts(generator, self.n_parts, request.noise, request.codes)
        return images.float()

    def judge(self, discriminator: nn.Module, batch: Batch) -> Judgement:
        """Judge images after augmentation."""
        with self.autocast():
            images = changed(batch)
            judgement: Judgement = in_parts(discriminator, self.n_parts, images, batch.codes)
        return judgement

    def judge_both(
        self, discriminator: nn.Module, real: Batch, drawn: Batch, share: float
    ) -> tuple[Judgement, Judgement]:
        """Judge two batches of equal size; a share of each, 0 to 0.5, changes places with as much of the other."""
        cut = round(share * len(real.images))
        if not cut:
            return self.judge(discriminator, real), self.judge(discriminator, drawn)
        batches = [(changed(batch), batch.codes) for batch in (real, drawn)]

        def crossed(mine: Tensor, theirs: Tensor) -> Tensor:
            return torch.cat([theirs[:cut], mine[cut:]])

        with self.autocast():
            first, second = (
                in_parts(discriminator, self.n_parts, *(crossed(*pair) for pair in zip(*order, strict=True)))
                for order in (batches, batches[::-1])
            )
        back = [
            Judgement(*(crossed(*pair) for pair in zip(*two, strict=True)))
            for two in ((first, second), (second, first))
        ]
        return back[0], back[1]

    def discriminator_loss(self, real: Judgement, codes: Tensor, drawn: Judgement, asked: Tensor) -> Tensor:
        """Return the discriminator's whole loss."""
        if self.objective.paired:
            of_labels = self.head.real_loss(real, codes) + self.head.fake_loss(drawn, asked)
            return self.objective.discriminator_loss(real.scores, drawn.scores) + of_labels
        return self.half_loss(real, codes, real=True) + self.half_loss(drawn, asked, real=False)

    def half_loss(self, judgement: Judgement, codes: Tensor, *, real: bool) -> Tensor:
        """Return the part of the discriminator's loss that is on real, or on drawn, images."""
        adversarial = self.objective.real_loss if real else self.objective.fake_loss
        of_labels = self.head.real_loss if real else self.head.fake_loss
        loss = adversarial(judgement.scores) + of_labels(judgement, codes)
        share = self.head.drawn_share(len(self.class_counts))
        weight = 2 * (1 - share if real else share)
        return loss if weight == 1 else weight * loss

    def pull(self, mutation: Objective, scores: Tensor, beside: Judgement | None) -> Tensor:
        """Return a generator's adversarial loss; `beside` is the judgement of real images."""
        if mutation.paired and beside is not None:
            return mutation.paired_generator_loss(scores, beside.scores)
        return mutation.generator_loss(scores) if self.plain else mutation.mutation_loss(scores)

    def common_loss(self, judgement: Judgement, codes: Tensor, beside: Judgement | None) -> Tensor:
        """Return what is the same in the loss of every mutation: the labels', and the distance of mean features."""
        loss = self.head.generator_loss(judgement, codes)
        if beside is None or not self.feature_matching:
            return loss
        gap = judgement.features.float().mean(dim=0) - beside.features.float().mean(dim=0)
        return loss + self.feature_matching * gap.square().sum()


@dataclass
class Players:
    """The generator, the discriminator, and the room that evolution needs.

    Attributes
    ----------
    generator, discriminator : Individual
        The generator is the fittest parent of the next step's offspring.
    judges_alike : bool
        What `judges_alike` says of the discriminator.
    population : Population or None
        The generator, other survivors, and a place for each offspring; None in a plain game.
    average : AveragedWeights or None
        Moving average of the generator.
    best : Individual or None
        Fittest generator so far, by the last rescoring.
    temperature : float or None
        Of the acceptance rule.
    n_steps : int
        Steps taken.
    """

    generator: Individual
    discriminator: Individual
    judges_alike: bool
    population: Population | None = None
    average: AveragedWeights | None = None
    best: Individual | None = None
    temperature: float | None = None
    n_steps: int = 0

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what was pickled or copied; the generator is one of the population."""
        vars(self).update(state)
        if self.population is not None:
            self.generator = self.population.parent

    @property
    def offspring(self) -> list[Individual]:
        """The places for offspring, one a mutation and parent; none in a plain game."""
        return self.population.offspring if self.population else []

    @property
    def parents(self) -> list[Individual]:
        """The generators that survived the last step, the fittest first."""
        return self.population.parents if self.population else [self.generator]


@torch.no_grad()
def judges_alike(discriminator: nn.Module, shape: tuple[int, int, int]) -> bool:
    """Find out whether a discriminator judges each image by itself, and alike in training and in evaluation.

    Dropout, batch norm and whatever else ties an image's judgement to the mode or to its neighbours make it False.

    Parameters
    ----------
    discriminator : Module
        Tried on a few random images in a copy.
    shape : (int, int, int)
        Channels, height and width of an image.
    """
    random = torch.Generator().manual_seed(0)
    images, others = torch.randn(2, 2, *shape, generator=random).to(next(discriminator.parameters()).device)
    tried = detached_copy(discriminator)
    alone: Judgement = tried.eval()(torch.cat([images, images]))
    among: Judgement = tried(torch.cat([images, others]))
    taught: Judgement = tried.train()(torch.cat([images, images]))

    def equal(one: Tensor, other: Tensor) -> bool:
        return not one.numel() or bool((one[:2] - other[:2]).abs().max() <= 1e-4 * one.abs().max())

    # Features, too: early in a training they are so small that scores show little but their bias.
    return all(equal(mine, its) for each in (among, taught) for mine, its in zip(alone, each, strict=True))


def problems(game: Game) -> Iterator[str]:
    """Say why parts of a game make no sense together, a sentence for each reason."""
    names = [mutation.name for mutation in game.mutations]
    head, objective = game.head, game.objective
    if len(game.class_counts) > 1 and not head.conditions:
        yield (
            f"head={head.name!r} tells the generator nothing about classes, and there are {len(game.class_counts)}: "
            "choose a head that judges labels, such as 'auxiliary_classifier'."
        )
    if head.own_objective and (objective.name != head.own_objective or names != [head.own_objective]):
        yield (
            f"head={head.name!r} takes the place of the adversarial loss, so that all offspring would be alike: leave "
            f"objective={head.own_objective!r} and mutations=({head.own_objective!r},)."
        )
    if (objective.paired or any(mutation.paired for mutation in game.mutations)) and not game.plain:
        yield (
            "the relativistic objective compares real with drawn images in pairs, which offspring cannot share: give "
            "Evolution one mutation, one survivor and acceptance='always'."
        )
    elif objective.paired != game.mutations[0].paired:
        yield (
            f"objective={objective.name!r} and mutations=({names[0]!r},) do not play the same game: both players "
            "compare real with drawn images in pairs, or neither does."
        )
    twins = next(_twins(game.mutations), None)
    if twins:
        yield f"mutations {twins[0]!r} and {twins[1]!r} would breed the same offspring: leave one out."
    if not (objective.bounded or game.penalty.limits or game.spectral_norm):
        yield (
            f"objective={objective.name!r} is a distance only where the discriminator's slope is limited: choose a "
            "penalty, such as 'gradient_penalty' or 'weight_clipping', or spectral_norm=True."
        )


def _twins(mutations: list[Objective]) -> Iterator[tuple[str, str]]:
    """Pairs of mutations with equal losses."""
    scores = torch.linspace(-3.0, 3.0, 7)
    paired = [mutation for mutation in mutations if not mutation.paired]
    losses = [torch.stack([mutation.mutation_loss(score) for score in scores]) for mutation in paired]
    for second, mutation in enumerate(paired):
        for first in range(second):
            if torch.equal(losses[first], losses[second]):
                yield paired[first].name, mutation.name


def in_vain(game: Game, players: Players) -> Iterator[str]:
    """Name the settings that change nothing with this discriminator, a sentence for each."""
    if players.judges_alike and game.mixing.name != "none":
        yield MIXES_NOTHING
    if game.evolution.batch_statistics and not batch_norms(players.discriminator.network):
        yield NO_BATCH_NORM
    elif game.evolution.batch_statistics and game.plain and players.best is None:
        yield NOTHING_SCORED
