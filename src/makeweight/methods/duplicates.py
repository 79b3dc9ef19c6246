"""Duplicates: random over-sampling, the least that any method has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from makeweight.data.arrays import Channels, ImageCodec
from makeweight.errors import InputError
from makeweight.sampler import METHODS, ImageSampler, Strategy
from makeweight.saving import Arrays, check_codes


def added(sampler: Any, rows: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the rows that a sampler of imbalanced-learn adds."""
    filled: NDArray[np.float64] = sampler.fit_resample(rows, codes)[0]
    return filled[len(rows) :]


def block_seed(seed: int, code: int, block: int) -> int:
    """Seed of a block's own, from the seed of the drawing, the class code and the block's number."""
    return int(np.random.SeedSequence((seed, code, block)).generate_state(1)[0])


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

    def _new_rows(
        self, rows: NDArray[np.float64], codes: NDArray[np.int64], code: int, n_own: int, seed: int
    ) -> NDArray[np.float64]:
        """Draw `block_size` rows of a class that has `n_own` of the `rows`."""
        return added(self._resampler({code: n_own + self.block_size}, n_own, seed), rows, codes)

    def _looked_at(self, code: int) -> NDArray[np.int64]:
        """Give the numbers of the images that decide what is drawn of a class: of all, where neighbours count."""
        return np.arange(len(self.codes_))

    def _draw_block(self, code: int, block: int, seed: int) -> NDArray[Any]:
        chosen = self._looked_at(code)
        codes, n_own = self.codes_[chosen], int(np.count_nonzero(self.codes_ == code))
        # imbalanced-learn subtracts in the dtype that it is given, and unsigned integers would wrap around.
        rows = self.images_[chosen].reshape(len(chosen), -1).astype(np.float64)
        drawn = self._new_rows(rows, codes, code, n_own, block_seed(seed, code, block))
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
        check_codes(self.codes_, len(self.classes_))
        if self.images_.dtype != np.dtype(self.codec_.dtype).newbyteorder("="):  # files keep no byte order
            raise ValueError(f"images of {self.images_.dtype} in the place of {self.codec_.dtype}")


@METHODS.register("duplicates")
class Duplicates(Resampler):
    """Real images once more, chosen at random.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn. Values of a dict are final totals.
    random_state : int, RandomState or None
        Seed.
    channels : "first" or "last", optional
        Where the channels of a 4-D array are, where its shape leaves that open.
    """

    def _draw_block(self, code: int, block: int, seed: int) -> NDArray[Any]:
        members = np.flatnonzero(self.codes_ == code)
        random = check_random_state(block_seed(seed, code, block))
        drawn: NDArray[Any] = self.images_[members[random.randint(len(members), size=self.block_size)]]
        return drawn
