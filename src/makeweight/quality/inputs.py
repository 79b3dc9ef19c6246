"""What an evaluation is given, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makeweight.data.arrays import Channels, ImageCodec, check_finite, check_labels
from makeweight.data.groups import number_groups
from makeweight.data.wording import shown
from makeweight.errors import InputError


@dataclass(frozen=True)
class QualityInput:
    """Real and drawn images that fit each other.

    Attributes
    ----------
    X, X_drawn : arrays of shape (n, ...) and (m, ...)
        Images in the codec's layout.
    codes, drawn_codes : arrays of int of shape (n,) and (m,)
        Their classes, as places in `classes`.
    classes : array of shape (n_classes,)
        The labels, sorted.
    codec : ImageCodec
        The way from arrays to images, learnt from the real ones.
    """

    X: NDArray[Any]
    codes: NDArray[np.int64]
    X_drawn: NDArray[Any]
    drawn_codes: NDArray[np.int64]
    classes: NDArray[Any]
    codec: ImageCodec

    @classmethod
    def check(
        cls, X: ArrayLike, y: ArrayLike, X_drawn: ArrayLike, y_drawn: ArrayLike, channels: Channels | None
    ) -> QualityInput:
        """Check what the user gave; see `evaluate_images`."""
        real, drawn = np.asarray(X), np.asarray(X_drawn)
        codec = ImageCodec.learn(real, channels)
        classes, codes = np.unique(_labels(y, real, "real"), return_inverse=True)
        if len(classes) < 2:
            raise InputError(f"there is one class only ({shown(classes[0])}): give real images of at least two.")
        if not len(drawn):
            raise InputError("there are no drawn images: give at least one.")
        _check_like(drawn, real, codec, "drawn")
        drawn_codes = _codes(_labels(y_drawn, drawn, "drawn"), classes)
        if (drawn_codes < 0).any():
            unknown = np.asarray(y_drawn)[drawn_codes < 0][0]
            raise InputError(f"images of {shown(unknown)} were drawn, and there is no real one: give some.")
        return cls(real, codes.astype(np.int64), drawn, drawn_codes, classes, codec)

    def check_test(
        self, X_test: ArrayLike | None, y_test: ArrayLike | None
    ) -> tuple[NDArray[Any], NDArray[np.int64]] | None:
        """Check test images; None where none were given. Codes are -1 for classes that the real images lack."""
        if X_test is None and y_test is None:
            return None
        if X_test is None or y_test is None:
            raise InputError("the leak test takes test images and their labels: give X_test and y_test.")
        test = np.asarray(X_test)
        if not len(test):
            raise InputError("there are no test images: give some, or leave X_test out.")
        _check_like(test, self.X, self.codec, "test")
        return test, _codes(_labels(y_test, test, "test"), self.classes)

    def check_groups(self, groups: ArrayLike) -> NDArray[np.int64]:
        """Check what real images belong to, and give it as numbers."""
        told = np.asarray(groups, dtype=object)
        if told.shape != (len(self.X),):
            raise InputError(f"there are {len(self.X)} real images and groups of shape {told.shape}: give one each.")
        return number_groups(told.tolist())

    @property
    def drawn_classes(self) -> list[int]:
        """Codes of the classes that have drawn images."""
        drawn: list[int] = np.unique(self.drawn_codes).tolist()
        return drawn

    def label(self, code: int) -> Any:
        """Label of a class, as a plain Python value."""
        return self.classes[code : code + 1].tolist()[0]


def _labels(y: ArrayLike, X: NDArray[Any], what: str) -> NDArray[Any]:
    check_labels(y)
    labels = np.asarray(y)
    if labels.shape != (len(X),):
        raise InputError(f"there are {len(X)} {what} images and labels of shape {labels.shape}: give one label each.")
    return labels


def _codes(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """Code of each label, -1 for one that is no class."""
    known = {label: code for code, label in enumerate(classes.tolist())}
    return np.array([known.get(label, -1) for label in labels.tolist()], np.int64)


def _check_like(X: NDArray[Any], real: NDArray[Any], codec: ImageCodec, what: str) -> None:
    codec.check(X)
    if X.dtype != real.dtype:
        raise InputError(f"the {what} images are {X.dtype} and the real ones {real.dtype}: bring them to one dtype.")
    check_finite(X, f"the {what} images")
