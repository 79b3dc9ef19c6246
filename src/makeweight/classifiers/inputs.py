"""What classifiers take: images or rows, and labels, checked as scikit-learn does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from makeweight.data.arrays import ImageCodec, check_finite, check_labels
from makeweight.data.wording import shown
from makeweight.errors import InputError


def checked_training(
    classifier: BaseEstimator, X: ArrayLike, y: ArrayLike
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.int64]]:
    """Check what is learnt from, and note its number of features on the classifier.

    Returns
    -------
    array : array of shape (n, ...)
        Images.
    labels : array of shape (n,)
        Labels.
    classes : array of shape (n_classes,)
        Labels that there are, sorted.
    codes : array of int of shape (n,)
        Places of the labels in `classes`.

    Raises
    ------
    InputError
        If there is one class alone, or an image has no label.
    """
    check_labels(y)
    array, labels = validate_data(classifier, X=X, y=y, allow_nd=True, dtype="numeric", ensure_all_finite=False)
    check_classification_targets(labels)
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"there is one class only ({shown(classes[0])}): give images of at least two.")
    return array, labels, classes, codes.astype(np.int64)


def checked_images(classifier: BaseEstimator, codec: ImageCodec, X: ArrayLike) -> NDArray[Any]:
    """Check images that are to be classified.

    Raises
    ------
    InputError
        For another shape than was learnt, NaN or infinity.
    """
    if codec.layout != "rows":
        codec.check(np.asarray(X))
    array: NDArray[Any] = validate_data(
        classifier, X=X, reset=False, allow_nd=True, dtype="numeric", ensure_all_finite=False
    )
    check_finite(array)
    return array
