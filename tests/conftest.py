import os
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

MakeImages = Callable[..., tuple[NDArray[np.uint8], NDArray[np.str_]]]

torch.set_num_threads(1)
os.environ["CUDA_VISIBLE_DEVICES"] = (
    ""  # bytes and reports of a processor are asserted; benchmarks/gpu_checks.py is for GPUs
)


def _make_images(
    counts: dict[str, int], shape: tuple[int, ...] = (8, 8), seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Noise around a grey level for each class, shuffled."""
    random = np.random.default_rng(seed)
    y = random.permutation(np.repeat(list(counts), list(counts.values())))
    levels = np.linspace(60, 200, len(counts))[np.unique(y, return_inverse=True)[1]]
    X = random.normal(levels.reshape(-1, *[1] * len(shape)), 25, (len(y), *shape))
    return X.clip(0, 255).astype(np.uint8), y


@pytest.fixture(scope="session")
def make_images() -> MakeImages:
    """Give the function that makes labelled images of a shape, from counts by label."""
    return _make_images


@pytest.fixture
def boots() -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Twelve boots, five clogs and three sandals, grey, 8 by 8."""
    return _make_images({"boot": 12, "clog": 5, "sandal": 3})


@pytest.fixture(scope="module", autouse=True)
def _no_workers_left() -> Iterator[None]:
    """End joblib's worker processes, which it keeps for later, with the module that started them."""
    yield
    if "joblib.externals.loky" in sys.modules:
        sys.modules["joblib.externals.loky"].get_reusable_executor().shutdown(wait=True)
