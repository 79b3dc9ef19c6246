"""How a label enters the judgement: the last layers of the discriminator and the losses on labels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from makeweight.component import Component, Registry


class Judgement(NamedTuple):
    """What a discriminator says about a batch of images.

    Attributes
    ----------
    scores : Tensor of shape (batch,)
        Realness, unbounded; higher means more real.
    class_logits : Tensor of shape (batch, n_classes)
        Unnormalised log-probabilities of the classes.
    features : Tensor of shape (batch, n_features)
        The trunk's output.
    """

    scores: Tensor
    class_logits: Tensor
    features: Tensor


class Discriminator(nn.Module):
    """A trunk that sees images, and the linear outputs of a head.

    Parameters
    ----------
    trunk : Module
        Images (batch, c, h, w) to features (batch, n_features).
    n_features, n_classes : int
        Sizes of the trunk's output and of the class output.
    """

    def __init__(self, trunk: nn.Module, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.realness = nn.Linear(n_features, 1)
        self.classes = nn.Linear(n_features, n_classes)

    def forward(self, images: Tensor) -> Judgement:
        """Judge images of shape (batch, c, h, w) in [-1, 1]; scores and logits are float32."""
        features = self.trunk(images)
        return Judgement(self.realness(features).squeeze(1).float(), self.classes(features).float(), features)


class Head(Component):
    """How labels are judged; a loss that a head does not have is zero."""

    def real_loss(self, judgement: Judgement, codes: Tensor) -> Tensor:
        """Discriminator's loss on the labels of real images."""
        return torch.zeros((), device=codes.device)

    def fake_loss(self, judgement: Judgement, codes: Tensor) -> Tensor:
        """Discriminator's loss on the labels that drawn images were asked to show."""
        return torch.zeros((), device=codes.device)

    def generator_loss(self, judgement: Judgement, codes: Tensor) -> Tensor:
        """Return the generator's loss on the labels that its images were asked to show."""
        return torch.zeros((), device=codes.device)


HEADS: Registry[Head] = Registry("head", Head)


@HEADS.register("auxiliary_classifier")
class AuxiliaryClassifier(Head):
    """A softmax over classes beside the realness score.

    Parameters
    ----------
    weight : float, default=1.0
        Weight of the discriminator's classification losses, at least 0.
    generator_weight : float, default=1.0
        Weight of the generator's, at least 0. A small one leaves it more room to vary within a class.
    fakes : bool, default=True
        Whether the discriminator, too, learns the classes from drawn images. ``True`` is ACGAN, ``False`` drops the
        term, so that images of a wrong class teach the classifier nothing (modified AC-GAN).

    References
    ----------
    Odena et al., 2017, "Conditional Image Synthesis with Auxiliary Classifier GANs", eq. 2 and 3.
    """

    def __init__(self, *, weight: float = 1.0, generator_weight: float = 1.0, fakes: bool = True) -> None:
        self.weight = weight
        self.generator_weight = generator_weight
        self.fakes = fakes

    def real_loss(self, judgement: Judgement, codes: Tensor) -> Tensor:
        """Return the weighted cross-entropy of real images' labels."""
        return self.weight * cross_entropy(judgement.class_logits, codes)

    def fake_loss(self, judgement: Judgement, codes: Tensor) -> Tensor:
        """Return the weighted cross-entropy of drawn images' labels, or zero without `fakes`."""
        return self.real_loss(judgement, codes) if self.fakes else super().fake_loss(judgement, codes)

    def generator_loss(self, judgement: Judgement, codes: Tensor) -> Tensor:
        """Return the weighted cross-entropy of the labels asked for."""
        return self.generator_weight * cross_entropy(judgement.class_logits, codes)
