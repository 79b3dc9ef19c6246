"""DeepSMOTE: SMOTE between latent vectors of an autoencoder."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from makeweight.autoencoder import (
    Autoencoder,
    AutoencoderReport,
    AutoencoderTraining,
    build_autoencoder,
    decoded,
    encoded,
)
from makeweight.checkpoints import joined, part_of
from makeweight.data.arrays import Channels, ImageCodec
from makeweight.devices import fabric_for, repeatable
from makeweight.individual import Individual, detached_copy
from makeweight.methods.duplicates import added, block_seed
from makeweight.methods.smote import smote
from makeweight.model_size import check_size
from makeweight.networks import NETWORKS, Networks, OwnNetworks
from makeweight.ranges import at_least, check_ranges
from makeweight.recipe import LIMITS
from makeweight.sampler import METHODS, Strategy
from makeweight.saving import Arrays, check_codes
from makeweight.team import team
from makeweight.training_sampler import TrainingSampler, fitting_the_card, to_arrays, to_tensors

N_STEPS = 4000


@METHODS.register("deep_smote")
class DeepSMOTE(TrainingSampler):
    """An autoencoder, and SMOTE in its latent space.

    The autoencoder learns to give back the images of all classes, and a little also to give back, for each image,
    another one of its class. A drawn image is decoded from a point between the latent vectors of two near neighbours
    of its class.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn. Values of a dict are final totals.
    networks : str or Networks, default="by_shape"
        Family whose trunk encodes and whose generator decodes.
    exchange_weight : float, default=0.1
        Weight of the penalty: the error between an image and what another one of its class is decoded to; at least 0.
    n_steps : int, optional
        Steps of the training; 4,000 unless another length is given.
    n_epochs : int, optional
        The same in epochs: an epoch shows every class, duplicated up to the largest, once; without
        `balanced_batches`, every image once.
    budget : float, optional
        The same in seconds.
    batch_size : int, default=64
        Images a step.
    latent_dim : int, default=100
        Entries of a latent vector.
    learning_rate : float, default=1e-3
        Adam's step size.
    learning_rate_decay : float, default=0.5
        Share of the training, at its end, over which the step size falls linearly to zero; 0 to 1.
    balanced_batches : bool, default=True
        Whether batches hold every class equally often.
    random_state : int, RandomState or None
        Seed of fit and draw.
    device : str, default="auto"
        "auto", "cpu", "cuda", "cuda:1", "mps".
    precision : "32-true" or "bf16-mixed", optional
        None takes bfloat16 where the device computes in it natively.
    channels : "first" or "last", optional
        Where the channels of a 4-D array are, where its shape leaves that open.
    warm_start : bool, default=False
        Whether `fit` goes on from the autoencoder of the last fit, or of a loaded model.
    checkpoints : str or Path, optional
        Folder in which the training is kept every half a minute, and when the callback raises an Exception. `fit` goes
        on from what it finds there, and ends with the same bytes as if it had not been interrupted. It needs an int as
        `random_state`.
    callback : callable, optional
        Called with an `AutoencoderReport` after each step; on a GPU after every twentieth.

    Attributes
    ----------
    autoencoder_ : Autoencoder
        Encoder and decoder as they ended.
    latent_ : array of float32 of shape (n, latent_dim)
        The encoded training images.
    history_ : list of dict
        Losses through the training.
    n_steps_ : int
        Steps that the last fit took.
    training_notes_ : list of str
        What happened in the last fit that a person should read, such as a return to an earlier state.

    Notes
    -----
    Departures from the paper: its penalty decodes, at each step, a further batch of one class in another order; here
    each image of the batch is paired with another of its class, which costs no further pass. The paper weighs the
    penalty as much as the reconstruction, which pulls every image half-way to the mean of its class; a tenth is the
    default here. Batches hold every class equally often, where the paper takes them as they come. Networks are those
    of the family, smaller than the paper's. A class of n ≤ 5 images uses the n − 1 others; the latent vector of a
    single image is decoded again and again.

    References
    ----------
    Dablain et al., 2022, "DeepSMOTE: Fusing Deep Learning and SMOTE for Imbalanced Data", Algorithm 1.
    """

    learner_: Individual

    shaping: ClassVar[tuple[str, ...]] = ("networks", "latent_dim")

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        networks: str | Networks = "by_shape",
        exchange_weight: float = 0.1,
        n_steps: int | None = None,
        n_epochs: int | None = None,
        budget: float | None = None,
        batch_size: int = 64,
        latent_dim: int = 100,
        learning_rate: float = 1e-3,
        learning_rate_decay: float = 0.5,
        balanced_batches: bool = True,
        random_state: Any = None,
        device: str = "auto",
        precision: str | None = None,
        channels: Channels | None = None,
        warm_start: bool = False,
        checkpoints: str | Path | None = None,
        callback: Callable[[AutoencoderReport], None] | None = None,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.networks = networks
        self.exchange_weight = exchange_weight
        self.n_steps = n_steps
        self.n_epochs = n_epochs
        self.budget = budget
        self.batch_size = batch_size
        self.latent_dim = latent_dim
        self.learning_rate = learning_rate
        self.learning_rate_decay = learning_rate_decay
        self.balanced_batches = balanced_batches
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.channels = channels
        self.warm_start = warm_start
        self.checkpoints = checkpoints
        self.callback = callback

    @property
    def autoencoder_(self) -> Autoencoder:
        """Encoder and decoder as they ended."""
        network = self.learner_.network
        assert isinstance(network, Autoencoder)
        return network

    def setting(self, name: str) -> Any:
        """Give the value of a parameter that is in force; networks resolved."""
        value = getattr(self, name)
        if name == "n_steps" and value is None and self.n_epochs is None and self.budget is None:
            return N_STEPS
        return NETWORKS.resolve(value) if name == "networks" else value

    def _check_settings(self) -> None:
        own = ("batch_size", "latent_dim", "learning_rate", "learning_rate_decay", "balanced_batches")
        ranges = {**{name: LIMITS[name] for name in own}, "exchange_weight": at_least(0)}
        check_ranges(ranges, {name: self.setting(name) for name in ranges})

    def _learn(
        self, X: NDArray[Any], codes: NDArray[np.int64], codec: ImageCodec, classes: NDArray[Any], seed: int
    ) -> None:
        self._check_settings()
        self._check_run()
        schedule = self._schedule(np.bincount(codes))
        fabric, chance = fabric_for(self.device, self.precision), self._seed_of_training(seed)
        with repeatable(fabric.device):
            torch.manual_seed(chance)
            if self._goes_on():
                self._check_built()
            # A copy goes on, so that an interruption leaves the model as it was.
            learner = copy.deepcopy(self.learner_) if self._goes_on() else self._learner(codec, fabric.device)
            training = AutoencoderTraining(
                learner,
                schedule,
                torch.Generator().manual_seed(chance),
                exchange_weight=self.exchange_weight,
                autocast=fabric.autocast,
                together=team(),
                checkpoints=self._checkpoints(X, codes, seed),
                callback=self._heard,
            )
            progress = training.run(self._batches(X, codes, codec, fabric.device, chance, training.progress.n_batches))
        self.learner_ = learner
        self._note_built()
        self.history_, self.n_steps_ = progress.history, progress.done
        self.training_notes_ = [*progress.told, *progress.notes]
        self.codes_ = codes
        self.latent_ = encoded(self.autoencoder_, X, codes, codec, fabric.device)
        self.generator_ = detached_copy(self.autoencoder_.decoder).eval()

    def _learner(self, codec: ImageCodec, device: torch.device) -> Individual:
        autoencoder = build_autoencoder(self.setting("networks"), codec.image_shape, self.latent_dim)
        return Individual(autoencoder.to(device), self.learning_rate, (0.9, 0.999))

    def _parts(self) -> list[Autoencoder]:
        return [build_autoencoder(self.setting("networks"), self.codec_.image_shape, self.latent_dim)]

    @torch.no_grad()
    def _draw_block(self, code: int, block: int, seed: int) -> NDArray[Any]:
        n_own = int(np.count_nonzero(self.codes_ == code))
        sampler = smote({code: n_own + self.block_size}, n_own, block_seed(seed, code, block))
        between = added(sampler, self.latent_.astype(np.float64), self.codes_).astype(np.float32)
        device = next(self.generator_.parameters()).device
        images = decoded(self.generator_, torch.from_numpy(between).to(device))
        return self.codec_.decode(images.cpu().numpy())

    def _weights(self) -> Arrays:
        decoder = to_arrays(joined({"decoder": self.generator_.state_dict()}))
        return {"latent": self.latent_, "codes": self.codes_, **decoder}

    def _training(self) -> tuple[Arrays, dict[str, Any]]:
        told = {"n_steps": self.n_steps_, "history": self.history_, "notes": self.training_notes_}
        return to_arrays(self.learner_.named_tensors()), told

    def _restore(self, weights: Arrays, training: Arrays, numbers: dict[str, Any]) -> None:
        device = fabric_for(self.device, self.precision).device
        self._check_settings()
        if not isinstance(self.setting("networks"), OwnNetworks):
            check_size(self._parts, weights, training)
        with repeatable(device):
            learner = self._learner(self.codec_, device)
        with fitting_the_card():
            learner.restore(to_tensors(training))
            self.latent_, self.codes_ = weights["latent"], weights["codes"]
            check_codes(self.codes_, len(self.classes_))
            if self.latent_.shape != (len(self.codes_), self.latent_dim):
                raise ValueError(f"{self.latent_.shape} are no latent codes of {len(self.codes_)} images")
            self.learner_ = learner
            self._note_built()
            self.generator_ = detached_copy(self.autoencoder_.decoder).eval()
            self.generator_.load_state_dict(to_tensors(part_of(weights, "decoder.")))
        self.autoencoder_.eval()
        self.history_, self.n_steps_ = numbers["history"], int(numbers["n_steps"])
        self.training_notes_ = [str(note) for note in numbers.get("notes", [])]  # older models have none
