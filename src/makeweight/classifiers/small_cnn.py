"""A convolutional classifier: the trunk of the discriminators, trained alone. The others are recipes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from makeweight.augmentations import Augmentation
from makeweight.class_head import ClassHead, MostProbable
from makeweight.classifiers.class_weights import ClassWeight, as_class_weight
from makeweight.classifiers.inputs import checked_images, checked_training
from makeweight.classifiers.losses import ClassificationLoss
from makeweight.classifiers.recipe import CLASSIFIERS, PARTS, ClassifierRecipe
from makeweight.classifiers.risks import Criterion, Risk, Study
from makeweight.component import Nested, describe, whole_or_not
from makeweight.data.arrays import Channels, ImageCodec
from makeweight.data.batches import encoder
from makeweight.data.wording import counted
from makeweight.devices import fabric_for, repeatable
from makeweight.errors import TrainingError
from makeweight.judges import Discriminator
from makeweight.networks import Networks, check_single
from makeweight.ranges import ROUND, check_ranges, or_none
from makeweight.recipe import LIMITS
from makeweight.schedule import falling, steps_of_epoch
from makeweight.stabilisers import batches_of
from makeweight.transfer import moved

if TYPE_CHECKING:
    from makeweight.gan_sampler import GANSampler

OF_ALL = ("batch_size", "learning_rate", "learning_rate_decay", "betas", "balanced_batches")
RANGES = {**{name: LIMITS[name] for name in OF_ALL}, "n_epochs": ROUND, "n_steps": or_none(ROUND)}


@CLASSIFIERS.register("cn")
class CNNClassifier(MostProbable, Nested):
    """The small CNN with cross-entropy, on the images as they come.

    Parameters
    ----------
    networks : str or Networks, optional
        Family whose trunk is used; "by_shape" by default.
    loss : str or ClassificationLoss, optional
        What a wrong answer costs; by default as the recipe says.
    class_weight : str, mapping from labels to weights, or ClassWeight, optional
        How much the images of each class count; by default as the recipe says.
    risk : str or Risk, optional
        What is minimised on a batch; by default as the recipe says.
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
    balanced_batches : bool, optional
        Whether batches hold every class equally often (random over-sampling); by default as the recipe says.
    random_state : int, RandomState or None
        Seed. Global random states are left as they were found.
    device : str, default="auto"
        "auto", "cpu", "cuda", "cuda:1", "mps".
    channels : "first" or "last", optional
        Where the channels of a 4-D array are, where its shape leaves that open.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        Labels in the order of ``predict_proba``.
    class_counts_ : array of int of shape (n_classes,)
        Training images of each class.

    References
    ----------
    Hao et al., 2020, "Annealing Genetic GAN for Minority Oversampling", section 5: CN.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> digits = load_digits()
    >>> classifier = CNNClassifier(n_epochs=3, random_state=0).fit(digits.images[:600], digits.target[:600])
    >>> bool(classifier.score(digits.images[600:900], digits.target[600:900]) > 0.5)
    True
    """

    recipe: ClassVar[ClassifierRecipe] = ClassifierRecipe()

    def __init__(
        self,
        *,
        networks: str | Networks | None = None,
        loss: str | ClassificationLoss | None = None,
        class_weight: str | Mapping[Any, float] | ClassWeight | None = None,
        risk: str | Risk | None = None,
        n_epochs: int = 20,
        n_steps: int | None = None,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        learning_rate_decay: float = 0.5,
        betas: tuple[float, float] = (0.9, 0.999),
        augmentation: str | Augmentation | None = None,
        balanced_batches: bool | None = None,
        random_state: Any = None,
        device: str = "auto",
        channels: Channels | None = None,
    ) -> None:
        self.networks = networks
        self.loss = loss
        self.class_weight = class_weight
        self.risk = risk
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

    @staticmethod
    def twin(sampler: GANSampler, n_steps: int) -> CNNClassifier:
        """Return the classifier that a GAN's class head has to beat.

        The same trunk, real batches, augmentation, schedule and mixup as the sampler's discriminator, without the game.
        """
        setting = sampler.setting
        return CNNClassifier(
            networks=setting("networks"),
            n_steps=n_steps,
            batch_size=setting("batch_size"),
            learning_rate=setting("learning_rate"),
            learning_rate_decay=setting("learning_rate_decay"),
            betas=setting("betas"),
            augmentation=setting("augmentation"),
            balanced_batches=setting("balanced_batches"),
            risk="manifold_mixup" if getattr(setting("head"), "mixup", False) else None,
            random_state=sampler.random_state,
            device=sampler.device,
            channels=sampler.channels,
        )

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train on images (n, h, w), (n, h, w, c), (n, c, h, w) or rows (n, d), and labels (n,).

        Raises
        ------
        InputError
            For images that cannot be learnt, a single class, or an impossible setting.
        TrainingError
            If the weights do not stay finite.
        """
        self._check_settings()
        fabric = fabric_for(self.device, None)
        with whole_or_not(self), repeatable(fabric.device):
            array, _, classes, codes = checked_training(self, X, y)
            self.classes_, self.loss_ = classes, self.setting("loss")
            self.codec_ = ImageCodec.learn(array, self.channels)
            self.class_counts_ = self._counts(codes)
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
            torch.manual_seed(seed)
            self.network_ = self._build().to(fabric.device)
            self._train(array, codes, fabric.device, seed)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Probability of each class, of shape (n, n_classes), for images in the layout that was learnt."""
        check_is_fitted(self, "network_")
        array = checked_images(self, self.codec_, X)
        counts = torch.from_numpy(self.class_counts_.astype(np.float32))
        probabilities = partial(self.loss_.probabilities, counts=counts)
        return ClassHead(self.network_, self.codec_, self.classes_, probabilities).predict_proba(array)

    @property
    def settings(self) -> dict[str, Any]:
        """Name and settings as JSON data, without the device.

        What the constructor was not told is what the recipe says.
        """
        names = [name for name in self.get_params(deep=False) if name != "device"]
        return {"classifier": self.name, **{name: describe(self.setting(name)) for name in names}}

    def setting(self, name: str) -> Any:
        """Give the value of a parameter that is in force, parts resolved: as told, or else as the recipe says."""
        value: Any = getattr(self, name)
        if value is None:
            value = getattr(self.recipe, name, None)
        if name == "class_weight":
            return as_class_weight(value)
        return PARTS[name].resolve(value) if name in PARTS else value

    def _part(self, name: str) -> Any:
        return self.setting(name)

    def _check_settings(self) -> None:
        check_ranges(RANGES, {name: self.setting(name) for name in RANGES})

    def _build(self) -> Discriminator:
        shape, n_classes = self.codec_.image_shape, len(self.classes_)
        pair = self.setting("networks").build(shape, n_classes, latent_dim=1)
        if self.batch_size == 1:
            check_single(pair.trunk, torch.zeros(1, *shape))
        network = Discriminator(pair.trunk, pair.n_features, n_classes)
        bias = self.setting("loss").start_bias(n_classes)
        if bias is not None:
            torch.nn.init.constant_(network.classes.bias, bias)
        return network

    def _batches(
        self, codes: NDArray[np.int64], order: np.random.Generator, n_steps: int
    ) -> Iterator[NDArray[np.int64]]:
        """Give the images of each step, as indices."""
        return batches_of(codes, order, self.batch_size, balanced=self.setting("balanced_batches"))

    def _counts(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the number of images of each class, which losses and class weights go by."""
        return np.bincount(codes)

    def _length(self, counts: NDArray[np.int64]) -> int:
        """Give the number of steps."""
        balanced = self.setting("balanced_batches")
        return int(self.n_steps or self.n_epochs * steps_of_epoch(counts, self.batch_size, balanced=balanced))

    def _study(self, X: NDArray[Any], codes: NDArray[np.int64], n_steps: int, device: torch.device, seed: int) -> Study:
        """Give what the training may look at."""
        encode = encoder(self.codec_, device)
        loss, weight = self.setting("loss"), self.setting("class_weight")
        return Study(
            network=self.network_,
            criterion=Criterion(loss, weight, self.class_counts_, self.classes_, n_steps, device),
            images=lambda index: encode(X[index]),
            codes=codes,
            n_steps=n_steps,
            random=np.random.default_rng((seed, 1)),
            device=device,
        )

    def _train(self, X: NDArray[Any], codes: NDArray[np.int64], device: torch.device, seed: int) -> None:
        order, random = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        augmentation = self.setting("augmentation")
        n_steps = self._length(np.bincount(codes))
        study = self._study(X, codes, n_steps, device, seed)
        risk = self.setting("risk").begin(study)
        betas = (float(self.betas[0]), float(self.betas[1]))
        optimiser = torch.optim.Adam(self.network_.parameters(), lr=self.learning_rate, betas=betas, fused=True)
        self.network_.train()
        for step, index in zip(range(n_steps), self._batches(codes, order, n_steps), strict=False):
            shown = augmentation.draw(len(index), random, step)(study.images(index))
            loss = risk(step, index, shown, moved(codes[index], device))
            optimiser.param_groups[0]["lr"] = falling(self.learning_rate, self.learning_rate_decay, step, n_steps)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if not all(bool(weight.isfinite().all()) for weight in self.network_.parameters()):
            raise TrainingError(
                f"the classifier learnt nothing in {counted(n_steps, 'step')}, since its weights are no finite numbers "
                "any more: choose a smaller learning_rate."
            )
