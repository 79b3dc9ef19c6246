"""The papers' tables: which cases each has, on which subsets, and what learns them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makeweight.bench.entrant import read_entrant
from makeweight.bench.learners import PAPER, PRACTICAL, FromDrawn, Learner, paper_learner, practical_learner
from makeweight.bench.settings import TableSettings
from makeweight.bench.table import Case, Table, TrainTest, Varied
from makeweight.component import Registry
from makeweight.data.named import NamedSet
from makeweight.data.subsets import PAPER_COUNTS, PAPER_PAIRS, PAPER_RATIOS, imbalanced_subset, two_class_subset
from makeweight.errors import InputError
from makeweight.evolution import Annealed, Evolution
from makeweight.methods.aggan import AGGAN
from makeweight.networks import DCGAN
from makeweight.recipe_sampler import RecipeSampler
from makeweight.stabilisers import Mixed

CELEBA, GTSRB = "celeba", "gtsrb"
CAGAN_COUNTS = (5500, *[500] * 9)
PLAIN_SHARE = 2 / 3  # of a game, before batches are mixed: the paper's 100 epochs of 150
MOST_WHOLE = 1000  # images a class by which drawn ones are judged
RAREST = 5  # classes of GTSRB that are judged
NUMBER = r"\d{1,12}(?:\.\d{1,12})?(?:e[+-]?\d{1,2})?"

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

    def split(self, known: NamedSet, case: Case, settings: TableSettings) -> TrainTest:
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
        return TrainTest(own.X, own.y, known.X_test[tested], known.y_test[tested])

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
class BlendTable(Table):
    """Ten classes, the rare ones filled so far and so far with drawn images."""

    about = "mean recall by how many drawn images a classifier learns from"
    paper = "a question that Sampath et al. leave open in their survey of GANs for imbalance problems"
    varies = "fill, as a share of the largest class, or share of drawn images in a batch"
    readings = (PRACTICAL,)

    def varied(self, group: str, method: str) -> Varied:
        """Give set, what draws and how it is mixed in, and how much.

        Examples
        --------
        >>> BlendTable().varied("mnist", "smote at fill 0.25"), BlendTable().varied("mnist", "augmentation").value
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

    def judged(self, known: NamedSet, X: NDArray[Any], y: NDArray[Any], rare: Sequence[str]) -> TrainTest:
        """Give a split whose drawn images of some classes are judged by an even part of the whole training images."""
        labels, counts = np.unique(known.y_train, return_counts=True)
        even = dict(zip(labels.tolist(), np.minimum(counts, MOST_WHOLE).tolist(), strict=True))
        whole = imbalanced_subset(known.X_train, known.y_train, even, random_state=0)
        return TrainTest(X, y, known.X_test, known.y_test, tuple(rare), whole.X, whole.y)


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

    def split(self, known: NamedSet, case: Case, settings: TableSettings) -> TrainTest:
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

    def split(self, known: NamedSet, case: Case, settings: TableSettings) -> TrainTest:
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
        if isinstance(learner.sampler, RecipeSampler):
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
