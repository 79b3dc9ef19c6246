"""A GAN's discriminator as a classifier of scikit-learn."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from makeweight.class_head import MostProbable
from makeweight.classifiers.inputs import checked_images, checked_training
from makeweight.classifiers.recipe import CLASSIFIERS
from makeweight.component import Nested, whole_or_not
from makeweight.errors import InputError
from makeweight.gan_sampler import GANSampler
from makeweight.methods.aggan import AGGAN


@CLASSIFIERS.register("gan")
class GANClassifier(MostProbable, Nested):
    """Classify by the class output of a GAN's discriminator, which is what the papers report.

    Parameters
    ----------
    sampler : GANSampler, optional
        The GAN to train, which is cloned; its head must have a class output. ``AGGAN()`` by default. Its parameters are
        reached as ``sampler__n_steps``.

    Attributes
    ----------
    sampler_ : GANSampler
        The fitted GAN.
    classes_ : array of shape (n_classes,)
        Labels in the order of ``predict_proba``.

    References
    ----------
    Hao et al., 2020, "Annealing Genetic GAN for Minority Oversampling", section 5.

    Examples
    --------
    >>> from makeweight import ACGAN
    >>> from sklearn.datasets import load_digits
    >>> digits = load_digits()
    >>> classifier = GANClassifier(sampler=ACGAN(n_steps=60, random_state=0))
    >>> classifier.fit(digits.images[:600], digits.target[:600]).predict(digits.images[:3]).shape
    (3,)
    """

    default: ClassVar[type[GANSampler]] = AGGAN

    def __init__(self, *, sampler: GANSampler | None = None) -> None:
        self.sampler = sampler

    def _part(self, name: str) -> Any:
        return self.default() if self.sampler is None else self.sampler

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train the GAN on images (n, h, w), (n, h, w, c), (n, c, h, w) or rows (n, d), and labels (n,).

        Raises
        ------
        InputError
            If the sampler has no class output, before anything is trained.
        """
        if self.sampler is not None and not isinstance(self.sampler, GANSampler):
            raise InputError(f"sampler={self.sampler!r} has no class head: give a GAN such as AGGAN().")
        sampler = clone(self._part("sampler"))
        head = sampler.setting("head")
        if not head.classifies:
            raise InputError(
                f"the sampler's head={head.name!r} has no class output to classify with: give it another head."
            )
        with whole_or_not(self):
            array, labels, *_ = checked_training(self, X, y)
            self.sampler_: GANSampler = sampler.fit(array, labels)
            self.classes_ = self.sampler_.classes_
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the probability of each class, of shape (n, n_classes)."""
        check_is_fitted(self, "sampler_")
        return self.sampler_.classifier_.predict_proba(checked_images(self, self.sampler_.codec_, X))
