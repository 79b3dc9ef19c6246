"""The verdict in words: use it, do not use it, or cannot tell, for each rare class and overall."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from makeweight.compare.arms import RIVAL, Arm
from makeweight.compare.statistics import (
    CONFIDENCE,
    Differences,
    Floats,
    Largest,
    holm,
    holm_levels,
    images_needed,
    seeds_needed,
)
from makeweight.data.wording import counted, points, shown, signed_points

Answer = Literal["use", "do not use", "cannot tell"]
WORTHWHILE = 0.02
MOST_SEEDS, MANY = 200, 20
SMALLEST_LOSS = 5e-4  # of F1, which would be told as 0.0 points
FEW_SEEDS, MANY_IMAGES = 3, 1000


@dataclass(frozen=True)
class Verdict:
    """The answer for a class, or overall.

    Attributes
    ----------
    label : str or None
        The class; None overall.
    answer : {"use", "do not use", "cannot tell"}
        The answer.
    sentence : str
        The answer in words.
    arm : str
        The arm that is recommended, or the best that draws.
    gain, low, high : float
        Difference of its recall to that of augmentation (overall, of mean recall), and its interval, −1 to 1. Where an
        arm is recommended, or might be, the interval counts in that it was chosen among all arms that draw, and that
        several classes are asked about.
    p_value : float
        Corrected in the same way.
    n_images : int
        Test images of the class; overall, the mean of the classes.
    more_images, more_seeds : int or None
        About how many more would be needed, where it cannot be told.
    """

    label: str | None
    answer: Answer
    sentence: str
    arm: str
    gain: float
    low: float
    high: float
    p_value: float
    n_images: int
    more_images: int | None = None
    more_seeds: int | None = None


@dataclass(frozen=True, eq=False)
class Evidence:
    """What verdicts are made from.

    Attributes
    ----------
    arms : list of Arm
        All arms; the first axis of what follows.
    labels : list of str
        The classes.
    drawn : array of bool of shape (n_arms, n_classes)
        Which arms hold drawn images of which classes.
    differences : Differences
        Recall against augmentation.
    recall, f1 : arrays of shape (n_arms, n_classes + 1)
        Means over seeds; the last column is the mean of the classes.
    """

    arms: Sequence[Arm]
    labels: Sequence[str]
    drawn: NDArray[np.bool_]
    differences: Differences
    recall: Floats
    f1: Floats

    def candidates(self, column: int) -> NDArray[np.intp]:
        """Arms that hold drawn images of a class; overall, of any."""
        if column == len(self.labels):
            return np.flatnonzero(self.drawn.any(axis=1))
        return np.flatnonzero(self.drawn[:, column])

    @property
    def rival(self) -> int:
        """Where augmentation stands."""
        return next(place for place, arm in enumerate(self.arms) if arm.name == RIVAL)


def give_verdicts(evidence: Evidence, *, worthwhile: float = WORTHWHILE) -> list[Verdict]:
    """Give the verdict overall and for each class that a filling arm draws images of.

    Parameters
    ----------
    evidence : Evidence
        What came out.
    worthwhile : float, default=0.02
        The smallest gain of recall that would be worth it. "Do not use" is said where any larger one is ruled out.

    Returns
    -------
    list of Verdict
        The first is that overall.

    Notes
    -----
    "Use": the largest score (difference by standard error) among all arms that draw the class is beyond what the
    largest of as many equal arms reaches by chance, at Holm's level for the classes and the whole. So neither the
    choice of the arm nor the number of classes makes the answer too hopeful. Of the arms that pass, the one with the
    highest lower end is named, if its F1 is no lower than that of augmentation, it does not surely cost mean recall,
    and no classifier that learns without drawn images, and of which both hold as well, has a higher recall. "Do not
    use": no arm that passes is like that; or none passes, and every one's own interval ends below `worthwhile`, or
    the arm surely costs mean recall. All have to, so nothing is to be corrected. A method's class output neither is
    recommended nor stands in the way.
    """
    filling = [place for place, arm in enumerate(evidence.arms) if arm.fills]
    rare = np.flatnonzero(evidence.drawn[filling].any(axis=0)).tolist() if filling else []
    columns = [len(evidence.labels), *rare]
    if not filling:
        return []
    found = [evidence.differences.largest(evidence.candidates(column), column) for column in columns]
    p_values = [each.p_value for each in found]
    return [
        _verdict(evidence, column, each, float(p_value), float(level), worthwhile)
        for column, each, p_value, level in zip(columns, found, holm(p_values), holm_levels(p_values), strict=True)
    ]


def _verdict(
    evidence: Evidence, column: int, largest: Largest, p_value: float, level: float, worthwhile: float
) -> Verdict:
    candidates, differences = evidence.candidates(column), evidence.differences
    critical = largest.critical(level)
    low = differences.estimate[:, column] - critical * differences.error[:, column]
    passed = [int(arm) for arm in candidates if low[arm] > 0] if p_value <= 1 - CONFIDENCE else []
    sound = [arm for arm in passed if _fault(evidence, arm, column) is None]
    if passed:
        best = max(sound or passed, key=lambda arm: low[arm])
        verdict = _Maker(evidence, column, best, p_value, critical)
        return verdict.use() if sound else verdict.refuse(_fault(evidence, best, column) or "")
    own_high = differences.interval()[1][:, column]
    is_open = [int(arm) for arm in candidates if own_high[arm] >= worthwhile and not _harms(evidence, int(arm))]
    if is_open:
        score = differences.estimate[:, column] / differences.error[:, column]
        hopeful = [arm for arm in is_open if _fault(evidence, arm, column) is None]
        best = max(hopeful or is_open, key=lambda arm: score[arm])
        room = _Room(evidence, column, worthwhile, critical, level / len(candidates) / 2)
        need = room.more(is_open, best)
        why = "" if hopeful else f"; so far {_fault(evidence, best, column)}"
        return _Maker(evidence, column, best, p_value, critical).leave_open(need, why)
    highest = int(max(candidates, key=lambda arm: own_high[arm]))
    verdict = _Maker(evidence, column, highest, p_value, critical)
    if own_high[highest] < worthwhile:
        return verdict.reject(margin=worthwhile)
    if differences.estimate[highest, column] > 0:
        return verdict.refuse(_harm(evidence, highest), "may find")
    return verdict.reject(f"; {_harm(evidence, highest)}")


def _fault(evidence: Evidence, arm: int, column: int) -> str | None:
    """Say why an arm whose recall is surely higher is still not to be recommended."""
    price = _price(evidence, arm, column)
    if price is not None:
        return price
    cheaper = [place for place, each in enumerate(evidence.arms) if not each.draws and not each.itself]
    sound = [place for place in cheaper if _price(evidence, place, column) is None]
    higher = max(sound, key=lambda place: evidence.recall[place, column])  # augmentation is always sound
    if evidence.recall[higher, column] >= evidence.recall[arm, column]:
        return f"the arm {evidence.arms[higher].title!r} finds as many without drawn images"
    return None


def _price(evidence: Evidence, arm: int, column: int) -> str | None:
    """Say what an arm costs elsewhere, in mean recall or in precision."""
    if _harms(evidence, arm):
        return _harm(evidence, arm)
    loss = evidence.f1[arm, column] - evidence.f1[evidence.rival, column]
    if loss > -SMALLEST_LOSS:
        return None
    gained = evidence.differences.estimate[arm, column] > 0
    return f"{'its precision falls by more' if gained else 'its precision falls too'}, F1 {signed_points(loss)}"


def _harms(evidence: Evidence, arm: int) -> bool:
    """Tell whether an arm surely costs mean recall."""
    return bool(evidence.differences.interval()[1][arm, -1] < 0)


def _harm(evidence: Evidence, arm: int) -> str:
    return f"other classes lose more, mean recall {signed_points(evidence.differences.estimate[arm, -1])}"


@dataclass(frozen=True)
class _Need:
    images: int | None
    seeds: int | None


@dataclass(frozen=True)
class _Room:
    """How much more it takes until it can be told.

    With few seeds an interval is long because of them (`critical`); with more, its reach is that of Student's t, with
    `tail` beyond either end.
    """

    evidence: Evidence
    column: int
    worthwhile: float
    critical: float
    tail: float

    def more(self, arms: Sequence[int], best: int) -> _Need:
        """Say what it takes until the best arm's interval excludes zero, or all arms' own exclude a worthwhile gain.

        Images or seeds, where either alone is enough and not too many; else both, each for half of what there is room
        for.
        """
        gain = float(self.evidence.differences.estimate[best, self.column])
        ways = [self._alone(best, gain, self.critical, self.tail), self._below(arms)]
        images = min((way for way, _ in ways if way is not None), default=None)
        seeds = min((way for _, way in ways if way is not None), default=None)
        if images is not None and images <= MANY * self.n_images:
            return _Need(images, None)
        if seeds is not None and seeds <= MOST_SEEDS:
            return _Need(None, seeds)
        both = self._both(best, max(gain, self.worthwhile - gain))
        return both if images is None or both.images is None or both.images < images else _Need(images, None)

    @property
    def n_images(self) -> int:
        return int(self.evidence.differences.n_images[self.column])

    def _alone(self, arm: int, gap: float, reach: float, tail: float) -> tuple[int | None, int | None]:
        differences = self.evidence.differences
        images, seeds = differences.image_variance[arm, self.column], differences.seed_variance[arm, self.column]
        return (
            images_needed(gap, reach, images, seeds, self.n_images),
            seeds_needed(gap, tail, reach, images, seeds, differences.n_seeds),
        )

    def _below(self, arms: Sequence[int]) -> tuple[int | None, int | None]:
        """Say what it takes until every arm is ruled out."""
        differences, needs = self.evidence.differences, []
        for arm in arms:
            own = float(np.quantile(np.abs(differences.scores[:, arm, self.column]), CONFIDENCE))
            gap = self.worthwhile - float(differences.estimate[arm, self.column])
            needs.append(self._alone(arm, gap, own, (1 - CONFIDENCE) / 2))
        return _most([images for images, _ in needs]), _most([seeds for _, seeds in needs])

    def _both(self, best: int, gap: float) -> _Need:
        differences, gap = self.evidence.differences, gap / math.sqrt(2)
        images = float(differences.image_variance[best, self.column])
        seeds = float(differences.seed_variance[best, self.column])
        return _Need(
            images_needed(gap, min(self.critical, float(norm.isf(self.tail))), images, 0.0, self.n_images),
            seeds_needed(gap, self.tail, self.critical, 0.0, seeds, differences.n_seeds),
        )


def _most(needs: list[int | None]) -> int | None:
    known = [need for need in needs if need is not None]
    return max(known) if len(known) == len(needs) else None


@dataclass(frozen=True)
class _Maker:
    """Puts an answer into words."""

    evidence: Evidence
    column: int
    arm: int
    p_value: float
    critical: float

    def use(self) -> Verdict:
        figures = self._figures(self.critical)
        if self.label is None:
            return self._made("use", f"overall: use {self.title} ({figures})", self.critical)
        return self._made("use", f"use {self.title} for {shown(self.label)} ({figures})", self.critical)

    def refuse(self, why: str, finds: str = "finds") -> Verdict:
        return self._made(
            "do not use",
            f"{self._about}: do not use it: {self.title} {finds} more ({self._figures(self.critical)}), but {why}",
            self.critical,
        )

    def reject(self, why: str = "", margin: float | None = None) -> Verdict:
        reach, by = self._own_critical(), "" if margin is None else f" by {points(margin)} points"
        return self._made(
            "do not use",
            f"{self._about} no drawn images beat augmentation{by}: do not use them (best: {self.title}, "
            f"{self._figures(reach)}{why})",
            reach,
        )

    def leave_open(self, need: _Need, why: str) -> Verdict:
        figures = self._figures(self.critical)
        if self.evidence.differences.n_seeds < FEW_SEEDS:
            need = _Need(None, None)
        sentence = f"{self._about}: cannot tell{self._needed(need)} (best: {self.title}, {figures}{why})"
        return self._made("cannot tell", sentence, self.critical, need)

    def _needed(self, need: _Need) -> str:
        """Say what more it takes; numbers that nobody would believe, or could go by, are not told."""
        differences = self.evidence.differences
        if differences.n_seeds < FEW_SEEDS:
            return f", since {counted(differences.n_seeds, 'seed')} say too little: give five"
        each = "" if self.label is not None else " of each class"
        most_images = max(MANY * int(differences.n_images[self.column]), MANY_IMAGES)
        words, wild = [], []
        for number, one, most in ((need.images, "test image", most_images), (need.seeds, "seed", MOST_SEEDS)):
            if number is not None:
                whose = each if one == "test image" else ""
                wild.append(number > most)
                told = counted(number, f"more {one}{whose}", f"more {one}s{whose}")
                words.append(f"far more {one}s{whose}" if wild[-1] else told)
        if not words:
            return ""
        about = "" if wild[0] else "very roughly " if differences.n_seeds == FEW_SEEDS else "about "
        single = len(words) == 1 and 1 in (need.images, need.seeds)
        return f", {about}{' and '.join(words)} {'is' if single else 'are'} needed"

    @property
    def label(self) -> str | None:
        return None if self.column == len(self.evidence.labels) else self.evidence.labels[self.column]

    @property
    def title(self) -> str:
        return self.evidence.arms[self.arm].title

    @property
    def _about(self) -> str:
        return "overall" if self.label is None else f"for {shown(self.label)}"

    def _own_critical(self) -> float:
        scores = self.evidence.differences.scores[:, self.arm, self.column]
        return float(np.quantile(np.abs(scores), CONFIDENCE))

    def _ends(self, critical: float) -> tuple[float, float, float]:
        differences = self.evidence.differences
        gain = float(differences.estimate[self.arm, self.column])
        reach = critical * float(differences.error[self.arm, self.column])
        return gain, max(gain - reach, -1.0), min(gain + reach, 1.0)

    def _figures(self, critical: float) -> str:
        gain, low, high = self._ends(critical)
        noun = "mean recall" if self.label is None else "recall"
        return f"{signed_points(gain)} {noun}, {CONFIDENCE * 100:.0f} % interval {points(low)} to {points(high)}"

    def _made(self, answer: Answer, sentence: str, critical: float, need: _Need | None = None) -> Verdict:
        gain, low, high = self._ends(critical)
        return Verdict(
            label=self.label,
            answer=answer,
            sentence=sentence,
            arm=self.title,
            gain=gain,
            low=low,
            high=high,
            p_value=self.p_value,
            n_images=int(self.evidence.differences.n_images[self.column]),
            more_images=None if need is None else need.images,
            more_seeds=None if need is None else need.seeds,
        )
