"""How the generator takes a step: mutate, score, accept."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from makeweight.component import Component, Registry
from makeweight.errors import InputError
from makeweight.objectives import OBJECTIVES, Objective


class Individual:
    """A network with its optimiser: weights, buffers and optimiser state live and move together.

    Parameters
    ----------
    network : Module
        The network; its parameters are what the optimiser moves.
    learning_rate : float
        Adam's step size.
    betas : (float, float)
        Adam's decay rates of the two moments.
    """

    def __init__(self, network: nn.Module, learning_rate: float, betas: tuple[float, float]) -> None:
        self.network = network
        self.parameters = list(network.parameters())
        self.optimiser = torch.optim.Adam(self.parameters, lr=learning_rate, betas=betas, fused=True)

    def offspring(self) -> Individual:
        """Return a new individual that equals this one."""
        group = self.optimiser.param_groups[0]
        child = Individual(copy.deepcopy(self.network), group["lr"], group["betas"])
        child.become(self)
        return child

    @torch.no_grad()
    def become(self, other: Individual) -> None:
        """Take over weights, buffers, optimiser state and step size of `other`."""
        mine, theirs = self._tensors(), other._tensors()
        if len(mine) != len(theirs):  # `other` has taken a step and this one has not: give it room for the moments
            self.optimiser.load_state_dict(copy.deepcopy(other.optimiser.state_dict()))
            mine = self._tensors()
        torch._foreach_copy_(mine, theirs)
        self.optimiser.param_groups[0]["lr"] = other.optimiser.param_groups[0]["lr"]

    def step(self, gradient: Sequence[Tensor]) -> None:
        """Take one optimiser step along `gradient`, one tensor a parameter."""
        for parameter, value in zip(self.parameters, gradient, strict=True):
            parameter.grad = value
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    def named_tensors(self) -> dict[str, Tensor]:
        """Weights, buffers and moments by name, for saving."""
        named = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for i, parameter in enumerate(self.parameters):
            state = self.optimiser.state.get(parameter, {})
            named.update({f"optimiser.{i}.{name}": value for name, value in state.items()})
        return named

    def restore(self, named: dict[str, Tensor]) -> None:
        """Take over what `named_tensors` gave."""
        weights = {name.removeprefix("network."): value for name, value in named.items() if name.startswith("network.")}
        self.network.load_state_dict(weights)
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in named.items():
            if name.startswith("optimiser."):
                _, number, moment = name.split(".")
                moments.setdefault(int(number), {})[moment] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})

    def _tensors(self) -> list[Tensor]:
        states = [self.optimiser.state.get(parameter, {}) for parameter in self.parameters]
        moments = (state[name] for state in states for name in sorted(state))
        return [*self.parameters, *self.network.buffers(), *moments]


class Acceptance(Component):
    """Whether the best offspring replaces its parent."""

    scores_parent = True

    def start(self) -> float | None:
        """Temperature at the first step; None for rules without one."""
        return None

    def cooled(self, temperature: float | None) -> float | None:
        """Temperature after one more unit of time."""
        return temperature

    def per_epoch(self) -> bool:
        """Whether the unit of cooling is the epoch, rather than the step."""
        return False

    def chance(self, best: float, parent: float, temperature: float | None) -> float:
        """Probability, 0 to 1, that an offspring of fitness `best` replaces a parent of fitness `parent`."""
        raise TypeError(f"{type(self).__name__} must say when an offspring is accepted")


ACCEPTANCES: Registry[Acceptance] = Registry("acceptance", Acceptance)


@ACCEPTANCES.register("always")
class Always(Acceptance):
    """The best offspring always survives and the parent does not compete, so it is not scored.

    References
    ----------
    Wang et al., 2019, "Evolutionary Generative Adversarial Networks", Algorithm 1.
    """

    scores_parent = False

    def chance(self, best: float, parent: float, temperature: float | None) -> float:
        """Return 1."""
        return 1.0


@ACCEPTANCES.register("annealed")
class Annealed(Acceptance):
    """Metropolis' rule with a temperature that cools geometrically.

    A fitter offspring is accepted; a worse one with probability exp((F_best − F_parent)/T). Then T ← cooling·T.

    Parameters
    ----------
    temperature : float, default=1000
        T at the first step, above 0.
    cooling : float, default=0.99
        Factor α a unit of time, in (0, 1].
    per : {"step", "epoch"}, default="step"
        Unit of time for cooling.

    References
    ----------
    Hao et al., 2020, "Annealing Genetic GAN for Minority Oversampling", Algorithm 1. It prints P = exp(−Δ/T) with
    Δ = F_best − F_parent < 0, which would always be above 1: the sign is a slip.
    """

    def __init__(self, *, temperature: float = 1000.0, cooling: float = 0.99, per: str = "step") -> None:
        self.temperature = temperature
        self.cooling = cooling
        self.per = per

    def start(self) -> float:
        """Return T₀, after a check of the parameters."""
        if not self.temperature > 0 or not 0 < self.cooling <= 1 or self.per not in ("step", "epoch"):
            raise InputError(
                f"Annealed(temperature={self.temperature}, cooling={self.cooling}, per={self.per!r}) is impossible: "
                "temperature must be above 0, cooling in (0, 1], per 'step' or 'epoch'."
            )
        return self.temperature

    def cooled(self, temperature: float | None) -> float | None:
        """Return α·T."""
        return None if temperature is None else self.cooling * temperature

    def per_epoch(self) -> bool:
        """Whether T cools once an epoch."""
        return self.per == "epoch"

    def chance(self, best: float, parent: float, temperature: float | None) -> float:
        """Return min(1, exp((F_best − F_parent)/T)); 0 for a worse offspring once T has vanished."""
        gap = best - parent
        if gap > 0:
            return 1.0
        if not temperature:
            return 0.0
        return math.exp(gap / temperature)


class Evolution(Component):
    """Breed offspring of the generator by several objectives and choose the survivor.

    Parameters
    ----------
    mutations : tuple of str or Objective, default=("minimax", "non_saturating", "least_squares")
        One offspring for each. With a single mutation and acceptance ``"always"`` this is the plain gradient step of
        any GAN, and nothing is scored.
    acceptance : str or Acceptance, default="always"
        Whether the best offspring replaces its parent.
    diversity_weight : float, default=0.2
        λ in the fitness F = E[σ(s(G(z)))] − λ·log‖∇_θD L_D‖.
    fresh_noise : bool, default=False
        Score on a request of its own, rather than on that of the step. The latter is cheaper by one pass through both
        networks but favours offspring a little, for they were fitted to it.

    References
    ----------
    Wang et al., 2019, "Evolutionary Generative Adversarial Networks", eq. 6 to 8; Hao et al., 2020, "Annealing Genetic
    GAN for Minority Oversampling", eq. 2 to 4.
    """

    def __init__(
        self,
        *,
        mutations: tuple[str | Objective, ...] = ("minimax", "non_saturating", "least_squares"),
        acceptance: str | Acceptance = "always",
        diversity_weight: float = 0.2,
        fresh_noise: bool = False,
    ) -> None:
        self.mutations = mutations
        self.acceptance = acceptance
        self.diversity_weight = diversity_weight
        self.fresh_noise = fresh_noise

    def parts(self) -> tuple[list[Objective], Acceptance]:
        """Resolve mutations and acceptance rule from their names.

        Raises
        ------
        InputError
            For an unknown name, or no mutation at all.
        """
        if not isinstance(self.mutations, tuple) or not self.mutations:
            raise InputError(f"mutations={self.mutations!r} is no choice: give a tuple of at least one objective.")
        weight: Any = self.diversity_weight
        if not isinstance(weight, (int, float)) or not math.isfinite(weight):
            raise InputError(f"diversity_weight={self.diversity_weight!r} is impossible: give a finite number.")
        return [OBJECTIVES.resolve(part) for part in self.mutations], ACCEPTANCES.resolve(self.acceptance)


EVOLUTIONS: Registry[Evolution] = Registry("evolution", Evolution)
EVOLUTIONS.register("offspring")(Evolution)


def fitness(fake_scores: Tensor, gradient: Iterable[Tensor], diversity_weight: float) -> Tensor:
    """Score a generator: quality of its images plus diversity, to be maximised.

    Parameters
    ----------
    fake_scores : Tensor of shape (batch,)
        Unbounded realness of its images.
    gradient : iterable of Tensor
        ∇_θD L_D, one tensor a parameter of the discriminator, for a batch of real images and these drawn ones.
    diversity_weight : float
        λ.

    Returns
    -------
    Tensor
        F = E[σ(s)] − λ·log‖∇_θD L_D‖, a scalar.

    References
    ----------
    Hao et al., 2020, "Annealing Genetic GAN for Minority Oversampling", eq. 2 to 4.

    Examples
    --------
    >>> import math, torch
    >>> f = fitness(torch.zeros(4), [torch.tensor([3.0]), torch.tensor([4.0])], diversity_weight=0.2)
    >>> math.isclose(f.item(), 0.5 - 0.2 * math.log(5), rel_tol=1e-6)
    True
    """
    norm = torch.stack(torch._foreach_norm(list(gradient))).norm()
    value: Tensor = fake_scores.sigmoid().mean() - diversity_weight * norm.log()
    return value
