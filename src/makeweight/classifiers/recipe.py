"""Recipes of classifiers: one choice on each axis, and the registry of those that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sklearn.base import BaseEstimator

import makeweight.classifiers.deep_over_sampling  # noqa: F401 - registers its risk
from makeweight.augmentations import AUGMENTATIONS, Augmentation
from makeweight.classifiers.class_weights import ClassWeight
from makeweight.classifiers.losses import LOSSES, ClassificationLoss
from makeweight.classifiers.risks import RISKS, Risk
from makeweight.component import Registry
from makeweight.networks import NETWORKS, Networks

CLASSIFIERS: Registry[BaseEstimator] = Registry("classifier", BaseEstimator, "makeweight.classifiers")
PARTS: dict[str, Registry[Any]] = {
    "networks": NETWORKS,
    "loss": LOSSES,
    "risk": RISKS,
    "augmentation": AUGMENTATIONS,
}


@dataclass(frozen=True)
class ClassifierRecipe:
    """What a classifier is made of; whatever its constructor is not told is taken from here.

    Attributes
    ----------
    loss : str or ClassificationLoss
        What a wrong answer costs.
    class_weight : str, mapping or ClassWeight
        How much the images of each class count.
    risk : str or Risk
        What is minimised on a batch.
    balanced_batches : bool
        Whether batches hold every class equally often.
    networks : str or Networks
        Family whose trunk is used.
    augmentation : str or Augmentation
        What is done to the images.
    """

    loss: str | ClassificationLoss = "cross_entropy"
    class_weight: str | Mapping[Any, float] | ClassWeight = "none"
    risk: str | Risk = "empirical"
    balanced_batches: bool = False
    networks: str | Networks = "by_shape"
    augmentation: str | Augmentation = "affine"
