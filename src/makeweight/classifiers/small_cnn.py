"""A small convolutional classifier: the trunk of the discriminators, trained alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch.nn.functional import cross_entropy

from makeweight.class_head import ClassHead
from makeweight.data.arrays import Channels, ImageCodec
from makeweight.devices import fabric_for
from makeweight.errors import InputError
from makeweight.gan_sampler import GANSampler
from makeweight.heads import Discriminator
from makeweight.networks import NETWORKS, Networks
from makeweight.stabilisers import AUGMENTATIONS, Affine, Augmentation, balanced_epoch, endless_batches, plain_epoch


class CNNClassifier(ClassifierMixin, BaseEstimator):
    """A discriminator's trunk with a softmax, trained by cross-entropy.

    Parameters
    ----------
    networks : str or Networks, optional
        Family whose trunk is used; "by_shape" by default.
    n_epochs : int, default=20
        Passes over the training images (with balanced batches: over the largest class, for every class).
    n_steps : int, optional
        Batches in all, in place of `n_epochs`.
    batch_size : int, default=64
        Images a batch.
    learning_rate : float, default=1e-3
        Adam's step size.
    learning_rate_decay : float, default=0.5
        Share of the training, at its end, over which the step size falls linearly to zero.
    betas : tuple of two floats, default=(0.9, 0.999)
        Adam's decay rates.
    augmentation : str or Augmentation, optional
        What is done to the images; by default small random affine changes.
    balanced_batches : bool, default=False
        Whether batches hold every class equally often (random over-sampling).
    random_state : int, RandomState or None
        Seed. Global random states are left as they were found.
    device : str, default="auto"
        "auto", "cpu", "cuda", "cuda:1", "mps".
    channels : {"first", "last"}, optional
        Where the channels of a 4-D array are, where its shape leaves that open.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        Labels in the order of ``predict_proba``.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> digits = load_digits()
    >>> classifier = CNNClassifier(n_epochs=3, random_state=0).fit(digits.images[:600], digits.target[:600])
    >>> bool(classifier.score(digits.images[600:900], digits.target[600:900]) > 0.5)
    True
    """

    def __init__(
        self,
        *,
        networks: str | Networks | None = None,
        n_epochs: int = 20,
        n_steps: int | None = None,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        learning_rate_decay: float = 0.5,
        betas: tuple[float, float] = (0.9, 0.999),
        augmentation: str | Augmentation | None = None,
        balanced_batches: bool = False,
        random_state: Any = None,
        device: str = "auto",
        channels: Channels | None = None,
    ) -> None:
        self.networks = networks
        self.n_epochs = n_epochs
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_decay = learning_rate_decay
        self.betas = betas
        self.augmentation = augmentation
        self.balanced_batches = balanced_batches
        self.random_state = random_state
        self.device = device
        self.channels = channels

    @classmethod
    def twin(cls, sampler: GANSampler, n_steps: int) -> Self:
        """Return the classifier that a GAN's class head has to beat.

        The same trunk, real batches, augmentation and schedule as the sampler's discriminator, without the game.
        """
        setting = sampler._setting
        return cls(
            networks=setting("networks"),
            n_steps=n_steps,
            batch_size=setting("batch_size"),
            learning_rate=setting("learning_rate"),
            learning_rate_decay=setting("learning_rate_decay"),
            betas=setting("betas"),
            augmentation=setting("augmentation"),
            balanced_batches=setting("balanced_batches"),
            random_state=sampler.random_state,
            device=sampler.device,
            channels=sampler.channels,
        )

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train on images (n, h, w), (n, h, w, c), (n, c, h, w) or rows (n, d), and labels (n,)."""
        array, labels = validate_data(self, X=X, y=y, allow_nd=True, dtype=None, ensure_all_finite=False)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"there is one class only ({self.classes_[0]!r}): give images of at least two.")
        self.codec_ = ImageCodec.learn(array, self.channels)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        fabric = fabric_for(self.device, None)
        with torch.random.fork_rng(devices=[fabric.device] if fabric.device.type == "cuda" else []):
            torch.manual_seed(seed)
            self.network_ = self._build().to(fabric.device)
            self._train(array, codes.astype(np.int64), fabric.device, seed)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Probability of each class, of shape (n, n_classes)."""
        return self._head(X).predict_proba(X)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Most probable label of each image, of shape (n,)."""
        return self._head(X).predict(X)

    def _head(self, X: ArrayLike) -> ClassHead:
        check_is_fitted(self, "network_")
        return ClassHead(self.network_, self.codec_, self.classes_)

    def _build(self) -> Discriminator:
        shape, n_classes = self.codec_.image_shape, len(self.classes_)
        pair = NETWORKS.resolve(self.networks or "by_shape").build(shape, n_classes, latent_dim=1)
        return Discriminator(pair.trunk, pair.n_features, n_classes)

    def _batches(
        self, codes: NDArray[np.int64], order: np.random.Generator, n_steps: int
    ) -> Iterator[NDArray[np.int64]]:
        """Give the images of each step, as indices."""
        epoch = balanced_epoch if self.balanced_batches else plain_epoch
        return endless_batches(lambda: epoch(codes, order), self.batch_size)

    def _class_weights(self, codes: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Give the weight of each class in the loss; None for equal ones."""
        return None

    def _train(self, X: NDArray[Any], codes: NDArray[np.int64], device: torch.device, seed: int) -> None:
        order, random = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        augmentation = AUGMENTATIONS.resolve(self.augmentation or Affine())
        weights = self._class_weights(codes)
        on_device = None if weights is None else torch.from_numpy(weights).to(device)
        counts = np.bincount(codes)
        shown = len(counts) * counts.max() if self.balanced_batches else len(codes)
        n_steps = self.n_steps or self.n_epochs * math.ceil(shown / self.batch_size)
        batches = self._batches(codes, order, n_steps)
        optimiser = torch.optim.Adam(self.network_.parameters(), lr=self.learning_rate, betas=self.betas, fused=True)
        falling = max(1.0, n_steps * self.learning_rate_decay)
        slowing = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda done: min(1.0, (n_steps - done) / falling))
        self.network_.train()
        for _, index in zip(range(n_steps), batches, strict=False):
            images = torch.from_numpy(self.codec_.encode(X[index])).to(device)
            shown_images = augmentation.draw(len(index), random)(images)
            logits = self.network_(shown_images).class_logits
            loss = cross_entropy(logits, torch.from_numpy(codes[index]).to(device), weight=on_device)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            slowing.step()
