"""Duplicates: random over-sampling, the least that any method has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np
from imblearn.over_sampling import RandomOverSampler
from numpy.typing import NDArray

from makeweight.data.arrays import Channels, ImageCodec
from makeweight.errors import InputError
from makeweight.sampler import METHODS, ImageSampler, Strategy
from makeweight.saving import Arrays


class Resampler(ImageSampler):
    """A method of imbalanced-learn on flattened images; the model it saves is the training images themselves."""

    def __init__(
        self, *, sampling_strategy: Strategy = "auto", random_state: Any = None, channels: Channels | None = None
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.random_state = random_state
        self.channels = channels

    def _resampler(self, strategy: dict[int, int], n_own: int, seed: int) -> Any:
        """Return imbalanced-learn's sampler for a class of `n_own` images."""
        raise TypeError(f"{type(self).__name__} must name its sampler")

    def _learn(
        self, X: NDArray[Any], codes: NDArray[np.int64], codec: ImageCodec, classes: NDArray[Any], seed: int
    ) -> None:
        self.images_, self.codes_ = X.copy(), codes

    def _draw_block(self, code: int, block: int, seed: int) -> NDArray[Any]:
        n_own = int(np.count_nonzero(self.codes_ == code))
        # imbalanced-learn subtracts in the dtype that it is given, and unsigned integers would wrap around.
        rows = self.images_.reshape(len(self.images_), -1).astype(np.float64)
        block_seed = int(np.random.SeedSequence((seed, code, block)).generate_state(1)[0])
        sampler = self._resampler({code: n_own + self.block_size}, n_own, block_seed)
        filled, _ = sampler.fit_resample(rows, self.codes_)
        drawn = filled[len(rows) :]
        whole = np.dtype(self.codec_.dtype).kind in "bui"
        images: NDArray[Any] = (drawn.round() if whole else drawn).astype(self.codec_.dtype)
        return images.reshape(-1, *self.codec_.shape)

    def _weights(self) -> Arrays:
        return {"images": np.ascontiguousarray(self.images_), "codes": self.codes_}

    def _restore(self, weights: Arrays, training: Arrays, numbers: dict[str, Any]) -> None:
        self.images_, self.codes_ = weights["images"], weights["codes"]
        if self.images_.shape != (len(self.codes_), *self.codec_.shape):
            raise InputError(
                f"images of shape {self.images_.shape} do not belong to {len(self.codes_)} codes: save the model anew."
            )


@METHODS.register("duplicates")
class Duplicates(Resampler):
    """Real images once more, chosen at random.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn. Values of a dict are final totals.
    random_state : int, RandomState or None
        Seed.
    channels : {"first", "last"}, optional
        Where the channels of a 4-D array are, where its shape leaves that open.
    """

    def _resampler(self, strategy: dict[int, int], n_own: int, seed: int) -> Any:
        return RandomOverSampler(sampling_strategy=strategy, random_state=seed)
