"""The game: its rules, its two players, and one step. Reads from top to bottom."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from makeweight.evolution import Acceptance, Evolution, Individual, Population, detached_copy, fitness
from makeweight.heads import Head, Judgement
from makeweight.objectives import Objective
from makeweight.priors import Prior, Request
from makeweight.stabilisers import Augmentation, AveragedWeights, Penalty, Transform
from makeweight.team import Team
from makeweight.transfer import moved

SMALLEST_SLOPE = 1e-30  # of an image's realness in a loss, so that it can be divided by


@dataclass(frozen=True)
class Game:
    """The rules: everything that stays the same from step to step."""

    objective: Objective
    mutations: list[Objective]
    acceptance: Acceptance
    evolution: Evolution
    head: Head
    prior: Prior
    augmentation: Augmentation
    penalty: Penalty
    class_counts: NDArray[np.int64]
    latent_dim: int
    batch_size: int
    device: torch.device
    autocast: Callable[[], AbstractContextManager[object]]
    team: Team = field(default_factory=Team)

    @property
    def plain(self) -> bool:
        """Whether there is nothing to choose, so that a step is an ordinary gradient step."""
        return len(self.mutations) == 1 and not self.acceptance.scores_parent

    def request(self, random: torch.Generator) -> Request:
        """Draw what the generator is asked for in this process's part of one batch."""
        n = self.batch_size // self.team.size
        noise, codes = self.team.own(lambda: self.prior.draw(n, self.latent_dim, self.class_counts, random))
        return Request(moved(noise, self.device), moved(codes, self.device))

    def transform(self, random: torch.Generator) -> Transform:
        """Draw the augmentation of this process's part of one batch."""
        n = self.batch_size // self.team.size
        return self.team.own(lambda: self.augmentation.draw(n, random))

    def draw(self, generator: nn.Module, request: Request) -> Tensor:
        """Draw float32 images of shape (batch, c, h, w)."""
        with self.autocast():
            images: Tensor = generator(request.noise, request.codes)
        return images.float()

    def judge(self, discriminator: nn.Module, images: Tensor, transform: Transform) -> Judgement:
        """Judge images after augmentation."""
        with self.autocast():
            judgement: Judgement = discriminator(transform(images))
        return judgement


@dataclass
class Players:
    """The generator, the discriminator, and the room that evolution needs.

    Attributes
    ----------
    generator, discriminator : Individual
        The generator is the parent of the next step's offspring.
    judges_alike : bool
        What `judges_alike` says of the discriminator.
    population : Population or None
        The generator with a place for each offspring; None in a plain game.
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

    @property
    def offspring(self) -> list[Individual]:
        """The places for offspring, one a mutation; none in a plain game."""
        return self.population.offspring if self.population else []


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
        return bool((one[:2] - other[:2]).abs().max() <= 1e-4 * one.abs().max())

    return all(
        equal(alone.scores, each.scores) and equal(alone.class_logits, each.class_logits) for each in (among, taught)
    )


@dataclass(frozen=True)
class Half:
    """The discriminator's loss on real, or on drawn, images, its gradient by the weights, and the mean realness."""

    loss: Tensor
    gradient: Tensor
    realness: Tensor


@dataclass(frozen=True)
class Litter:
    """What the parent's batch gives: a gradient and a loss for each mutation, and the images.

    `half` is the discriminator's half on those images, where it came along.
    """

    gradients: Tensor
    losses: Tensor
    images: Tensor
    half: Half | None = None


@dataclass(frozen=True)
class Contest:
    """All contenders side by side, the offspring and, where it competes, the parent last.

    `gradients` and `losses` are the discriminator's on the real batch and each contender's images.
    """

    fitness: Tensor
    gradients: Tensor
    losses: Tensor
    images: Tensor
    codes: Tensor


@dataclass(frozen=True)
class StepOutcome:
    """What came of a step, on the device: losses, the winning mutation, whether it was accepted, all fitnesses."""

    discriminator_loss: Tensor
    generator_loss: Tensor
    winner: Tensor
    accepted: Tensor
    fitness: Tensor | None = None

    def figures(self) -> Tensor:
        """Both losses, the winner and the acceptance as one row."""
        return torch.stack([self.discriminator_loss, self.generator_loss, self.winner.float(), self.accepted.float()])


def half_of(game: Game, players: Players, judgement: Judgement, codes: Tensor, *, real: bool) -> Half:
    """Loss and gradient of the discriminator on a judged batch of one kind."""
    adversarial = game.objective.real_loss if real else game.objective.fake_loss
    of_labels = game.head.real_loss if real else game.head.fake_loss
    loss = adversarial(judgement.scores) + of_labels(judgement, codes)
    gradient = players.discriminator.gradient(loss)
    return Half(loss.detach(), gradient, judgement.scores.detach().sigmoid().mean())


