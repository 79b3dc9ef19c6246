"""What a table of a paper is: its cases, the subset each learns from, what learns it, and where its figure shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from numpy.typing import NDArray

from makeweight.bench.entrant import read_entrant
from makeweight.bench.learners import PAPER, READINGS, SMALL_SETS, Learner, paper_learner, practical_learner
from makeweight.bench.settings import TableSettings
from makeweight.component import Component
from makeweight.data.named import NamedSet
from makeweight.data.subsets import PAPER_COUNTS, imbalanced_subset
from makeweight.data.wording import listed, no_such
from makeweight.errors import InputError


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


class TrainTest(NamedTuple):
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
        known = self.choices(settings, datasets)
        for key, values in where.items():
            if key not in known:
                raise InputError(no_such(f"value that {self.name} varies", key, known))
            for value in values:
                if value not in known[key]:
                    choices = listed([f"{each:g}" for each in known[key]], 20)
                    raise InputError(f"{self.name} has no {key} of {value:g}: choose from {choices}.")
        return {
            dataset: [each for each in own if all(each.get(key) in values for key, values in where.items())]
            for dataset, own in found.items()
        }

    def choices(self, settings: TableSettings, datasets: Sequence[str]) -> dict[str, list[float]]:
        """Give the values of what the table varies beside set, method and seed, by name, in order."""
        told = [each for dataset in datasets for each in self.details(settings, dataset)]
        names = dict.fromkeys(name for each in told for name in each)
        return {name: sorted({each[name] for each in told if name in each}) for name in names}

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

    def split(self, known: NamedSet, case: Case, settings: TableSettings) -> TrainTest:
        """Draw the training images of a case; the test images are all that there are."""
        counts = PAPER_COUNTS[case.dataset]
        own = imbalanced_subset(known.X_train, known.y_train, counts, classes=known.class_names, random_state=case.seed)
        return TrainTest(own.X, own.y, known.X_test, known.y_test)

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
