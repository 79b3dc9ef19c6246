"""The class output of a discriminator, as a classifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import Tensor, nn

from makeweight.data.arrays import ImageCodec, check_finite
from makeweight.judges import Judgement

BATCH = 512


class MostProbable(ClassifierMixin):
    """A classifier whose answer is the most probable class; has `classes_` and `predict_proba`."""

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that images (n, h, w) are taken, too."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Most probable label of each image, of shape (n,)."""
        best = self.predict_proba(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[best]
        return labels


class ClassHead(MostProbable, BaseEstimator):
    """Predicts classes with a fitted discriminator, which is what the papers report as their classifier.

    Parameters
    ----------
    discriminator : Module
        Answers images with a `Judgement`.
    codec : ImageCodec
        The way from arrays to images.
    classes : array of shape (n_classes,)
        Labels in the order of the class output.
    probabilities : callable
        Maps class outputs (batch, n_classes) to probabilities.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        codec: ImageCodec,
        classes: NDArray[Any],
        probabilities: Callable[[Tensor], Tensor],
    ) -> None:
        self.discriminator = discriminator
        self.codec = codec
        self.classes = self.classes_ = classes
        self.probabilities = probabilities

    @torch.no_grad()
    def class_logits(self, X: ArrayLike) -> NDArray[np.float32]:
        """Class outputs, of shape (n, n_classes), for images in the layout that was learnt; see `ScaleWarning`."""
        self.discriminator.eval()
        device = next(self.discriminator.parameters()).device
        array = np.asarray(X)
        check_finite(array)
        self.codec.check_scale(array)
        answers = [np.empty((0, len(self.classes_)), np.float32)]
        for start in range(0, len(array), BATCH):
            images = torch.from_numpy(self.codec.encode(array[start : start + BATCH])).to(device)
            judgement: Judgement = self.discriminator(images)
            answers.append(judgement.class_logits.cpu().numpy())
        return np.concatenate(answers)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Probability of each class, of shape (n, n_classes), for images in the layout that was learnt."""
        chances: NDArray[np.float32] = self.probabilities(torch.from_numpy(self.class_logits(X))).numpy()
        return chances
