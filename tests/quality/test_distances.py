import warnings

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import nn

from makeweight import InputError
from makeweight.quality import frechet_distance, kernel_distance

RANDOM = np.random.default_rng(0)
ONE = RANDOM.normal(0, 1, (40, 6)) @ RANDOM.normal(0, 1, (6, 6))
TWO = RANDOM.normal(0.3, 2, (40, 6))


class Features(nn.Module):
    """Takes features for images."""

    num_features = 6

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def test_frechet_by_the_textbook() -> None:
    covariances = np.cov(ONE.T), np.cov(TWO.T)
    root = np.real(sqrtm(covariances[0] @ covariances[1]))
    shift = ONE.mean(axis=0) - TWO.mean(axis=0)
    expected = shift @ shift + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(ONE, TWO) == pytest.approx(expected, rel=1e-9)


def test_frechet_of_normal_distributions_in_one_dimension() -> None:
    """Means 0 and 10, variances 1 and 9: 10² + (1 - 3)²."""
    one, two = np.array([[-1.0], [0.0], [1.0]]), np.array([[7.0], [10.0], [13.0]])
    assert frechet_distance(one, two) == pytest.approx(104)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-12)


def test_frechet_with_fewer_images_than_dimensions() -> None:
    """Covariances without full rank: the root by eigenvalues of the symmetric product is the reference."""
    one, two = ONE[:3], TWO[:4]
    values, vectors = np.linalg.eigh(np.cov(one.T))
    root = vectors @ np.diag(np.sqrt(values.clip(0))) @ vectors.T
    overlap = np.sqrt(np.linalg.eigvalsh(root @ np.cov(two.T) @ root).clip(0)).sum()
    shift = one.mean(axis=0) - two.mean(axis=0)
    expected = shift @ shift + np.trace(np.cov(one.T)) + np.trace(np.cov(two.T)) - 2 * overlap
    assert frechet_distance(one, two) == pytest.approx(expected, rel=1e-6)


def test_both_agree_with_torchmetrics() -> None:
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metrics = (
            FrechetInceptionDistance(Features()),
            KernelInceptionDistance(Features(), subsets=1, subset_size=len(ONE)),
        )
    for metric in metrics:
        metric.update(torch.from_numpy(ONE), real=True)
        metric.update(torch.from_numpy(TWO), real=False)
    assert frechet_distance(ONE, TWO) == pytest.approx(float(metrics[0].compute()), rel=1e-6)
    assert kernel_distance(ONE, TWO) == pytest.approx(float(metrics[1].compute()[0]), rel=1e-6)


def test_kernel_by_naive_loops() -> None:
    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 6 + 1) ** 3)

    one, two = ONE[:5], TWO[:7]
    within = [np.mean([kernel(x, y) for i, x in enumerate(s) for j, y in enumerate(s) if i != j]) for s in (one, two)]
    between = np.mean([kernel(x, y) for x in one for y in two])
    assert kernel_distance(one, two) == pytest.approx(sum(within) - 2 * between)


def test_kernel_of_one_distribution_is_about_zero() -> None:
    random = np.random.default_rng(1)
    values = [kernel_distance(random.normal(size=(50, 4)), random.normal(size=(50, 4))) for _ in range(40)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(40)
    assert min(values) < 0 < max(values)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
@pytest.mark.parametrize("other", [np.zeros((1, 2)), np.zeros((3, 3)), np.zeros(3)])
def test_sets_that_cannot_be_compared(distance: object, other: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"^features of shapes \(4, 2\) and"):
        distance(np.zeros((4, 2)), other)  # type: ignore[operator]
