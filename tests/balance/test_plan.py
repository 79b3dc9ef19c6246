from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from makeweight.balance.plan import plan_balance
from makeweight.data.inspect import inspect
from makeweight.errors import InputError
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


def test_what_is_timed_is_what_would_be_learnt(planned: list[tuple[int, ...]], tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.ones((6, 8, 9), np.uint8), y=[0, 0, 0, 0, 1, 1])
    found = inspect(tmp_path / "a.npz", resize=32, mode="RGB")
    plan = plan_balance(found, resize=32)
    assert plan is not None
    assert (plan.width, plan.height, plan.resize) == (32, 32, None)
    assert planned == [(32, 32, 3)]
    with pytest.raises(InputError, match="^a: images of 4×4 pixels are outside the 8 to 128 pixels a side"):
        plan_balance(found, resize=4)
    assert plan_balance(found, "smote", resize=4) is not None


def test_what_is_not_to_be_timed_is_not(planned: list[tuple[int, ...]], tmp_path: Path) -> None:
    for label in ("boot", "boot", "clog"):
        (tmp_path / label).mkdir(exist_ok=True)
        Image.new("L", (8, 9)).save(tmp_path / label / f"{len(list((tmp_path / label).iterdir()))}.png")
    plan = plan_balance(inspect(tmp_path), timed=False)
    assert plan is not None
    assert (plan.to_draw, plan.n_steps, plan.seconds, plan.bytes) == ({"clog": 1}, None, None, None)
    (tmp_path / "clog" / "empty.png").touch()
    unmended = plan_balance(inspect(tmp_path))
    assert unmended == plan
    assert planned == []
    assert plan_balance(inspect(tmp_path, skip_bad=True)) is not None
    assert planned == [(9, 8)]
