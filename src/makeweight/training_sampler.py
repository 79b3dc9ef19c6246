"""What samplers that train share: the length of a training, its batches and checkpoints, and going on from a model."""

from __future__ import annotations

import copy
import hashlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save
from torch import Tensor, nn

import makeweight
from makeweight.checkpoints import Checkpoints, fingerprint, kin_of
from makeweight.component import Component, Nested, describe
from makeweight.data.arrays import ImageCodec
from makeweight.data.batches import Batches, read_batches
from makeweight.data.lazy import LazyImages
from makeweight.data.wording import counted
from makeweight.errors import InputError
from makeweight.ranges import LARGEST, ROUND, SWITCH, check_ranges, or_none, up_to
from makeweight.sampler import ImageSampler
from makeweight.saving import Arrays
from makeweight.schedule import Schedule, steps_of_epoch
from makeweight.stabilisers import batches_of
from makeweight.team import team

FEWEST_STEPS = 500  # after 200 networks have hardly begun: docs/results.md
MOST_TIMES = 8  # by which the range of images to go on with may differ from that of the first ones
LENGTHS = {"n_steps": or_none(ROUND), "n_epochs": or_none(ROUND), "budget": or_none(up_to(LARGEST))}


class TrainingSampler(Nested, ImageSampler):
    """A sampler that trains networks, step by step, on batches of real images.

    Its constructor takes the parameters that are named here; what they mean, the methods say.
    """

    learns: ClassVar[bool] = True
    shaping: ClassVar[tuple[str, ...]]  # settings that networks and optimisers are built with
    block_size: ClassVar[int] = 64
    built_: dict[str, Any]
    generator_: nn.Module
    n_steps: int | None
    n_epochs: int | None
    budget: float | None
    warm_start: bool
    checkpoints: str | Path | None
    callback: Callable[[Any], None] | None

    def __sklearn_clone__(self) -> Self:
        """Copy the parameters; who is told stays the same, since a copy would hear what nobody reads."""
        silent = copy.copy(self)
        silent.callback = None
        cloned: Self = super(TrainingSampler, silent).__sklearn_clone__()
        return cloned.set_params(callback=self.callback)

    def _part(self, name: str) -> Any:
        return self.setting(name)

    def _note_built(self) -> None:
        """Remember the settings that networks and optimisers were built with."""
        self.built_ = {name: self._shape(name) for name in self.shaping}

    def _check_built(self) -> None:
        """Refuse to go on with settings that would need other networks or optimisers."""
        for name, was in self.built_.items():
            if self._shape(name) != was:
                raise InputError(
                    f"{name} is not what the model has learnt with, and it is built for that: set it back, or learn "
                    "anew with warm_start=False."
                )

    def _shape(self, name: str) -> Any:
        """Describe a setting; of a part other than networks, without the numbers that change no network."""
        value = self.setting(name)
        told = describe(value)
        if isinstance(value, Component) and name != "networks":
            told = {key: each for key, each in told.items() if key not in value.ranges}
        return told

    @property
    def _heard(self) -> Callable[[Any], None] | None:
        """What hears reports: of several processes the first one's alone."""
        return self.callback if team().rank == 0 else None

    def _check_run(self) -> None:
        """Refuse what says impossibly how to run, and what several processes cannot train together."""
        check_ranges({"warm_start": SWITCH}, {"warm_start": self.warm_start})
        if self.callback is not None and not callable(self.callback):
            raise InputError(f"callback={self.callback!r} cannot be called: give a function of one report, or none.")
        size, batch_size = team().size, self.setting("batch_size")
        if size > 1 and not self._is_seeded():
            raise InputError("several processes train one model with equal seeds: give random_state a whole number.")
        if batch_size % size:
            raise InputError(
                f"batch_size={batch_size} cannot be shared by {size} processes: give a multiple of {size}."
            )

    def _is_seeded(self) -> bool:
        return isinstance(self.random_state, (int, np.integer))

    def _schedule(self, counts: NDArray[np.int64]) -> Schedule:
        """Settle the length of `fit` for so many images of each class."""
        check_ranges(LENGTHS, {name: getattr(self, name) for name in LENGTHS})
        given = [f"{name}={getattr(self, name)}" for name in LENGTHS if getattr(self, name) is not None]
        if len(given) > 1:
            raise InputError(f"{' and '.join(given)} say how long to train: give one of them.")
        steps_per_epoch = self._steps_per_epoch(counts)
        return Schedule(
            n_steps=self._n_steps(steps_per_epoch),
            budget=None if self.budget is None else float(self.budget),
            steps_per_epoch=steps_per_epoch,
            learning_rate=self.setting("learning_rate"),
            decay=self.setting("learning_rate_decay"),
            best_every=0,
        )

    def _n_steps(self, steps_per_epoch: int) -> int | None:
        if self.n_epochs is not None:
            return int(self.n_epochs) * steps_per_epoch
        n_steps = self.setting("n_steps")
        return None if n_steps is None else int(n_steps)

    def _steps_per_epoch(self, counts: NDArray[np.int64]) -> int:
        return steps_of_epoch(counts, self._images_a_step(), balanced=self.setting("balanced_batches"))

    def _images_a_step(self) -> int:
        """Return how many real images a step takes, in all processes together."""
        size: int = self.setting("batch_size")
        return size

    def _batches(
        self,
        X: NDArray[Any] | LazyImages,
        codes: NDArray[np.int64],
        codec: ImageCodec,
        device: torch.device,
        seed: int,
        n_taken: int = 0,
    ) -> Batches:
        """Give this process's part of the real images and codes of each step, without the first `n_taken`."""
        random, together = np.random.default_rng(seed), team()
        indices = batches_of(codes, random, self._images_a_step(), balanced=self.setting("balanced_batches"))
        own = (index[together.rank :: together.size] for index in itertools.islice(indices, n_taken, None))
        return read_batches(X, codes, own, codec, device)

    def _checkpoints(
        self, X: NDArray[Any] | LazyImages, codes: NDArray[np.int64], seed: int, part: str = ""
    ) -> Checkpoints | None:
        """Give the checkpoints of this very training, or of a part of it; None where none are to be kept."""
        if self.checkpoints is None:
            return None
        if not isinstance(self.checkpoints, (str, os.PathLike)):
            raise InputError(f"checkpoints={self.checkpoints!r} is impossible: it must be a folder, or None.")
        if not self._is_seeded():
            raise InputError("a training that can go on needs an equal seed: give random_state a whole number.")
        start = self.model_hash_ if self._goes_on() else "fresh"
        identity = {"settings": self.settings, "seed": seed, "start": start, "data": fingerprint(X, codes)}
        version = kin_of(makeweight.__version__)
        return Checkpoints(Path(self.checkpoints) / part, {**identity, "processes": team().size, "version": version})

    def _goes_on(self) -> bool:
        """Tell whether `fit` goes on from what was learnt or loaded before."""
        return self.warm_start and hasattr(self, "codec_")

    def _seed_of_training(self, seed: int) -> int:
        """Seed batches and noise: by what was learnt, too, where `fit` goes on, so that it sees others than before."""
        if not self._goes_on():
            return seed
        return int.from_bytes(hashlib.sha256(str(seed).encode() + save(self._weights())).digest()[:4]) >> 1

    def _check_classes(self, classes: NDArray[Any]) -> None:
        if not np.array_equal(np.asarray(classes, str), np.asarray(self.classes_, str)):
            raise InputError(
                f"the model to go on from knows the classes {', '.join(map(str, self.classes_[:20]))}, and these are "
                f"{', '.join(map(str, classes[:20]))}: both must be the same."
            )

    def _codec_for(self, X: NDArray[Any]) -> ImageCodec:
        codec = super()._codec_for(X)
        if not self._goes_on():
            return codec
        if (codec.layout, codec.shape, codec.dtype) != (self.codec_.layout, self.codec_.shape, self.codec_.dtype):
            raise InputError(
                f"the model to go on from knows images of shape {self.codec_.shape}, {self.codec_.dtype}, and these "
                f"are {codec.shape}, {codec.dtype}: both must be the same."
            )
        (low, high), (own_low, own_high) = self.codec_.reach, codec.reach
        if 0 < MOST_TIMES * min(high - low, own_high - own_low) < max(high - low, own_high - own_low):
            raise InputError(
                f"the model to go on from knows values from {low:g} to {high:g}, and these are from {own_low:g} to "
                f"{own_high:g}: scale them alike."
            )
        return self.codec_


