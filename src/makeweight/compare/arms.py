"""Arms of a comparison: what a classifier learns from, or what answers in its place. A new arm is one class here."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from makeweight.augmentations import Affine
from makeweight.compare.classifier import MixedClassifier
from makeweight.component import Component, Registry
from makeweight.methods import classifies, get_method, method_names, shipped
from makeweight.sampler import ImageSampler

FILLS, SHARES = (0.25, 0.5, 1.0), (0.25, 0.5)
# What an arm's classifier is like unless the arm says otherwise, whatever all arms share.
NEUTRAL: dict[str, Any] = {
    "augmentation": "none",
    "balanced_batches": False,
    "class_weight": None,
    "drawn_share": None,
    "loss": None,
    "real_at_end": 0.0,
    "risk": None,
}
NOTHING, RIVAL, BLENDS, SHORTER = "nothing", "augmentation", "mixup", "half_as_long"
Pick = Callable[[Sequence[float]], float]


class Arm(Component):
    """One way of treating imbalance: images to add, and how the classifier's batches are made.

    Attributes
    ----------
    settings : dict
        Settings of `MixedClassifier` that make the arm; whatever is not named is alike in all arms.
    draws : bool
        Whether the arm adds images that a method draws.
    fills : bool
        Whether these are images of rare classes alone; verdicts are about the classes that such arms fill.
    gated : bool
        Whether the gate chooses among them; a class that cannot pass is left as it is.
    itself : bool
        Whether the method itself answers, by its class output, so that no classifier is trained.
    compared : bool
        Whether comparisons have the arm; others are of tables alone.
    priority : int
        Place in the order in which a time budget is spent; 0 is never left out.
    method : str or None
        Name of the method that draws, or answers.
    fill : float or None
        How far classes are filled, as a share of the largest class.
    share : float or None
        Share of drawn images in the part of a batch that a class has; None where they count like real ones.
    """

    settings: ClassVar[dict[str, Any]] = {}
    draws: ClassVar[bool] = False
    fills: ClassVar[bool] = False
    gated: ClassVar[bool] = False
    itself: ClassVar[bool] = False
    compared: ClassVar[bool] = True
    priority: ClassVar[int] = 0
    method: str | None = None
    fill: float | None = None
    share: float | None = None

    @classmethod
    def variants(cls, methods: Sequence[str], fills: Sequence[float], shares: Sequence[float]) -> Iterator[Self]:
        """Give the arms of this kind."""
        yield cls()

    @property
    def title(self) -> str:
        """What people read."""
        return self.name.replace("_", " ")

    def counts(self, class_counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give how many images of each class are drawn, given how many real ones there are."""
        return np.zeros_like(class_counts)

    def learnt_prevalence(self, class_counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give how often what answers meets each class, of which there are so many real images; sums to 1."""
        return _prevalence(np.ones_like(class_counts) if self.settings else class_counts)

    def classifier(self, base: MixedClassifier) -> MixedClassifier:
        """Give the classifier of this arm, made from the one that all arms share."""
        own: MixedClassifier = clone(base).set_params(**self._own())
        return own

    def _own(self) -> dict[str, Any]:
        return {**NEUTRAL, **self.settings}


class FilledArm(Arm):
    """An arm that fills classes with drawn images up to a share of the largest.

    Parameters
    ----------
    method : str, default="smote"
        Name of the method that draws.
    fill : float, default=1.0
        How far classes are filled, as a share of the largest class; above 0, at most 1.

    Attributes
    ----------
    only_fill : callable or None
        What picks the one fill, of those of a comparison, that the arm has; None where it has all.
    """

    settings: ClassVar[dict[str, Any]] = {"balanced_batches": True, "augmentation": Affine()}
    draws: ClassVar[bool] = True
    fills: ClassVar[bool] = True
    only_fill: ClassVar[Pick | None] = None
    words: ClassVar[str] = "{method} with augmentation at fill {fill:g}"

    def __init__(self, *, method: str = "smote", fill: float = 1.0) -> None:
        self.method = method
        self.fill = fill

    @classmethod
    def variants(cls, methods: Sequence[str], fills: Sequence[float], shares: Sequence[float]) -> Iterator[Self]:
        """Give an arm for each method and fill."""
        yield from (cls(method=method, fill=fill) for method in methods for fill in _picked(fills, cls.only_fill))

    @property
    def title(self) -> str:
        """What people read."""
        return self.words.format(method=method_title(self.method or ""), fill=self.fill, share=self.share or 0.0)

    def counts(self, class_counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give how many images each class lacks."""
        wanted = round((self.fill or 0.0) * int(class_counts.max()))
        return np.maximum(wanted - class_counts, 0)


class SharedArm(FilledArm):
    """A filled arm with a fixed share of drawn images in the part of a batch that a class has.

    Parameters
    ----------
    method : str, default="smote"
        Name of the method that draws.
    fill : float, default=1.0
        How far classes are filled.
    share : float, default=0.5
        Share of drawn images, above 0 and below 1.

    Attributes
    ----------
    only_share : callable or None
        The same for shares.
    """

    only_fill: ClassVar[Pick | None] = max
    only_share: ClassVar[Pick | None] = None
    words: ClassVar[str] = "{method} with augmentation at fill {fill:g} and share {share:g}"

    def __init__(self, *, method: str = "smote", fill: float = 1.0, share: float = 0.5) -> None:
        super().__init__(method=method, fill=fill)
        self.share = share

    @classmethod
    def variants(cls, methods: Sequence[str], fills: Sequence[float], shares: Sequence[float]) -> Iterator[Self]:
        """Give an arm for each method, fill and share."""
        chosen = list(itertools.product(_picked(fills, cls.only_fill), _picked(shares, cls.only_share)))
        yield from (cls(method=method, fill=fill, share=share) for method in methods for fill, share in chosen)

    def _own(self) -> dict[str, Any]:
        return {**super()._own(), "drawn_share": self.share}


ARMS: Registry[Arm] = Registry("arm", Arm)


@ARMS.register(NOTHING)
class Nothing(Arm):
    """The images as they are."""


@ARMS.register("class_weights")
class ClassWeights(Arm):
    """The images as they are, errors on rare classes counting more: n/(K·n_c)."""

    settings: ClassVar[dict[str, Any]] = {"class_weight": "balanced"}
    priority: ClassVar[int] = 2


@ARMS.register("duplicates")
class DuplicatedArm(Arm):
    """Batches that hold every class equally often."""

    settings: ClassVar[dict[str, Any]] = {"balanced_batches": True}
    priority: ClassVar[int] = 2


@ARMS.register(RIVAL)
class AugmentedArm(Arm):
    """Batches that hold every class equally often, with small random affine changes: the cheap rival to beat."""

    settings: ClassVar[dict[str, Any]] = {"balanced_batches": True, "augmentation": Affine()}


@ARMS.register(BLENDS)
class Blended(Arm):
    """As the rival, from blends of two images and of their labels: as cheap, and in long trainings often stronger."""

    settings: ClassVar[dict[str, Any]] = {**AugmentedArm.settings, "risk": BLENDS}
    priority: ClassVar[int] = 1


@ARMS.register("mirrored")
class Mirrored(Arm):
    """As the rival, with half of the images mirrored left to right: usual for photographs, wrong for letters."""

    settings: ClassVar[dict[str, Any]] = {**AugmentedArm.settings, "augmentation": Affine(mirror=True)}
    priority: ClassVar[int] = 2

    @property
    def title(self) -> str:
        """What people read."""
        return f"{RIVAL} with mirroring"


@ARMS.register("adjusted_mixup")
class AdjustedBlended(Arm):
    """Blends of images as they come, and logit adjustment in place of batches that repeat rare ones; in tables alone.

    References
    ----------
    Menon et al., 2021, "Long-Tail Learning via Logit Adjustment", the logit adjusted loss.
    """

    settings: ClassVar[dict[str, Any]] = {"augmentation": Affine(), "risk": BLENDS, "loss": "logit_adjusted"}
    compared: ClassVar[bool] = False


@ARMS.register(SHORTER)
class HalfAsLong(Arm):
    """As the rival, in half the steps: tells whether the classifier learns long enough."""

    settings: ClassVar[dict[str, Any]] = AugmentedArm.settings
    priority: ClassVar[int] = 2

    @property
    def title(self) -> str:
        """What people read."""
        return f"{RIVAL}, half the steps"

    def classifier(self, base: MixedClassifier) -> MixedClassifier:
        """Give the classifier with half the steps."""
        own = super().classifier(base)
        own.set_params(n_steps=max(1, (base.n_steps or 0) // 2))
        return own


@ARMS.register("filled")
class Filled(FilledArm):
    """Classes filled with drawn images, balanced batches, no augmentation."""

    settings: ClassVar[dict[str, Any]] = {"balanced_batches": True}
    priority: ClassVar[int] = 7
    words: ClassVar[str] = "{method} at fill {fill:g}"


@ARMS.register("filled_augmented")
class FilledAugmented(FilledArm):
    """Classes filled with drawn images, balanced batches, random affine changes of real and drawn images."""

    priority: ClassVar[int] = 4


@ARMS.register("gated")
class Gated(FilledArm):
    """As filled and augmented, with those drawn images alone that the gate of `balance --gate` lets through."""

    gated: ClassVar[bool] = True
    only_fill: ClassVar[Pick | None] = min
    priority: ClassVar[int] = 5
    words: ClassVar[str] = "{method} with augmentation at fill {fill:g}, gated"


@ARMS.register("shared")
class Shared(SharedArm):
    """Filled classes with a fixed share of drawn images in each batch, at the largest fill."""

    priority: ClassVar[int] = 3


@ARMS.register("shared_mixup")
class SharedBlended(SharedArm):
    """As shared, from blends of two images, real or drawn, and of their labels; in tables alone.

    A comparison holds drawn images against augmentation, so it would take for theirs what mixup gains by itself.
    """

    settings: ClassVar[dict[str, Any]] = {**SharedArm.settings, "risk": BLENDS}
    compared: ClassVar[bool] = False
    words: ClassVar[str] = "{method} with mixup at fill {fill:g} and share {share:g}"


@ARMS.register("equal_share")
class EqualShare(SharedArm):
    """Drawn images in every class, the largest too, so that "drawn" cannot be learnt in place of "rare"."""

    fills: ClassVar[bool] = False
    only_share: ClassVar[Pick | None] = min
    priority: ClassVar[int] = 4
    words: ClassVar[str] = "{method} with augmentation at share {share:g} of every class"

    def counts(self, class_counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the same number for every class."""
        return np.full_like(class_counts, max(1, round((self.fill or 0.0) * int(class_counts.max()))))


@ARMS.register("fine_tuned")
class FineTuned(FilledArm):
    """As filled and augmented, with the last quarter of the steps on real images alone."""

    settings: ClassVar[dict[str, Any]] = {**FilledArm.settings, "real_at_end": 0.25}
    only_fill: ClassVar[Pick | None] = max
    priority: ClassVar[int] = 6
    words: ClassVar[str] = "{method} with augmentation at fill {fill:g}, fine-tuned on real images"


@ARMS.register("class_output")
class ClassOutput(Arm):
    """The method itself as a classifier, where it has a class output; no classifier is trained.

    The class output has seen drawn images, as the game shows them to the discriminator. Its classes it knows from real
    ones, but for GAMO's, which learns from the labels of drawn images, too.

    Parameters
    ----------
    method : str, default="aggan"
        Name of a GAN with a class output.
    """

    itself: ClassVar[bool] = True
    priority: ClassVar[int] = 4

    def __init__(self, *, method: str = "aggan") -> None:
        self.method = method

    @classmethod
    def variants(cls, methods: Sequence[str], fills: Sequence[float], shares: Sequence[float]) -> Iterator[Self]:
        """Give one arm for each method that has a class output."""
        yield from (cls(method=method) for method in methods if classifies(method))

    @property
    def title(self) -> str:
        """What people read."""
        return f"{method_title(self.method or '')}'s class output"

    def learnt_prevalence(self, class_counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give how often the class output meets each class: half the time drawn, where it learns from drawn images."""
        in_force = get_method(self.method or "")().setting
        real = _prevalence(np.ones_like(class_counts) if in_force("balanced_batches") else class_counts)
        drawn = _prevalence(in_force("prior").weights(class_counts))
        return (real + drawn) / 2 if in_force("head").fakes else real


def with_drawn(
    X: NDArray[Any], y: NDArray[Any], labels: NDArray[Any], sampler: ImageSampler, rows: Sequence[Sequence[int]]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Put drawn images after real ones.

    Parameters
    ----------
    X, y : array of shape (n, ...) and (n,)
        Real images, and what they are called.
    labels : array of shape (n_classes,)
        What the sampler's classes are called in `y`.
    sampler : ImageSampler
        What draws.
    rows : sequence of sequence of int
        Which of its images of each class.

    Returns
    -------
    X, y, drawn : array of shape (m, ...), (m,) and (m,)
        All images, what they are called, and which are drawn.
    """
    numbers = [len(own) for own in rows]
    new = [sampler.draw(label, own) for label, own in zip(sampler.classes_.tolist(), rows, strict=True)]
    drawn = np.repeat([False, True], [len(X), sum(numbers)])
    return np.concatenate([X, *new]), np.concatenate([y, np.repeat(labels, numbers)]), drawn


def _picked(values: Sequence[float], only: Pick | None) -> Sequence[float]:
    return values if only is None or not values else [only(values)]


def _prevalence(weights: NDArray[np.int64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def plain_arms() -> list[str]:
    """Names of the arms that need no method."""
    return [arm.name for arm in ARMS if not arm.draws and not arm.itself]


def drawing_methods() -> list[str]:
    """Names of the methods that draw: all that are registered but those that are an arm of their own."""
    return [name for name in method_names() if name not in ARMS.names()]


def method_title(name: str) -> str:
    """Name of a method as its paper spells it, which is that of its class; as it is registered where others share that.

    Examples
    --------
    >>> method_title("aggan")
    'AGGAN'
    """
    title = str(get_method(name).__name__)
    alike = [each for each in method_names() if get_method(each).__name__ == title]
    return title if len(alike) == 1 or name in shipped() else name


def all_arms(
    methods: Sequence[str] | None = None, fills: Sequence[float] = FILLS, shares: Sequence[float] = SHARES
) -> list[Arm]:
    """Give every arm, those first that a time budget is spent on first.

    Parameters
    ----------
    methods : sequence of str, optional
        Methods that draw; by default all of the registry, those first that need no training.
    fills : sequence of float
        How far rare classes are filled, as shares of the largest class.
    shares : sequence of float
        Shares of drawn images in the part of a batch that a class has; none leaves these arms out.

    Returns
    -------
    list of Arm

    Examples
    --------
    >>> for arm in all_arms(["smote"], fills=[0.5], shares=[]):
    ...     print(arm.title)
    nothing
    augmentation
    mixup
    class weights
    duplicates
    augmentation, half the steps
    augmentation with mirroring
    SMOTE with augmentation at fill 0.5
    SMOTE with augmentation at fill 0.5, gated
    SMOTE with augmentation at fill 0.5, fine-tuned on real images
    SMOTE at fill 0.5
    """
    by_default = sorted(drawing_methods(), key=lambda name: get_method(name).learns)
    chosen = by_default if methods is None else list(methods)
    arms = [arm for kind in ARMS if kind.compared for arm in kind.variants(chosen, fills, shares)]
    return sorted(arms, key=lambda arm: (arm.priority, arm.name == RIVAL))
