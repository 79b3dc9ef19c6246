"""ADASYN: SMOTE that draws most where neighbours are of other classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from imblearn import over_sampling
from numpy.typing import NDArray

from makeweight.methods.duplicates import Resampler, added
from makeweight.methods.smote import NEIGHBOURS, smote
from makeweight.sampler import METHODS


@METHODS.register("adasyn")
class ADASYN(Resampler):
    """imbalanced-learn's ADASYN on flattened images.

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
    ADASYN rounds the number of each image's offspring, and so misses the number asked for: more are drawn here, and as
    many as are wanted are picked at random. A class whose nearest neighbours are all of its own, on which ADASYN gives
    up, is filled by SMOTE. Fewer neighbours are looked at where a class has fewer images; a class of a single image is
    duplicated.

    References
    ----------
    He et al., 2008, "ADASYN: Adaptive Synthetic Sampling Approach for Imbalanced Learning", section II.
    """

    def _resampler(self, strategy: dict[int, int], n_own: int, seed: int) -> Any:
        if n_own == 1:
            return smote(strategy, n_own, seed)
        k_neighbors = min(NEIGHBOURS, n_own - 1)
        return over_sampling.ADASYN(sampling_strategy=strategy, n_neighbors=k_neighbors, random_state=seed)

    def _new_rows(
        self, rows: NDArray[np.float64], codes: NDArray[np.int64], code: int, n_own: int, seed: int
    ) -> NDArray[np.float64]:
        # Rounding loses at most half a row for each image of the class, so this is always enough.
        wanted = {code: n_own + self.block_size + n_own}
        try:
            drawn = added(self._resampler(wanted, n_own, seed), rows, codes)
        except RuntimeError:  # what imbalanced-learn raises where no neighbour is of another class
            drawn = added(smote(wanted, n_own, seed), rows, codes)
        # ADASYN's come image by image; a block is to be mixed from its first row on.
        return drawn[np.random.default_rng(seed).permutation(len(drawn))[: self.block_size]]
