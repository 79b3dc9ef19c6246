"""The papers' tables: which cases each has, on which subsets, and what learns them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from makeweight.bench.entrant import read_entrant
from makeweight.bench.learners import (
    PAPER,
    PRACTICAL,
    READINGS,
    SMALL_SETS,
    FromDrawn,
    Learner,
    paper_learner,
    practical_learner,
)
from makeweight.bench.settings import TableSettings
from makeweight.component import Component, Registry
from makeweight.data.named import NamedSet
from makeweight.data.subsets import PAPER_COUNTS, PAPER_PAIRS, PAPER_RATIOS, imbalanced_subset, two_class_subset
from makeweight.data.wording import listed, no_such
from makeweight.errors import InputError
from makeweight.evolution import Annealed, Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.methods.aggan import AGGAN
from makeweight.networks import DCGAN
from makeweight.stabilisers import Mixed

CELEBA, GTSRB = "celeba", "gtsrb"
CAGAN_COUNTS = (5500, *[500] * 9)
PLAIN_SHARE = 2 / 3  # of a game, before batches are mixed: the paper's 100 epochs of 150
MOST_WHOLE = 1000  # images a class by which drawn ones are judged
RAREST = 5  # classes of GTSRB that are judged
NUMBER = r"\d{1,12}(?:\.\d{1,12})?(?:e[+-]?\d{1,2})?"


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
    """Images to learn from and to test on; nothing is chosen on the latter.

    Attributes
    ----------
    X, y, X_test, y_test : array
        Images and labels of both parts.
    rare : tuple of str
        Labels of the classes whose drawn images are judged; none where a table is not about them.
    X_whole, y_whole : array, optional
        Training images before any were left out, by which drawn ones are judged.
    largest : int, optional
        Images of the largest class before any were left out; by default what it has now. Trainings are as long as it
        says, so that those of all seeds are.
    """

    X: NDArray[Any]
    y: NDArray[Any]
    X_test: NDArray[Any]
    y_test: NDArray[Any]
    rare: tuple[str, ...] = ()
    X_whole: NDArray[Any] | None = None
    y_whole: NDArray[Any] | None = None
    largest: int | None = None


class Varied(NamedTuple):
    """Where a method of a column stands in a table's figure.

    Attributes
    ----------
    figure : str
        Which figure: the set.
    line : str
        Which line of it.
    value : float or None
        What is varied; None for what stands for all values.
    """

    figure: str
    line: str
    value: float | None


@dataclass(frozen=True)
class Selection:
    """Which cases of a table are wanted; None takes what the settings say.

    Attributes
    ----------
    readings, datasets, methods : sequence of str, optional
        Names.
    seeds : sequence of int, optional
        Seeds, at least 0.
    where : dict of str to sequence of float, optional
        Values of what a table varies beside these, such as the ratio of two classes.
    """

    readings: Sequence[str] | None = None
    datasets: Sequence[str] | None = None
    methods: Sequence[str] | None = None
    seeds: Sequence[int] | None = None
    where: Mapping[str, Sequence[float]] | None = None


class Table(Component):
    """A table or figure of a paper.

    Attributes
    ----------
    about : str
        What it tells, in one line.
    paper : str
        Where it stands.
    varies : str
        What is varied beside set, method and seed; empty where nothing is.
    readings : tuple of str
        Readings that it can be run in.
    """

    about: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    varies: ClassVar[str] = ""
    readings: ClassVar[tuple[str, ...]] = READINGS

    def cases(self, settings: TableSettings, wanted: Selection) -> list[Case]:
        """Give the cases, seed by seed, so that a run that is stopped has all methods of the first seeds.

        Raises
        ------
        InputError
            For a reading, a set or a value that the table does not have.
        """
        there = [name for name in self.readings if getattr(settings, name) is not None]
        for what, chosen, known in (
            ("reading", wanted.readings or there, there),
            ("set", wanted.datasets or settings.datasets, list(self.sets())),
        ):
            for name in chosen:
                if name not in known:
                    raise InputError(no_such(f"{what} of {self.name}", name, known))
        datasets = list(dict.fromkeys(wanted.datasets or settings.datasets))
        varied = self._varied(settings, datasets, wanted.where or {})
        cases = [
            Case(reading, dataset, method, seed, details)
            for seed in dict.fromkeys(range(settings.seeds) if wanted.seeds is None else wanted.seeds)
            for reading in dict.fromkeys(wanted.readings or there)
            for dataset in datasets
            for details in varied[dataset]
            for method in dict.fromkeys(self._methods(settings, wanted, reading, there, dataset))
        ]
        if not cases:
            raise InputError(f"the settings of {self.name} leave nothing to run: give a reading, and what is varied.")
        return cases

    def _methods(
        self, settings: TableSettings, wanted: Selection, reading: str, there: Sequence[str], dataset: str
    ) -> Sequence[str]:
        """Name what is wanted of a reading; one that is listed in another alone is not, unless readings are chosen."""
        if not wanted.methods:
            return self.compared(settings, reading, dataset)
        if wanted.readings is not None or len(there) == 1:
            return wanted.methods
        listed = {name: settings.reading(name).all_methods for name in there}
        unlisted = {name for name in wanted.methods if not any(name in own for own in listed.values())}
        readings = {name: self._readings_of(settings, name, there, dataset) for name in unlisted}
        return [name for name in wanted.methods if name in listed[reading] or reading in readings.get(name, [])]

    def _readings_of(self, settings: TableSettings, method: str, there: Sequence[str], dataset: str) -> list[str]:
        """Name the readings in which there is a method that none lists; the last one, if there is none, says why."""
        found = []
        for reading in there:
            try:
                self.learner(Case(reading, dataset, method, 0), settings, 1)
                found.append(reading)
            except InputError:
                if reading == there[-1] and not found:
                    raise
        return found

    def _varied(
        self, settings: TableSettings, datasets: Sequence[str], where: Mapping[str, Sequence[float]]
    ) -> dict[str, list[dict[str, Any]]]:
        """Give what is varied on each set, as far as it is wanted."""
        told = {dataset: self.details(settings, dataset) for dataset in datasets}
        found = {
            dataset: [each for place, each in enumerate(own) if each not in own[:place]]
            for dataset, own in told.items()
        }
        every = [each for own in found.values() for each in own]
        for key, values in where.items():
            known = sorted({each[key] for each in every if key in each})
            if not known:
                raise InputError(
                    no_such(f"value that {self.name} varies", key, {name for each in every for name in each})
                )
            for value in values:
                if value not in known:
                    choices = listed([f"{each:g}" for each in known], 20)
                    raise InputError(f"{self.name} has no {key} of {value:g}: choose from {choices}.")
        return {
            dataset: [each for each in own if all(each.get(key) in values for key, values in where.items())]
            for dataset, own in found.items()
        }

    def compared(self, settings: TableSettings, reading: str, dataset: str) -> list[str]:
        """Name what is compared on a set; scoring by batches, where the papers' networks have no batch norm, is not."""
        names = settings.reading(reading).all_methods
        if reading != PAPER or dataset in SMALL_SETS:
            return names
        return [name for name in names if not ((entrant := read_entrant(name)) and entrant.by_batches)]

    def sets(self) -> Iterator[str]:
        """Name the sets that the table can be run on."""
        yield from PAPER_COUNTS

    def details(self, settings: TableSettings, dataset: str) -> list[dict[str, Any]]:
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
            return paper_learner(case.method, case.dataset, n_steps, case.seed)
        return practical_learner(case.method, case.dataset, settings.reading(case.reading), n_steps, case.seed)

    def group(self, dataset: str, details: Mapping[str, Any]) -> str:
        """Name the column of a case."""
        return dataset

    def varied(self, group: str, method: str) -> Varied:
        """Say where a column and a method stand in the table's figure.

        Parameters
        ----------
        group : str
            Column, as `group` names it.
        method : str
            Method.
        """
        return Varied(group, method, None)


