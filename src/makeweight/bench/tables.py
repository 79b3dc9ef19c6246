"""The papers' tables: which cases each has, on which subsets, and what learns them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from makeweight.bench.learners import PAPER, READINGS, Learner, paper_learner, practical_learner
from makeweight.bench.settings import TableSettings
from makeweight.component import Component, Registry
from makeweight.data.named import NamedSet
from makeweight.data.subsets import PAPER_COUNTS, PAPER_PAIRS, PAPER_RATIOS, imbalanced_subset, two_class_subset
from makeweight.data.wording import no_such
from makeweight.errors import InputError
from makeweight.evolution import Annealed, Evolution
from makeweight.methods.aggan import AGGAN


@dataclass(frozen=True)
class Case:
    """One run of a table.

    Attributes
    ----------
    reading : str
        "paper" or "practical".
    dataset : str
        Name of the set.
    method : str
        What is run.
    seed : int
        Seed of the subset and of the training.
    details : dict
        What else makes the case, such as the ratio of two classes.
    """

    reading: str
    dataset: str
    method: str
    seed: int
    details: Mapping[str, Any] = field(default_factory=dict)


class Split(NamedTuple):
    """Images to learn from and to test on; nothing is chosen on the latter."""

    X: NDArray[Any]
    y: NDArray[Any]
    X_test: NDArray[Any]
    y_test: NDArray[Any]


@dataclass(frozen=True)
class Selection:
    """Which cases of a table are wanted; None takes what the settings say.

    Attributes
    ----------
    readings, datasets, methods : sequence of str, optional
        Names.
    seeds : int, optional
        How many seeds, from 0 on.
    """

    readings: Sequence[str] | None = None
    datasets: Sequence[str] | None = None
    methods: Sequence[str] | None = None
    seeds: int | None = None


class Table(Component):
    """A table or figure of a paper.

    Attributes
    ----------
    about : str
        What it tells, in one line.
    paper : str
        Where it stands.
    """

    about: ClassVar[str] = ""
    paper: ClassVar[str] = ""

    def cases(self, settings: TableSettings, wanted: Selection) -> list[Case]:
        """Give the cases, seed by seed, so that a run that is stopped has all methods of the first seeds.

        Raises
        ------
        InputError
            For a reading or a set that the table does not have.
        """
        there = [name for name in READINGS if getattr(settings, name) is not None]
        for what, chosen, known in (
            ("reading", wanted.readings or there, there),
            ("set", wanted.datasets or settings.datasets, list(self.sets())),
        ):
            for name in chosen:
                if name not in known:
                    raise InputError(no_such(f"{what} of {self.name}", name, known))
        cases = [
            Case(reading, dataset, method, seed, details)
            for seed in range(wanted.seeds or settings.seeds)
            for reading in wanted.readings or there
            for dataset in wanted.datasets or settings.datasets
            for details in self.details(settings)
            for method in wanted.methods or settings.reading(reading).methods
        ]
        if not cases:
            raise InputError(f"the settings of {self.name} leave nothing to run: give a reading, and what is varied.")
        return cases

    def sets(self) -> Iterator[str]:
        """Name the sets that the table can be run on."""
        yield from PAPER_COUNTS

    def details(self, settings: TableSettings) -> list[dict[str, Any]]:
        """Give what is varied beside set, method and seed."""
        return [{}]

    def split(self, known: NamedSet, case: Case, settings: TableSettings) -> Split:
        """Draw the training images of a case; the test images are all that there are."""
        counts = PAPER_COUNTS[case.dataset]
        own = imbalanced_subset(known.X_train, known.y_train, counts, classes=known.class_names, random_state=case.seed)
        return Split(own.X, own.y, known.X_test, known.y_test)

    def learner(self, case: Case, settings: TableSettings, n_steps: int) -> Learner:
        """Give what is to be run."""
        if case.reading == PAPER:
            return paper_learner(case.method, n_steps, case.seed)
        return practical_learner(case.method, settings.reading(case.reading), n_steps, case.seed)

    def group(self, dataset: str, details: Mapping[str, Any]) -> str:
        """Name the column of a case."""
        return dataset


TABLES: Registry[Table] = Registry("table", Table)


@TABLES.register("aggan-multiclass")
class AGGANMulticlass(Table):
    """Ten classes, the largest a hundred times the smallest."""

    about = "mean recall on ten classes of 4,000 to 40 images"
    paper = "Hao et al., Annealing Genetic GAN for Imbalanced Web Data Learning, Table V"


@TABLES.register("aggan-binary")
class AGGANBinary(Table):
    """Two classes at ratios of 10, 50 and 100."""

    about = "mean recall on two classes, the larger 10, 50 and 100 times the smaller"
    paper = "Hao et al., Annealing Genetic GAN for Imbalanced Web Data Learning, Table IV"

    def sets(self) -> Iterator[str]:
        """Name the sets of which the paper takes two classes."""
        yield from PAPER_PAIRS

    def details(self, settings: TableSettings) -> list[dict[str, Any]]:
        """Give the ratios."""
        return [{"ratio": ratio} for ratio in PAPER_RATIOS]

    def split(self, known: NamedSet, case: Case, settings: TableSettings) -> Split:
        """Draw two classes; the test images are all those of the two."""
        if case.dataset not in settings.majority:
            raise InputError(
                f"the settings of {self.name} do not say how many images {case.dataset} has: add majority."
            )
        majority, minority = PAPER_PAIRS[case.dataset]
        own = two_class_subset(
            known.X_train,
            known.y_train,
            majority,
            minority,
            n_majority=settings.majority[case.dataset],
            imbalance_ratio=case.details["ratio"],
            random_state=case.seed,
        )
        tested = np.isin(known.y_test, (majority, minority))
        return Split(own.X, own.y, known.X_test[tested], known.y_test[tested])

    def group(self, dataset: str, details: Mapping[str, Any]) -> str:
        """Name set and ratio."""
        return f"{dataset} 1:{details['ratio']}"


@TABLES.register("aggan-annealing")
class AGGANAnnealing(Table):
    """AGGAN at several starting temperatures and coolings."""

    about = "mean recall of AGGAN by starting temperature and cooling"
    paper = "Hao et al., Annealing Genetic GAN for Imbalanced Web Data Learning, Figure 10"

    def details(self, settings: TableSettings) -> list[dict[str, Any]]:
        """Give the temperatures and coolings."""
        return [{"temperature": t, "cooling": c} for t in settings.temperatures for c in settings.coolings]

    def learner(self, case: Case, settings: TableSettings, n_steps: int) -> Learner:
        """Give AGGAN with the case's annealing."""
        if case.method != AGGAN.name:
            raise InputError(f"{self.name} is about annealing, and {case.method} does not anneal: leave out --methods.")
        evolution = Evolution(acceptance=Annealed(**case.details))
        return paper_learner(case.method, n_steps, case.seed, evolution=evolution)

    def group(self, dataset: str, details: Mapping[str, Any]) -> str:
        """Name set, temperature and cooling."""
        return f"{dataset} T={details['temperature']:g} α={details['cooling']:g}"


@TABLES.register("blend")
class Blend(Table):
    """Ten classes, the rare ones filled so far and so far with drawn images."""

    about = "mean recall by how many drawn images a classifier learns from"
    paper = "a question that Sampath et al. leave open in their survey of GANs for imbalance problems"
