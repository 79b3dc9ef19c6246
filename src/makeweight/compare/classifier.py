"""The classifier that every arm trains: the small CNN, with batches that know real images from drawn ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d

from makeweight.augmentations import Augmentation
from makeweight.classifiers.losses import ClassificationLoss
from makeweight.classifiers.risks import Risk
from makeweight.classifiers.small_cnn import CNNClassifier
from makeweight.component import without_defaults
from makeweight.data.arrays import Channels, check_labels
from makeweight.errors import InputError
from makeweight.networks import Networks
from makeweight.ranges import check_ranges, or_none, within
from makeweight.stabilisers import batches_of, endless_batches, taken


class MixedClassifier(CNNClassifier):
    """`CNNClassifier` for real and drawn images: class weights, a share of drawn images, an end on real ones alone.

    Parameters
    ----------
    networks, n_steps, batch_size, learning_rate, augmentation, balanced_batches, random_state, device, channels
        As in `CNNClassifier`.
    class_weight : "balanced" or dict, optional
        Weights of the classes in the loss, as in scikit-learn.
    drawn_share : float, optional
        Share of drawn images in the part of a batch that a class has, 0 to 1, where the class has drawn ones; batches
        are balanced then. By default drawn images count like real ones.
    real_at_end : float, default=0.0
        Share of the steps, at the end, that are taken on real images alone.
    risk : str or Risk, optional
        What is minimised on a batch: "empirical", the loss of its images, by default; "mixup" or "manifold_mixup", that
        of blends of them.
    loss : str or ClassificationLoss, optional
        What a wrong answer costs, "cross_entropy" by default. Losses go by the numbers of real images.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> digits = load_digits()
    >>> X, y, drawn = digits.images[:600], digits.target[:600], np.arange(600) >= 500
    >>> classifier = MixedClassifier(n_steps=60, drawn_share=0.25, random_state=0).fit(X, y, drawn=drawn)
    >>> bool(classifier.score(digits.images[600:900], digits.target[600:900]) > 0.5)
    True
    """

    # Parameters that came after there were rows; see `Component`.
    later: ClassVar[dict[str, Any]] = {"risk": None, "loss": None}

    def __init__(
        self,
        *,
        networks: str | Networks | None = None,
        n_steps: int | None = None,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        augmentation: str | Augmentation | None = None,
        balanced_batches: bool = False,
        random_state: Any = None,
        device: str = "auto",
        channels: Channels | None = None,
        class_weight: Literal["balanced"] | Mapping[Any, float] | None = None,
        drawn_share: float | None = None,
        real_at_end: float = 0.0,
        risk: str | Risk | None = None,
        loss: str | ClassificationLoss | None = None,
    ) -> None:
        super().__init__(
            networks=networks,
            n_steps=n_steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            augmentation=augmentation,
            balanced_batches=balanced_batches,
            random_state=random_state,
            device=device,
            channels=channels,
            class_weight=class_weight,
            risk=risk,
            loss=loss,
        )
        self.drawn_share = drawn_share
        self.real_at_end = real_at_end

    def fit(self, X: ArrayLike, y: ArrayLike, drawn: ArrayLike | None = None) -> Self:
        """Train on images and labels (n,).

        Parameters
        ----------
        X : array of shape (n, h, w), (n, h, w, c), (n, c, h, w) or (n, d)
            Images.
        y : array of shape (n,)
            Labels.
        drawn : array of bool of shape (n,), optional
            Which images are drawn; by default none. Every class needs a real one.

        Returns
        -------
        self
        """
        check_ranges({"drawn_share": or_none(within(0, 1)), "real_at_end": within(0, 1)}, self.get_params(deep=False))
        check_labels(y)
        labels = column_or_1d(y, warn=True)
        marks = np.zeros(len(labels), bool) if drawn is None else np.asarray(drawn, bool)
        if marks.shape != labels.shape[:1]:
            raise InputError(f"drawn has shape {marks.shape} for {len(labels)} labels: give one mark an image.")
        if lacking := set(labels.tolist()) - set(labels[~marks].tolist()):
            raise InputError(f"class {min(lacking, key=str)!r} has drawn images only: give real ones of every class.")
        self._drawn = marks
        try:
            super().fit(X, labels)
        finally:
            del self._drawn
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """Name and settings as JSON data, without the device; what came later only where it is set."""
        own = without_defaults(self.get_params(deep=False), self.later)
        return {name: value for name, value in super().settings.items() if name in own or name not in self.later}

    def _batches(
        self, codes: NDArray[np.int64], order: np.random.Generator, n_steps: int
    ) -> Iterator[NDArray[np.int64]]:
        if self.drawn_share is None:
            together = super()._batches(codes, order, n_steps)
        else:
            drawn, share = self._drawn, self.drawn_share
            together = endless_batches(lambda: shared_epoch(codes, drawn, share, order), self.batch_size)
        n_on_real = round(n_steps * self.real_at_end)
        for _, index in zip(range(n_steps - n_on_real), together, strict=False):
            yield index
        real = np.flatnonzero(~self._drawn)
        balanced = bool(self.balanced_batches) or self.drawn_share is not None
        yield from (real[index] for index in batches_of(codes[real], order, self.batch_size, balanced=balanced))

    def _counts(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(codes[~self._drawn])


def shared_epoch(
    codes: NDArray[np.int64], drawn: NDArray[np.bool_], share: float, random: np.random.Generator
) -> NDArray[np.int64]:
    """Order one epoch with every class as often as the largest real one, a share of it drawn where there are drawn.

    Parameters
    ----------
    codes : array of int of shape (n,)
        Class codes; every code from 0 to its maximum occurs among the real images.
    drawn : array of bool of shape (n,)
        Which images are drawn.
    share : float
        Share of drawn images in each class that has any, 0 to 1.
    random : numpy Generator
        Source of the order.

    Returns
    -------
    array of int of shape (n_classes * largest real class,)
        Indices into `codes`.

    Examples
    --------
    >>> codes, drawn = np.array([0, 0, 0, 0, 1, 1]), np.array([False] * 5 + [True])
    >>> sorted(shared_epoch(codes, drawn, 0.25, np.random.default_rng(0)).tolist())
    [0, 1, 2, 3, 4, 4, 4, 5]
    """
    largest = int(np.bincount(codes[~drawn]).max())
    parts = []
    for code in range(codes.max() + 1):
        of_class = codes == code
        own_drawn = np.flatnonzero(of_class & drawn)
        n_drawn = round(share * largest) if len(own_drawn) else 0
        parts.append(taken(np.flatnonzero(of_class & ~drawn), largest - n_drawn, random))
        parts.append(taken(own_drawn, n_drawn, random))
    return random.permutation(np.concatenate(parts))
