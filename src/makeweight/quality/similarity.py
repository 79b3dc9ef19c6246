"""Likeness of images of one class to each other, and the warning where drawn ones are all alike."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from numpy.typing import NDArray

from makeweight.quality.figures import LEVEL, Figure, block_sizes, refused

LARGEST_WINDOW = 7
MOST_PAIRS = 500
N_RESAMPLES = 1000
COLLAPSED = 0.5
BATCH = 256


def ssim(one: NDArray[np.float32], two: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the structural similarity of images pair by pair.

    Parameters
    ----------
    one, two : arrays of shape (n, c, h, w)
        Images in [-1, 1].

    Returns
    -------
    array of shape (n,)
        1 for equal images. The window is uniform, of 7 × 7 pixels, or the largest odd number that fits.

    References
    ----------
    Wang et al., 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity", eq. 13.
    """
    # Importing torchmetrics takes a second, which those who do not need it are spared.
    from torchmetrics.functional.image import structural_similarity_index_measure

    side = min(*one.shape[2:], LARGEST_WINDOW)
    window = side - 1 + side % 2
    answers = [np.empty(0)]
    for start in range(0, len(one), BATCH):
        here, there = (torch.from_numpy(part[start : start + BATCH]).double() for part in (one, two))
        answer = structural_similarity_index_measure(
            here, there, data_range=2.0, gaussian_kernel=False, kernel_size=window, reduction="none"
        )
        answers.append(np.atleast_1d(np.asarray(answer, np.float64)))
    return np.concatenate(answers)


def pair_similarity(images: NDArray[np.float32], random: np.random.Generator) -> Figure:
    """Mean SSIM of random pairs of images, without reference.

    Parameters
    ----------
    images : array of shape (n, c, h, w)
        Images of one class in [-1, 1]; flat rows and fewer than two images are refused.
    random : numpy Generator
        Chooses 500 pairs where there are more, and the resamples of the images for the bootstrap interval.

    Returns
    -------
    Figure
    """
    if images.shape[2:] == (1, 1):
        return refused("flat rows have no structure to compare")
    n_images = len(images)
    if n_images < 2:
        return refused(f"{n_images} image makes no pair" if n_images else "there are no images")
    one, two = _pairs(n_images, random)
    similarities = ssim(images[one], images[two])
    value = float(similarities.mean())
    even = np.full(n_images, 1 / n_images)
    blocks = (random.multinomial(n_images, even, size) for size in block_sizes(N_RESAMPLES, n_images))
    weights = np.concatenate([counts[:, one] * counts[:, two] for counts in blocks])
    totals = weights.sum(axis=1)
    means = (weights[totals > 0] @ similarities) / totals[totals > 0]
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(means) else (value, value)
    return Figure(value, float(low), float(high))


def has_collapsed(drawn: float | None, real: float | None) -> bool:
    """Tell whether drawn images are far more alike than real ones.

    Parameters
    ----------
    drawn, real : float or None
        Mean SSIM of pairs of drawn and of real images.

    Returns
    -------
    bool
        Whether the diversity of the drawn images, one minus their SSIM, is less than half of that of the real ones;
        False where either is unknown.

    Examples
    --------
    >>> has_collapsed(0.9, 0.4), has_collapsed(0.5, 0.4)
    (True, False)
    """
    return drawn is not None and real is not None and 1 - drawn < COLLAPSED * (1 - real)


def _pairs(n_images: int, random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of different images, or 500 of them at random."""
    if n_images * (n_images - 1) // 2 <= MOST_PAIRS:
        one, two = np.array(list(itertools.combinations(range(n_images), 2))).T
        return one, two
    one = random.integers(n_images, size=MOST_PAIRS)
    return one, (one + random.integers(1, n_images, size=MOST_PAIRS)) % n_images
