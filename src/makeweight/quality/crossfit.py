"""Cross-fitting: classifiers and features for images that they were not trained on."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold
from torch import Tensor, nn

from makeweight.classifiers.small_cnn import CNNClassifier
from makeweight.data.arrays import ImageCodec
from makeweight.data.images import OnProgress
from makeweight.data.wording import counted
from makeweight.errors import InputError
from makeweight.ranges import whole
from makeweight.schedule import balanced_steps

BATCH = 512
DEFAULT_BATCH, DEFAULT_STEPS = 64, (500, 5000)
Features = NDArray[np.float32]
Extractor = nn.Module | Callable[[Tensor], Tensor]


def deal_folds(
    codes: NDArray[np.int64],
    n_folds: int,
    random: np.random.Generator,
    groups: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Give each image its fold, so that every class is spread as evenly as it can be.

    Parameters
    ----------
    codes : array of int of shape (n,)
        Class codes from 0.
    n_folds : int
        Number of folds, at least 2.
    random : numpy Generator
        Source of the order.
    groups : array of int of shape (n,), optional
        Group of each image; a group is in one fold.

    Returns
    -------
    array of int of shape (n,)
        From 0 to n_folds - 1.

    Raises
    ------
    InputError
        If there are fewer groups than folds, or other than images, or no class has as many images as there are folds.

    Examples
    --------
    >>> folds = deal_folds(np.array([0, 0, 0, 0, 1]), 2, np.random.default_rng(0))
    >>> np.bincount(folds[:4]).tolist()
    [2, 2]
    >>> groups = np.array([0, 0, 1, 1, 1])
    >>> folds = deal_folds(np.array([0, 0, 0, 0, 1]), 2, np.random.default_rng(0), groups)
    >>> [len(set(folds[groups == group])) for group in (0, 1)]
    [1, 1]
    """
    if groups is not None:
        _check_groups(codes, n_folds, groups)
        return grouped_folds(codes, groups, n_folds, int(random.integers(2**31)))
    folds = np.empty(len(codes), np.int64)
    first = 0
    for code in range(int(codes.max(initial=-1)) + 1):
        members = random.permutation(np.flatnonzero(codes == code))
        folds[members] = (first + np.arange(len(members))) % n_folds
        first += len(members)
    return folds


