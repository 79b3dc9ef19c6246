"""The game: two players, one step, and the loop. Reads from top to bottom."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from makeweight.errors import InputError
from makeweight.evolution import Acceptance, Evolution, Individual, fitness
from makeweight.heads import Head, Judgement
from makeweight.objectives import Objective
from makeweight.priors import Prior, Request
from makeweight.stabilisers import Augmentation, AveragedWeights, Penalty, Transform

REPORT_WINDOW = 100
SHORTEST_TRIAL = 0.02  # share of a budget after which the number of steps is settled at the earliest


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

    @property
    def plain(self) -> bool:
        """Whether there is nothing to choose, so that a step is an ordinary gradient step."""
        return len(self.mutations) == 1 and not self.acceptance.scores_parent

    def request(self, random: torch.Generator) -> Request:
        """Draw what the generator is asked for in one batch."""
        noise, codes = self.prior.draw(self.batch_size, self.latent_dim, self.class_counts, random)
        return Request(noise.to(self.device), codes.to(self.device))

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
    nursery : list of Individual
        One place for each mutation; empty for a plain game.
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
    nursery: list[Individual] = field(default_factory=list)
    average: AveragedWeights | None = None
    best: Individual | None = None
    temperature: float | None = None
    n_steps: int = 0

    @cached_property
    def judge_depends_on_mode(self) -> bool:
        """Whether the discriminator has layers that differ between training and evaluation."""
        return any(depends_on_mode(part) for part in self.discriminator.network.modules())


def depends_on_mode(layer: nn.Module) -> bool:
    """Tell whether a layer answers differently in training and in evaluation."""
    if isinstance(layer, nn.modules.batchnorm._NormBase):
        return layer.track_running_stats
    return isinstance(layer, (nn.modules.dropout._DropoutNd, nn.RReLU))


@dataclass(frozen=True)
class Half:
    """The discriminator's loss on real, or on drawn, images, with its gradient and the realness scores."""

    loss: Tensor
    gradient: list[Tensor]
    scores: Tensor


@dataclass(frozen=True)
class Contender:
    """A generator with what it drew this step, the discriminator's half on that, and its fitness."""

    individual: Individual
    images: Tensor
    codes: Tensor
    half: Half
    fitness: float


@dataclass(frozen=True)
class GeneratorStep:
    """What came of a generator's step: its loss, the winning mutation, whether it was accepted, the survivor.

    `real` is the half on the real batch under which the contenders were scored. A plain game scores nothing, so it has
    neither that nor a survivor.
    """

    loss: float
    winner: int
    accepted: bool
    survivor: Contender | None = None
    real: Half | None = None


def discriminator_half(game: Game, players: Players, judgement: Judgement, codes: Tensor, *, real: bool) -> Half:
    """Loss and gradient of the discriminator on a judged batch of one kind."""
    adversarial = game.objective.real_loss if real else game.objective.fake_loss
    of_labels = game.head.real_loss if real else game.head.fake_loss
    loss = adversarial(judgement.scores) + of_labels(judgement, codes)
    gradient = torch.autograd.grad(loss, players.discriminator.parameters, materialize_grads=True)
    return Half(loss.detach(), list(gradient), judgement.scores.detach())


def contend(game: Game, individual: Individual, images: Tensor, codes: Tensor, half: Half, real: Half) -> Contender:
    """Score a generator from the discriminator's halves on its images and on the real batch."""
    gradient = torch._foreach_add(half.gradient, real.gradient)
    value = fitness(half.scores, gradient, game.evolution.diversity_weight)
    return Contender(individual, images, codes, half, value.item())


def score(
    game: Game, players: Players, individual: Individual, real: Half, request: Request, transform: Transform
) -> Contender:
    """Let a generator draw what is asked for, and score it."""
    with torch.no_grad():
        images = game.draw(individual.network, request)
    judgement = game.judge(players.discriminator.network, images, transform)
    half = discriminator_half(game, players, judgement, request.codes, real=False)
    return contend(game, individual, images, request.codes, half, real)


