"""The sampler that plays a recipe: every GAN of the papers is this class with other parts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from makeweight.checkpoints import Checkpoints, fingerprint
from makeweight.class_head import ClassHead
from makeweight.data.arrays import Channels, ImageCodec
from makeweight.data.batches import read_batches
from makeweight.data.lazy import LazyImages
from makeweight.devices import fabric_for
from makeweight.errors import InputError
from makeweight.evolution import Evolution, Individual, Population, detached_copy
from makeweight.game import Game, Players, judges_alike
from makeweight.heads import AuxiliaryClassifier, Discriminator, Head
from makeweight.health import Watch, real_spreads
from makeweight.networks import Networks
from makeweight.objectives import Objective
from makeweight.priors import Prior, row_noise
from makeweight.recipe import DRAWS, LIMITS, PARTS, Recipe
from makeweight.sampler import ImageSampler, Strategy
from makeweight.saving import Arrays
from makeweight.stabilisers import (
    Augmentation,
    AveragedWeights,
    Penalty,
    balanced_epoch,
    endless_batches,
    plain_epoch,
)
from makeweight.team import team
from makeweight.train import Schedule, StepReport, Training
from makeweight.training_state import restore, state_of


class GANSampler(ImageSampler):
    """A GAN that draws images of the classes asked for; `recipe` says of which parts it is made.

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
        The discriminator's adversarial loss. The generator's belong to `evolution`.
    evolution : Evolution, optional
        How the generator takes a step.
    augmentation : str or Augmentation, optional
        What is done to real and drawn images before they are judged.
    penalty : str or Penalty, optional
        A cost on the discriminator's slope.
    n_steps : int, optional
        Steps of the game, at least 1.
    n_epochs : int, optional
        The same in epochs: an epoch shows every class, duplicated up to the largest, once.
    budget : float, optional
        The same in seconds; `n_steps_` then tells how many steps it bore.
    batch_size : int, optional
        Real images, and drawn images, a step.
    latent_dim : int, optional
        Entries of the noise.
    learning_rate : float, optional
        Adam's step size for both players.
    learning_rate_decay : float, optional
        Share of the training, at its end, over which the step size falls linearly to zero; 0 to 1.
    betas : tuple of two floats, optional
        Adam's decay rates.
    balanced_batches : bool, optional
        Whether real batches hold every class equally often.
    average_decay : float, optional
        Decay of the generator's moving average a step; 0 keeps none.
    best_every : int, optional
        Steps between two rescorings of the best generator; 0 keeps none.
    draws : {"average", "best", "last"}, optional
        Which generator draws.
    random_state : int, RandomState or None
        Seed of fit and draw. With an int, global random states are left as they were found; with None, the seed is
        taken from numpy's.
    device : str, default="auto"
        "auto", "cpu", "cuda", "cuda:1", "mps".
    precision : {"32-true", "bf16-mixed"}, optional
        None takes bfloat16 where the device computes in it natively.
    channels : {"first", "last"}, optional
        Where the channels of a 4-D array are, where its shape leaves that open.
    warm_start : bool, default=False
        Whether `fit` goes on from the players of the last fit, or of a loaded model.
    checkpoints : str or Path, optional
        Folder in which the training is kept every half a minute. `fit` goes on from what it finds there, and ends with
        the same bytes as if it had not been interrupted. It needs an int as `random_state`.
    callback : callable, optional
        Called with a `StepReport` after each step.

    Attributes
    ----------
    classifier_ : ClassHead
        The discriminator's class output as a classifier.
    history_ : list of dict
        Losses, temperature, acceptance rate and wins through the training.
    n_steps_ : int
        Steps that the last fit took.
    training_notes_ : list of str
        What happened in the last fit that a person should read: rollbacks, classes that lost their variety.
    players_ : Players
        Both players as they ended.
    """

    learns: ClassVar[bool] = True
    players_: Players
    generator_: nn.Module
    block_size: ClassVar[int] = 64
    recipe: ClassVar[Recipe] = Recipe()

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
        random_state: Any = None,
        device: str = "auto",
        precision: str | None = None,
        channels: Channels | None = None,
        warm_start: bool = False,
        checkpoints: str | Path | None = None,
        callback: Callable[[StepReport], None] | None = None,
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
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.channels = channels
        self.warm_start = warm_start
        self.checkpoints = checkpoints
        self.callback = callback

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of AGGAN's papers and, where they are silent, of the public 28×28 code.

        The papers compare AGGAN with E-GAN and ACGAN under the same settings.
        """
        return cls(
            networks="published_28",
            head=AuxiliaryClassifier(),
            augmentation="none",
            n_epochs=50,
            batch_size=50,
            latent_dim=100,
            learning_rate=2e-4,
            learning_rate_decay=0.0,
            betas=(0.5, 0.999),
            average_decay=0.0,
            draws="last",
        )

    @property
    def classifier_(self) -> ClassHead:
        """The discriminator's class output as a classifier with ``predict`` and ``predict_proba``."""
        check_is_fitted(self, "players_")
        return ClassHead(self.players_.discriminator.network, self.codec_, self.classes_)

    def _check_settings(self) -> None:
        for name, (fits, words) in LIMITS.items():
            value = self._setting(name)
            if isinstance(value, bool) or not isinstance(value, (int, float, np.integer)) or not fits(value):
                raise InputError(f"{name}={value!r} is impossible: it must be {words}.")
        betas = self._setting("betas")
        pair = isinstance(betas, (tuple, list)) and len(betas) == 2
        if not pair or not all(isinstance(beta, (int, float)) and 0 <= beta < 1 for beta in betas):
            raise InputError(f"betas={betas!r} is impossible: give two numbers, 0 or more and below 1.")

    def _check_team(self) -> None:
        size, batch_size = team().size, self._setting("batch_size")
        if size > 1 and self.random_state is None:
            raise InputError("several processes train one model with equal seeds: give random_state a whole number.")
        if batch_size % size:
            raise InputError(
                f"batch_size={batch_size} cannot be shared by {size} processes: give a multiple of {size}."
            )

    def _setting(self, name: str) -> Any:
        value = getattr(self, name)
        if value is None and not (name == "n_steps" and (self.n_epochs is not None or self.budget is not None)):
            value = getattr(self.recipe, name, None)
        return PARTS[name].resolve(value) if name in PARTS else value

    def _learn(
        self, X: NDArray[Any], codes: NDArray[np.int64], codec: ImageCodec, classes: NDArray[Any], seed: int
    ) -> None:
        self._check_settings()
        self._check_team()
        fabric = fabric_for(self.device, self.precision)
        on_gpu = [fabric.device] if fabric.device.type == "cuda" else []
        with torch.random.fork_rng(devices=on_gpu):
            torch.manual_seed(seed)
            game = self._game(np.bincount(codes), fabric.device, fabric.autocast)
            if self._goes_on():
                self._check_classes(classes)
                players = self.players_
                _house(players, game)
            else:
                players = self._players(codec.image_shape, game)
            schedule = self._schedule(np.bincount(codes))
            training = Training(
                game,
                players,
                schedule,
                torch.Generator().manual_seed(seed),
                Watch(game, real_spreads(X, codes, codec, len(classes)), classes.tolist(), seed),
                self._checkpoints(X, codes, seed),
                self.callback if game.team.rank == 0 else None,
            )
            batches = self._batches(X, codes, codec, game, np.random.default_rng(seed), training.progress.n_batches)
            progress = training.run(batches)
        self.players_ = players
        self.history_, self.n_steps_ = progress.history, progress.done
        self.training_notes_ = [*progress.told, *progress.notes]
        self.generator_ = self._drawer(players)

    def _checkpoints(self, X: NDArray[Any] | LazyImages, codes: NDArray[np.int64], seed: int) -> Checkpoints | None:
        if self.checkpoints is None:
            return None
        if self.random_state is None:
            raise InputError("a training that can go on needs an equal seed: give random_state a whole number.")
        start = self.model_hash_ if self._goes_on() else "fresh"
        identity = {"settings": self.settings_hash_, "seed": seed, "start": start, "data": fingerprint(X, codes)}
        return Checkpoints(Path(self.checkpoints), {**identity, "processes": team().size})

    def _game(self, counts: NDArray[np.int64], device: torch.device, autocast: Callable[[], Any]) -> Game:
        evolution: Evolution = self._setting("evolution")
        mutations, acceptance = evolution.parts()
        return Game(
            objective=self._setting("objective"),
            mutations=mutations,
            acceptance=acceptance,
            evolution=evolution,
            head=self._setting("head"),
            prior=self._setting("prior"),
            augmentation=self._setting("augmentation"),
            penalty=self._setting("penalty"),
            class_counts=counts,
            latent_dim=self._setting("latent_dim"),
            batch_size=self._setting("batch_size"),
            device=device,
            autocast=autocast,
            team=team(),
        )

    def _players(self, shape: tuple[int, int, int], game: Game) -> Players:
        pair = self._setting("networks").build(shape, len(game.class_counts), game.latent_dim)
        discriminator = Discriminator(pair.trunk, pair.n_features, len(game.class_counts))
        rate, betas, decay = self._setting("learning_rate"), self._setting("betas"), self._setting("average_decay")
        generator = Individual(pair.generator.to(game.device), rate, betas)
        players = Players(
            generator=generator,
            discriminator=Individual(discriminator.to(game.device), rate, betas),
            judges_alike=judges_alike(discriminator, shape),
            average=AveragedWeights(detached_copy(generator.network), decay) if decay else None,
        )
        _house(players, game)
        return players

    def _schedule(self, counts: NDArray[np.int64]) -> Schedule:
        lengths: list[Any] = [length for length in (self.n_steps, self.n_epochs, self.budget) if length is not None]
        kinds = (int, float, np.integer)
        numbers = all(
            isinstance(length, kinds) and not isinstance(length, bool) and 0 < length < math.inf for length in lengths
        )
        whole = all(length is None or length == round(length) for length in (self.n_steps, self.n_epochs) if numbers)
        if len(lengths) > 1 or not (numbers and whole):
            raise InputError(
                f"n_steps={self.n_steps}, n_epochs={self.n_epochs}, budget={self.budget}: give one of them, above 0, "
                "steps and epochs in whole numbers."
            )
        shown = len(counts) * counts.max() if self._setting("balanced_batches") else counts.sum()
        steps_per_epoch = max(1, int(shown) // self._setting("batch_size"))
        n_steps = self._setting("n_steps")
        return Schedule(
            n_steps=n_steps if self.n_epochs is None else self.n_epochs * steps_per_epoch,
            budget=self.budget,
            steps_per_epoch=steps_per_epoch,
            learning_rate=self._setting("learning_rate"),
            decay=self._setting("learning_rate_decay"),
            best_every=self._setting("best_every"),
        )

    def _batches(
        self,
        X: NDArray[Any],
        codes: NDArray[np.int64],
        codec: ImageCodec,
        game: Game,
        random: np.random.Generator,
        n_taken: int,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        epoch = balanced_epoch if self._setting("balanced_batches") else plain_epoch
        indices = endless_batches(lambda: epoch(codes, random), game.batch_size)
        waiting = itertools.islice(indices, n_taken, None)
        own = (index[game.team.rank :: game.team.size] for index in waiting)
        return read_batches(X, codes, own, codec, game.device)

    def _drawer(self, players: Players) -> nn.Module:
        draws = self._setting("draws")
        if draws == "average" and players.average is not None:
            return detached_copy(players.average.module).eval()
        if draws == "best" and players.best is not None:
            return detached_copy(players.best.network).eval()
        if draws == "last":
            return detached_copy(players.generator.network).eval()
        raise InputError(
            f"draws={draws!r} is impossible here: 'average' needs average_decay above 0, 'best' a best_every above 0 "
            f"and no more than the steps taken, and {', '.join(DRAWS)} are all there is."
        )

    @torch.no_grad()
    def _draw_block(self, code: int, block: int, seed: int) -> NDArray[Any]:
        rows = np.arange(block * self.block_size, (block + 1) * self.block_size)
        device = next(self.generator_.parameters()).device
        noise = row_noise(seed, code, rows, self._setting("latent_dim")).to(device)
        images = self.generator_(noise, torch.full((len(rows),), code, device=device))
        return self.codec_.decode(images.float().cpu().numpy())

    def _goes_on(self) -> bool:
        return self.warm_start and hasattr(self, "players_")

    def _codec_for(self, X: NDArray[Any]) -> ImageCodec:
        codec = super()._codec_for(X)
        if not self._goes_on():
            return codec
        if (codec.layout, codec.shape, codec.dtype) != (self.codec_.layout, self.codec_.shape, self.codec_.dtype):
            raise InputError(
                f"the model to go on from knows images of shape {self.codec_.shape}, {self.codec_.dtype}, and these "
                f"are {codec.shape}, {codec.dtype}: both must be the same."
            )
        return self.codec_

    def _check_classes(self, classes: NDArray[Any]) -> None:
        if not np.array_equal(np.asarray(classes, str), np.asarray(self.classes_, str)):
            raise InputError(
                f"the model to go on from knows the classes {', '.join(map(str, self.classes_[:20]))}, and these are "
                f"{', '.join(map(str, classes[:20]))}: both must be the same."
            )

    def _weights(self) -> Arrays:
        return _arrays(self.generator_.state_dict())

    def _training(self) -> tuple[Arrays, dict[str, Any]]:
        state = state_of(self.players_)
        return _arrays(state.tensors), {**state.numbers, "history": self.history_}

    def _restore(self, weights: Arrays, training: Arrays, numbers: dict[str, Any]) -> None:
        fabric = fabric_for(self.device, self.precision)
        with torch.random.fork_rng(devices=[]):
            game = self._game(self.class_counts_, fabric.device, fabric.autocast)
            players = self._players(self.codec_.image_shape, game)
        named = {name: torch.from_numpy(value) for name, value in training.items()}

        try:
            restore(players, named, numbers)
            self.generator_ = detached_copy(players.generator.network).eval()
            self.generator_.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        except (RuntimeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"the model's weights do not fit its card ({reason}): save it anew.") from None
        self.players_, self.history_, self.n_steps_ = players, numbers["history"], players.n_steps


def _house(players: Players, game: Game) -> None:
    """Give the generator as many places for offspring as the game has mutations."""
    players.population = None if game.plain else Population(players.generator, len(game.mutations))
    if players.population is not None:
        players.generator = players.population.parent


def _arrays(tensors: dict[str, Tensor]) -> Arrays:
    return {name: value.detach().cpu().contiguous().numpy() for name, value in tensors.items()}