def grouped_folds(codes: NDArray[np.int64], groups: NDArray[np.int64], n_folds: int, seed: int) -> NDArray[np.int64]:
    """Deal groups into folds, so that every class is spread as evenly as whole groups allow.

    Parameters
    ----------
    codes : array of int of shape (n,)
        Class codes from 0.
    groups : array of int of shape (n,)
        Group of each image.
    n_folds : int
        Number of folds, at least 2, and at most that of the images of the largest class.
    seed : int
        Seed of the order.

    Returns
    -------
    array of int of shape (n,)
        From 0 to n_folds - 1. A fold may lack a class, and be empty where there are hardly more groups than folds.
    """
    cutter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    folds = np.empty(len(codes), np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class may have fewer images than there are folds
        for fold, (_, held_out) in enumerate(cutter.split(codes, codes, groups)):
            folds[held_out] = fold
    return folds


def _check_groups(codes: NDArray[np.int64], n_folds: int, groups: NDArray[np.int64]) -> None:
    n_groups, largest = len(np.unique(groups)), int(np.bincount(codes).max())
    if len(groups) != len(codes):
        raise InputError(f"there are {len(groups)} groups for {len(codes)} images: give one an image.")
    if n_groups < n_folds:
        raise InputError(
            f"{counted(n_groups, 'group')} cannot be dealt into {n_folds} folds: give more, or leave the groups out."
        )
    if largest < n_folds:
        raise InputError(
            f"classes of at most {counted(largest, 'image')} cannot be dealt into {n_folds} folds: give more, or leave "
            "the groups out."
        )


def default_steps(codes: NDArray[np.int64]) -> int:
    """Give the steps of one classifier by default: twenty epochs of balanced classes, but 500 to 5,000 steps.

    Examples
    --------
    >>> default_steps(np.repeat([0, 1], [6400, 10]))
    4000
    """
    return balanced_steps(np.unique(codes, return_counts=True)[1], DEFAULT_BATCH, *DEFAULT_STEPS)


@dataclass(frozen=True)
class FoldJudge:
    """A classifier trained on all folds but one.

    Attributes
    ----------
    fold : int
        The fold that it has not seen.
    classifier : CNNClassifier or None
        The fitted classifier; None where the other folds hold one class only.
    known : array of int
        Codes of the classes that it has learnt.
    """

    fold: int
    classifier: CNNClassifier | None
    known: NDArray[np.int64]

    def probabilities(self, X: NDArray[Any], n_classes: int) -> NDArray[np.float64]:
        """Probability of each class, of shape (n, n_classes); NaN for classes that it has not learnt."""
        answer = np.full((len(X), n_classes), np.nan)
        if self.classifier is not None and len(X):
            answer[:, self.known] = self.classifier.predict_proba(X)
        return answer

    def features(self, X: NDArray[Any]) -> Features:
        """Features of images, in the layout that was learnt, as its last layer sees them."""
        assert self.classifier is not None
        return trunk_features(self.classifier, X)


@dataclass
class CrossFit:
    """Classifiers that judge each real image without having seen it.

    The real images are dealt into folds, and a classifier is trained without each of them in turn. A real image is
    judged by the one classifier that has not seen it. A drawn image comes from a generator that has seen all real
    images, so no classifier is farther from it than another: all judge it, and the mean of their answers is taken,
    which compares with a real image's single answer (a vote would flatter). A drawn image that copies a real one is
    judged by that one's classifier alone, so that it does as well as its original and no better.

    Parameters
    ----------
    n_folds : int, default=3
        Number of folds, at least 2.
    classifier : CNNClassifier, optional
        What is trained, which is cloned; by default one whose batches hold every class equally often, for twenty
        epochs but 500 to 5,000 steps.
    random_state : int, default=0
        Seed of the folds and of the trainings.
    device : str, default="auto"
        Where to compute, if no classifier is given.

    Attributes
    ----------
    folds_ : array of int of shape (n,)
        Fold of each real image.
    judges_ : list of FoldJudge
        One for each fold.
    n_classes_ : int
        Number of classes.
    n_groups_ : int or None
        Number of groups that were kept together; None where none were given.
    """

    n_folds: int = 3
    classifier: CNNClassifier | None = None
    random_state: int = 0
    device: str = "auto"
    folds_: NDArray[np.int64] = field(init=False, repr=False)
    judges_: list[FoldJudge] = field(init=False, repr=False)
    n_classes_: int = field(init=False, repr=False)
    n_groups_: int | None = field(init=False, repr=False)

    def fit(
        self,
        X: NDArray[Any],
        codes: NDArray[np.int64],
        *,
        codec: ImageCodec,
        groups: NDArray[np.int64] | None = None,
        progress: OnProgress | None = None,
        classes: NDArray[Any] | None = None,
    ) -> CrossFit:
        """Train on real images.

        Parameters
        ----------
        X : array of shape (n, ...)
            Images of the codec's layout.
        codes : array of int of shape (n,)
            Their classes.
        codec : ImageCodec
            The way from arrays to images.
        groups : array of int of shape (n,), optional
            Group of each image; a group is in one fold.
        progress : callable, optional
            Hears how many classifiers of how many are done.
        classes : array of shape (n_classes,), optional
            Labels in the order of the codes, sorted, by which the classifier's weights are given; by default the codes.

        Raises
        ------
        InputError
            If there are fewer than two folds, or groups that cannot be dealt into them.
        """
        if not whole(2).holds(self.n_folds):
            raise InputError(f"{self.n_folds} folds leave nothing to hold out: give n_folds of 2 at least.")
        random = np.random.default_rng(self.random_state)
        self.n_classes_ = int(codes.max()) + 1
        self.n_groups_ = None if groups is None else len(np.unique(groups))
        self.folds_ = deal_folds(codes, self.n_folds, random, groups)
        self.judges_ = []
        for fold in range(self.n_folds):
            self.judges_.append(self._train(fold, X, codes, codec, classes))
            if progress is not None:
                progress(fold + 1, self.n_folds)
        return self

    def real_probabilities(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Judge the images given to `fit`, each by the classifier that has not seen it; of shape (n, n_classes)."""
        answer = np.full((len(X), self.n_classes_), np.nan)
        for judge in self.judges_:
            held_out = self.folds_ == judge.fold
            answer[held_out] = judge.probabilities(X[held_out], self.n_classes_)
        return answer

    def drawn_probabilities(self, X_drawn: NDArray[Any], originals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Judge drawn images, of shape (n_folds, n, n_classes); NaN where a classifier must not or cannot judge.

        Parameters
        ----------
        X_drawn : array of shape (n, ...)
            Drawn images.
        originals : array of int of shape (n,)
            The real image that each copies, -1 for none.

        Returns
        -------
        array of shape (n_folds, n, n_classes)
        """
        answers = np.stack([judge.probabilities(X_drawn, self.n_classes_) for judge in self.judges_])
        copies = np.flatnonzero(originals >= 0)
        for judge in self.judges_:
            answers[judge.fold, copies[self.folds_[originals[copies]] != judge.fold]] = np.nan
        return answers

    def _train(
        self, fold: int, X: NDArray[Any], codes: NDArray[np.int64], codec: ImageCodec, classes: NDArray[Any] | None
    ) -> FoldJudge:
        seen = self.folds_ != fold
        known = np.unique(codes[seen])
        if len(known) < 2:
            return FoldJudge(fold, None, known)
        classifier = clone(self.classifier) if self.classifier is not None else self._default(codes[seen])
        channels = codec.layout if codec.layout in ("first", "last") else None
        classifier.set_params(random_state=(self.random_state + fold) % 2**32, channels=channels)
        labels = codes if classes is None else classes[codes]
        return FoldJudge(fold, classifier.fit(X[seen], labels[seen]), known)

    def _default(self, codes: NDArray[np.int64]) -> CNNClassifier:
        return CNNClassifier(
            n_steps=default_steps(codes), batch_size=DEFAULT_BATCH, balanced_batches=True, device=self.device
        )


def extract(extractor: Extractor, images: NDArray[np.float32]) -> Features:
    """Run an extractor over images, in evaluation mode and without gradients.

    Parameters
    ----------
    extractor : Module or callable
        Images (batch, c, h, w) in [-1, 1], float32, to features (batch, n_features).
    images : array of shape (n, c, h, w)
        At least one.

    Returns
    -------
    array of shape (n, n_features)

    Raises
    ------
    InputError
        If the answer is not of that shape, or not finite.
    """
    device = torch.device("cpu")
    modes: dict[nn.Module, bool] = {}
    if isinstance(extractor, nn.Module):
        device = next((weights.device for weights in extractor.parameters()), device)
        modes = {part: part.training for part in extractor.modules()}
        extractor.eval()
    parts = []
    try:
        with torch.no_grad():
            for start in range(0, len(images), BATCH):
                batch = torch.from_numpy(images[start : start + BATCH]).to(device)
                parts.append(np.asarray(torch.as_tensor(extractor(batch)).float().cpu()))
    finally:
        for part, training in modes.items():
            part.training = training
    if any(part.ndim != 2 for part in parts) or sum(map(len, parts)) != len(images):
        raise InputError(
            f"the extractor answers {len(images)} images with shape {parts[0].shape}: let it give (batch, n_features)."
        )
    features: Features = np.concatenate(parts)
    if not np.isfinite(features).all():
        raise InputError("the extractor answers with NaN or infinity: mend it, or leave it out.")
    return features


def trunk_features(classifier: CNNClassifier, X: NDArray[Any]) -> Features:
    """Give the features that a fitted classifier's last layer sees, of images encoded as it has learnt them.

    Returns
    -------
    array of shape (n, n_features)
    """
    return extract(classifier.network_.trunk, classifier.codec_.encode(X))


def hash_of(extractors: Sequence[Extractor], images: NDArray[np.float32]) -> str:
    """Hash extractors, in hexadecimal: modules by their weights, other callables by their answers to `images`."""
    digest = hashlib.sha256()
    for extractor in extractors:
        if isinstance(extractor, nn.Module):
            digest.update(repr(extractor).encode())
            for name, weights in extractor.state_dict().items():
                digest.update(name.encode())
                digest.update(weights.detach().cpu().contiguous().numpy().tobytes())
        else:
            digest.update(extract(extractor, images).tobytes())
    return digest.hexdigest()
