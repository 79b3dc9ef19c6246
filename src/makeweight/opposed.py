"""GAMO's head: a classifier beside the conditional discriminator, which the generator is to lead astray."""

from __future__ import annotations

import copy
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from makeweight.heads import HEADS, ConcatenatedLabel, Head
from makeweight.judges import Judge, Judgement
from makeweight.ranges import Ranges, at_least


class _WithClassifier(Judge):
    """A conditional judge, and a classifier with a trunk of its own that sees the same images."""

    beside = ("classifier",)

    def __init__(self, judge: Judge, trunk: nn.Module, n_features: int, n_classes: int) -> None:
        super().__init__(judge.trunk)
        self.judge = judge
        self.classifier = nn.Sequential(trunk, nn.Linear(n_features, n_classes))

    def forward(self, images: Tensor, codes: Tensor | None = None) -> Judgement:
        """Judge images; their class logits are those of the classifier."""
        judgement: Judgement = self.judge(images, codes)
        return judgement._replace(class_logits=self.classifier(images).float())


@HEADS.register("opposed_classifier")
class OpposedClassifier(Head):
    """A conditional judge, and a classifier that learns from real and drawn images, and that the generator opposes.

    The generator is to draw what passes for its class and is nevertheless not taken for it, which is near the border of
    the class. Losses of labels are squared errors of each class's probability, added up over the classes:
    Σ_k (σ(l_k) − y_k)² for the classifier, Σ_k (σ(l_k) − (1 − y_k))² for the generator.

    Parameters
    ----------
    weight : float, default=1.0
        Weight of the classifier's loss, at least 0.
    generator_weight : float, default=1.0
        Weight of the generator's, at least 0.

    References
    ----------
    Mullick et al., 2019, "Generative Adversarial Minority Oversampling", section 3.
    """

    classifies = True
    fakes = True
    ranges: ClassVar[Ranges] = {"weight": at_least(0), "generator_weight": at_least(0)}

    def __init__(self, *, weight: float = 1.0, generator_weight: float = 1.0) -> None:
        self.weight = weight
        self.generator_weight = generator_weight

    def build(self, trunk: nn.Module, n_features: int, n_classes: int) -> Judge:
        """Put a judge that is told the label on the trunk, and a classifier on a copy of it."""
        second = copy.deepcopy(trunk)
        return _WithClassifier(ConcatenatedLabel().build(trunk, n_features, n_classes), second, n_features, n_classes)

    def real_loss(self, judgement: Judgement, codes: Tensor) -> Tensor:
        """Return the classifier's weighted squared error on real images."""
        return self.weight * squared_error(judgement.class_logits, codes)

    def fake_loss(self, judgement: Judgement, codes: Tensor) -> Tensor:
        """Return the same on drawn images, by the labels asked for."""
        return self.real_loss(judgement, codes)

    def generator_loss(self, judgement: Judgement, codes: Tensor) -> Tensor:
        """Return the weighted squared distance from every class's opposite answer."""
        return self.generator_weight * squared_error(-judgement.class_logits, codes)

    def probabilities(self, class_logits: Tensor) -> Tensor:
        """Return the sigmoids, divided by their sum, since each class is a question of its own."""
        return logsigmoid(class_logits).softmax(1)


def squared_error(class_logits: Tensor, codes: Tensor) -> Tensor:
    """Mean over images of Σ_k (σ(l_k) − y_k)², with y the one-hot label.

    Since σ(−l) = 1 − σ(l), negated logits give the distance from 1 − y.

    Examples
    --------
    >>> squared_error(torch.tensor([[0.0, 0.0]]), torch.tensor([1])).item()
    0.5
    """
    labels = codes.unsqueeze(1) == torch.arange(class_logits.shape[1], device=codes.device)
    return (class_logits.sigmoid() - labels.float()).square().sum(dim=1).mean()
