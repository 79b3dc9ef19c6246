"""Leak test: drawn images must not lie nearer to the test set than chance has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makeweight.data.arrays import ImageCodec
from makeweight.quality.alignment import ImageBank
from makeweight.quality.copies import Copy, CopyFinder

N_PERMUTATIONS = 999
SIGNIFICANT = 0.01


@dataclass(frozen=True)
class LeakReport:
    """What the leak test found.

    Attributes
    ----------
    n_test : int
        Number of test images.
    shared : tuple of Copy
        Test images that copy a training image: the split leaks.
    copies : tuple of Copy
        Drawn images that copy a test image.
    nearer_to_test : float or None
        Of equally many training and test images of the class, the share of drawn images whose nearest one is a test
        image. None where no class has both.
    p_value : float or None
        Probability of such a share or a larger one, were training and test images exchanged at random.
    split_leaks : bool
        Whether `shared` is more than chance explains; see `CopyFinder.alarming`.
    copied : bool
        Whether `copies` is.
    too_near : bool
        Whether `p_value` is below 0.01.
    """

    n_test: int
    shared: tuple[Copy, ...]
    copies: tuple[Copy, ...]
    nearer_to_test: float | None
    p_value: float | None
    split_leaks: bool
    copied: bool
    too_near: bool

    @property
    def sentence(self) -> str | None:
        """Say how often the nearest image is a test image; None where that is not known."""
        if self.nearer_to_test is None:
            return None
        return (
            f"Of equally many training and test images, the nearest one is a test image for {self.nearer_to_test:.0%} "
            f"of the drawn images (p = {self.p_value:.2g} for as many by chance)"
        )


def leak_test(
    X: NDArray[Any],
    codes: NDArray[np.int64],
    X_drawn: NDArray[Any],
    drawn_codes: NDArray[np.int64],
    X_test: NDArray[Any],
    test_codes: NDArray[np.int64],
    *,
    codec: ImageCodec,
    finder: CopyFinder,
    random: np.random.Generator,
) -> LeakReport:
    """Look for test images in the training part, for copies of them among drawn ones, and for drawn ones too near.

    Parameters
    ----------
    X, X_drawn, X_test : arrays of shape (n, ...)
        Real training images, drawn images and test images in the codec's layout.
    codes, drawn_codes, test_codes : arrays of int of shape (n,)
        Their classes; -1 for test images of a class that the training part lacks.
    codec : ImageCodec
        The way from arrays to images.
    finder : CopyFinder
        That of the training images.
    random : numpy Generator
        Chooses images where one part has more, and permutes.

    Returns
    -------
    LeakReport
    """
    shared = finder.find(X_test).copies
    of_test = CopyFinder(X_test, codec)
    copies = of_test.find(X_drawn).copies
    pools = _pools(codes, test_codes, np.unique(drawn_codes), random)
    hits = []
    for code, (train, test) in pools.items():
        bank = ImageBank(codec.encode(np.concatenate([X[train], X_test[test]])))
        hits.append((bank.nearest(codec.encode(X_drawn[drawn_codes == code]), 1).indices[:, 0], len(train)))
    share, p_value = permutation_test(hits, random)
    alarms = (
        finder.alarming(shared, len(X_test)),
        of_test.alarming(copies, len(X_drawn)),
        p_value is not None and p_value < SIGNIFICANT,
    )
    return LeakReport(len(X_test), shared, copies, share, p_value, *alarms)


def permutation_test(
    hits: list[tuple[NDArray[np.int64], int]], random: np.random.Generator, n_permutations: int = N_PERMUTATIONS
) -> tuple[float | None, float | None]:
    """Test whether drawn images have their nearest real image among the test images more often than chance has it.

    Which real images drawn images lie near stays as it is; which of them are called test images is permuted within
    each class. So drawn images need not be independent of each other.

    Parameters
    ----------
    hits : list of (array of int, int)
        For each class the nearest image of each drawn one, counted through the m training images and then the m test
        images, and m.
    random : numpy Generator
        Source of the permutations.
    n_permutations : int, default=999
        How many.

    Returns
    -------
    share : float or None
        Share of drawn images whose nearest one is a test image; None without drawn images.
    p_value : float or None
        One-sided, never 0.
    """
    n_drawn = sum(len(nearest) for nearest, _ in hits)
    if not n_drawn:
        return None, None
    observed = sum(int((nearest >= n_each).sum()) for nearest, n_each in hits)
    chance = np.zeros(n_permutations)
    for nearest, n_each in hits:
        weights = np.bincount(nearest, minlength=2 * n_each)
        order = random.permuted(np.tile(np.arange(2 * n_each) >= n_each, (n_permutations, 1)), axis=1)
        chance += order @ weights
    return observed / n_drawn, float((1 + (chance >= observed).sum()) / (1 + n_permutations))


def _pools(
    codes: NDArray[np.int64], test_codes: NDArray[np.int64], drawn: NDArray[np.int64], random: np.random.Generator
) -> dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Choose equally many training and test images of each class that has both."""
    pools = {}
    for code in drawn.tolist():
        train, test = np.flatnonzero(codes == code), np.flatnonzero(test_codes == code)
        size = min(len(train), len(test))
        if size:
            pools[code] = (random.permutation(train)[:size], random.permutation(test)[:size])
    return pools