def generator_step(
    game: Game,
    players: Players,
    real_half: Callable[[], Half],
    request: Request,
    transform: Transform,
    random: torch.Generator,
) -> GeneratorStep:
    """Breed one offspring a mutation from the same parent, score all on the same request, choose the survivor.

    In a plain game the parent takes its one gradient step and nothing is scored. The forward passes through both
    networks are shared by all mutations, and by the parent's score where the discriminator answers alike in training
    and evaluation.
    """
    parent, judge = players.generator, players.discriminator.network
    judge.train()
    drawn = game.draw(parent.network, request)
    shown = drawn.detach().requires_grad_()
    judgement = game.judge(judge, shown, transform)
    of_labels = game.head.generator_loss(judgement, request.codes)
    losses = [mutation.mutation_loss(judgement.scores) + of_labels for mutation in game.mutations]
    gradients = []
    for loss in losses:
        (at_images,) = torch.autograd.grad(loss, shown, retain_graph=True)
        gradients.append(torch.autograd.grad(drawn, parent.parameters, at_images, retain_graph=True))
    if game.plain:
        parent.step(gradients[0])
        return GeneratorStep(losses[0].item(), winner=0, accepted=True)

    for child, gradient in zip(players.nursery, gradients, strict=True):
        child.become(parent)
        child.step(gradient)
    judge.eval()
    real = real_half()
    test = game.request(random) if game.evolution.fresh_noise else request
    children = [score(game, players, child, real, test, transform) for child in players.nursery]
    winner = max(range(len(children)), key=lambda i: children[i].fitness)
    if not game.acceptance.scores_parent:
        accepted, survivor = True, children[winner]
    else:
        if test is request and not players.judge_depends_on_mode:
            half = discriminator_half(game, players, judgement, request.codes, real=False)
            home = contend(game, parent, drawn.detach(), request.codes, half, real)
        else:
            home = score(game, players, parent, real, test, transform)
        chance = game.acceptance.chance(children[winner].fitness, home.fitness, players.temperature)
        accepted = torch.rand((), generator=random).item() < chance
        survivor = children[winner] if accepted else home
    if accepted:
        players.generator, players.nursery[winner] = players.nursery[winner], parent
    return GeneratorStep(losses[winner].item(), winner, accepted, survivor, real)


def step(
    game: Game, players: Players, images: Tensor, codes: Tensor, random: torch.Generator
) -> tuple[GeneratorStep, float]:
    """One step of the game: the generator's, then the discriminator's on a real batch and the survivor's images.

    The discriminator steps along the gradient already computed for the survivor's score, where its layers allow.

    Parameters
    ----------
    images : Tensor of shape (batch, c, h, w)
        Real images in [-1, 1].
    codes : Tensor of shape (batch,)
        Their class codes.
    random : torch.Generator
        Source of all chance, on the processor.

    Returns
    -------
    (GeneratorStep, float)
        What came of the generator's step, and the discriminator's loss.
    """
    judge = players.discriminator.network
    show_real, show_fake = (game.augmentation.draw(len(images), random) for _ in range(2))

    def real_half() -> Half:
        return discriminator_half(game, players, game.judge(judge, images, show_real), codes, real=True)

    outcome = generator_step(game, players, real_half, game.request(random), show_fake, random)
    survivor, real = outcome.survivor, outcome.real
    if survivor is not None and real is not None and not players.judge_depends_on_mode:
        fake = survivor.half
    else:
        judge.train()
        real = real_half()
        if survivor is not None:
            drawn, asked = survivor.images, survivor.codes
        else:
            request = game.request(random)
            with torch.no_grad():
                drawn, asked = game.draw(players.generator.network, request), request.codes
        fake = discriminator_half(game, players, game.judge(judge, drawn, show_fake), asked, real=False)
    gradient = torch._foreach_add(real.gradient, fake.gradient)
    if game.penalty.every and players.n_steps % game.penalty.every == 0:
        with game.autocast():
            cost = game.penalty.loss(judge, show_real(images))
        parameters = players.discriminator.parameters
        torch._foreach_add_(gradient, torch.autograd.grad(cost, parameters, materialize_grads=True))
    players.discriminator.step(gradient)
    players.n_steps += 1
    return outcome, (real.loss + fake.loss).item()


def rescore_best(game: Game, players: Players, images: Tensor, codes: Tensor, random: torch.Generator) -> None:
    """Compare the best generator so far with the survivor under the current discriminator, and keep the fitter one.

    Both are scored on the same request and real batch. A remembered fitness is never used: it moves with the judge.
    """
    if players.best is None:
        players.best = players.generator.offspring()
        return
    judge = players.discriminator.network
    judge.eval()
    show = game.augmentation.draw(len(images), random)
    real = discriminator_half(game, players, game.judge(judge, images, show), codes, real=True)
    request = game.request(random)
    contenders = [score(game, players, each, real, request, show) for each in (players.best, players.generator)]
    if contenders[1].fitness > contenders[0].fitness:
        players.best.become(players.generator)


