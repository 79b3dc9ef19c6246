from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from makeweight.compare import compare_folder
from makeweight.compare.inputs import Reading, find_images, gather, image_names, open_train, own_test
from makeweight.data.base import ImageSource
from makeweight.data.named import NamedSet, load_named
from makeweight.errors import InputError


def paint(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (9, 8), dtype=np.uint8)).save(path)


def opened(source: str | Path) -> tuple[ImageSource, ImageSource | None]:
    found = find_images(source, Reading())
    return open_train(found, Reading()), own_test(source, found, Reading())


@pytest.fixture
def shoes(tmp_path: Path) -> Path:
    for place, part in enumerate(("train", "test")):
        for number in range(3):
            for label in ("boot", "clog"):
                paint(tmp_path / "shoes" / part / label / f"{number}.png", 10 * place + number)
    return tmp_path / "shoes"


def test_a_folder_s_own_test_part(shoes: Path) -> None:
    train, held = opened(shoes)
    assert held is not None
    assert held.counts == {"boot": 3, "clog": 3}
    assert opened(shoes / "train")[1] is None
    assert image_names(train, held)[0] == "boot/0.png"
    assert image_names(train, held)[-1] == "test/clog/2.png"


def test_own_test_part_of_known_sets_and_archives(tmp_path: Path) -> None:
    _, held = opened("digits")
    assert held is not None
    assert len(held) == 597
    X, y = np.zeros((4, 8, 8), np.uint8), np.array([0, 1, 0, 1])
    np.savez(tmp_path / "both.npz", train_images=X, train_labels=y, test_images=X[:2], test_labels=y[:2])
    np.savez(tmp_path / "one.npz", X=X, y=y)
    _, held = opened(tmp_path / "both.npz")
    assert held is not None
    assert held.labels.tolist() == ["0", "1"]
    assert opened(tmp_path / "one.npz")[1] is None


def test_a_known_set_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def load(name: str, **options: object) -> NamedSet:
        read.append(name)
        return load_named(name, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("makeweight.data.named.load_named", load)
    monkeypatch.setattr("makeweight.compare.job.compare", lambda X, y, X_test, y_test, **options: len(X_test))
    assert compare_folder("digits", out=tmp_path / "out") == 597
    assert read == ["digits"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y": np.array(["a"] * 4)}, "4 images, labels of shape (4,) and 1 class"),
        ({"y": np.array(["a", "b"])}, "4 images, labels of shape (2,)"),
        ({"X_test": np.zeros((2, 8, 9))}, "test images of shape (8, 9), float64, do not fit"),
        ({"X_test": np.zeros((2, 8, 8), np.uint8)}, "test images of shape (8, 8), uint8"),
        ({"y_test": np.array(["a", "c"])}, "classes that training does not: c"),
        ({"y_test": np.array(["a", "a"])}, "no images of b"),
        ({"y_test": np.array(["a"])}, "2 test images and labels of shape (1,)"),
        ({"groups": [1, 2]}, "2 groups for 4 images"),
        ({"y_test": None}, "of the test set, only X_test are given"),
        ({"X_test": None, "y_test": None, "groups_test": [1]}, "of the test set, only groups_test are given"),
        ({"X": np.full((4, 8, 8), np.nan)}, "X holds NaN or infinite values"),
        ({"X_test": np.full((2, 8, 8), np.inf)}, "X_test holds NaN or infinite values"),
        ({"X": np.full((4, 8, 8), "a")}, "X holds <U1 values: give numbers."),
    ],
)
def test_arrays_that_cannot_be_compared(change: dict[str, object], words: str) -> None:
    given: dict[str, object] = {
        "X": np.zeros((4, 8, 8)),
        "y": np.array(["a", "b"] * 2),
        "X_test": np.ones((2, 8, 8)),
        "y_test": np.array(["a", "b"]),
        "groups": None,
    }
    with pytest.raises(InputError) as refusal:
        gather(**{**given, **change})  # type: ignore[arg-type]
    assert words in str(refusal.value)
