"""One step of the game, and the rescoring of the best generator so far. Reads from top to bottom."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from makeweight.augmentations import Transform
from makeweight.breeding import Bred, LossAndGradient, breed, half_of, mixed_share, whole_of
from makeweight.chance import Chance
from makeweight.evolution import fitness
from makeweight.individual import Individual, Population
from makeweight.judges import scoring
from makeweight.penalties import Shown
from makeweight.priors import Request
from makeweight.rules import Batch, Game, Players
from makeweight.stabilisers import advance_norms
from makeweight.transfer import abreast, widest_float


@dataclass(frozen=True)
class Contest:
    """All contenders side by side: the offspring and, where they compete, the parents last.

    `gradients` and `losses` are the discriminator's on the real batch and each contender's images.
    """

    fitness: Tensor
    gradients: Tensor
    losses: Tensor
    images: Tensor
    codes: Tensor


@dataclass(frozen=True)
class StepOutcome:
    """What came of a step, on the device: losses, the fittest offspring's mutation, its acceptance, all fitnesses."""

    discriminator_loss: Tensor
    generator_loss: Tensor
    winner: Tensor
    accepted: Tensor
    fitness: Tensor | None = None

    def figures(self) -> Tensor:
        """Both losses, the winner and the acceptance as one row."""
        return torch.stack([self.discriminator_loss, self.generator_loss, self.winner.float(), self.accepted.float()])


def compete(
    game: Game,
    players: Players,
    individuals: list[Individual],
    real: LossAndGradient,
    request: Request,
    transform: Transform,
    bred: Sequence[Bred] = (),
) -> Contest:
    """Let generators draw what is asked for and score them; parents of `bred` come last, by what they drew."""

    def drawn_and_judged(individual: Individual) -> tuple[Tensor, LossAndGradient]:
        with torch.no_grad():
            images = game.draw(individual.network, request)
        judgement = game.judge(players.discriminator.network, Batch(images, request.codes, transform))
        return images, half_of(game, players, judgement, request.codes, real=False)

    shown = abreast([partial(drawn_and_judged, individual) for individual in individuals], game.device)
    shown += [(each.images, each.half) for each in bred if each.half is not None]
    images, halves = zip(*shown, strict=True)
    gradients = torch.stack([half.gradient for half in halves]).add_(real.gradient)
    losses = torch.stack([half.loss for half in halves]) + real.loss
    realness = torch.stack([half.realness for half in halves])
    game.team.average(gradients, losses, realness)
    values = fitness(realness, gradients, game.terms)
    return Contest(values, gradients, losses, torch.stack(images), request.codes)