@dataclass(frozen=True)
class Schedule:
    """How long to train, and what changes on the way.

    Parameters
    ----------
    n_steps : int or None
        Steps in all; None with a budget.
    budget : float or None
        Seconds in all. The number of steps is settled when the learning rate begins to fall: as many more as the time
        left will bear, at the pace so far.
    steps_per_epoch : int
        Steps in which every class, duplicated up to the largest, is seen once.
    learning_rate : float
        Step size of both players at the start.
    decay : float
        Share of the training, at its end, over which the learning rate falls linearly to zero; 0 to 1.
    best_every : int
        Steps between two rescorings of the best generator; 0 keeps none.
    """

    n_steps: int | None
    budget: float | None
    steps_per_epoch: int
    learning_rate: float
    decay: float
    best_every: int

    def settle(self, n_done: int, seconds: float) -> int | None:
        """Return the number of steps in all, None while it is open."""
        if self.n_steps is not None or self.budget is None:
            return self.n_steps
        steady = max(1 - self.decay, SHORTEST_TRIAL)
        if n_done == 0 or seconds < self.budget * steady:
            return None
        return max(n_done, round(n_done / steady))

    def rate(self, n_done: int, n_steps: int | None) -> float:
        """Learning rate of the step after `n_done`."""
        if n_steps is None or self.decay <= 0:
            return self.learning_rate
        left = (n_steps - n_done) / (n_steps * self.decay)
        return self.learning_rate * min(1.0, max(left, 0.0))


@dataclass(frozen=True)
class StepReport:
    """What a callback is told after each step.

    Attributes
    ----------
    step, n_steps : int
        Steps taken and steps in all (an estimate while a budget is being settled).
    seconds, seconds_left, steps_per_second : float
        Time since the start, time left at this pace, pace.
    discriminator_loss, generator_loss : float
        Means over the last 100 steps; the generator's is that of the winning mutation.
    temperature : float or None
        Of the acceptance rule.
    acceptance_rate : float or None
        Share of the last 100 steps in which the best offspring replaced its parent; None where nothing is refused.
    wins : dict of str to float
        For each mutation, the share of the last 100 steps in which its offspring was the fittest.
    """

    step: int
    n_steps: int
    seconds: float
    seconds_left: float
    steps_per_second: float
    discriminator_loss: float
    generator_loss: float
    temperature: float | None
    acceptance_rate: float | None
    wins: dict[str, float]


def train(
    game: Game,
    players: Players,
    batches: Iterator[tuple[Tensor, Tensor]],
    schedule: Schedule,
    random: torch.Generator,
    callback: Callable[[StepReport], None] | None = None,
) -> list[StepReport]:
    """Play the game to the end of the schedule.

    Returns
    -------
    list of StepReport
        One report for every hundredth of the training, and the last.
    """
    recent: deque[tuple[float, float, int, bool]] = deque(maxlen=REPORT_WINDOW)
    history: list[StepReport] = []
    begin, done = time.perf_counter(), 0
    n_steps = schedule.settle(0, 0.0)
    if players.temperature is None:
        players.temperature = game.acceptance.start()
    while n_steps is None or done < n_steps:
        rate = schedule.rate(done, n_steps)
        for player in (players.generator, players.discriminator):
            player.optimiser.param_groups[0]["lr"] = rate
        images, codes = next(batches)
        outcome, discriminator_loss = step(game, players, images, codes, random)
        done += 1
        if not math.isfinite(outcome.loss + discriminator_loss):
            raise InputError(
                f"The training broke down at step {done}: a loss is {outcome.loss + discriminator_loss}. Try a smaller "
                "learning_rate, a penalty such as 'r1', or precision 32-true."
            )
        if players.average is not None:
            players.average.update(players.generator.network, players.n_steps)
        if schedule.best_every and players.n_steps % schedule.best_every == 0:
            rescore_best(game, players, images, codes, random)
        if not game.acceptance.per_epoch() or players.n_steps % schedule.steps_per_epoch == 0:
            players.temperature = game.acceptance.cooled(players.temperature)

        recent.append((discriminator_loss, outcome.loss, outcome.winner, outcome.accepted))
        seconds = time.perf_counter() - begin
        if n_steps is None:
            n_steps = schedule.settle(done, seconds)
        report = summarise(game, players, recent, done, n_steps, seconds, schedule.budget)
        if callback is not None:
            callback(report)
        if done % max(1, report.n_steps // 100) == 0 or done == n_steps:
            history.append(report)
    return history


def summarise(
    game: Game,
    players: Players,
    recent: deque[tuple[float, float, int, bool]],
    done: int,
    n_steps: int | None,
    seconds: float,
    budget: float | None,
) -> StepReport:
    """Sum up the last steps for the callback and the history."""
    discriminator_losses, generator_losses, winners, accepted = zip(*recent, strict=True)
    pace = done / seconds
    expected = n_steps if n_steps is not None else max(done, round(pace * (budget or 0.0)))
    wins = {mutation.name: winners.count(i) / len(winners) for i, mutation in enumerate(game.mutations)}
    return StepReport(
        step=done,
        n_steps=expected,
        seconds=seconds,
        seconds_left=(expected - done) / pace,
        steps_per_second=pace,
        discriminator_loss=sum(discriminator_losses) / len(recent),
        generator_loss=sum(generator_losses) / len(recent),
        temperature=players.temperature,
        acceptance_rate=sum(accepted) / len(recent) if game.acceptance.scores_parent else None,
        wins=wins,
    )
