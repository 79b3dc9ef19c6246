"""One step of ACGAN, E-GAN and AGGAN, written as plainly as can be: the yardstick for ``makeweight.game``.

Everything is computed anew: a deep copy of the parent for each offspring, a whole forward and backward pass for each
objective and for each fitness, and the discriminator's own step from fresh passes. Nothing of the library is used.
What is left to chance is handed in, so that the shipped step can be given the same.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy


@dataclass
class Chance:
    """All that is random in a step: noise and labels asked for, how images are changed, the acceptance's coin."""

    noise: Tensor
    codes: Tensor
    test_noise: Tensor
    test_codes: Tensor
    show_real: Callable[[Tensor], Tensor]
    show_fake: Callable[[Tensor], Tensor]
    coin: float = 0.0


@dataclass
class Player:
    """A network and its own Adam."""

    network: nn.Module
    optimiser: torch.optim.Adam

    @classmethod
    def of(cls, network: nn.Module, learning_rate: float) -> "Player":
        network = copy.deepcopy(network)
        return cls(network, torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(0.5, 0.999)))

    def copy(self) -> "Player":
        """Copy weights, buffers and the optimiser's state."""
        network = copy.deepcopy(self.network)
        group = self.optimiser.param_groups[0]
        optimiser = torch.optim.Adam(network.parameters(), lr=group["lr"], betas=group["betas"])
        optimiser.load_state_dict(copy.deepcopy(self.optimiser.state_dict()))
        return Player(network, optimiser)

    def descend(self, loss: Tensor) -> None:
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()


@dataclass
class Rules:
    """What tells ACGAN, E-GAN and AGGAN apart, and the weights."""

    mutations: tuple[str, ...]
    parent_competes: bool
    temperature: float = 0.0
    diversity_weight: float = 0.2
    class_weight: float = 1.0
    class_weight_of_generator: float = 1.0
    classes_of_fakes: bool = True
    mixup: bool = False
    squares: bool = False
    penalty: float = 0.0
    penalty_every: int = 1
    scored_by_batches: bool = False


@dataclass
class Outcome:
    """What came of a step."""

    winner: int = 0
    accepted: bool = True
    discriminator_loss: float = math.nan
    generator_loss: float = math.nan
    offspring: list[Player] = field(default_factory=list)
    fitness: list[float] = field(default_factory=list)
    parent_fitness: float = math.nan


def mutation_loss(name: str, scores: Tensor) -> Tensor:
    """Give the objectives on realness, the paper's list: log(1 − σ), −log σ, (σ − 1)²."""
    realness = torch.sigmoid(scores)
    return {
        "minimax": torch.log(1 - realness),
        "non_saturating": -torch.log(realness),
        "least_squares": (realness - 1) ** 2,
    }[name].mean()


def discriminator_loss(
    judge: nn.Module, rules: Rules, real: Tensor, labels: Tensor, fake: Tensor, asked: Tensor
) -> tuple[Tensor, Tensor]:
    """L_D, and the realness of the drawn images."""
    on_real, on_fake = judge(real), judge(fake)
    if rules.squares:
        adversarial = 0.5 * ((on_real.scores - 1) ** 2).mean() + 0.5 * (on_fake.scores**2).mean()
    else:
        adversarial = binary_cross_entropy_with_logits(on_real.scores, torch.ones_like(on_real.scores))
        adversarial = adversarial + binary_cross_entropy_with_logits(on_fake.scores, torch.zeros_like(on_fake.scores))
    of_classes = cross_entropy(on_real.class_logits, labels)
    if rules.mixup:
        of_classes = mean_over_blends(judge, on_real.features, labels)
    if rules.classes_of_fakes:
        of_classes = of_classes + cross_entropy(on_fake.class_logits, asked)
    return adversarial + rules.class_weight * of_classes, torch.sigmoid(on_fake.scores)


