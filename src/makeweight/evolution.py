"""How the generator takes a step: mutate, score, accept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from sklearn.base import clone
from torch import Tensor

from makeweight.component import Component, Registry
from makeweight.errors import InputError
from makeweight.objectives import OBJECTIVES, Objective
from makeweight.ranges import FINITE, SWITCH, Ranges, one_of, up_to, whole

MOST_MUTATIONS, MOST_SURVIVORS = 64, 1024
SHORTEST = 1e-12  # gradient that counts for more variety: a parent whose fitness were infinite would never be replaced


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

    def chance(self, best: Tensor, parent: Tensor, temperature: Tensor | float | None) -> Tensor:
        """Probability, 0 to 1, that an offspring of fitness `best` replaces a parent of fitness `parent`.

        Parameters
        ----------
        best, parent : Tensor of shape (n_survivors,) or ()
            Fitnesses, of pairs of rivals.
        temperature : Tensor of shape (), float or None
            Temperature now, on the device of the fitnesses; None for rules without one.
        """
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

    def chance(self, best: Tensor, parent: Tensor, temperature: Tensor | float | None) -> Tensor:
        """Return 1."""
        return torch.ones_like(best)


@ACCEPTANCES.register("elitist")
class Elitist(Acceptance):
    """A fitter offspring replaces its parent, a worse one never does."""

    def chance(self, best: Tensor, parent: Tensor, temperature: Tensor | float | None) -> Tensor:
        """Return 1 for a fitter offspring, else 0."""
        return (best > parent).to(best.dtype)


HOTTEST = 1_000_000_000


class _Cooling(Acceptance):
    """Metropolis' rule; how the temperature cools is left open."""

    per: str

    def per_epoch(self) -> bool:
        """Whether T cools once an epoch."""
        return self.per == "epoch"

    def chance(self, best: Tensor, parent: Tensor, temperature: Tensor | float | None) -> Tensor:
        """Return min(1, exp((F_best − F_parent)/T)); 0 for one that is not fitter once T has vanished."""
        gap = best - parent
        heat = gap.new_tensor(temperature or 0.0) if not isinstance(temperature, Tensor) else temperature
        worse = torch.where(heat > 0, (gap / heat).exp(), 0.0)
        return torch.where(gap > 0, 1.0, worse)


@ACCEPTANCES.register("annealed")
class Annealed(_Cooling):
    """Metropolis' rule with a temperature that cools geometrically.

    A fitter offspring is accepted; a worse one with probability exp((F_best − F_parent)/T). Then T ← cooling·T.

    Parameters
    ----------
    temperature : float, default=1000
        T at the first step, above 0 and at most a billion.
    cooling : float, default=0.99
        Factor α a unit of time, in (0, 1].
    per : {"step", "epoch"}, default="step"
        Unit of time for cooling.

    References
    ----------
    Hao et al., 2022, "Annealing Genetic GAN for Imbalanced Web Data Learning", Algorithm 1. It prints P = exp(−Δ/T)
    with Δ = F_best − F_parent < 0, which would always be above 1: the sign is a slip.
    """

    ranges: ClassVar[Ranges] = {
        "temperature": up_to(HOTTEST),
        "cooling": up_to(1),
        "per": one_of("step", "epoch"),
    }

    def __init__(self, *, temperature: float = 1000.0, cooling: float = 0.99, per: str = "step") -> None:
        self.temperature = temperature
        self.cooling = cooling
        self.per = per

    def start(self) -> float:
        """Return T₀."""
        return float(self.temperature)

    def cooled(self, temperature: float | None) -> float | None:
        """Return α·T."""
        return None if temperature is None else float(self.cooling) * temperature


@ACCEPTANCES.register("annealed_linearly")
class AnnealedLinearly(_Cooling):
    """Metropolis' rule with a temperature that falls by equal amounts to zero, T ← T − T₀/n.

    Parameters
    ----------
    temperature : float, default=1.0
        T₀ at the first step, above 0 and at most a billion.
    n_units : int, default=2000
        Units of time n after which nothing worse is accepted any more, at least 1.
    per : {"step", "epoch"}, default="step"
        Unit of time for cooling.

    References
    ----------
    Kirkpatrick et al., 1983, "Optimization by Simulated Annealing", for the rule.
    """

    ranges: ClassVar[Ranges] = {
        "temperature": up_to(HOTTEST),
        "n_units": whole(1),
        "per": one_of("step", "epoch"),
    }

    def __init__(self, *, temperature: float = 1.0, n_units: int = 2000, per: str = "step") -> None:
        self.temperature = temperature
        self.n_units = n_units
        self.per = per

    def start(self) -> float:
        """Return T₀."""
        return float(self.temperature)

    def cooled(self, temperature: float | None) -> float | None:
        """Return T − T₀/n; 0 where that is less than half of such a fall, as after n of them, whatever was rounded."""
        fall = float(self.temperature) / self.n_units
        return None if temperature is None else temperature - fall if temperature > 1.5 * fall else 0.0


