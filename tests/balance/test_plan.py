from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from makeweight.balance.plan import plan_balance
from makeweight.data.inspect import inspect
from makeweight.estimate import Estimate


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of the images whose training was estimated."""
    shapes: list[tuple[int, ...]] = []

    def estimate(sampler: object, shape: tuple[int, ...], counts: list[int]) -> Estimate:
        shapes.append(shape)
        return Estimate(1, 1.0, 1)

    monkeypatch.setattr("makeweight.estimate.estimate", estimate)
    return shapes


GREY, RGB, RGBA = (8, 9), (8, 9, 3), (8, 9, 4)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        (GREY, np.uint8),
        (RGB, np.uint8),
        (RGBA, np.uint8),
        (GREY, np.uint16),
        (GREY, np.float32),
        (RGB, np.float32),
        (RGBA, np.float64),
    ],
)
def test_arrays_are_planned_as_they_are(
    planned: list[tuple[int, ...]], tmp_path: Path, shape: tuple[int, ...], dtype: type
) -> None:
    np.savez(tmp_path / "a.npz", X=np.ones((6, *shape), dtype), y=[0, 0, 0, 0, 1, 1])
    assert plan_balance(inspect(tmp_path / "a.npz")) is not None
    assert planned == [shape]


@pytest.mark.parametrize(
    ("modes", "shape"),
    [
        ("LL", (9, 8)),
        (("I;16", "I;16"), (9, 8)),
        (("RGB", "RGB"), (9, 8, 3)),
        (("RGBA", "RGBA"), (9, 8, 4)),
        (("L", "RGB"), (9, 8, 3)),
        ("PP", (9, 8, 3)),
    ],
)
def test_files_are_planned_in_the_mode_that_they_would_have(
    planned: list[tuple[int, ...]], tmp_path: Path, modes: tuple[str, str], shape: tuple[int, ...]
) -> None:
    for label, mode in zip(("boot", "clog"), modes, strict=True):
        (tmp_path / label).mkdir()
        Image.new(mode, (8, 9)).save(tmp_path / label / "0.png")
    assert plan_balance(inspect(tmp_path)) is not None
    assert planned == [shape]