def mean_over_blends(judge: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
    """Class loss of each image's features, blended with those of the next."""
    n, losses = len(features), []
    for i in range(n):
        other, share = (i + 1) % n, (i + 0.5) / n
        logits = judge.classes(share * features[i] + (1 - share) * features[other])
        losses.append(share * cross_entropy(logits, labels[i]) + (1 - share) * cross_entropy(logits, labels[other]))
    return torch.stack(losses).mean()


def fitness(
    judge: nn.Module, rules: Rules, generator: nn.Module, real: Tensor, labels: Tensor, chance: Chance
) -> tuple[float, Tensor]:
    """F = E[D(G(z))] − λ·log‖∇_θD L_D‖, and what was drawn; the judge is in evaluation mode and unchanged.

    Where offspring are scored by batches, its batch norm is in training mode.
    """
    judge = copy.deepcopy(judge).eval()
    for module in judge.modules():
        module.train(rules.scored_by_batches and isinstance(module, nn.BatchNorm2d))
    with torch.no_grad():
        drawn = generator(chance.test_noise, chance.test_codes)
    loss, realness = discriminator_loss(
        judge, rules, chance.show_real(real), labels, chance.show_fake(drawn), chance.test_codes
    )
    loss.backward()
    squares = sum((parameter.grad.double() ** 2).sum().item() for parameter in judge.parameters())
    return realness.mean().item() - rules.diversity_weight * math.log(math.sqrt(squares)), drawn


def slope_penalty(judge: nn.Module, gamma: float, real: Tensor) -> Tensor:
    """R1: γ/2·E‖∇_x s(x)‖² on real images, one image at a time."""
    costs = []
    for image in real.detach():
        shown = image[None].clone().requires_grad_()
        (slope,) = torch.autograd.grad(judge(shown).scores.sum(), shown, create_graph=True)
        costs.append(gamma / 2 * slope.square().sum())
    return torch.stack(costs).mean()


def breed(parent: Player, judge: nn.Module, rules: Rules, name: str, chance: Chance) -> tuple[Player, float]:
    """One offspring: a copy of the parent after one step on one objective; the judge is left as it was."""
    child, judge = parent.copy(), copy.deepcopy(judge).train()
    judgement = judge(chance.show_fake(child.network(chance.noise, chance.codes)))
    loss = mutation_loss(name, judgement.scores)
    loss = loss + rules.class_weight_of_generator * cross_entropy(judgement.class_logits, chance.codes)
    child.descend(loss)
    return child, loss.item()


def reference_step(
    parent: Player,
    discriminator: Player,
    rules: Rules,
    real: Tensor,
    labels: Tensor,
    chance: Chance,
    *,
    number: int,
    parent_draws_again: bool,
) -> tuple[Player, Outcome]:
    """Play step `number`, from 0; the discriminator is changed in place, and the survivor given back.

    `parent_draws_again` matters for the running statistics of the parent's own batch norm alone: whether its images
    for breeding and those for its score are drawn in two passes.
    """
    bred = [breed(parent, discriminator.network, rules, name, chance) for name in rules.mutations]
    outcome = Outcome(offspring=[child for child, _ in bred])
    judge = discriminator.network.train()
    with torch.no_grad():  # the breeding shows the parent's images to the judge, whose running statistics move once
        drawn = copy.deepcopy(parent.network)(chance.noise, chance.codes)
        judge(chance.show_fake(drawn))

    if len(rules.mutations) == 1 and not rules.parent_competes:
        survivor = outcome.offspring[0]
        with torch.no_grad():
            drawn = survivor.network(chance.test_noise, chance.test_codes)
    else:
        scored = [fitness(judge, rules, child.network, real, labels, chance) for child in outcome.offspring]
        outcome.fitness = [value for value, _ in scored]
        outcome.winner = max(range(len(scored)), key=outcome.fitness.__getitem__)
        survivor, drawn = outcome.offspring[outcome.winner], scored[outcome.winner][1]
        if rules.parent_competes:
            if parent_draws_again:
                with torch.no_grad():
                    parent.network(chance.noise, chance.codes)
            outcome.parent_fitness, at_home = fitness(judge, rules, parent.network, real, labels, chance)
            gap = outcome.fitness[outcome.winner] - outcome.parent_fitness
            outcome.accepted = gap > 0 or chance.coin < math.exp(gap / rules.temperature)
            if not outcome.accepted:
                survivor, drawn = parent, at_home

    outcome.generator_loss = bred[outcome.winner][1]
    judge.train()
    loss, _ = discriminator_loss(
        judge, rules, chance.show_real(real), labels, chance.show_fake(drawn), chance.test_codes
    )
    outcome.discriminator_loss = loss.item()
    if rules.penalty and number % rules.penalty_every == 0:
        loss = loss + rules.penalty_every * slope_penalty(judge, rules.penalty, chance.show_real(real))
    discriminator.descend(loss)
    return survivor, outcome


def reference_generation(
    parents: list[Player], discriminator: Player, rules: Rules, real: Tensor, labels: Tensor, chance: Chance
) -> tuple[list[Player], list[float]]:
    """Play a step of a population whose best of all, parents and offspring by rank, survive (elitist).

    The discriminator, which answers alike in both modes, learns from the images of all survivors, each as much.
    Gives back the survivors and all fitnesses: of the offspring of each parent in turn, then of the parents.
    """
    judge = discriminator.network
    offspring = [breed(parent, judge, rules, name, chance)[0] for parent in parents for name in rules.mutations]
    contenders = [*offspring, *parents]
    scored = [fitness(judge, rules, each.network, real, labels, chance) for each in contenders]
    values = [value for value, _ in scored]
    children = sorted(range(len(offspring)), key=lambda i: -values[i])[: len(parents)]
    elders = sorted(range(len(offspring), len(contenders)), key=lambda i: -values[i])
    chosen = [child if values[child] > values[elder] else elder for child, elder in zip(children, elders, strict=True)]
    chosen.sort(key=lambda i: -values[i])
    losses = [
        discriminator_loss(
            judge, rules, chance.show_real(real), labels, chance.show_fake(scored[i][1]), chance.test_codes
        )[0]
        for i in chosen
    ]
    discriminator.descend(torch.stack(losses).mean())
    return [contenders[i] for i in chosen], values
