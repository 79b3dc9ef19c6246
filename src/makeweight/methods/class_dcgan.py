"""A DCGAN for each class: plain GANs that know nothing of one another, and share one length of training."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import nn

from makeweight.checkpoints import joined, part_of
from makeweight.class_head import ClassHead
from makeweight.data.arrays import ImageCodec
from makeweight.data.wording import counted
from makeweight.errors import InputError, NoClassOutputError
from makeweight.evolution import Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.methods.duplicates import block_seed
from makeweight.networks import DCGAN
from makeweight.progress import Report, StepReport
from makeweight.recipe import WITHOUT_TRICKS, Recipe
from makeweight.recipe_sampler import RecipeSampler
from makeweight.sampler import METHODS
from makeweight.saving import Arrays
from makeweight.schedule import Schedule


class OneClass(GANSampler):
    """A GAN of a single class; `ClassDCGAN` has one for each."""

    recipe: ClassVar[Recipe] = Recipe(
        head="none", evolution=Evolution(mutations=("non_saturating",)), balanced_batches=False
    )


@METHODS.register("class_dcgan")
class ClassDCGAN(RecipeSampler):
    """A GAN for each class, which learns from the images of that class alone.

    Methods that learn from all classes at once are measured against it. The classes share the length of training in
    equal parts: of 9,000 steps and ten classes, each GAN takes 900. Where steps are left over, the first classes take
    one more each. Classes of a few images are learnt from duplicates, changed at random by `augmentation`. There is no
    class output, and so no `classifier_`.

    Parameters are those of `RecipeSampler`.

    Attributes
    ----------
    samplers_ : list of GANSampler
        One for each class, in the order of `classes_`.
    history_ : list of dict
        Losses through the trainings, one after the other.
    n_steps_ : int
        Steps that the last fit took, of all classes together.
    training_notes_ : list of str
        What happened in the last fit that a person should read, each after its class.

    Notes
    -----
    Departures from DCGAN: this library's networks, whose discriminator has no batch norm; augmentation, step sizes and
    the moving average of the generator are this library's, too. ``ClassDCGAN.from_paper()`` takes the paper's numbers,
    and batch norm.

    An epoch is one pass over all images, whose steps the classes share evenly.

    The largest class is learnt, too, so that images of every class can be drawn. The images of a class are in memory
    while it is learnt.

    References
    ----------
    Radford et al., 2016, "Unsupervised Representation Learning with Deep Convolutional GANs", sections 3 and 4; Mariani
    et al., 2018, "BAGAN: Data Augmentation with Balancing GAN", section 5, for one a class as a rival.
    """

    learns_apart = True
    recipe: ClassVar[Recipe] = OneClass.recipe
    samplers_: list[OneClass]

    @property
    def classifier_(self) -> ClassHead:
        """Refuse: a GAN of a single class tells no classes apart."""
        raise NoClassOutputError(
            f"{self.name} has no class output to classify with: choose a method that learns all classes."
        )

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of the DCGAN paper as far as this library has them."""
        return cls(
            networks=DCGAN(batch_norm=True),
            batch_size=128,
            latent_dim=100,
            learning_rate=2e-4,
            betas=(0.5, 0.999),
            **WITHOUT_TRICKS,
        )

    def _check_settings(self) -> None:
        super()._check_settings()
        head = self.setting("head")
        if head.conditions:
            raise InputError(
                f"{self.name} learns each class by itself, and head={head.name!r} is for several: leave head='none'."
            )

    def _learn(
        self, X: NDArray[Any], codes: NDArray[np.int64], codec: ImageCodec, classes: NDArray[Any], seed: int
    ) -> None:
        self._check_settings()
        if self._goes_on():
            self._check_classes(classes)
        counts = np.bincount(codes)
        lengths = self._lengths(counts)
        samplers: list[OneClass] = []
        history: list[dict[str, Any]] = []
        notes: list[str] = []
        for code, label in enumerate(classes.tolist()):
            own, label_alone = np.flatnonzero(codes == code), np.array([label])
            sampler = self._one(code, lengths[code], self._told_of(history, lengths[code:]))
            own_seed = block_seed(seed, code, 0) >> 1
            sampler._learn(np.asarray(X[own]), np.zeros(len(own), np.int64), codec, label_alone, own_seed)
            sampler._learnt(codec, label_alone, counts[code : code + 1], own_seed)
            history += _moved_on(sampler.history_, history)
            notes += [f"{label}: {note}" for note in sampler.training_notes_]
            samplers.append(sampler)
        self._hold(samplers)
        self.history_, self.training_notes_ = history, notes

    def _hold(self, samplers: list[OneClass]) -> None:
        self.samplers_ = samplers
        self.n_steps_ = sum(sampler.n_steps_ for sampler in samplers)
        self.generator_ = nn.ModuleList(sampler.generator_ for sampler in samplers)

    def _schedule(self, counts: NDArray[np.int64]) -> Schedule:
        schedule = super()._schedule(counts)
        if schedule.n_steps is not None and schedule.n_steps < len(counts):
            raise InputError(
                f"{self.name} learns each class by itself, and {counted(schedule.n_steps, 'step')} in all would leave "
                f"some of {len(counts)} classes without any: train for at least {len(counts)}."
            )
        return schedule

    def _lengths(self, counts: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Share the length of training: the settings of each class's."""
        schedule, k = self._schedule(counts), len(counts)
        if schedule.n_steps is None:
            return [{"n_steps": None, "n_epochs": None, "budget": schedule.budget and schedule.budget / k}] * k
        each, left_over = divmod(schedule.n_steps, k)
        return [{"n_steps": each + (code < left_over), "n_epochs": None, "budget": None} for code in range(k)]

    def _one(self, code: int, length: dict[str, Any], callback: Callable[[Any], None] | None) -> OneClass:
        """Make the GAN of a class, or let a copy of the one that there is go on, which leaves that one as it was."""
        settings = self.get_params(deep=False) | length | {"callback": callback}
        settings["checkpoints"] = None if self.checkpoints is None else Path(self.checkpoints) / str(code)
        sampler = copy.copy(self.samplers_[code]) if self._goes_on() else OneClass()
        if self._goes_on():
            self._introduce(sampler, code)
        sampler.set_params(**settings)
        return sampler

    def _introduce(self, sampler: OneClass, code: int) -> None:
        """Tell the GAN of a class what the whole model knows of its images."""
        label_alone, counts = np.array(self.classes_[code : code + 1].tolist()), self.class_counts_[code : code + 1]
        sampler._learnt(self.codec_, label_alone, counts, self.seed_)

    def _told_of(self, history: list[dict[str, Any]], lengths: list[dict[str, Any]]) -> Callable[[Report], None] | None:
        """Let the callback hear of one training, of as many steps as all classes take; `lengths` are those to come."""
        callback = self.callback
        if callback is None:
            return None
        steps, seconds = (history[-1]["step"], history[-1]["seconds"]) if history else (0, 0.0)

        def tell(report: Report) -> None:
            if not isinstance(report, StepReport):  # of an autoencoder, which each class has by itself
                callback(report)
                return
            later = sum(report.n_steps if each["n_steps"] is None else each["n_steps"] for each in lengths[1:])
            callback(
                replace(
                    report,
                    step=steps + report.step,
                    n_steps=steps + report.n_steps + later,
                    seconds=seconds + report.seconds,
                    seconds_left=report.seconds_left + later / report.steps_per_second,
                )
            )

        return tell

    def _draw_block(self, code: int, block: int, seed: int) -> NDArray[Any]:
        return self.samplers_[code]._draw_block(0, block, seed)

    def _weights(self) -> Arrays:
        return joined({str(code): sampler._weights() for code, sampler in enumerate(self.samplers_)})

    def _training(self) -> tuple[Arrays, dict[str, Any]]:
        parts = [sampler._training() for sampler in self.samplers_]
        numbers = [{**own, "history": [], "notes": []} for _, own in parts]
        together = {"history": self.history_, "notes": self.training_notes_, "classes": numbers}
        return joined({str(code): arrays for code, (arrays, _) in enumerate(parts)}), together

    def _restore(self, weights: Arrays, training: Arrays, numbers: dict[str, Any]) -> None:
        samplers = []
        for code, own in zip(range(len(self.classes_)), numbers["classes"], strict=True):
            sampler = OneClass().set_params(**self.get_params(deep=False))
            self._introduce(sampler, code)
            sampler._restore(part_of(weights, f"{code}."), part_of(training, f"{code}."), own)
            samplers.append(sampler)
        self._hold(samplers)
        self.history_ = numbers["history"]
        self.training_notes_ = [str(note) for note in numbers.get("notes", [])]


def _moved_on(history: list[dict[str, Any]], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count the steps and seconds of one training from where the ones before ended."""
    steps, seconds = (before[-1]["step"], before[-1]["seconds"]) if before else (0, 0.0)
    return [{**each, "step": steps + each["step"], "seconds": seconds + each["seconds"]} for each in history]