def evolve(
    game: Game,
    players: Players,
    population: Population,
    bred: list[Bred],
    real: LossAndGradient,
    request: Request,
    transform: Transform,
    chance: Chance,
) -> tuple[Contest, Tensor, Tensor, Tensor]:
    """Raise all offspring from their parents, score all on the same request, and make the survivors the parents.

    Returns
    -------
    (Contest, Tensor, Tensor, Tensor)
        The contest, the number of the fittest offspring, whether it was accepted, and the survivors' numbers of shape
        (n_survivors,).
    """
    n_each, n_survivors = len(game.mutations), game.evolution.n_survivors
    for number, child in enumerate(population.offspring):
        child.become(population.parents[number // n_each])
        child.step(bred[number // n_each].gradients[number % n_each])
    test = chance.draw(game.request) if game.evolution.fresh_noise else request
    again = population.parents if game.acceptance.scores_parent and bred[0].half is None else []
    contest = compete(game, players, [*population.offspring, *again], real, test, transform, bred)
    n_offspring = len(population.offspring)
    scores = contest.fitness[:n_offspring].nan_to_num(-math.inf, math.inf, -math.inf)  # else NaN would be the best
    best, survivors = (each[:n_survivors] for each in scores.sort(descending=True, stable=True))
    fittest, accepted = survivors[0], torch.ones_like(survivors, dtype=torch.bool)
    if game.acceptance.scores_parent:
        rivals, places = contest.fitness[n_offspring:].sort(descending=True, stable=True)
        coins = chance.draw(lambda random: torch.rand(n_survivors, generator=random))
        accepted = coins < game.acceptance.chance(best, rivals, temperature_of(players, chance))
        survivors = torch.where(accepted, survivors, n_offspring + places)
        if n_survivors > 1:
            survivors = survivors[contest.fitness[survivors].argsort(descending=True, stable=True)]
    population.choose(survivors)
    return contest, fittest, accepted[0], survivors


def temperature_of(players: Players, chance: Chance) -> Tensor | None:
    """Give the temperature as a number on the device, of shape ()."""
    if players.temperature is None:
        return None
    return chance.draw(lambda _: torch.tensor(players.temperature, dtype=widest_float(chance.device)))


def step(game: Game, players: Players, images: Tensor, codes: Tensor, random: torch.Generator) -> StepOutcome:
    """One step of the game: the generator's, then the discriminator's on real batches and the survivors' images.

    The discriminator steps along the gradients already computed for the survivors' scores, where its layers allow.
    Nothing is asked of the device on the way, so that a GPU is never waited for.

    Parameters
    ----------
    images : Tensor of shape (discriminator_steps * batch, c, h, w)
        Real images in [-1, 1]; of several processes, each has its own part of the batch.
    codes : Tensor of shape (discriminator_steps * batch,)
        Their class codes.
    random : torch.Generator
        Source of all chance, on the processor; alike in all processes.
    """
    return play(game, players, images, codes, Chance(random, game.device))


def play(game: Game, players: Players, images: Tensor, codes: Tensor, chance: Chance) -> StepOutcome:
    """One step of the game, as `step` says, by what `chance` draws."""
    judge, population = players.discriminator.network, players.population
    show_real, show_fake = transforms(game, players, chance)
    own_images, own_codes = images.chunk(game.discriminator_steps), codes.chunk(game.discriminator_steps)
    real, computed = Batch(own_images[0], own_codes[0], show_real), None

    request = chance.draw(game.request)
    bred = [breed(game, players, parent, real, request, show_fake) for parent in players.parents]
    losses = torch.cat([each.losses for each in bred])
    if population is None:
        players.generator.step(bred[0].gradients[0])
        fittest, values = losses.new_zeros((), dtype=torch.long), None
        accepted = torch.ones_like(fittest, dtype=torch.bool)
        drawn = draw_anew(game, players, show_fake, chance)
    else:
        with scoring(judge, batch_statistics=game.evolution.batch_statistics):
            half = half_of(game, players, game.judge(judge, real), real.codes, real=True)
            contest, fittest, accepted, survivors = evolve(
                game, players, population, bred, half, request, show_fake, chance
            )
        players.generator, values = population.parent, contest.fitness
        drawn = [Batch(own, contest.codes, show_fake) for own in contest.images.index_select(0, survivors)]
        if players.judges_alike:
            known = contest.losses.index_select(0, survivors), contest.gradients.index_select(0, survivors)
            computed = known[0].mean(), known[1].mean(0)
    loss = teach(game, players, real, drawn, chance, computed)
    for more in zip(own_images[1:], own_codes[1:], strict=True):
        show_real, show_fake = transforms(game, players, chance)
        teach(game, players, Batch(*more, show_real), draw_anew(game, players, show_fake, chance), chance)
    game.team.average(*(each.statistics for each in (*players.parents, players.discriminator)))
    players.n_steps += 1
    return StepOutcome(
        loss, losses.index_select(0, fittest.view(1))[0], fittest % len(game.mutations), accepted, values
    )


def transforms(game: Game, players: Players, chance: Chance) -> tuple[Transform, Transform]:
    """Draw what is done to a real and to a drawn batch."""
    real, drawn = (chance.draw(lambda random: game.transform(random, players.n_steps)) for _ in range(2))
    return real, drawn


def draw_anew(game: Game, players: Players, transform: Transform, chance: Chance) -> list[Batch]:
    """Let every surviving generator draw the same new request."""
    request = chance.draw(game.request)
    with torch.no_grad():
        return [Batch(game.draw(each.network, request), request.codes, transform) for each in players.parents]


def is_penalty_due(game: Game, players: Players) -> bool:
    """Tell whether the discriminator's next step has a penalty."""
    return bool(game.penalty.every) and players.n_steps % game.penalty.every == 0


def teach(
    game: Game,
    players: Players,
    real: Batch,
    drawn: list[Batch],
    chance: Chance,
    computed: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """One step of the discriminator on a real batch and each survivor's images; returns its loss.

    `computed` is its loss and gradient, where they are known.
    """
    discriminator, penalty = players.discriminator, game.penalty
    if computed is None:
        discriminator.network.train()
        share = mixed_share(game, players)
        parts = [whole_of(game, players, real, own, share) for own in drawn]
        computed = (
            torch.stack([part.loss for part in parts]).mean(),
            torch.stack([part.gradient for part in parts]).mean(0),
        )
        game.team.average(*computed)
    loss, gradient = computed
    if is_penalty_due(game, players):
        n = len(real.images) if penalty.interpolates else 0
        between = chance.draw(lambda random: game.team.own(lambda: torch.rand(n, generator=random)))
        seen, own = real.transform(real.images), drawn[0]
        with game.autocast():
            shown = Shown(seen, real.codes, own.transform(own.images), own.codes, between)
            cost = penalty.loss(discriminator.network, shown)
        slope = discriminator.gradient(cost)
        game.team.average(slope)
        gradient = gradient + slope
    discriminator.step(gradient)
    penalty.bound(discriminator.network)
    advance_norms(discriminator.network)
    return loss


def rescore_best(game: Game, players: Players, images: Tensor, codes: Tensor, random: torch.Generator) -> None:
    """Compare the best generator so far with the survivor under the current discriminator, and keep the fitter one.

    Both are scored on the same request and real batch. A remembered fitness is never used: it moves with the judge.
    """
    if players.best is None:
        players.best = players.generator.offspring()
        return
    chance = Chance(random, game.device)
    show = chance.draw(lambda random: game.transform(random, players.n_steps))
    n = len(images) // game.discriminator_steps
    real, request, computed = Batch(images[:n], codes[:n], show), chance.draw(game.request), []
    with scoring(players.discriminator.network, batch_statistics=game.evolution.batch_statistics):
        for contender in (players.best, players.generator):
            with torch.no_grad():
                drawn = Batch(game.draw(contender.network, request), request.codes, show)
            computed.append(whole_of(game, players, real, drawn))
    gradients = torch.stack([each.gradient for each in computed])
    realness = torch.stack([each.realness for each in computed])
    # Both drew, each process for itself, and their batch norms took note.
    game.team.average(gradients, realness, players.best.statistics, players.generator.statistics)
    values = fitness(realness, gradients, game.terms)
    if values[1] > values[0]:
        players.best.become(players.generator)
