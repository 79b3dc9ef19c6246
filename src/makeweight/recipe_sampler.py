"""What samplers share that take their parts and numbers from a recipe: the parameters, and what is in force."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from makeweight.augmentations import Augmentation
from makeweight.data.arrays import Channels
from makeweight.errors import InputError
from makeweight.evolution import Evolution
from makeweight.heads import Head
from makeweight.networks import Networks
from makeweight.objectives import Objective
from makeweight.penalties import Penalty
from makeweight.priors import Prior
from makeweight.ranges import check_ranges
from makeweight.recipe import LIMITS, PARTS, Recipe
from makeweight.sampler import Strategy
from makeweight.stabilisers import Mixing
from makeweight.starts import Start
from makeweight.training_sampler import TrainingSampler


class RecipeSampler(TrainingSampler):
    """A sampler that trains by a recipe: what its constructor is not told, `recipe` says.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn: how far the classes are filled. Values of a dict are final totals.
    networks : str or Networks, optional
        "by_shape" (DCGAN for images up to 64 pixels a side, ResNet up to 128, MLP for flat rows), "dcgan", "resnet",
        "classifier_resnet", "mlp", "published_28", or `OwnNetworks`.
    prior : str or Prior, optional
        Which labels are asked for while training.
    head : str or Head, optional
        How labels are judged.
    objective : str or Objective, optional
        The discriminator's adversarial loss, and the generator's where the method breeds a single offspring and
        `evolution` is not given; a loaded model has it given. Losses of several offspring belong to `evolution`.
    evolution : Evolution, optional
        How the generator takes a step.
    augmentation : str or Augmentation, optional
        What is done to real and drawn images before they are judged.
    penalty : str or Penalty, optional
        What limits the discriminator.
    n_steps : int, optional
        Steps of the game, at least 1; 9000 unless the method says otherwise, as all that follow.
    n_epochs : int, optional
        The same in epochs: an epoch shows every class, duplicated up to the largest, once; without `balanced_batches`,
        every image once.
    budget : float, optional
        The same in seconds; `n_steps_` then tells how many steps it bore.
    batch_size : int, optional
        Real images, and drawn images, a step; 1 to 1,048,576, by default 64.
    latent_dim : int, optional
        Entries of the noise, 1 to 1,048,576; by default 100.
    learning_rate : float, optional
        Adam's step size for both players, above 0; by default 0.001.
    learning_rate_decay : float, optional
        Share of the training, at its end, over which the step size falls linearly to zero; 0 to 1, by
        default 0.5.
    betas : tuple of two floats, optional
        Adam's decay rates, two numbers, 0 or more and below 1; by default (0.5, 0.999).
    balanced_batches : bool, optional
        Whether real batches hold every class equally often; by default True.
    average_decay : float, optional
        Decay of the generator's moving average a step, 0 or more and below 1; 0 keeps none, by default 0.999.
    best_every : int, optional
        Steps between two rescorings of the best generator, 0 to 2,147,483,647; 0 keeps none, by default 100.
    draws : "average", "best" or "last", optional
        Which generator draws; by default "average".
    discriminator_steps : int, optional
        Steps of the discriminator, each on `batch_size` real images of its own, for one of the generator; 1 to
        1,000, by default 1.
    discriminator_speed : float, optional
        The discriminator's step size, as a multiple of the generator's (two time-scales), above 0; by default 1.
    spectral_norm : bool, optional
        Whether each weight of the discriminator is divided by its largest singular value; by default False.
    minibatch_deviation : bool, optional
        Whether the discriminator sees how much the images of a batch differ. What `classifier_` says of an image then
        depends a little on the images that are judged with it. By default False.
    feature_matching : float, optional
        Weight, in the generator's loss, of the squared distance between the mean features of real and drawn images; 0
        or more, by default 0.
    mixed_batches : str or Mixing, optional
        Whether real and drawn images share the batches that the discriminator judges.
    start : str or Start, optional
        What the players begin from: "fresh" weights, an "autoencoder", an "encoder" beside the generator, or real
        images to blend ("convex", "convex_latent"). What is trained before the game is not counted in `n_steps`.
    random_state : int, RandomState or None
        Seed of fit and draw. With an int, global random states are left as they were found; with None, the seed is
        taken from numpy's.
    device : str, default="auto"
        "auto", "cpu", "cuda", "cuda:1", "mps".
    precision : "32-true" or "bf16-mixed", optional
        None takes bfloat16 where the device computes in it natively.
    channels : "first" or "last", optional
        Where the channels of a 4-D array are, where its shape leaves that open.
    warm_start : bool, default=False
        Whether `fit` goes on from the players of the last fit, or of a loaded model.
    checkpoints : str or Path, optional
        Folder in which the training is kept every half a minute, and when the callback raises an Exception. `fit` goes
        on from what it finds there, and ends with the same bytes as if it had not been interrupted. It needs an int as
        `random_state`.
    callback : callable, optional
        Called with a `StepReport` after each step; on a GPU after every twentieth. Where `start` trains an autoencoder
        before the game, its `AutoencoderReport`s come first.
    """

    recipe: ClassVar[Recipe] = Recipe()
    later: ClassVar[dict[str, Any]] = {
        "discriminator_steps": 1,
        "discriminator_speed": 1.0,
        "spectral_norm": False,
        "minibatch_deviation": False,
        "feature_matching": 0.0,
        "mixed_batches": Mixing(),
        "start": Start(),
    }

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        networks: str | Networks | None = None,
        prior: str | Prior | None = None,
        head: str | Head | None = None,
        objective: str | Objective | None = None,
        evolution: str | Evolution | None = None,
        augmentation: str | Augmentation | None = None,
        penalty: str | Penalty | None = None,
        n_steps: int | None = None,
        n_epochs: int | None = None,
        budget: float | None = None,
        batch_size: int | None = None,
        latent_dim: int | None = None,
        learning_rate: float | None = None,
        learning_rate_decay: float | None = None,
        betas: tuple[float, float] | None = None,
        balanced_batches: bool | None = None,
        average_decay: float | None = None,
        best_every: int | None = None,
        draws: str | None = None,
        discriminator_steps: int | None = None,
        discriminator_speed: float | None = None,
        spectral_norm: bool | None = None,
        minibatch_deviation: bool | None = None,
        feature_matching: float | None = None,
        mixed_batches: str | Mixing | None = None,
        start: str | Start | None = None,
        random_state: Any = None,
        device: str = "auto",
        precision: str | None = None,
        channels: Channels | None = None,
        warm_start: bool = False,
        checkpoints: str | Path | None = None,
        callback: Callable[[Any], None] | None = None,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.networks = networks
        self.prior = prior
        self.head = head
        self.objective = objective
        self.evolution = evolution
        self.augmentation = augmentation
        self.penalty = penalty
        self.n_steps = n_steps
        self.n_epochs = n_epochs
        self.budget = budget
        self.batch_size = batch_size
        self.latent_dim = latent_dim
        self.learning_rate = learning_rate
        self.learning_rate_decay = learning_rate_decay
        self.betas = betas
        self.balanced_batches = balanced_batches
        self.average_decay = average_decay
        self.best_every = best_every
        self.draws = draws
        self.discriminator_steps = discriminator_steps
        self.discriminator_speed = discriminator_speed
        self.spectral_norm = spectral_norm
        self.minibatch_deviation = minibatch_deviation
        self.feature_matching = feature_matching
        self.mixed_batches = mixed_batches
        self.start = start
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.channels = channels
        self.warm_start = warm_start
        self.checkpoints = checkpoints
        self.callback = callback

    def setting(self, name: str) -> Any:
        """Give the value of a parameter that is in force, parts resolved: as told, or else as the recipe says."""
        value = getattr(self, name)
        if value is None and not (name == "n_steps" and (self.n_epochs is not None or self.budget is not None)):
            value = getattr(self.recipe, name, None)
            if name == "evolution" and self.objective is not None:
                value = PARTS[name].resolve(value).playing(self.objective)
        return PARTS[name].resolve(value) if name in PARTS else value

    def _check_settings(self) -> None:
        check_ranges(LIMITS, {name: self.setting(name) for name in LIMITS})
        start, prior = self.setting("start"), self.setting("prior")
        if prior.fitted and not start.fits_prior:
            raise InputError(
                f"prior={prior.name!r} is fitted to encoded images, and start={start.name!r} gives it none: choose "
                "start='autoencoder', or prior='uniform'."
            )

    def _images_a_step(self) -> int:
        n: int = self.setting("batch_size") * self.setting("discriminator_steps")
        return n