TABLES: Registry[Table] = Registry("table", Table)


@TABLES.register("aggan-multiclass")
class AGGANMulticlass(Table):
    """All classes of a set, in the papers' counts."""

    about = "mean recall on ten classes of 4,000 to 40 images"
    paper = "Hao et al., Annealing Genetic GAN for Imbalanced Web Data Learning, Table V"


@TABLES.register("aggan-binary")
class AGGANBinary(Table):
    """Two classes at ratios of 10, 50 and 100."""

    about = "mean recall on two classes, the larger 10, 50 and 100 times the smaller"
    varies = "images of the larger class to each of the smaller"
    paper = "Hao et al., Annealing Genetic GAN for Imbalanced Web Data Learning, Table IV"

    def sets(self) -> Iterator[str]:
        """Name the sets of which the paper takes two classes."""
        yield from PAPER_PAIRS

    def details(self, settings: TableSettings, dataset: str) -> list[dict[str, Any]]:
        """Give the ratios.

        Raises
        ------
        InputError
            If the settings do not say how many images the larger class has.
        """
        if dataset not in settings.majority:
            raise InputError(
                f"the settings of {self.name} do not say how many images the larger class of {dataset} has: give "
                "--settings with majority."
            )
        return [{"ratio": ratio} for ratio in PAPER_RATIOS]

    def split(self, known: NamedSet, case: Case, settings: TableSettings) -> Split:
        """Draw two classes; the test images are all those of the two."""
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

    def varied(self, group: str, method: str) -> Varied:
        """Give set, method and ratio.

        Examples
        --------
        >>> AGGANBinary().varied("mnist 1:50", "acgan")
        Varied(figure='mnist', line='acgan', value=50.0)
        """
        found = re.fullmatch(rf"(.+) 1:({NUMBER})", group)
        return Varied(found[1], method, float(found[2])) if found else super().varied(group, method)