def shared_pulls(
    game: Game, players: Players, judgement: Judgement, shown: Tensor, codes: Tensor, *, scored: bool
) -> tuple[list[Tensor], Half | None]:
    """Pull of each mutation on the images `shown`, from two backward chains through the discriminator.

    An image's realness depends on that image alone, so the pulls of all objectives are one chain, from the realness,
    times a number an image; the pull of the labels, a second chain, is the same for all. Where the parent is scored
    and the discriminator learns no labels from drawn images, its half on these images is that first chain, too.
    """
    outputs = Judgement(*(part.detach().requires_grad_() for part in judgement))
    of_labels = game.head.generator_loss(outputs, codes)
    at_images: Tensor | float = 0.0
    if of_labels.requires_grad:
        slopes = torch.autograd.grad(of_labels, outputs, allow_unused=True)
        used = [(output, slope) for output, slope in zip(judgement, slopes, strict=True) if slope is not None]
        ends, towards = zip(*used, strict=True)
        (at_images,) = torch.autograd.grad(ends, shown, towards, retain_graph=True)
    half = None
    if scored and not game.head.fake_loss(outputs, codes).requires_grad:
        loss = game.objective.fake_loss(outputs.scores)
        (slope,) = torch.autograd.grad(loss, outputs.scores)
        slope = torch.where(slope.abs() < SMALLEST_SLOPE, SMALLEST_SLOPE, slope)
        wanted = [shown, *players.discriminator.parameters]
        chain, *gradient = torch.autograd.grad(judgement.scores, wanted, slope, materialize_grads=True)
        chain = chain / slope.view(-1, 1, 1, 1)
        realness = judgement.scores.detach().sigmoid().mean()
        half = Half(loss.detach(), players.discriminator.flat(gradient), realness)
    else:
        ones = torch.ones_like(judgement.scores)
        (chain,) = torch.autograd.grad(judgement.scores, shown, ones, retain_graph=scored)
    pulls = []
    for mutation in game.mutations:
        (slope,) = torch.autograd.grad(mutation.mutation_loss(outputs.scores), outputs.scores)
        pulls.append(slope.view(-1, 1, 1, 1) * chain + at_images)
    return pulls, half


def breed(game: Game, players: Players, request: Request, transform: Transform) -> Litter:
    """Draw one batch from the parent and differentiate every mutation's loss on it.

    One forward pass through both networks serves all mutations. The half for the parent's own score comes along where
    the score is to be taken on this request and the discriminator answers alike in training and evaluation.
    """
    parent, judge = players.generator, players.discriminator.network
    judge.train()
    drawn = game.draw(parent.network, request)
    shown = drawn.detach().requires_grad_()
    judgement = game.judge(judge, shown, transform)
    of_labels = game.head.generator_loss(judgement, request.codes)
    losses = [mutation.mutation_loss(judgement.scores) + of_labels for mutation in game.mutations]
    scored = game.acceptance.scores_parent and not game.evolution.fresh_noise and players.judges_alike
    half = None
    if players.judges_alike and len(losses) > 1:
        pulls, half = shared_pulls(game, players, judgement, shown, request.codes, scored=scored)
    else:
        pulls = [torch.autograd.grad(loss, shown, retain_graph=True)[0] for loss in losses]
    if scored and half is None:
        half = half_of(game, players, judgement, request.codes, real=False)
    gradients = torch.empty(len(pulls), len(parent.weights), device=drawn.device)
    for pull, row in zip(pulls, gradients, strict=True):
        parent.gradient(drawn, pull, keep=pull is not pulls[-1], into=row)
    litter = Litter(gradients, torch.stack(losses).detach(), drawn.detach(), half)
    game.team.average(litter.gradients, litter.losses)
    return litter


def compete(
    game: Game,
    players: Players,
    individuals: list[Individual],
    real: Half,
    request: Request,
    transform: Transform,
    litter: Litter | None = None,
) -> Contest:
    """Let generators draw what is asked for and score them; the parent of a litter comes last, by what it drew."""
    halves, images = [], []
    for individual in individuals:
        with torch.no_grad():
            images.append(game.draw(individual.network, request))
        judgement = game.judge(players.discriminator.network, images[-1], transform)
        halves.append(half_of(game, players, judgement, request.codes, real=False))
    if litter is not None and litter.half is not None:
        halves.append(litter.half)
        images.append(litter.images)
    gradients = torch.stack([half.gradient for half in halves]) + real.gradient
    losses = torch.stack([half.loss for half in halves]) + real.loss
    realness = torch.stack([half.realness for half in halves])
    game.team.average(gradients, losses, realness)
    values = fitness(realness, gradients, game.evolution.diversity_weight)
    return Contest(values, gradients, losses, torch.stack(images), request.codes)


