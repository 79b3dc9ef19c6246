from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from makeweight.balance.listener import Listener
from makeweight.compare import compare_folder
from makeweight.compare.inputs import Reading, find_images, find_test, gather, image_names, open_images
from makeweight.compare.job import _opened
from makeweight.compare.splits import make_splits
from makeweight.data.base import ImageSource
from makeweight.data.named import NamedSet, load_named
from makeweight.errors import InputError


def paint(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (9, 8), dtype=np.uint8)).save(path)


def opened(source: str | Path) -> tuple[ImageSource, ImageSource | None]:
    found = find_images(source, Reading())
    tests = find_test(source, None, found, Reading())
    return open_images(found, Reading()), None if tests is None else open_images(tests, Reading())


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


def test_classes_are_left_out_of_both_parts_and_not_even_read(shoes: Path) -> None:
    for name in ("mule", "other"):
        for number in range(2):
            paint(shoes / "train" / name / f"{number}.png", 50 + number)
    (shoes / "train" / "mule" / "0.png").write_bytes(b"junk")
    paint(shoes / "test" / "alien" / "0.png", 9)
    train, held = _opened(shoes, None, None, Reading(leave_out=["mule", "other", "alien"]))
    assert held is not None
    assert (train.counts, held.counts) == ({"boot": 3, "clog": 3},) * 2
    assert [name for name in image_names(train, held) if "boot" not in name] == [
        f"{part}clog/{number}.png" for part in ("", "test/") for number in range(3)
    ]
    with pytest.raises(
        InputError, match=r"^there is no class to leave out called 'mul': choose from alien, boot, clog"
    ):
        _opened(shoes, None, None, Reading(leave_out=["mul"]))
    with pytest.raises(InputError, match="^too many classes are left out, since clog is left: leave two or more"):
        _opened(shoes, None, None, Reading(leave_out=["mule", "other", "boot"]))
    with pytest.raises(InputError, match="^leave_out='mule' is one text: give a list of class names"):
        _opened(shoes, None, None, Reading(leave_out="mule"))


def test_left_out_arrays_leave_the_range_of_the_others(tmp_path: Path) -> None:
    X, y = np.random.default_rng(0).random((9, 8, 8)).astype("float32"), np.array(["a", "b", "odd"] * 3)
    X[2::3] *= 4000
    np.savez(tmp_path / "range.npz", X=X, y=y)
    train, _ = _opened(tmp_path / "range.npz", None, 2, Reading(leave_out=["odd"]))
    assert train.labels.tolist() == ["a", "b"] * 3
    assert (train.load().min(), train.load().max()) == (0, 254)


def test_test_parts_of_other_classes_are_refused() -> None:
    X, y, three = np.zeros((4, 8, 8)), np.array(["boot", "clog"] * 2), np.array(["boot", "clog", "mule", "mule"])
    with pytest.raises(InputError, match=r"test set has no images of mule: add some, .*, or leave such a class out"):
        gather(X, three, X, y)
    with pytest.raises(InputError, match=r"classes that training does not: mule; remove them, or leave them out"):
        gather(X, y, X, three)


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


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a folder's comparison is given."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(
        "makeweight.compare.job.compare", lambda X, y, *test, **options: given.update(options, X=X, y=y)
    )
    return given


@pytest.fixture
def signs(tmp_path: Path) -> Path:
    """GTSRB with two tracks of two frames a class."""
    for code in range(43):
        for frame in range(4):
            name = f"track{frame // 2:05d}-{frame % 2}.png"
            for part, file in (("train", name), ("test", f"{frame}.png")):
                (tmp_path / part / f"{code:02d}").mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (8, 8), (code, frame, 0)).save(tmp_path / part / f"{code:02d}" / file)
    return tmp_path


def test_folds_part_no_track_of_gtsrb(signs: Path, compared: dict[str, Any]) -> None:
    notes: list[str] = []

    class Notes(Listener):
        def note(self, text: str) -> None:
            notes.append(text)

    compare_folder("gtsrb", folds=2, reading=Reading(data_dir=signs), out=signs / "out", listener=Notes())
    assert notes == ["gtsrb tells which images belong together: 86 groups."]
    assert compared["given"]["groups_from"] == "gtsrb"
    tracks = np.array(compared["groups"])
    assert tracks[[0, 1, 2, -1]].tolist() == ["00/00000", "00/00000", "00/00001", "42/00001"]
    for split in make_splits(gather(compared["X"], compared["y"], groups=compared["groups"]), range(2), 2):
        assert not set(tracks[split.train]) & set(tracks[split.test])


def test_groups_that_are_given_come_before_those_of_the_set(signs: Path, compared: dict[str, Any]) -> None:
    (signs / "mine.csv").write_text("file_name,group\n00/000000.png,a\n01/000004.png,a\n")
    compare_folder("gtsrb", folds=2, groups=str(signs / "mine.csv"), reading=Reading(data_dir=signs), out=signs / "out")
    assert compared["given"]["groups_from"] == "mine.csv"
    assert [place for place, group in enumerate(compared["groups"]) if group == "a"] == [0, 4]


def test_most_known_sets_tell_of_no_groups(tmp_path: Path, compared: dict[str, Any]) -> None:
    compare_folder("digits", folds=2, out=tmp_path / "out")
    assert (compared["groups"], compared["given"]["groups_from"]) == (None, None)


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
        ({"X": np.full((4, 8, 8), np.nan)}, "image 0 of X holds NaN or infinity"),
        ({"X_test": np.full((2, 8, 8), np.inf)}, "image 0 of X_test holds NaN or infinity"),
        ({"X": np.full((4, 8, 8), "a")}, "X holds <U1 values: give numbers."),
        ({"y": np.array(["a", None] * 2)}, "the label of image 1 is None: give every image a label."),
        ({"y_test": np.array(["a", np.nan], object)}, "the label of image 1 is nan: give every image a label."),
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


def test_training_and_test_images_are_put_on_one_scale(tmp_path: Path) -> None:
    """Two pixels of a training image reach far; a test image is a copy of another one."""
    random = np.random.default_rng(0)
    for label, brightness in (("a", 100), ("b", 300)):
        for number in range(4):
            pixels = (brightness + random.normal(0, 10, (8, 8))).astype(np.float32)
            if number == 0:
                pixels[0, :2] = -500, 3000
            for part in ("train", "test") if number else ("train",):
                (tmp_path / "set" / part / label).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(tmp_path / "set" / part / label / f"{number}.tif")
    train, held = _opened(tmp_path / "set", None, None, Reading(mode="L"))
    assert held is not None
    first = np.array([file != "0.tif" for file in train.files])
    assert np.array_equal(train.load()[first], held.load())
    assert len(np.unique(train.load())) > 2


def test_arrays_of_floats_are_put_on_one_scale(tmp_path: Path) -> None:
    X = np.random.default_rng(0).uniform(0, 200, (8, 8, 8))
    X[0, 0, :2] = -500, 3000
    np.savez(tmp_path / "set.npz", x_train=X, y_train=[0, 1] * 4, x_test=X[1:5], y_test=[1, 0] * 2)
    train, held = _opened(tmp_path / "set.npz", None, None, Reading())
    assert held is not None
    assert np.array_equal(train.load()[1:5], held.load())
