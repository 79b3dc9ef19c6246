"""What a wrong answer costs, class by class: the losses of classifiers."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid, one_hot, softplus

from makeweight.component import Component, Registry
from makeweight.ranges import Ranges, at_least, within


class ClassificationLoss(Component):
    """A loss an image, and the way from the network's answers to probabilities that goes with it.

    ``logits`` are the network's class outputs, ``counts`` the numbers of training images of the classes.
    """

    def start_bias(self, n_classes: int) -> float | None:
        """Value at which the last layer's biases start; None leaves them as they are."""
        return None

    def each(self, logits: Tensor, codes: Tensor, counts: Tensor) -> Tensor:
        """Loss of each image.

        Parameters
        ----------
        logits : Tensor of shape (batch, n_classes)
            Class outputs, unbounded.
        codes : Tensor of int64 of shape (batch,)
            True classes.
        counts : Tensor of shape (n_classes,)
            Training images of each class, at least 1.

        Returns
        -------
        Tensor of shape (batch,)
        """
        raise TypeError(f"{type(self).__name__} must say what an answer costs")

    def probabilities(self, logits: Tensor, counts: Tensor) -> Tensor:
        """Probability of each class, of shape (batch, n_classes): the softmax of the logits."""
        return logits.softmax(1)


LOSSES: Registry[ClassificationLoss] = Registry("loss", ClassificationLoss)


@LOSSES.register("cross_entropy")
class CrossEntropy(ClassificationLoss):
    """−log softmax(z)_y."""

    def each(self, logits: Tensor, codes: Tensor, counts: Tensor) -> Tensor:
        """Return the cross-entropy of the softmax."""
        return cross_entropy(logits, codes, reduction="none")


class OneAgainstAll(ClassificationLoss):
    """A loss that takes each class for a question of its own, answered by a sigmoid."""

    def start_bias(self, n_classes: int) -> float:
        """Return −log(K − 1), so that every class starts with a probability of 1/K.

        References
        ----------
        Cui et al., 2019, "Class-Balanced Loss Based on Effective Number of Samples", on training with sigmoids.
        """
        return -math.log(max(n_classes - 1, 1))

    def probabilities(self, logits: Tensor, counts: Tensor) -> Tensor:
        """Return the sigmoids, divided by their sum."""
        return logsigmoid(logits).softmax(1)


@LOSSES.register("sigmoid")
class Sigmoid(OneAgainstAll):
    """−Σ_k log σ(±z_k), with + for the true class and − for the others.

    References
    ----------
    Cui et al., 2019, "Class-Balanced Loss Based on Effective Number of Samples", section 4.2.
    """

    def each(self, logits: Tensor, codes: Tensor, counts: Tensor) -> Tensor:
        """Return the cross-entropies of the sigmoids, summed over the classes."""
        return softplus(-_towards(logits, codes)).sum(1)


@LOSSES.register("focal")
class Focal(OneAgainstAll):
    """−Σ_k (1 − p_k)^γ log p_k with p_k = σ(±z_k): what is answered well already counts little.

    Parameters
    ----------
    gamma : float, default=2.0
        Exponent γ, 0 or more; 0 is the sigmoid loss. Lin et al. find 2 best, Cui et al. search 0.5, 1 and 2.

    Notes
    -----
    Lin et al.'s weight α of the classes is left to `class_weight`, as in Cui et al.

    References
    ----------
    Lin et al., 2017, "Focal Loss for Dense Object Detection", eq. 4; Cui et al., 2019, "Class-Balanced Loss Based on
    Effective Number of Samples", section 4.3.
    """

    ranges: ClassVar[Ranges] = {"gamma": at_least(0)}

    def __init__(self, *, gamma: float = 2.0) -> None:
        self.gamma = gamma

    def each(self, logits: Tensor, codes: Tensor, counts: Tensor) -> Tensor:
        """Return the focal losses of the sigmoids, summed over the classes."""
        towards = _towards(logits, codes)
        # (1 − p)^γ by way of its logarithm, whose slope stays finite for γ below 1.
        return ((self.gamma * logsigmoid(-towards)).exp() * softplus(-towards)).sum(1)


@LOSSES.register("logit_adjusted")
class LogitAdjusted(ClassificationLoss):
    """−log softmax(z + τ log π)_y, where π are the classes' shares: rare classes must win by a wider margin.

    Answers are taken without the shift, so all classes are as likely beforehand.

    Parameters
    ----------
    tau : float, default=1.0
        Strength τ of the shift, 0 or more; 0 is cross-entropy.

    References
    ----------
    Menon et al., 2021, "Long-Tail Learning via Logit Adjustment", the logit adjusted loss.
    """

    ranges: ClassVar[Ranges] = {"tau": within(0, 1000)}

    def __init__(self, *, tau: float = 1.0) -> None:
        self.tau = tau

    def each(self, logits: Tensor, codes: Tensor, counts: Tensor) -> Tensor:
        """Return the cross-entropy of the shifted softmax."""
        return cross_entropy(logits + self.tau * _log_shares(counts), codes, reduction="none")


@LOSSES.register("post_hoc")
class PostHoc(CrossEntropy):
    """Cross-entropy while learning; answers are softmax(z − τ log π), where π are the classes' shares.

    Parameters
    ----------
    tau : float, default=1.0
        Strength τ of the shift, 0 or more; 0 is cross-entropy.

    References
    ----------
    Menon et al., 2021, "Long-Tail Learning via Logit Adjustment", post-hoc adjustment.
    """

    ranges: ClassVar[Ranges] = {"tau": within(0, 1000)}

    def __init__(self, *, tau: float = 1.0) -> None:
        self.tau = tau

    def probabilities(self, logits: Tensor, counts: Tensor) -> Tensor:
        """Return the softmax of the logits less the shift."""
        return (logits - self.tau * _log_shares(counts)).softmax(1)


def _towards(logits: Tensor, codes: Tensor) -> Tensor:
    """Turn the signs so that every entry should grow: the true class's stays, the others' change."""
    return torch.where(one_hot(codes, logits.shape[1]).bool(), logits, -logits)


def _log_shares(counts: Tensor) -> Tensor:
    return (counts / counts.sum()).log()
