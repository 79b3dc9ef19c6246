"""SMOTE: points between near neighbours of one class, pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from imblearn import over_sampling
from numpy.typing import NDArray

from makeweight.methods.duplicates import Resampler
from makeweight.sampler import METHODS

NEIGHBOURS = 5


def smote(strategy: dict[int, int], n_own: int, seed: int) -> Any:
    """Return imbalanced-learn's SMOTE for a class of `n_own` rows; a single row can only be duplicated."""
    if n_own == 1:
        return over_sampling.RandomOverSampler(sampling_strategy=strategy, random_state=seed)
    k_neighbors = min(NEIGHBOURS, n_own - 1)
    return over_sampling.SMOTE(sampling_strategy=strategy, k_neighbors=k_neighbors, random_state=seed)


@METHODS.register("smote")
class SMOTE(Resampler):
    """imbalanced-learn's SMOTE on flattened images.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn. Values of a dict are final totals.
    random_state : int, RandomState or None
        Seed.
    channels : "first" or "last", optional
        Where the channels of a 4-D array are, where its shape leaves that open.

    Notes
    -----
    Five neighbours, or all others where a class has fewer; a class of a single image is duplicated.

    References
    ----------
    Chawla et al., 2002, "SMOTE: Synthetic Minority Over-sampling Technique".
    """

    def _looked_at(self, code: int) -> NDArray[np.int64]:
        """Give the numbers of the class's images, and one of another: imbalanced-learn wants two classes."""
        own = self.codes_ == code
        return np.append(np.flatnonzero(own), np.flatnonzero(~own)[:1])

    def _resampler(self, strategy: dict[int, int], n_own: int, seed: int) -> Any:
        return smote(strategy, n_own, seed)
