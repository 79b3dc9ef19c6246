"""The sampler that plays a recipe: every GAN of the papers is this class with other parts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import nn

from makeweight.augmentations import Augmentation
from makeweight.casting import build_discriminator, check_draws, drawer, house
from makeweight.checkpoints import fingerprint
from makeweight.class_head import ClassHead
from makeweight.component import describe
from makeweight.data.arrays import Channels, ImageCodec
from makeweight.data.lazy import LazyImages
from makeweight.data.wording import counted
from makeweight.devices import fabric_for, repeatable
from makeweight.errors import InputError, NoClassOutputError
from makeweight.evolution import Acceptance, Evolution
from makeweight.heads import HEADS, AuxiliaryClassifier, Head
from makeweight.health import Watch, real_spreads
from makeweight.individual import Individual, detached_copy
from makeweight.model_size import check_size
from makeweight.networks import NetworkPair, Networks, OwnNetworks, check_single
from makeweight.objectives import Objective
from makeweight.penalties import Penalty
from makeweight.priors import Prior, row_noise
from makeweight.ranges import check_ranges
from makeweight.recipe import LIMITS, PARTS, WITHOUT_TRICKS, Recipe
from makeweight.rules import Game, Players, in_vain, judges_alike
from makeweight.sampler import Strategy
from makeweight.saving import Arrays
from makeweight.schedule import Schedule
from makeweight.stabilisers import AveragedWeights, Mixing
from makeweight.starts import Material, Setting, Start
from makeweight.team import team
from makeweight.train import Training
from makeweight.training_sampler import TrainingSampler, fitting_the_card, to_arrays, to_tensors
from makeweight.training_state import restore, state_of

SHAPED = ("generator.", "discriminator.", "average.")  # of a state, what settings give names and shapes


class GANSampler(TrainingSampler):
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

    players_: Players
    head_: Head
    acceptance_: Acceptance
    held_: str | None  # what images the generator holds
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

    shaping: ClassVar[tuple[str, ...]] = (
        "networks", "prior", "head", "start", "latent_dim", "average_decay", "betas"
    )  # fmt: skip

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

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of AGGAN's papers and, where they are silent, of the public 28×28 code.

        The papers compare AGGAN with E-GAN and ACGAN under the same settings.
        """
        return cls(
            networks="published_28",
            head=AuxiliaryClassifier(),
            n_epochs=50,
            batch_size=50,
            latent_dim=100,
            learning_rate=2e-4,
            betas=(0.5, 0.999),
            **WITHOUT_TRICKS,
        )

    @property
    def classifier_(self) -> ClassHead:
        """The discriminator's class output as a classifier with ``predict`` and ``predict_proba``.

        Raises
        ------
        NoClassOutputError
            If the head has no class output; an AttributeError, too.
        """
        check_is_fitted(self, "players_")
        head = self.head_
        if not head.classifies:
            with_one = ", ".join(repr(each.name) for each in HEADS if each.classifies)
            raise NoClassOutputError(f"head={head.name!r} has no class output to classify with: choose {with_one}.")
        return ClassHead(self.players_.discriminator.network, self.codec_, self.classes_, head.probabilities)

    def _check_settings(self) -> None:
        check_ranges(LIMITS, {name: self.setting(name) for name in LIMITS})
        start, prior = self.setting("start"), self.setting("prior")
        if prior.fitted and not start.fits_prior:
            raise InputError(
                f"prior={prior.name!r} is fitted to encoded images, and start={start.name!r} gives it none: choose "
                "start='autoencoder', or prior='uniform'."
            )

    def setting(self, name: str) -> Any:
        """Give the value of a parameter that is in force, parts resolved: as told, or else as the recipe says."""
        value = getattr(self, name)
        if value is None and not (name == "n_steps" and (self.n_epochs is not None or self.budget is not None)):
            value = getattr(self.recipe, name, None)
            if name == "evolution" and self.objective is not None:
                value = PARTS[name].resolve(value).playing(self.objective)
        return PARTS[name].resolve(value) if name in PARTS else value

    def _learn(
        self, X: NDArray[Any], codes: NDArray[np.int64], codec: ImageCodec, classes: NDArray[Any], seed: int
    ) -> None:
        self._check_settings()
        self._check_run()
        schedule = self._schedule(np.bincount(codes), own=not self._goes_on())
        keeps_best = self.setting("best_every")
        if self._goes_on():
            self._check_built()
            self._check_held(X, codes)
            keeps_best = keeps_best or int(self.players_.best is not None)
        check_draws(self.setting("draws"), self.setting("average_decay"), keeps_best, schedule.n_steps)
        fabric, chance = fabric_for(self.device, self.precision), self._seed_of_training(seed)
        with repeatable(fabric.device):
            torch.manual_seed(chance)
            game = self._game(np.bincount(codes), fabric.device, fabric.autocast)
            before: list[str] = []  # notes of what is trained before the game
            if self._goes_on():
                self._check_classes(classes)
                players = copy.deepcopy(self.players_)  # so that an interruption leaves the model as it was
                house(players, game, players.parents)
                if describe(game.acceptance) != describe(self.acceptance_):
                    players.temperature = game.acceptance.start()
            else:
                material = self._material(X, codes, codec, game, seed)
                players = self._players(codec.image_shape, game, material)
                before = material.notes
            training = Training(
                game,
                players,
                schedule,
                torch.Generator().manual_seed(chance),
                Watch(game, real_spreads(X, codes, codec, len(classes)), classes.tolist(), seed),
                self._checkpoints(X, codes, seed),
                self._heard,
            )
            batches = self._batches(X, codes, codec, game.device, chance, training.progress.n_batches)
            progress = training.run(batches)
        draws = self.setting("draws")
        if draws == "best" and players.best is None:  # a budget ended before the first rescoring
            done = counted(progress.done, "step")
            before.append(f"the last generator draws, since none was kept as the best in {done}.")
            draws = "last"
        self.generator_ = drawer(players, draws)
        self.players_, self.head_, self.acceptance_ = players, game.head, game.acceptance
        self._note_built()
        self.held_ = self._fingerprint(X, codes)
        self.history_, self.n_steps_ = progress.history, progress.done
        self.training_notes_ = [*in_vain(game, players), *before, *progress.told, *progress.notes]

    def _material(
        self, X: NDArray[Any] | LazyImages, codes: NDArray[np.int64], codec: ImageCodec, game: Game, seed: int
    ) -> Material:
        return Material(
            X,
            codes,
            codec,
            lambda n_taken: self._batches(X, codes, codec, game.device, seed, n_taken),
            self._schedule(game.class_counts),
            self._checkpoints(X, codes, seed, "start") if self.setting("start").share else None,
            seed,
            game.device,
            game.autocast,
            game.team,
            self._heard,
        )

    def _game(self, counts: NDArray[np.int64], device: torch.device, autocast: Callable[[], Any]) -> Game:
        evolution: Evolution = self.setting("evolution")
        mutations, acceptance = evolution.parts()
        return Game(
            objective=self.setting("objective"),
            mutations=mutations,
            acceptance=acceptance,
            evolution=evolution,
            head=self.setting("head"),
            prior=self.setting("prior"),
            augmentation=self.setting("augmentation"),
            penalty=self.setting("penalty"),
            mixing=self.setting("mixed_batches"),
            feature_matching=self.setting("feature_matching"),
            discriminator_steps=self.setting("discriminator_steps"),
            discriminator_speed=self.setting("discriminator_speed"),
            spectral_norm=self.setting("spectral_norm"),
            steps_per_epoch=self._steps_per_epoch(counts),
            class_counts=counts,
            latent_dim=self.setting("latent_dim"),
            batch_size=self.setting("batch_size"),
            device=device,
            autocast=autocast,
            team=team(),
        )

    def _players(self, shape: tuple[int, int, int], game: Game, material: Material | None = None) -> Players:
        """Build the players; without material, as they are before they have begun from anything."""
        rate, betas, decay = self.setting("learning_rate"), self.setting("betas"), self.setting("average_decay")
        setting, start = self._place(shape, game.class_counts), self.setting("start")
        pair, *others = [self._pair(setting) for _ in range(game.evolution.n_survivors)]
        if game.batch_size == game.team.size:
            check_single(pair.generator, torch.zeros(1, game.latent_dim), torch.zeros(1, dtype=torch.long))
            check_single(pair.trunk, torch.zeros(1, *shape))
        founders = [pair.generator, *(other.generator for other in others)]
        if material is not None:
            start.begin(founders, pair.trunk, setting, material)
        deviation = self.setting("minibatch_deviation")
        discriminator = build_discriminator(game, pair, deviation=deviation).to(game.device)
        generators = [Individual(founder.to(game.device), rate, betas) for founder in founders]
        players = Players(
            generator=generators[0],
            discriminator=Individual(discriminator, rate, betas),
            judges_alike=judges_alike(discriminator, shape),
            average=AveragedWeights(detached_copy(generators[0].network), decay) if decay else None,
        )
        house(players, game, generators)
        return players

    def _place(self, shape: tuple[int, int, int], counts: NDArray[np.int64]) -> Setting:
        return Setting(self.setting("networks"), shape, counts, self.setting("latent_dim"), self.setting("prior"))

    def _pair(self, setting: Setting) -> NetworkPair:
        pair = setting.networks.build(setting.shape, len(setting.class_counts), setting.latent_dim)
        return pair._replace(generator=self.setting("start").framed(pair.generator, setting))

    def _parts(self) -> list[nn.Module]:
        """Build the networks that a saved model holds at the least; the user's own are built as the user says."""
        networks, evolution = self.setting("networks"), self.setting("evolution")
        evolution.parts()
        if isinstance(networks, OwnNetworks):
            return []
        pair = self._pair(self._place(self.codec_.image_shape, self.class_counts_))
        return [*[pair.generator] * evolution.n_survivors, pair.trunk]

    def _schedule(self, counts: NDArray[np.int64], *, own: bool = False) -> Schedule:
        """Settle the length of all of `fit`; of a budget, the game's `own` part alone if so asked."""
        schedule = super()._schedule(counts)
        shared = own and schedule.budget is not None
        budget = schedule.budget / (1 + self.setting("start").share) if shared else schedule.budget
        return replace(schedule, budget=budget, best_every=self.setting("best_every"))

    def _images_a_step(self) -> int:
        n: int = self.setting("batch_size") * self.setting("discriminator_steps")
        return n

    @torch.no_grad()
    def _draw_block(self, code: int, block: int, seed: int) -> NDArray[Any]:
        rows = np.arange(block * self.block_size, (block + 1) * self.block_size)
        device = next(self.generator_.parameters()).device
        noise = row_noise(seed, code, rows, self.built_["latent_dim"]).to(device)
        images = self.generator_(noise, torch.full((len(rows),), code, device=device))
        if not bool(torch.isfinite(images).all()):
            raise InputError("the model draws no finite images: its weights are damaged, so train and save it anew.")
        return self.codec_.decode(images.float().cpu().numpy())

    def _check_classes(self, classes: NDArray[Any]) -> None:
        if not np.array_equal(np.asarray(classes, str), np.asarray(self.classes_, str)):
            raise InputError(
                f"the model to go on from knows the classes {', '.join(map(str, self.classes_[:20]))}, and these are "
                f"{', '.join(map(str, classes[:20]))}: both must be the same."
            )

    def _fingerprint(self, X: NDArray[Any] | LazyImages, codes: NDArray[np.int64]) -> str | None:
        """Identify the images, where the generator holds them."""
        return fingerprint(X, codes) if self.setting("start").holds_images else None

    def _check_held(self, X: NDArray[Any] | LazyImages, codes: NDArray[np.int64]) -> None:
        if self._fingerprint(X, codes) != self.held_:
            raise InputError(
                f"the model draws from the images that it has learnt, as start='{self.setting('start').name}' has it, "
                "and these are others: give it the same ones, or learn anew with warm_start=False."
            )

    def _weights(self) -> Arrays:
        return to_arrays(self.generator_.state_dict())

    def _check_built(self) -> None:
        """Refuse settings that would need other networks; how many survive a step may change in going on alone."""
        super()._check_built()
        fabric = fabric_for(self.device, self.precision)
        with repeatable(fabric.device):
            game = self._game(self.class_counts_, fabric.device, fabric.autocast)
            fresh = self._players(self.codec_.image_shape, game)
        mine, theirs = (
            {name: value.shape for name, value in state_of(players).tensors.items() if name.startswith(SHAPED)}
            for players in (self.players_, fresh)
        )
        if mine != theirs:
            raise InputError(
                "the settings ask for other networks than the model has learnt with "
                f"({min(mine.items() ^ theirs.items())[0]} differs): set back what was changed, or learn anew with "
                "warm_start=False."
            )

    def _training(self) -> tuple[Arrays, dict[str, Any]]:
        state = state_of(self.players_)
        return to_arrays(state.tensors), {
            **state.numbers,
            "history": self.history_,
            "steps_of_fit": self.n_steps_,
            "notes": self.training_notes_,
            "held": self.held_,
        }

    def _restore(self, weights: Arrays, training: Arrays, numbers: dict[str, Any]) -> None:
        fabric = fabric_for(self.device, self.precision)
        self._check_settings()
        check_size(self._parts, weights, training)
        with repeatable(fabric.device):
            game = self._game(self.class_counts_, fabric.device, fabric.autocast)
            players = self._players(self.codec_.image_shape, game)
        with fitting_the_card():
            restore(players, to_tensors(training), numbers)
            self.generator_ = detached_copy(players.generator.network).eval()
            self.generator_.load_state_dict(to_tensors(weights))
        self.players_, self.head_, self.acceptance_ = players, game.head, game.acceptance
        self.history_ = numbers["history"]
        self._note_built()
        # Models of older versions hold none of these.
        self.held_ = numbers.get("held")
        self.n_steps_ = int(numbers.get("steps_of_fit", players.n_steps))
        self.training_notes_ = [str(note) for note in numbers.get("notes", [])]
