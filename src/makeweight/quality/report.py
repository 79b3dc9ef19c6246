"""What an evaluation found, as data."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any

from makeweight.data.wording import listed, shown
from makeweight.quality.copies import Copy
from makeweight.quality.figures import METRICS, Figure
from makeweight.quality.leak import LeakReport


@dataclass(frozen=True)
class ClassQuality:
    """The drawn images of one class, or of all classes together.

    Attributes
    ----------
    label : object
        The class; None for all.
    n_real, n_drawn : int
        Number of images.
    figures : dict of str to Figure
        By the names of `METRICS`.
    n_copies : dict of str to int
        Copies of real images by kind: "identical", "near", "suspect".
    taken_for : object
        The class that most drawn images are taken for; None where no classifier could judge, and for all.
    collapsed : bool
        Whether the drawn images are far more alike than real ones; see `has_collapsed`.
    answers : dict of str to float
        Share of the classifiers' answers for each class that they take drawn images for; empty for all.
    """

    label: Any
    n_real: int
    n_drawn: int
    figures: dict[str, Figure]
    n_copies: dict[str, int]
    taken_for: Any = None
    collapsed: bool = False
    answers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class QualityReport:
    """The quality of drawn images.

    Attributes
    ----------
    classes : tuple of ClassQuality
        Each class that has drawn images.
    overall : ClassQuality
        All of them: figures on features take equally many images of a class from every side; the others are means over
        the classes that have them.
    copies : tuple of Copy
        Drawn images that copy real ones.
    copies_alarm : bool
        Whether these are more than chance explains; see `CopyFinder.alarming`.
    false_alarm_rate : float or None
        Share of fresh images that would be suspect or near; None where there are too few real images to say.
    leak : LeakReport or None
        The leak test, where test images were given.
    extractor : str
        Name of the extractor, such as "cnn 3fa9c1d2".
    extractor_hash : str
        SHA-256 of the extractor in hexadecimal; empty where there is none.
    settings : dict
        What was asked for: numbers of folds, of groups (None without), of resamples and dimensions, seed, shape of the
        images.
    warnings : tuple of str
        What a person should know, a sentence each, the gravest first.
    """

    classes: tuple[ClassQuality, ...]
    overall: ClassQuality
    copies: tuple[Copy, ...]
    copies_alarm: bool
    false_alarm_rate: float | None
    leak: LeakReport | None
    extractor: str
    extractor_hash: str
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def rows(self) -> tuple[ClassQuality, ...]:
        """Each class, and then all of them."""
        return (*self.classes, self.overall)

    def refusals(self) -> list[str]:
        """Say why figures are missing, a sentence for each reason."""
        missing: dict[tuple[str, str], list[str]] = defaultdict(list)
        for each in self.rows:
            label = "all" if each.label is None else str(each.label)
            for name, figure in each.figures.items():
                if figure.refused:
                    missing[label, figure.refused].append(METRICS[name].title)
        of_features = [info.title for info in METRICS.values() if info.of_features]
        by_reason: dict[tuple[str, str], list[str]] = defaultdict(list)
        for (label, reason), titles in missing.items():
            what = "figures on features" if titles == of_features else listed(titles, 20)
            by_reason[reason, what].append(label)
        return [f"{listed(labels, 20)}: no {what}: {reason}" for (reason, what), labels in by_reason.items()]

    def title(self, name: str) -> str:
        """Give the full name of a figure; on features it says on which."""
        info = METRICS[name]
        return f"{info.title} [{self.extractor}]" if info.of_features else info.title

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain lists, dicts, strings and numbers, ready for JSON."""
        return {**asdict(self), "titles": {name: self.title(name) for name in METRICS}}


def warnings_of(
    classes: list[ClassQuality], overall: ClassQuality, copies: tuple[Copy, ...], leak: LeakReport | None
) -> list[str]:
    """Say in sentences what should worry a person, the gravest first; `copies` are those that give alarm."""
    found = []
    if copies:
        found.append(f"{len(copies):,} of {overall.n_drawn:,} drawn images copy real ones")
    if leak is not None and leak.split_leaks:
        found.append(f"{len(leak.shared):,} of {leak.n_test:,} test images copy training images: the split leaks")
    if leak is not None and leak.copied:
        found.append(f"{len(leak.copies):,} of {overall.n_drawn:,} drawn images copy test images")
    if leak is not None and leak.too_near:
        found.append(
            f"drawn images lie nearer to the test set than chance has it ({leak.nearer_to_test:.0%} of them, "
            f"p = {leak.p_value:.2g})"
        )
    for each in classes:
        accuracy, pairs = each.figures["accuracy"], each.figures["ssim"]
        if each.collapsed:
            found.append(
                f"{shown(each.label)} has collapsed: pairs of drawn images have SSIM {pairs.value:.2f}, of real ones "
                f"{pairs.reference:.2f}"
            )
        others = {label: share for label, share in each.answers.items() if label != str(each.label)}
        low = accuracy.high is not None and accuracy.reference is not None and accuracy.high < accuracy.reference / 2
        if low and others:
            found.append(
                f"{shown(each.label)}: {accuracy.value:.0%} of its drawn images are recognised (real ones "
                f"{accuracy.reference:.0%}), most others are taken for {shown(max(others, key=others.__getitem__))}"
            )
    return found
