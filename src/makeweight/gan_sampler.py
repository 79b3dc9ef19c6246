"""The sampler that plays a recipe: every GAN of the papers is this class with other parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from makeweight.assembly import Assembly, check_draws, continued, drawer
from makeweight.checkpoints import fingerprint, joined
from makeweight.class_head import ClassHead
from makeweight.component import describe
from makeweight.data.arrays import ImageCodec
from makeweight.data.lazy import LazyImages
from makeweight.data.wording import counted
from makeweight.devices import fabric_for, repeatable
from makeweight.errors import InputError, NoClassOutputError
from makeweight.evolution import Acceptance
from makeweight.heads import HEADS, Head
from makeweight.health import Watch, real_spreads
from makeweight.individual import detached_copy
from makeweight.model_size import check_size
from makeweight.priors import row_noise
from makeweight.recipe_sampler import RecipeSampler
from makeweight.rules import Game, Players, in_vain
from makeweight.saving import Arrays
from makeweight.schedule import Schedule
from makeweight.starts import Material
from makeweight.train import Training
from makeweight.training_sampler import fitting_the_card, to_arrays, to_tensors
from makeweight.training_state import restore, state_of


class GANSampler(RecipeSampler):
    """A GAN that draws images of the classes asked for; `recipe` says of which parts it is made.

    Parameters are those of `RecipeSampler`.

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

    shaping: ClassVar[tuple[str, ...]] = (
        "networks", "prior", "head", "start", "latent_dim", "average_decay", "betas"
    )  # fmt: skip

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

    def _learn(
        self, X: NDArray[Any], codes: NDArray[np.int64], codec: ImageCodec, classes: NDArray[Any], seed: int
    ) -> None:
        self._check_settings()
        self._check_run()
        counts = np.bincount(codes)
        schedule = self._schedule(counts, own=not self._goes_on())
        keeps_best = self.setting("best_every")
        if self._goes_on():
            self._check_built()
            self._check_held(X, codes)
            keeps_best = keeps_best or int(self.players_.best is not None)
        check_draws(self.setting("draws"), self.setting("average_decay"), keeps_best, schedule.n_steps)
        fabric, chance = fabric_for(self.device, self.precision), self._seed_of_training(seed)
        with repeatable(fabric.device):
            torch.manual_seed(chance)
            assembly = Assembly(self.setting, codec.image_shape, counts)
            game = assembly.game(fabric.device, fabric.autocast, schedule.steps_per_epoch)
            before: list[str] = []  # notes of what is trained before the game
            if self._goes_on():
                self._check_classes(classes)
                players = continued(self.players_, game)
                if describe(game.acceptance) != describe(self.acceptance_):
                    players.temperature = game.acceptance.start()
            else:
                material = self._material(X, codes, codec, game, seed)
                players = assembly.players(game, material)
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

    def _schedule(self, counts: NDArray[np.int64], *, own: bool = False) -> Schedule:
        """Settle the length of all of `fit`; of a budget, the game's `own` part alone if so asked."""
        schedule = super()._schedule(counts)
        shared = own and schedule.budget is not None
        budget = schedule.budget / (1 + self.setting("start").share) if shared else schedule.budget
        return replace(schedule, budget=budget, best_every=self.setting("best_every"))

    @torch.no_grad()
    def _draw_block(self, code: int, block: int, seed: int) -> NDArray[Any]:
        rows = np.arange(block * self.block_size, (block + 1) * self.block_size)
        device = next(self.generator_.parameters()).device
        noise = row_noise(seed, code, rows, self.built_["latent_dim"]).to(device)
        images = self.generator_(noise, torch.full((len(rows),), code, device=device))
        if not bool(torch.isfinite(images).all()):
            raise InputError("the model draws no finite images: its weights are damaged, so train and save it anew.")
        return self.codec_.decode(images.float().cpu().numpy())

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
        with repeatable(torch.device("cpu")):
            asked = Assembly(self.setting, self.codec_.image_shape, self.class_counts_).networks()
        own = self.players_.generator.network, self.players_.discriminator.network
        if differing := {kind for kind, _ in _kinds(*own).items() ^ _kinds(*asked).items()}:
            raise InputError(
                f"the settings ask for other networks than the model has learnt with ({min(differing)} differs): set "
                "back what was changed, or learn anew with warm_start=False."
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
        assembly = Assembly(self.setting, self.codec_.image_shape, self.class_counts_)
        check_size(assembly.least_networks, weights, training)
        with repeatable(fabric.device):
            game = assembly.game(fabric.device, fabric.autocast)
            players = assembly.players(game)
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


def _kinds(generator: nn.Module, discriminator: nn.Module) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """Tell shape and type of every tensor of two networks by its name."""
    named: dict[str, Tensor] = joined(
        {"generator": generator.state_dict(), "discriminator": discriminator.state_dict()}
    )
    return {name: (value.shape, value.dtype) for name, value in named.items()}
