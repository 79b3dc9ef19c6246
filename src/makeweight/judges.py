"""What judges images: a trunk, the outputs on its features, and the judgement that they make up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn


class Judgement(NamedTuple):
    """What a discriminator says about a batch of images.

    Attributes
    ----------
    scores : Tensor of shape (batch,) or (batch, n_active)
        Realness, unbounded; higher means more real. Several an image where it is judged under several conditions.
    class_logits : Tensor of shape (batch, n_classes)
        Unnormalised log-probabilities of the classes; (batch, 0) where there is no class output.
    features : Tensor of shape (batch, n_features)
        The trunk's output.
    """

    scores: Tensor
    class_logits: Tensor
    features: Tensor

    def detached(self) -> Judgement:
        """Return the same without its graph."""
        return Judgement(*(part.detach() for part in self))


class Judge(nn.Module):
    """A discriminator: a trunk that sees images, and the output layers of a head.

    Parameters
    ----------
    trunk : Module
        Images (batch, c, h, w) to features (batch, n_features).

    Attributes
    ----------
    beside : tuple of str
        Names of the parts that answer classes alone, so that scores do not depend on them.
    """

    beside: ClassVar[tuple[str, ...]] = ()

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, images: Tensor, codes: Tensor | None = None) -> Judgement:
        """Judge images of shape (batch, c, h, w) in [-1, 1]; scores and logits are float32.

        Parameters
        ----------
        images : Tensor of shape (batch, c, h, w)
            What is judged.
        codes : Tensor of shape (batch,), optional
            The classes that the images are said to show. They enter the scores where a head conditions them; those of
            the first class if left out. Class output and features do not depend on them.
        """
        features = self.trunk(images)
        if codes is None:
            codes = torch.zeros(len(images), dtype=torch.long, device=images.device)
        scores, class_logits = self.answer(features, codes)
        return Judgement(scores.float(), class_logits.float(), features)

    def answer(self, features: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores and class logits for features of shape (batch, n_features)."""
        raise TypeError(f"{type(self).__name__} must say how features are judged")


class Discriminator(Judge):
    """A realness score and a class output side by side, both linear in the features.

    Parameters
    ----------
    trunk : Module
        Images (batch, c, h, w) to features (batch, n_features).
    n_features, n_classes : int
        Sizes of the trunk's output and of the class output.
    """

    beside = ("classes",)

    def __init__(self, trunk: nn.Module, n_features: int, n_classes: int) -> None:
        super().__init__(trunk)
        self.realness = nn.Linear(n_features, 1)
        self.classes = nn.Linear(n_features, n_classes)

    def answer(self, features: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return one score an image, and class logits."""
        return self.realness(features).squeeze(1), self.classes(features)


@contextmanager
def scoring(judge: nn.Module, *, batch_statistics: bool) -> Iterator[None]:
    """Put what judges into the mode in which generators are scored, and leave it in evaluation mode.

    Parameters
    ----------
    judge : Module
        What judges.
    batch_statistics : bool
        Whether batch norm normalises by the batch at hand, as in training, and takes no note of it.

    Examples
    --------
    >>> norm, images = nn.BatchNorm1d(1), torch.tensor([[3.0], [5.0]])
    >>> with scoring(norm, batch_statistics=True):
    ...     print(norm(images).flatten().round().tolist(), norm.running_mean.tolist())
    [-1.0, 1.0] [0.0]
    >>> norm.training, norm.track_running_stats
    (False, True)
    """
    judge.eval()
    norms = batch_norms(judge) if batch_statistics else []
    for norm in norms:
        norm.training, norm.track_running_stats = True, False
    try:
        yield
    finally:
        for norm in norms:
            norm.training, norm.track_running_stats = False, True


def batch_norms(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """List the batch norms of a network that answer by running averages in evaluation."""
    norms = (module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm))
    return [norm for norm in norms if norm.track_running_stats]
