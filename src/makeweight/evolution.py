"""How the generator takes a step: mutate, score, accept."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from makeweight.component import Component, Registry
from makeweight.errors import InputError
from makeweight.objectives import OBJECTIVES, Objective

ALIGNMENT = 16  # floats, so that every tensor of a row begins on a line of the cache


def detached_copy(network: nn.Module) -> nn.Module:
    """Copy a network whose tensors may lie in a row with others; the copy's own lie alone."""
    copied = copy.deepcopy(network)
    for tensor in itertools.chain(copied.parameters(), copied.buffers()):
        tensor.data = tensor.data.clone()
    return copied


class Individual:
    """A network with its optimiser, whose weights, moments and buffers lie in one row of memory and move as one.

    Parameters
    ----------
    network : Module
        The network, with parameters in single precision. Those that require gradients are what the optimiser moves.
    learning_rate : float
        Adam's step size.
    betas : (float, float)
        Adam's decay rates of the two moments.
    row : Tensor of shape (n,), optional
        Where to live, as long as the `row` of an individual of such a network; memory of its own by default. What lies there is overwritten.

    Raises
    ------
    InputError
        If parameters that are to learn are not in single precision.
    """

    def __init__(
        self, network: nn.Module, learning_rate: float, betas: tuple[float, float], row: Tensor | None = None
    ) -> None:
        self.network = network
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        if any(parameter.dtype != torch.float32 for parameter in self.parameters):
            raise InputError("a network given in networks= is not in single precision: call its .float() first.")
        still = [*(each for each in network.parameters() if not each.requires_grad), *network.buffers()]
        floats = [tensor for tensor in still if tensor.dtype == torch.float32]
        self.others = [tensor for tensor in still if tensor.dtype != torch.float32]
        size = _length(self.parameters)
        if row is None:
            row = torch.zeros(3 * size + ALIGNMENT + _length(floats), device=self.parameters[0].device)
        self.row = row
        weights, first, second, step, self.statistics = torch.split(row, [size, size, size, ALIGNMENT, _length(floats)])
        _move_into(weights, self.parameters)
        _move_into(self.statistics, floats)
        row[size : 3 * size + ALIGNMENT] = 0
        self.weights = nn.Parameter(weights)
        self.optimiser = torch.optim.Adam([self.weights], lr=learning_rate, betas=betas, fused=True)
        self.optimiser.state[self.weights] = {"step": step[0], "exp_avg": first, "exp_avg_sq": second}

    def offspring(self, row: Tensor | None = None) -> Individual:
        """Return a new individual that equals this one."""
        group = self.optimiser.param_groups[0]
        child = Individual(detached_copy(self.network), group["lr"], group["betas"], row)
        child.become(self)
        return child

    @torch.no_grad()
    def become(self, other: Individual) -> None:
        """Take over weights, buffers, optimiser state and step size of `other`."""
        self.row.copy_(other.row)
        for mine, theirs in zip(self.others, other.others, strict=True):
            mine.copy_(theirs)
        self.learning_rate = other.learning_rate

    @property
    def learning_rate(self) -> float:
        """Adam's step size."""
        return float(self.optimiser.param_groups[0]["lr"])

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self.optimiser.param_groups[0]["lr"] = rate

    def gradient(self, outputs: Any, towards: Any = None, *, keep: bool = False, into: Tensor | None = None) -> Tensor:
        """Differentiate outputs by the weights.

        Parameters
        ----------
        outputs : Tensor or sequence of Tensor
            What was computed with the network.
        towards : Tensor or sequence of Tensor, optional
            Gradients at the outputs; 1 for a scalar.
        keep : bool, default=False
            Whether the graph is needed again.
        into : Tensor of shape (n_weights,), optional
            Where to write.

        Returns
        -------
        Tensor of shape (n_weights,)
            As `step` takes it.
        """
        gradient = torch.autograd.grad(outputs, self.parameters, towards, retain_graph=keep, materialize_grads=True)
        return self.flat(gradient, into)

    def flat(self, gradient: Sequence[Tensor], into: Tensor | None = None) -> Tensor:
        """Lay one tensor a parameter side by side, in the order of the row."""
        pieces = []
        for value, parameter in zip(gradient, self.parameters, strict=True):
            if value.stride() != parameter.stride():
                value = torch.empty_like(parameter).copy_(value)
            pieces.append(value.as_strided((value.numel(),), (1,)))
            if gap := -value.numel() % ALIGNMENT:
                pieces.append(value.new_zeros(gap))
        return torch.cat(pieces, out=into)

    def step(self, gradient: Tensor) -> None:
        """Take one optimiser step along `gradient`, of shape (n_weights,)."""
        self.weights.grad = gradient
        self.optimiser.step()
        self.weights.grad = None

    def named_tensors(self) -> dict[str, Tensor]:
        """Weights, buffers and moments by name, for saving."""
        named = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        state = self.optimiser.state[self.weights]
        for moment in ("exp_avg", "exp_avg_sq"):
            views = _views(state[moment], self.parameters)
            named.update({f"optimiser.{i}.{moment}": view for i, view in enumerate(views)})
        return {**named, "optimiser.step": state["step"]}

    @torch.no_grad()
    def restore(self, named: dict[str, Tensor]) -> None:
        """Take over what `named_tensors` gave."""
        own = self.named_tensors()
        if own.keys() != named.keys():
            raise KeyError(", ".join(sorted(own.keys() ^ named.keys())[:3]))
        for name, value in own.items():
            if value.shape != named[name].shape:
                raise ValueError(f"{name} is of shape {tuple(named[name].shape)}, not {tuple(value.shape)}")
            value.copy_(named[name])


