"""How much the images of each class count in a classifier's loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from makeweight.component import Component, Registry
from makeweight.errors import InputError
from makeweight.ranges import Ranges, at_least, below, within


class ClassWeight(Component):
    """Weights of the classes; here none, so that all images count alike.

    Attributes
    ----------
    start : float
        Share of the training from which on the weights hold.
    """

    start: float = 0.0

    def weights(self, counts: NDArray[np.int64], classes: NDArray[Any]) -> NDArray[np.float64] | None:
        """Weight of each class, of shape (n_classes,); None where all count alike.

        Parameters
        ----------
        counts : array of int of shape (n_classes,)
            Training images of each class, at least 1.
        classes : array of shape (n_classes,)
            The labels.
        """
        return None

    def mean(self, losses: Tensor, weights: Tensor) -> Tensor:
        """Mean of a batch's losses (batch,) by the weights of its images (batch,): Σ w·L / Σ w, as torch has it.

        Of a batch in which nothing counts, 0.
        """
        return (losses * weights).sum() / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)


CLASS_WEIGHTS: Registry[ClassWeight] = Registry("class_weight", ClassWeight)
CLASS_WEIGHTS.register("none")(ClassWeight)


@CLASS_WEIGHTS.register("balanced")
class Balanced(ClassWeight):
    """n/(K·n_c), as scikit-learn's ``class_weight="balanced"``: each class weighs as much as any other.

    References
    ----------
    King and Zeng, 2001, "Logistic Regression in Rare Events Data".
    """

    def weights(self, counts: NDArray[np.int64], classes: NDArray[Any]) -> NDArray[np.float64]:
        """Return n/(K·n_c)."""
        weights: NDArray[np.float64] = counts.sum() / (len(counts) * counts)
        return weights


@CLASS_WEIGHTS.register("given")
class Given(ClassWeight):
    """The user's own weights; 1 for classes that are not named.

    Parameters
    ----------
    by_label : mapping
        Weights, 0 or more, by label; not all of them 0.
    """

    def __init__(self, *, by_label: Mapping[Any, float]) -> None:
        self.by_label = by_label

    def weights(self, counts: NDArray[np.int64], classes: NDArray[Any]) -> NDArray[np.float64]:
        """Return the weights in the order of the classes; an unknown label or a weight below 0 is an InputError."""
        own = classes.tolist()
        for label, weight in self.by_label.items():
            if label not in own:
                raise InputError(f"class_weight names the class {label!r}, which has no images: leave it out.")
            if not at_least(0).holds(weight):
                raise InputError(f"class_weight gives {label!r} the weight {weight!r}: give a number, 0 or more.")
        weights = np.array([self.by_label.get(label, 1.0) for label in own], dtype=float)
        if not weights.any():
            raise InputError("class_weight gives every class the weight 0: give one of them more.")
        return weights


@CLASS_WEIGHTS.register("class_balanced")
class ClassBalanced(ClassWeight):
    """(1 − β)/(1 − β^n_c), scaled to sum to K: one over the effective number of images.

    Parameters
    ----------
    beta : float, default=0.999
        β, 0 or more and below 1; 0 weighs all classes alike, and towards 1 the weights go as 1/n_c. The paper searches
        0.9, 0.99, 0.999 and 0.9999.

    References
    ----------
    Cui et al., 2019, "Class-Balanced Loss Based on Effective Number of Samples", Proposition 1 and section 4.
    """

    ranges: ClassVar[Ranges] = {"beta": below(1)}

    def __init__(self, *, beta: float = 0.999) -> None:
        self.beta = beta

    def weights(self, counts: NDArray[np.int64], classes: NDArray[Any]) -> NDArray[np.float64]:
        """Return the weights, which sum to K."""
        weights = (1 - self.beta) / (1 - self.beta**counts)
        scaled: NDArray[np.float64] = weights * (len(counts) / weights.sum())
        return scaled

    def mean(self, losses: Tensor, weights: Tensor) -> Tensor:
        """Return Σ w·L / batch, since the weights are scaled already."""
        return (losses * weights).mean()


@CLASS_WEIGHTS.register("deferred")
class Deferred(ClassWeight):
    """Other weights, from late in the training on: the features are learnt from the images as they are.

    The loss of a batch is Σ w·L / Σ w, however the other weights by themselves would have it.

    Parameters
    ----------
    weight : str or ClassWeight, optional
        The weights that hold then; ``ClassBalanced(beta=0.9999)`` by default, as in the paper.
    start : float, default=0.8
        Share of the training before which all classes count alike, 0 to 1; the paper's 160 of 200 epochs.

    References
    ----------
    Cao et al., 2019, "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss", Algorithm 1.
    """

    axes: ClassVar[dict[str, str]] = {"weight": "class_weight"}
    ranges: ClassVar[Ranges] = {"start": within(0, 1)}

    def __init__(self, *, weight: str | ClassWeight | None = None, start: float = 0.8) -> None:
        self.weight = weight
        self.start = start

    def weights(self, counts: NDArray[np.int64], classes: NDArray[Any]) -> NDArray[np.float64] | None:
        """Return the weights that hold in the end."""
        return as_class_weight(self._part("weight")).weights(counts, classes)

    def _part(self, name: str) -> Any:
        return ClassBalanced(beta=0.9999) if name == "weight" and self.weight is None else super()._part(name)


def as_class_weight(given: str | Mapping[Any, float] | ClassWeight) -> ClassWeight:
    """Turn a name, a mapping from labels to weights, or a part into a part of its own."""
    return Given(by_label=dict(given)) if isinstance(given, Mapping) else CLASS_WEIGHTS.resolve(given)
