"""Borderline-SMOTE: SMOTE that begins at images with many neighbours of other classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from imblearn import over_sampling
from numpy.typing import NDArray

from makeweight.methods.duplicates import Resampler, added
from makeweight.methods.smote import NEIGHBOURS, smote
from makeweight.sampler import METHODS

WATCHED = 10


@METHODS.register("borderline_smote")
class BorderlineSMOTE(Resampler):
    """imbalanced-learn's Borderline-SMOTE (its first kind) on flattened images.

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
    An image is in danger if at least half, but not all, of its ten nearest images are of other classes. A class with no
    image in danger, from which the paper draws nothing, is filled by SMOTE. Fewer neighbours are looked at where there
    are fewer images; a class of a single image is duplicated.

    References
    ----------
    Han et al., 2005, "Borderline-SMOTE: A New Over-Sampling Method in Imbalanced Data Sets Learning", section 3.
    """

    def _resampler(self, strategy: dict[int, int], n_own: int, seed: int) -> Any:
        if n_own == 1:
            return smote(strategy, n_own, seed)
        return over_sampling.BorderlineSMOTE(
            sampling_strategy=strategy,
            k_neighbors=min(NEIGHBOURS, n_own - 1),
            m_neighbors=min(WATCHED, len(self.codes_) - 1),
            random_state=seed,
        )

    def _new_rows(
        self, rows: NDArray[np.float64], codes: NDArray[np.int64], code: int, n_own: int, seed: int
    ) -> NDArray[np.float64]:
        drawn = super()._new_rows(rows, codes, code, n_own, seed)
        return drawn if len(drawn) else added(smote({code: n_own + self.block_size}, n_own, seed), rows, codes)