class Population:
    """A parent and its offspring, rows of one pool.

    Parameters
    ----------
    founder : Individual
        What the parent equals at the start.
    n_offspring : int
        Places for offspring.

    Attributes
    ----------
    parent : Individual
    offspring : list of Individual
    swaps : bool
        Whether the survivor and the parent change places, which costs nothing but must know who it is. On a GPU the
        survivor is copied by its number instead, for which nobody has to wait.
    """

    def __init__(self, founder: Individual, n_offspring: int) -> None:
        self.pool = founder.row.new_zeros(n_offspring + 1, len(founder.row))
        *self.offspring, self.parent = [founder.offspring(row) for row in self.pool]
        self.swaps = self.pool.device.type == "cpu"

    @torch.no_grad()
    def choose(self, choice: Tensor) -> None:
        """Make the contender number `choice`, of shape (1,), the parent: an offspring, or last the parent itself."""
        contenders = [*self.offspring, self.parent]
        if self.swaps:
            survivor = contenders.pop(int(choice))
            contenders.insert(int(choice), self.parent)
            self.offspring, self.parent = contenders[:-1], survivor
            return
        self.parent.row.copy_(self.pool.index_select(0, choice)[0])
        for place, mine in enumerate(self.parent.others):
            values = torch.stack([each.others[place] for each in contenders])
            mine.copy_(values.index_select(0, choice)[0])


def _length(tensors: Sequence[Tensor]) -> int:
    return sum(-(-tensor.numel() // ALIGNMENT) * ALIGNMENT for tensor in tensors)


def _views(row: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Cut a row into views of the shapes and strides of `tensors`."""
    views, begin = [], row.storage_offset()
    for tensor in tensors:
        views.append(row.as_strided(tensor.shape, tensor.stride(), begin))
        begin += _length([tensor])
    return views


@torch.no_grad()
def _move_into(row: Tensor, tensors: Sequence[Tensor]) -> None:
    for tensor in tensors:
        tensor.data = tensor.data.clone()  # dense, in memory of its own
    for tensor, view in zip(tensors, _views(row, tensors), strict=True):
        view.copy_(tensor)
        tensor.data = view


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

    def chance(self, best: Tensor, parent: Tensor, temperature: float | None) -> Tensor:
        """Probability, 0 to 1, that an offspring of fitness `best` replaces a parent of fitness `parent`; scalars."""
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

    def chance(self, best: Tensor, parent: Tensor, temperature: float | None) -> Tensor:
        """Return 1."""
        return torch.ones_like(best)


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

    def chance(self, best: Tensor, parent: Tensor, temperature: float | None) -> Tensor:
        """Return min(1, exp((F_best − F_parent)/T)); 0 for one that is not fitter once T has vanished."""
        gap = best - parent
        worse = (gap / temperature).exp() if temperature else torch.zeros_like(gap)
        return torch.where(gap > 0, 1.0, worse)


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


def fitness(realness: Tensor, gradient: Tensor, diversity_weight: float) -> Tensor:
    """Score generators: quality of their images plus diversity, to be maximised.

    Parameters
    ----------
    realness : Tensor of shape (n,)
        Mean realness σ(s) of each generator's images.
    gradient : Tensor of shape (n, n_weights)
        ∇_θD L_D for a batch of real images and each generator's drawn ones.
    diversity_weight : float
        λ.

    Returns
    -------
    Tensor of shape (n,)
        F = E[σ(s)] − λ·log‖∇_θD L_D‖.

    References
    ----------
    Hao et al., 2020, "Annealing Genetic GAN for Minority Oversampling", eq. 2 to 4.

    Examples
    --------
    >>> import math, torch
    >>> f = fitness(torch.tensor([0.5]), torch.tensor([[3.0, 4.0]]), diversity_weight=0.2)
    >>> math.isclose(f.item(), 0.5 - 0.2 * math.log(5), rel_tol=1e-6)
    True
    """
    values: Tensor = realness - diversity_weight * torch.linalg.vector_norm(gradient, dim=1).log()
    return values
