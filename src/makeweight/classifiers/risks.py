"""What a classifier minimises on a batch: the loss of its images, or of mixtures of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from makeweight.classifiers.class_weights import ClassWeight
from makeweight.classifiers.losses import ClassificationLoss
from makeweight.component import Component, Registry
from makeweight.heads import blended_with_next
from makeweight.judges import Discriminator
from makeweight.ranges import Ranges, above


class Criterion:
    """A loss with class weights that may begin late.

    Parameters
    ----------
    loss : ClassificationLoss
        Loss of each image.
    class_weight : ClassWeight
        How much its class counts.
    counts : array of int of shape (n_classes,)
        Training images of each class.
    classes : array of shape (n_classes,)
        Labels.
    n_steps : int
        Steps of the training.
    device : torch.device
        Where logits are.
    """

    def __init__(
        self,
        loss: ClassificationLoss,
        class_weight: ClassWeight,
        counts: NDArray[np.int64],
        classes: NDArray[Any],
        n_steps: int,
        device: torch.device,
    ) -> None:
        self.loss = loss
        self.class_weight = class_weight
        self.counts = torch.tensor(counts, dtype=torch.float32, device=device)
        weights = class_weight.weights(counts, classes)
        self.weights = None if weights is None else torch.tensor(weights, dtype=torch.float32, device=device)
        self.first_weighted = round(class_weight.start * n_steps)

    def __call__(self, step: int, logits: Tensor, codes: Tensor) -> Tensor:
        """Loss of a batch at a step, counted from 0, from logits (batch, n_classes) and codes (batch,)."""
        return self.mean(step, self.each(logits, codes), codes)

    def each(self, logits: Tensor, codes: Tensor) -> Tensor:
        """Loss of each image, of shape (batch,), without class weights."""
        return self.loss.each(logits, codes, self.counts)

    def mean(self, step: int, losses: Tensor, codes: Tensor) -> Tensor:
        """Mean of the losses (batch,) of images of classes (batch,), by the weights that hold at a step."""
        if self.weights is None or step < self.first_weighted:
            return losses.mean()
        return self.class_weight.mean(losses, self.weights[codes])


@dataclass(frozen=True, eq=False)
class Study:
    """What a risk may look at.

    Attributes
    ----------
    network : Discriminator
        The network in training.
    criterion : Criterion
        The loss.
    images : callable
        Gives images (batch, c, h, w) by their indices, as they are, without augmentation.
    codes : array of int of shape (n,)
        Classes of all images.
    n_steps : int
        Steps of the training.
    random : numpy Generator
        Source of chance.
    device : torch.device
        Where the network is.
    """

    network: Discriminator
    criterion: Criterion
    images: Callable[[NDArray[np.int64]], Tensor]
    codes: NDArray[np.int64]
    n_steps: int
    random: np.random.Generator
    device: torch.device


BatchRisk = Callable[[int, NDArray[np.int64], Tensor, Tensor], Tensor]


class Risk(Component):
    """Empirical risk: the loss of the images of a batch."""

    def begin(self, study: Study) -> BatchRisk:
        """Give a function from a step's number, the indices, images and codes of its batch to what is minimised.

        Parameters
        ----------
        study : Study
            What it may look at.
        """

        def of_batch(step: int, index: NDArray[np.int64], images: Tensor, codes: Tensor) -> Tensor:
            return study.criterion(step, study.network(images).class_logits, codes)

        return of_batch


RISKS: Registry[Risk] = Registry("risk", Risk)
RISKS.register("empirical")(Risk)


@RISKS.register("mixup")
class Mixup(Risk):
    """Two images blended, λ·x + (1 − λ)·x', and their losses alike, with λ from Beta(α, α).

    Parameters
    ----------
    alpha : float, default=1.0
        α, above 0; the paper takes 1 for CIFAR and 0.1 to 0.4 for ImageNet.

    Notes
    -----
    As in the authors' code, one λ serves a batch, whose images are paired with those of the same batch, shuffled.

    References
    ----------
    Zhang et al., 2018, "mixup: Beyond Empirical Risk Minimization", section 2 and Figure 1.
    """

    ranges: ClassVar[Ranges] = {"alpha": above(0)}

    def __init__(self, *, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def begin(self, study: Study) -> BatchRisk:
        """Give the risk of blended images."""

        def of_batch(step: int, index: NDArray[np.int64], images: Tensor, codes: Tensor) -> Tensor:
            share = float(study.random.beta(self.alpha, self.alpha))
            other = torch.from_numpy(study.random.permutation(len(index))).to(study.device)
            logits = study.network(torch.lerp(images[other], images, share)).class_logits
            own, others = study.criterion(step, logits, codes), study.criterion(step, logits, codes[other])
            return share * own + (1 - share) * others

        return of_batch


@RISKS.register("manifold_mixup")
class ManifoldMixup(Risk):
    """Features of two images blended, λ·φ + (1 − λ)·φ', and their losses alike.

    Notes
    -----
    At the last layer, where blends of features are those of logits, so they cost no pass of their own. Each image is
    paired with the next of its batch, and λ is spread evenly over (0, 1), as Beta(1, 1) is.

    References
    ----------
    Verma et al., 2019, "Manifold Mixup: Better Representations by Interpolating Hidden States", section 2.
    """

    def begin(self, study: Study) -> BatchRisk:
        """Give the risk of blended features."""
        criterion = study.criterion

        def of_batch(step: int, index: NDArray[np.int64], images: Tensor, codes: Tensor) -> Tensor:
            blends, shares = blended_with_next(study.network(images).class_logits)
            parts = ((codes, shares), (codes.roll(-1), 1 - shares))
            losses = [criterion.mean(step, share * criterion.each(blends, each), each) for each, share in parts]
            return losses[0] + losses[1]

        return of_batch