@TABLES.register("aggan-annealing")
class AGGANAnnealing(Table):
    """AGGAN at several starting temperatures and coolings."""

    about = "mean recall of AGGAN by starting temperature and cooling"
    varies = "starting temperature"
    readings = (PAPER,)
    paper = "Hao et al., Annealing Genetic GAN for Imbalanced Web Data Learning, Figure 10"

    def details(self, settings: TableSettings, dataset: str) -> list[dict[str, Any]]:
        """Give the temperatures and coolings."""
        return [{"temperature": t, "cooling": c} for t in settings.temperatures for c in settings.coolings]

    def learner(self, case: Case, settings: TableSettings, n_steps: int) -> Learner:
        """Give AGGAN with the case's annealing."""
        if case.method != AGGAN.name:
            raise InputError(f"{self.name} is about AGGAN's annealing: leave out --methods.")
        evolution = Evolution(acceptance=Annealed(**case.details))
        return paper_learner(case.method, case.dataset, n_steps, case.seed, evolution=evolution)

    def group(self, dataset: str, details: Mapping[str, Any]) -> str:
        """Name set, temperature and cooling."""
        return f"{dataset} T={details['temperature']:.12g} α={details['cooling']:.12g}"

    def varied(self, group: str, method: str) -> Varied:
        """Give set, cooling and temperature.

        Examples
        --------
        >>> AGGANAnnealing().varied("mnist T=100 α=0.99", "aggan")
        Varied(figure='mnist', line='α = 0.99', value=100.0)
        """
        found = re.fullmatch(rf"(.+) T=({NUMBER}) α=({NUMBER})", group)
        return Varied(found[1], f"α = {found[3]}", float(found[2])) if found else super().varied(group, method)


@TABLES.register("blend")
class Blend(Table):
    """Ten classes, the rare ones filled so far and so far with drawn images."""

    about = "mean recall by how many drawn images a classifier learns from"
    paper = "a question that Sampath et al. leave open in their survey of GANs for imbalance problems"
    varies = "fill, as a share of the largest class, or share of drawn images in a batch"
    readings = (PRACTICAL,)

    def varied(self, group: str, method: str) -> Varied:
        """Give set, what draws and how it is mixed in, and how much.

        Examples
        --------
        >>> Blend().varied("mnist", "smote at fill 0.25"), Blend().varied("mnist", "augmentation").value
        (Varied(figure='mnist', line='smote at fill', value=0.25), None)
        """
        told = read_entrant(method)
        amounts = [each for each in (told.fill, told.share) if each] if told else []
        if len(amounts) == 1 and re.fullmatch(NUMBER, amounts[0]) and method.endswith(amounts[0]):
            return Varied(group, method.removesuffix(f" {amounts[0]}"), float(amounts[0]))
        return super().varied(group, method)


class DrawnTable(Table):
    """A table about drawn images: how good they are, and what a classifier makes of them."""

    readings = (PRACTICAL,)

    def sets(self) -> Iterator[str]:
        """Name the sets."""
        raise TypeError(f"{type(self).__name__} must name its sets")

    def judged(self, known: NamedSet, X: NDArray[Any], y: NDArray[Any], rare: Sequence[str]) -> Split:
        """Give a split whose drawn images of some classes are judged by an even part of the whole training images."""
        labels, counts = np.unique(known.y_train, return_counts=True)
        even = dict(zip(labels.tolist(), np.minimum(counts, MOST_WHOLE).tolist(), strict=True))
        whole = imbalanced_subset(known.X_train, known.y_train, even, random_state=0)
        return Split(X, y, known.X_test, known.y_test, tuple(rare), whole.X, whole.y)