def shortness(sampler: ImageSampler) -> str | None:
    """Say that a training was too short to expect much of; None where it was not, went on from another or is none."""
    n_steps = getattr(sampler, "n_steps_", FEWEST_STEPS)
    if not isinstance(sampler, TrainingSampler) or sampler.warm_start or n_steps >= FEWEST_STEPS:
        return None
    usual = type(sampler)().setting("n_steps")
    return (
        f"{type(sampler).__name__} learnt for {counted(n_steps, 'step')}, and takes {usual:,} unless told otherwise: "
        "what it draws may be little more than noise"
    )


@contextmanager
def fitting_the_card() -> Iterator[None]:
    """Turn what weights of other names or shapes raise into a sentence.

    Raises
    ------
    InputError
        In place of a RuntimeError, ValueError or KeyError.
    """
    try:
        yield
    except (RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"the model's weights do not fit its card ({reason}): save it anew.") from None


def to_arrays(tensors: Mapping[str, Tensor]) -> Arrays:
    """Copy tensors to the processor's memory, as arrays."""
    return {name: value.detach().cpu().contiguous().numpy() for name, value in tensors.items()}


def to_tensors(arrays: Arrays) -> dict[str, Tensor]:
    """Give arrays as tensors of the same memory."""
    return {name: torch.from_numpy(value) for name, value in arrays.items()}