class FitnessTerm(Component):
    """What a generator is valued for; the values of all terms are added up."""

    def value(self, realness: Tensor, gradients: Tensor) -> Tensor:
        """Value generators, more is better.

        Parameters
        ----------
        realness : Tensor of shape (n,)
            Mean realness σ(s) of each generator's images.
        gradients : Tensor of shape (n, n_weights)
            ∇_θD L_D for a batch of real images and each generator's drawn ones.

        Returns
        -------
        Tensor of shape (n,)
        """
        raise TypeError(f"{type(self).__name__} must say what a generator is valued for")


FITNESS_TERMS: Registry[FitnessTerm] = Registry("fitness_term", FitnessTerm)


@FITNESS_TERMS.register("quality")
class Quality(FitnessTerm):
    """How real the discriminator thinks the images, weight · E[σ(s)].

    Parameters
    ----------
    weight : float, default=1.0
        Weight of the term, finite.

    References
    ----------
    Wang et al., 2019, "Evolutionary Generative Adversarial Networks", eq. 6.
    """

    ranges: ClassVar[Ranges] = {"weight": FINITE}

    def __init__(self, *, weight: float = 1.0) -> None:
        self.weight = weight

    def value(self, realness: Tensor, gradients: Tensor) -> Tensor:
        """Return weight · E[σ(s)]."""
        return self.weight * realness


@FITNESS_TERMS.register("diversity")
class Diversity(FitnessTerm):
    """How little the discriminator would learn from telling the images apart, −weight · log‖∇_θD L_D‖.

    Parameters
    ----------
    weight : float, default=0.2
        Weight λ of the term, finite.

    References
    ----------
    Wang et al., 2019, "Evolutionary Generative Adversarial Networks", eq. 7.
    """

    ranges: ClassVar[Ranges] = {"weight": FINITE}

    def __init__(self, *, weight: float = 0.2) -> None:
        self.weight = weight

    def value(self, realness: Tensor, gradients: Tensor) -> Tensor:
        """Return −weight · log‖∇_θD L_D‖."""
        lengths: Tensor = torch.linalg.vector_norm(gradients, dim=1)
        return -self.weight * lengths.clamp(min=SHORTEST).log()