@TABLES.register("bagan")
class BAGANDropped(DrawnTable):
    """One class of which a share is dropped, by seed another one; GTSRB as it is."""

    about = "recall of one class of which 40 to 97.5 % is dropped, and how good its drawn images are; GTSRB as it is"
    varies = "part of the class that is dropped, %"
    paper = "Mariani et al., BAGAN: Data Augmentation with Balancing GAN, Figures 7 to 9"

    def sets(self) -> Iterator[str]:
        """Name the paper's sets, and Fashion-MNIST in place of its flowers."""
        yield from ("mnist", "fashion-mnist", "cifar10", GTSRB)

    def details(self, settings: TableSettings, dataset: str) -> list[dict[str, Any]]:
        """Give the dropped shares; GTSRB has none."""
        return [{"dropped": share} for share in settings.dropped] if dataset != GTSRB else [{}]

    def split(self, known: NamedSet, case: Case, settings: TableSettings) -> Split:
        """Drop a share of the class that the seed stands for, at random; the rarest classes of GTSRB are judged."""
        X, y = known.X_train, known.y_train
        labels, counts = np.unique(y, return_counts=True)
        if case.dataset == GTSRB:
            return self.judged(known, X, y, labels[np.argsort(counts, kind="stable")[:RAREST]].tolist())
        rare = known.class_names[case.seed % len(known.class_names)]
        own = np.flatnonzero(y == rare)
        n_left = max(1, round((1 - case.details["dropped"]) * len(own)))
        kept = np.random.default_rng(case.seed).permutation(own)[:n_left]
        chosen = np.sort(np.concatenate([np.flatnonzero(y != rare), kept]))
        return self.judged(known, X[chosen], y[chosen], [rare])._replace(largest=int(counts.max()))

    def group(self, dataset: str, details: Mapping[str, Any]) -> str:
        """Name set and share."""
        return dataset if dataset == GTSRB else f"{dataset} without {100 * details['dropped']:g}% of a class"

    def varied(self, group: str, method: str) -> Varied:
        """Give set, method and share, in per cent.

        Examples
        --------
        >>> BAGANDropped().varied("mnist without 97.5% of a class", "bagan")
        Varied(figure='mnist', line='bagan', value=97.5)
        """
        found = re.fullmatch(rf"(.+) without ({NUMBER})% of a class", group)
        return Varied(found[1], method, float(found[2])) if found else super().varied(group, method)


@TABLES.register("cagan")
class CAGANMixed(DrawnTable):
    """One class is eleven times as large as each other, real batches are as the images come, labels asked for uniform.

    Discriminators have batch norm, by which they can tell kinds of batches apart; in some games batches are mixed, in
    the last third.
    """

    about = "drawn images of nine classes beside one that is eleven times larger, with and without mixed batches"
    paper = "Cho and Yoon, Conditional Activation GAN: Improved Auxiliary Classifier GAN, Figures 15 to 20"

    def sets(self) -> Iterator[str]:
        """Name the sets; CelebA has the hair colours and counts of the other tables."""
        yield from ("mnist", "fashion-mnist", CELEBA)

    def split(self, known: NamedSet, case: Case, settings: TableSettings) -> Split:
        """Draw the counts; all classes but the first are judged."""
        counts = self._counts(case)
        own = imbalanced_subset(known.X_train, known.y_train, counts, classes=known.class_names, random_state=case.seed)
        return self.judged(known, own.X, own.y, known.class_names[1:])

    def learner(self, case: Case, settings: TableSettings, n_steps: int) -> Learner:
        """Give a method with a discriminator that has batch norm; "ca_gan mixed" has mixed batches, too."""
        entrant = read_entrant(case.method)
        mixed = entrant is not None and entrant.mixed
        method = replace(entrant, mixed=False).name if entrant else case.method
        learner = practical_learner(method, case.dataset, settings.reading(case.reading), n_steps, case.seed)
        if not isinstance(learner, FromDrawn):
            raise InputError(f"{self.name} is about drawn images, and {case.method!r} is no method that draws.")
        if isinstance(learner.sampler, GANSampler):
            told = learner.sampler.settings
            a_step = told["batch_size"] * learner.sampler.setting("discriminator_steps")
            n_epochs = told["n_steps"] * a_step / sum(self._counts(case))
            mixing = Mixed(rate=0.5, start=round(PLAIN_SHARE * n_epochs)) if mixed else "none"
            learner.sampler.set_params(networks=DCGAN(batch_norm=True), balanced_batches=False, mixed_batches=mixing)
        elif mixed:
            raise InputError(f"{method} plays no game, so its batches cannot be mixed: leave out 'mixed'.")
        return learner

    def _counts(self, case: Case) -> tuple[int, ...]:
        return tuple(PAPER_COUNTS[CELEBA]) if case.dataset == CELEBA else CAGAN_COUNTS