def evolve(
    game: Game,
    players: Players,
    population: Population,
    litter: Litter,
    real: Half,
    request: Request,
    transform: Transform,
    random: torch.Generator,
) -> tuple[Contest, Tensor, Tensor, Tensor]:
    """Raise the litter from the same parent, score all on the same request, and make the survivor the parent.

    Returns
    -------
    (Contest, Tensor, Tensor, Tensor)
        The contest, the winning mutation, whether it was accepted, and the survivor's number of shape (1,).
    """
    for child, gradient in zip(population.offspring, litter.gradients, strict=True):
        child.become(population.parent)
        child.step(gradient)
    test = game.request(random) if game.evolution.fresh_noise else request
    again = [population.parent] if game.acceptance.scores_parent and litter.half is None else []
    contest = compete(game, players, [*population.offspring, *again], real, test, transform, litter)
    best, winner = contest.fitness[: len(game.mutations)].max(0)
    accepted = torch.ones_like(winner, dtype=torch.bool)
    if game.acceptance.scores_parent:
        coin = moved(torch.rand((), generator=random), game.device)
        accepted = coin < game.acceptance.chance(best, contest.fitness[-1], players.temperature)
    survivor = torch.where(accepted, winner, len(game.mutations)).view(1)
    population.choose(survivor)
    return contest, winner, accepted, survivor


def step(game: Game, players: Players, images: Tensor, codes: Tensor, random: torch.Generator) -> StepOutcome:
    """One step of the game: the generator's, then the discriminator's on a real batch and the survivor's images.

    The discriminator steps along the gradient already computed for the survivor's score, where its layers allow.
    Nothing is asked of the device on the way, so that a GPU is never waited for.

    Parameters
    ----------
    images : Tensor of shape (batch, c, h, w)
        Real images in [-1, 1]; of several processes, each has its own part of the batch.
    codes : Tensor of shape (batch,)
        Their class codes.
    random : torch.Generator
        Source of all chance, on the processor; alike in all processes.
    """
    judge, population = players.discriminator.network, players.population
    show_real, show_fake = game.transform(random), game.transform(random)

    def half(images: Tensor, codes: Tensor, transform: Transform, *, real: bool) -> Half:
        return half_of(game, players, game.judge(judge, images, transform), codes, real=real)

    request = game.request(random)
    litter = breed(game, players, request, show_fake)
    if population is None:
        players.generator.step(litter.gradients[0])
        winner, values = litter.losses.new_zeros((), dtype=torch.long), None
        accepted = torch.ones_like(winner, dtype=torch.bool)
        request = game.request(random)
        with torch.no_grad():
            drawn, asked = game.draw(players.generator.network, request), request.codes
    else:
        judge.eval()
        real = half(images, codes, show_real, real=True)
        contest, winner, accepted, survivor = evolve(
            game, players, population, litter, real, request, show_fake, random
        )
        players.generator, values = population.parent, contest.fitness
        drawn, asked = contest.images.index_select(0, survivor)[0], contest.codes
    if population is not None and players.judges_alike:
        gradient = contest.gradients.index_select(0, survivor)[0]
        loss = contest.losses.index_select(0, survivor)[0]
    else:
        judge.train()
        real, fake = half(images, codes, show_real, real=True), half(drawn, asked, show_fake, real=False)
        gradient, loss = real.gradient + fake.gradient, real.loss + fake.loss
        game.team.average(gradient, loss)
    if game.penalty.every and players.n_steps % game.penalty.every == 0:
        with game.autocast():
            cost = game.penalty.loss(judge, show_real(images))
        slope = players.discriminator.gradient(cost)
        game.team.average(slope)
        gradient = gradient + slope
    players.discriminator.step(gradient)
    game.team.average(players.generator.statistics, players.discriminator.statistics)
    players.n_steps += 1
    return StepOutcome(loss, litter.losses.index_select(0, winner.view(1))[0], winner, accepted, values)


def rescore_best(game: Game, players: Players, images: Tensor, codes: Tensor, random: torch.Generator) -> None:
    """Compare the best generator so far with the survivor under the current discriminator, and keep the fitter one.

    Both are scored on the same request and real batch. A remembered fitness is never used: it moves with the judge.
    """
    if players.best is None:
        players.best = players.generator.offspring()
        return
    judge = players.discriminator.network
    judge.eval()
    show = game.transform(random)
    real = half_of(game, players, game.judge(judge, images, show), codes, real=True)
    contest = compete(game, players, [players.best, players.generator], real, game.request(random), show)
    # Both drew, each process for itself, and their batch norms took note.
    game.team.average(players.best.statistics, players.generator.statistics)
    if contest.fitness[1] > contest.fitness[0]:
        players.best.become(players.generator)
