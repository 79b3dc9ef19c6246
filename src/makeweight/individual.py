"""A network with its optimiser, as one row of memory, and populations of them."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from makeweight.errors import InputError

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
        Where to live, as long as the `row` of an individual of such a network; memory of its own by default. What lies
        there is overwritten.

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
        on_gpu = row.device.type == "cuda"
        # There the step size lies in the row, so that a step captured as a CUDA graph reads what it is by then.
        self.rate = step[1] if on_gpu else None
        self.optimiser = torch.optim.Adam(
            [self.weights],
            lr=learning_rate if self.rate is None else self.rate,
            betas=(float(betas[0]), float(betas[1])),
            fused=True,
            capturable=on_gpu,
        )
        self.optimiser.state[self.weights] = {"step": step[0], "exp_avg": first, "exp_avg_sq": second}
        self.learning_rate = learning_rate

    def __reduce__(self) -> tuple[Any, ...]:
        """Say how to pickle it: its tensors are views of one row, and views come back as tensors apart."""
        betas = self.optimiser.param_groups[0]["betas"]
        return _lying_in, (detached_copy(self.network), self.learning_rate, betas, self.row.clone())

    def __deepcopy__(self, memo: dict[int, Any]) -> Individual:
        """Copy it, into a row of its own."""
        return self.offspring()

    def offspring(self, row: Tensor | None = None) -> Individual:
        """Return a new individual that equals this one."""
        betas = self.optimiser.param_groups[0]["betas"]
        child = Individual(detached_copy(self.network), self.learning_rate, betas, row)
        child.become(self)
        return child

    @torch.no_grad()
    def become(self, other: Individual) -> None:
        """Take over weights, buffers, optimiser state and step size of `other`."""
        self.row.copy_(other.row)
        for mine, theirs in zip(self.others, other.others, strict=True):
            mine.copy_(theirs)
        self._learning_rate = other.learning_rate
        if self.rate is None:
            self.learning_rate = other.learning_rate

    @property
    def learning_rate(self) -> float:
        """Adam's step size."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self._learning_rate = rate
        if self.rate is None:
            self.optimiser.param_groups[0]["lr"] = rate
        else:
            self.rate.fill_(rate)

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

    @torch.no_grad()
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
    """Parents and their offspring, rows of one pool.

    Parameters
    ----------
    founders : Individual or list of Individual
        What the parents equal at the start.
    n_offspring : int
        Places for offspring, of all parents together.

    Attributes
    ----------
    parents : list of Individual
        The fittest first, once the population has chosen.
    offspring : list of Individual
        Those of the first parent first.
    swaps : bool
        Whether survivors and parents change places, which costs nothing but must know who they are. On a GPU the
        survivors are copied by their numbers instead, for which nobody has to wait.
    """

    def __init__(self, founders: Individual | list[Individual], n_offspring: int) -> None:
        founders = founders if isinstance(founders, list) else [founders]
        self.pool = founders[0].row.new_zeros(n_offspring + len(founders), len(founders[0].row))
        places, own = self.pool[:n_offspring], self.pool[n_offspring:]
        self.offspring = [founders[0].offspring(row) for row in places]
        self.parents = [founder.offspring(row) for founder, row in zip(founders, own, strict=True)]
        self.swaps = self.pool.device.type == "cpu"

    def __reduce__(self) -> tuple[Any, ...]:
        """Say how to pickle or copy it: offspring live for a step, so there are only places for them."""
        return Population, (self.parents, len(self.offspring))

    @property
    def parent(self) -> Individual:
        """The first parent, the fittest once the population has chosen."""
        return self.parents[0]

    @torch.no_grad()
    def choose(self, choice: Tensor) -> None:
        """Make contenders the parents.

        Parameters
        ----------
        choice : Tensor of int of shape (n_parents,)
            Numbers of the contenders, all different: the offspring first, then the parents.
        """
        contenders = [*self.offspring, *self.parents]
        if self.swaps:
            chosen = choice.tolist()
            first = len(self.offspring)
            losers = iter(parent for place, parent in enumerate(self.parents, first) if place not in chosen)
            self.offspring = [next(losers) if i in chosen else each for i, each in enumerate(self.offspring)]
            self.parents = [contenders[i] for i in chosen]
            return
        self.pool[len(self.offspring) :] = self.pool.index_select(0, choice)
        for number in range(len(self.parent.others)):
            values = torch.stack([each.others[number] for each in contenders]).index_select(0, choice)
            for parent, value in zip(self.parents, values, strict=True):
                parent.others[number].copy_(value)


@torch.no_grad()
def _lying_in(network: nn.Module, learning_rate: float, betas: tuple[float, float], row: Tensor) -> Individual:
    """Make an individual of a network and of what its row held."""
    individual = Individual(network, learning_rate, betas)
    individual.row.copy_(row)
    return individual


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