class Evolution(Component):
    """Breed offspring of the generator by several objectives and choose the survivors.

    Parameters
    ----------
    mutations : tuple of str or Objective, default=("minimax", "non_saturating", "least_squares")
        One offspring for each. With a single mutation, a single survivor and acceptance ``"always"`` this is the plain
        gradient step of any GAN, and nothing is scored.
    acceptance : str or Acceptance, default="always"
        Whether the best offspring replaces its parent.
    diversity_weight : float, default=0.2
        λ in the fitness F = E[σ(s(G(z)))] − λ·log‖∇_θD L_D‖.
    fresh_noise : bool, default=False
        Score on a request of its own, rather than on that of the step. The latter is cheaper by one pass through both
        networks but favours offspring a little, for they were fitted to it.
    n_survivors : int, default=1
        Generators that survive a step and breed in the next one, at least 1. The best offspring of all challenges the
        best parent, the second best the second best, and so on. The discriminator learns from the images of all; its
        penalty looks at those of the fittest alone.
    fitness : str, FitnessTerm, or tuple of these, optional
        One term, or several that are added up; by default ``Quality()`` and ``Diversity(weight=diversity_weight)``.
    batch_statistics : bool, default=False
        Score with the discriminator's batch norm as it is in training, by the statistics of each batch, rather than by
        running averages. Offspring are bred with batch norm in that mode; by running averages they are hardly ahead of
        their parent.

    References
    ----------
    Wang et al., 2019, "Evolutionary Generative Adversarial Networks", eq. 6 to 8 and Algorithm 1; Hao et al., 2022,
    "Annealing Genetic GAN for Imbalanced Web Data Learning", eq. 2 to 4.
    """

    axes: ClassVar[dict[str, str]] = {"fitness": "fitness_term"}
    ranges: ClassVar[Ranges] = {
        "diversity_weight": FINITE,
        "fresh_noise": SWITCH,
        "n_survivors": whole(1, MOST_SURVIVORS),
        "batch_statistics": SWITCH,
    }
    later: ClassVar[dict[str, Any]] = {"n_survivors": 1, "fitness": None, "batch_statistics": False}

    def __init__(
        self,
        *,
        mutations: tuple[str | Objective, ...] = ("minimax", "non_saturating", "least_squares"),
        acceptance: str | Acceptance = "always",
        diversity_weight: float = 0.2,
        fresh_noise: bool = False,
        n_survivors: int = 1,
        fitness: str | FitnessTerm | tuple[str | FitnessTerm, ...] | None = None,
        batch_statistics: bool = False,
    ) -> None:
        self.mutations = mutations
        self.acceptance = acceptance
        self.diversity_weight = diversity_weight
        self.fresh_noise = fresh_noise
        self.n_survivors = n_survivors
        self.fitness = fitness
        self.batch_statistics = batch_statistics

    def check(self) -> None:
        """Refuse impossible parameters, of the parts, too."""
        super().check()
        self.parts()
        self.terms()
        if self.fitness is not None and self.diversity_weight != Diversity().weight:
            raise InputError(
                f"diversity_weight={self.diversity_weight!r} has no effect beside fitness=: give it as "
                f"Diversity(weight={self.diversity_weight!r}) among the terms."
            )

    def playing(self, objective: str | Objective) -> Evolution:
        """Give a plain step by another objective; where several breed offspring, the same.

        Examples
        --------
        >>> Evolution(mutations=("non_saturating",)).playing("hinge").mutations
        ('hinge',)
        >>> Evolution().playing("hinge").mutations
        ('minimax', 'non_saturating', 'least_squares')
        """
        if len(self.mutations) > 1:
            return self
        plain: Evolution = clone(self).set_params(mutations=(objective,))
        return plain

    def parts(self) -> tuple[list[Objective], Acceptance]:
        """Resolve mutations and acceptance rule from their names.

        Raises
        ------
        InputError
            For an unknown name, or no mutation at all.
        """
        if not isinstance(self.mutations, (tuple, list)) or not self.mutations:
            raise InputError(f"mutations={self.mutations!r} is impossible: give a tuple of at least one objective.")
        if len(self.mutations) > MOST_MUTATIONS:
            raise InputError(f"{len(self.mutations):,} mutations are too many: give {MOST_MUTATIONS} at the most.")
        return [OBJECTIVES.resolve(part) for part in self.mutations], ACCEPTANCES.resolve(self.acceptance)

    def terms(self) -> list[FitnessTerm]:
        """Resolve the terms of the fitness.

        Raises
        ------
        InputError
            For an unknown name, or no term at all.
        """
        if self.fitness is None:
            return [Quality(), Diversity(weight=self.diversity_weight)]
        terms = (self.fitness,) if isinstance(self.fitness, (str, FitnessTerm)) else self.fitness
        if not isinstance(terms, (tuple, list)) or not terms:
            raise InputError(f"fitness={self.fitness!r} is impossible: give a term, or a tuple of them.")
        return [FITNESS_TERMS.resolve(term) for term in terms]


EVOLUTIONS: Registry[Evolution] = Registry("evolution", Evolution)
EVOLUTIONS.register("offspring")(Evolution)


def fitness(realness: Tensor, gradients: Tensor, terms: Sequence[FitnessTerm]) -> Tensor:
    """Score generators by the sum of some terms, to be maximised.

    Parameters
    ----------
    realness : Tensor of shape (n,)
        Mean realness σ(s) of each generator's images.
    gradients : Tensor of shape (n, n_weights)
        ∇_θD L_D for a batch of real images and each generator's drawn ones.
    terms : sequence of FitnessTerm
        What is added up.

    Returns
    -------
    Tensor of shape (n,)
        With quality and diversity, F = E[σ(s)] − λ·log‖∇_θD L_D‖.

    References
    ----------
    Hao et al., 2022, "Annealing Genetic GAN for Imbalanced Web Data Learning", eq. 2 to 4.

    Examples
    --------
    >>> import math, torch
    >>> f = fitness(torch.tensor([0.5]), torch.tensor([[3.0, 4.0]]), [Quality(), Diversity(weight=0.2)])
    >>> math.isclose(f.item(), 0.5 - 0.2 * math.log(5), rel_tol=1e-6)
    True
    """
    return torch.stack([term.value(realness, gradients) for term in terms]).sum(0)
