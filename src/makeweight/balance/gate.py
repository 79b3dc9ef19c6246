"""The gate: drawn images that do not show their class, lie off the real ones or copy one of them are drawn again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from makeweight.balance.copies import Originals
from makeweight.balance.drawing import one_thread
from makeweight.classifiers.small_cnn import CNNClassifier
from makeweight.data.arrays import ImageCodec
from makeweight.data.images import OnProgress
from makeweight.data.lazy import LazyImages
from makeweight.quality.crossfit import CrossFit, Features, FoldJudge
from makeweight.quality.neighbours import K_PRECISION, reach
from makeweight.sampler import FEW, ImageSampler

COPY, UNRECOGNISED, OFF_DATA = "copy", "not recognised", "off the data"
REASONS = (COPY, UNRECOGNISED, OFF_DATA)
TOO_FEW, TOO_FEW_GROUPS, CANNOT_PASS = "too few real images", "too few groups", "too few pass"
HELD_OUT_PASSING = 0.95
SURELY_RECOGNISED = 0.5
TRIES, LEAST_TRIED = 10, 100
FEWEST_GROUPS = CrossFit.n_folds
FEWEST_AT_A_TIME, MOST_AT_A_TIME = 32, 512
MOST_IN_MANIFOLD = 2000
MOST_BYTES = 256_000_000


@dataclass(frozen=True)
class GatedClass:
    """What the gate did with one class.

    Attributes
    ----------
    label : str
        The class.
    n_wanted : int
        Images to fill it with.
    n_judged : int
        Drawn images that were looked at, up to the last that was taken.
    rejected : dict of str to int
        How many of them were rejected: "copy", "not recognised", "off the data"; each counts once, in this order.
    probability : float or None
        Least probability that the classifiers must give to the class.
    reach : float or None
        Largest distance to the real images' features, in units of their neighbourhoods.
    real_rejected : float or None
        Share of the real images of the class that these thresholds would reject, each judged by what has not seen it.
    replaced : str
        Why the class was filled by augmentation instead; empty where it was not.
    """

    label: str
    n_wanted: int
    n_judged: int
    rejected: dict[str, int]
    probability: float | None = None
    reach: float | None = None
    real_rejected: float | None = None
    replaced: str = ""

    @property
    def reject_rate(self) -> float | None:
        """Share of the judged images that was rejected; None where none was judged."""
        return sum(self.rejected.values()) / self.n_judged if self.n_judged else None


@dataclass(frozen=True)
class GatedRows:
    """Rows of a class that passed, in order, and what the gate did; no rows where the class is filled otherwise."""

    rows: tuple[int, ...]
    report: GatedClass


class ClassGate:
    """The thresholds of one class, set from its real images, and the judgement of drawn ones.

    Parameters
    ----------
    crossfit : CrossFit
        Classifiers fitted to the real images.
    X : array of shape (n, ...)
        The images given to `crossfit`.
    codes : array of int of shape (n,)
        Their classes.
    answers : array of shape (n, n_classes)
        What the classifiers that have not seen them say.
    code : int
        The class.

    Attributes
    ----------
    probability_ : float
        Least probability that the class must get: the one that best tells real images of the class from those of others
        (largest sum of sensitivity and specificity; Youden, 1950), but at most one half, and no less than that of a
        class drawn by lot, which few images could be parted at.
    reach_ : float
        Largest distance of an image's features to the real ones, in units of their third-neighbour distance: what 95 in
        100 real images keep to that a classifier has not seen, but at least 1, the edge that precision takes.
    real_rejected_ : float
        Share of the real images of the class that these would reject.
    """

    def __init__(
        self,
        crossfit: CrossFit,
        X: NDArray[Any],
        codes: NDArray[np.int64],
        answers: NDArray[np.float64],
        code: int,
    ) -> None:
        self.crossfit, self.code = crossfit, code
        chance = 1 / answers.shape[1]
        self.probability_ = max(chance, least_probability(answers[:, code], codes == code))
        own = np.flatnonzero(codes == code)
        images = X[own]
        folds = crossfit.folds_[own]
        shuffled = np.random.default_rng(0).permutation(len(own))  # files may lie in an order
        self.manifolds: list[tuple[FoldJudge, Features]] = []
        reaches = np.empty(len(own))
        for judge in crossfit.judges_:
            features = judge.features(images)
            seen = features[shuffled[folds[shuffled] != judge.fold]][:MOST_IN_MANIFOLD]
            self.manifolds.append((judge, seen))
            held_out = folds == judge.fold
            if held_out.any():  # groups that are kept together may leave none of the class
                reaches[held_out] = reach(seen, features[held_out])
        self.reach_ = max(1.0, float(np.quantile(reaches, HELD_OUT_PASSING, method="higher")))
        rejected = (answers[own, code] < self.probability_) | (reaches > self.reach_)
        self.real_rejected_ = float(rejected.mean())

    def faults(self, X_drawn: NDArray[Any]) -> list[str]:
        """Say of each drawn image what is wrong with it, copies apart; empty for one that passes."""
        nobody = np.full(len(X_drawn), -1)
        answers = self.crossfit.drawn_probabilities(X_drawn, nobody)[:, :, self.code].mean(axis=0)
        reaches = np.median([reach(seen, judge.features(X_drawn)) for judge, seen in self.manifolds], axis=0)
        return [
            UNRECOGNISED if unsure else OFF_DATA if off else ""
            for unsure, off in zip(answers < self.probability_, reaches > self.reach_, strict=True)
        ]


class Gate:
    """Chooses, of the images that a sampler draws, those that show their class, lie among the real ones and copy none.

    Parameters
    ----------
    X : array of shape (n, ...) or LazyImages
        The real images, in the codec's layout.
    labels : array of shape (n,)
        Their classes.
    originals : Originals
        The same, to look for copies.
    groups : array of int of shape (n,), optional
        Group of each. Groups are kept together; where there are fewer than folds they cannot be, and are left out of
        account.
    seed : int, default=0
        Seed of folds and classifiers.
    device : str, default="auto"
        Where to compute.
    classifier : CNNClassifier, optional
        What is cross-fitted; by default that of `CrossFit`.
    """

    def __init__(
        self,
        X: NDArray[Any] | LazyImages,
        labels: NDArray[Any],
        originals: Originals,
        *,
        groups: NDArray[np.int64] | None = None,
        seed: int = 0,
        device: str = "auto",
        classifier: CNNClassifier | None = None,
    ) -> None:
        self.originals = originals
        self.classes, codes = np.unique(labels, return_inverse=True)
        self.counts = np.bincount(codes)
        rows = _bounded_rows(codes, originals.codec, seed)
        self.X, self.codes = X[rows], codes[rows].astype(np.int64)
        self.groups = None if groups is None else groups[rows]
        if self.groups is not None and len(np.unique(self.groups)) < FEWEST_GROUPS:
            self.groups = None
        self.crossfit = CrossFit(classifier=classifier, random_state=seed, device=device)

    def fit(self, progress: OnProgress) -> Gate:
        """Train the classifiers, each on two thirds of the real images."""
        codec = self.originals.codec
        self.crossfit.fit(self.X, self.codes, codec=codec, groups=self.groups, progress=progress)
        self.answers = self.crossfit.real_probabilities(self.X)
        return self

    def select(self, sampler: ImageSampler, label: Any, n_wanted: int, progress: OnProgress) -> GatedRows:
        """Take the first rows of a class that pass.

        The class is given up when, after the first hundred, fewer than one in ten have passed; so ten times as many as
        are wanted are looked at, at most, but a hundred or so of any. Rows are drawn and judged a few hundred at a
        time.

        Parameters
        ----------
        sampler : ImageSampler
            What draws.
        label : object
            The class.
        n_wanted : int
            How many rows.
        progress : callable
            Called with the number of rows taken and of all.

        Returns
        -------
        GatedRows
        """
        code = int(np.flatnonzero(self.classes == label)[0])
        nothing = dict.fromkeys(REASONS, 0)
        if fault := self._cannot_judge(code):
            return GatedRows((), GatedClass(str(label), n_wanted, 0, nothing, replaced=fault))
        judge = ClassGate(self.crossfit, self.X, self.codes, self.answers, code)
        taken: list[int] = []
        rejected: Counter[str] = Counter(nothing)
        n_judged = 0
        while len(taken) < n_wanted and (n_judged < LEAST_TRIED or len(taken) * TRIES >= n_judged):
            rows = range(n_judged, n_judged + min(max(n_wanted - len(taken), FEWEST_AT_A_TIME), MOST_AT_A_TIME))
            with one_thread():
                faults = self._faults(judge, label, sampler.draw(label, rows))
            for row, fault in zip(rows, faults, strict=True):
                n_judged = row + 1
                if fault:
                    rejected[fault] += 1
                    continue
                taken.append(row)
                if len(taken) == n_wanted:
                    break
            progress(len(taken), n_wanted)
        passed = len(taken) == n_wanted
        report = GatedClass(
            str(label),
            n_wanted,
            n_judged,
            dict(rejected),
            judge.probability_,
            judge.reach_,
            judge.real_rejected_,
            "" if passed else CANNOT_PASS,
        )
        return GatedRows(tuple(taken) if passed else (), report)

    def _cannot_judge(self, code: int) -> str:
        """Say why there is nothing to judge drawn images of a class by; empty where there is."""
        folds = self.crossfit.folds_[self.codes == code]
        seen = min(int((folds != judge.fold).sum()) for judge in self.crossfit.judges_)
        if self.counts[code] < FEW:
            return TOO_FEW
        if seen <= K_PRECISION or any(judge.classifier is None for judge in self.crossfit.judges_):
            return TOO_FEW if self.groups is None else TOO_FEW_GROUPS
        return ""

    def _faults(self, judge: ClassGate, label: Any, X_drawn: NDArray[Any]) -> list[str]:
        """Say of each drawn image what is wrong with it; being a copy comes first."""
        faults = judge.faults(X_drawn)
        for copy in self.originals.copies(label, X_drawn):
            faults[copy.index] = COPY
        return faults


def least_probability(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Give the probability from which on an image is taken for one of the class.

    Parameters
    ----------
    scores : array of shape (n,)
        Probability of the class, from classifiers that have not seen the image.
    positive : array of bool of shape (n,)
        Whether the image is of the class.

    Returns
    -------
    float
        In the middle between the two scores where sensitivity and specificity add up to most, but at most one half.

    References
    ----------
    Youden, 1950, "Index for Rating Diagnostic Tests".

    Examples
    --------
    >>> least_probability(np.array([0.9, 0.4, 0.2, 0.0]), np.array([True, True, False, False])).__round__(3)
    0.3
    """
    false_alarms, hits, thresholds = roc_curve(positive, scores, drop_intermediate=False)
    best = int((hits - false_alarms).argmax())
    below = thresholds[best + 1] if best + 1 < len(thresholds) else 0.0
    return float(min(SURELY_RECOGNISED, (thresholds[best] + below) / 2))


def _bounded_rows(codes: NDArray[np.int64], codec: ImageCodec, seed: int) -> NDArray[np.int64]:
    """Choose the real images to judge by: all, or as many of each class as a quarter of a gigabyte holds."""
    counts = np.bincount(codes)
    of_one = int(np.prod(codec.shape)) * np.dtype(codec.dtype).itemsize
    most = max(FEW, MOST_BYTES // of_one // len(counts))
    order = np.random.default_rng(seed).permutation(len(codes))
    place = np.empty(len(codes), np.int64)
    for code in range(len(counts)):
        members = order[codes[order] == code]
        place[members] = np.arange(len(members))
    return np.flatnonzero(place < most)
