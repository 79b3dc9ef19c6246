"""Reading data sets of Hugging Face, with stand-ins that have what is looked at; and the package, where it is there."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pictures

from makeweight import InputError, read_hugging_face


class Image:
    """A feature by this name, as in the package."""


class Value:
    pass


class ClassLabel:
    def __init__(self, names: list[str]) -> None:
        self.names = names


class Split:
    """A split: columns, features, rows by number, columns by name."""

    def __init__(self, columns: dict[str, list[Any]], features: dict[str, Any] | None = None) -> None:
        self.columns = columns
        self.features = features
        self.column_names = list(columns)
        self.format = "torch"

    def with_format(self, kind: str | None) -> "Split":
        plain = Split(self.columns, self.features)
        plain.format = str(kind)
        return plain

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self.columns[key]
        assert self.format == "None"
        return {name: values[key] for name, values in self.columns.items()}


def pictures(n: int, mode: str = "L", size: tuple[int, int] = (9, 8)) -> list[Any]:
    random = np.random.default_rng(0)
    if mode == "I;16":
        return [Pictures.fromarray(random.integers(0, 65536, size[::-1], dtype=np.uint16)) for _ in range(n)]
    bands = Pictures.getmodebands(mode)
    pixels = random.integers(0, 256, (n, *size[::-1], bands), dtype=np.uint8)
    return [Pictures.fromarray(each[..., 0] if bands == 1 else each) for each in pixels]


def split(**columns: list[Any]) -> Split:
    return Split(columns, {"image": Image(), "label": ClassLabel(["boot", "clog"])})


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_images_and_names_of_classes(mode: str) -> None:
    images = pictures(3, mode)
    X, y = read_hugging_face(split(image=images, label=[1, 0, 1]))
    assert np.array_equal(X, np.stack([np.asarray(image) for image in images]))
    assert X.dtype == (np.uint16 if mode == "I;16" else np.uint8)
    assert y.tolist() == ["clog", "boot", "clog"]


def test_columns_by_their_kind() -> None:
    data = Split(
        {"scan": pictures(2), "id": [7, 8], "finding": [0, 1]},
        {"scan": Image(), "id": Value(), "finding": ClassLabel(["none", "nodule"])},
    )
    assert read_hugging_face(data)[1].tolist() == ["none", "nodule"]


def test_columns_by_their_names() -> None:
    assert read_hugging_face(Split({"img": pictures(2), "labels": ["a", "b"], "id": [1, 2]}))[1].tolist() == ["a", "b"]


def test_columns_as_given_and_labels_as_they_are() -> None:
    data = Split({"one": pictures(2), "two": pictures(2, "RGB"), "grade": [3, 4]}, {"one": Image(), "two": Image()})
    X, y = read_hugging_face(data, image="two", label="grade")
    assert (X.shape, y.tolist()) == ((2, 8, 9, 3), [3, 4])


def test_sizes_and_modes_are_brought_together() -> None:
    data = split(image=[*pictures(1), *pictures(1, "RGB", (16, 12))], label=[0, 1])
    assert read_hugging_face(data, resize=8, mode="L")[0].shape == (2, 8, 8)


def test_rotation_by_exif() -> None:
    image = pictures(1)[0]
    exif = image.getexif()
    exif[0x0112] = 6
    image.info["exif"] = exif.tobytes()
    assert read_hugging_face(split(image=[image], label=[0]))[0].shape == (1, 9, 8)


def test_what_comes_out_is_learnt() -> None:
    from makeweight import SMOTE

    X, y = read_hugging_face(split(image=pictures(9), label=[0] * 6 + [1] * 3))
    X_res, y_res = SMOTE(random_state=0).fit_resample(X, y)
    assert (X_res.shape, sorted(set(y_res.tolist()))) == ((12, 8, 9), ["boot", "clog"])


class Stream:
    column_names = ("image", "label")


def damaged() -> Any:
    class Row(Split):
        def __getitem__(self, key: Any) -> Any:
            if isinstance(key, int):
                raise OSError("image file is truncated")
            return super().__getitem__(key)

        def with_format(self, kind: str | None) -> "Split":
            return self

    return Row({"image": [0], "label": [0]}, {"image": Image(), "label": ClassLabel(["a"])})


REFUSED: dict[str, tuple[Callable[[], Any], dict[str, Any], str]] = {
    "splits": (
        lambda: {"train": split(image=pictures(1), label=[0]), "test": None},
        {},
        r"^this is a group of splits \(train, test\): give one of them, such as dataset\['train'\]\.$",
    ),
    "stream": (Stream, {}, r"^this data set is a stream, of which only a part is at hand: load it without streaming"),
    "array": (
        lambda: np.zeros(3),
        {},
        r"^ndarray is no data set of the package datasets: give what load_dataset\(\.\.\.\) gave, or images and labels",
    ),
    "no such column": (
        lambda: split(image=pictures(1), label=[0]),
        {"label": "grade"},
        r"^the data set has no column grade: it has image, label\.$",
    ),
    "two images": (
        lambda: Split({"a": pictures(1), "b": pictures(1), "label": [0]}, {"a": Image(), "b": Image()}),
        {},
        r"^which column holds the images is not clear \(a, b, label\): say image=\.$",
    ),
    "no label": (
        lambda: Split({"image": pictures(1), "x": [0]}),
        {},
        r"^which column holds the labels is not clear \(image, x\): say label=\.$",
    ),
    "empty": (lambda: split(image=[], label=[]), {}, r"^the data set holds no images: give one that has some\.$"),
    "unlabelled": (
        lambda: split(image=pictures(3), label=[0, -1, None]),
        {},
        r"^2 rows of the data set have no label in label \(the first is row 1\): leave them out with filter",
    ),
    "lists of labels": (
        lambda: Split({"image": pictures(2), "label": [[0, 1], [1, 0]]}, {"image": Image()}),
        {},
        r"^the column label holds no single label an image: say which one does with label=\.$",
    ),
    "sizes": (
        lambda: split(image=[*pictures(2), *pictures(1, size=(20, 20))], label=[0, 1, 0]),
        {},
        r"^the data set holds images of different sizes \(width×height: 9×8 \(2\), 20×20 \(1\)\)",
    ),
    "modes": (
        lambda: split(image=[*pictures(2), *pictures(1, "RGB")], label=[0, 1, 0]),
        {},
        r"^the data set holds images of different modes \(2 L \(grey\), 1 RGB\)",
    ),
    "palette": (
        lambda: split(image=[Pictures.new("P", (8, 8))], label=[0]),
        {},
        r"^the data set holds images of the mode P \(palette\), which cannot be learnt as it is",
    ),
    "32 bits": (
        lambda: split(image=[Pictures.new("F", (8, 8))], label=[0]),
        {"mode": "L"},
        r"^the image in row 0 of the data set has 32 bits a pixel: bring all to 8 or 16 bits with map\.$",
    ),
    "no picture": (
        lambda: split(image=[b"PNG"], label=[0]),
        {},
        r"^row 0 of the column image holds a bytes and no image: say which column does with image=",
    ),
    "damaged": (
        damaged,
        {},
        r"^the image in row 0 of the data set cannot be read \(image file is truncated\): leave it out with select\.$",
    ),
    "size": (lambda: split(image=pictures(1), label=[0]), {"resize": 0}, r"^images cannot be resized to 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    data, options, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        read_hugging_face(data(), **options)


def test_too_large_for_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEWEIGHT_MEMORY", "0")
    with pytest.raises(InputError, match=r"^2 images of 9×8 do not fit into memory: make them smaller with resize=64"):
        read_hugging_face(split(image=pictures(2), label=[0, 1]))


def test_the_package_is_not_imported() -> None:
    code = "import sys, makeweight; makeweight.read_hugging_face; print('datasets' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.skipif(importlib.util.find_spec("datasets") is None, reason="makeweight[hugging-face] is not installed")
def test_a_data_set_of_the_package() -> None:
    import datasets

    images = pictures(4, "RGB")
    data = datasets.Dataset.from_dict({"image": images, "label": [0, 1, 1, 0]}).cast_column("image", datasets.Image())
    data = data.cast_column("label", datasets.ClassLabel(names=["boot", "clog"]))
    for each in (data, data.with_format("torch"), data.select([0, 1, 2, 3])):
        X, y = read_hugging_face(each)
        assert np.array_equal(X, np.stack([np.asarray(image) for image in images]))
        assert y.tolist() == ["boot", "clog", "clog", "boot"]
    with pytest.raises(InputError, match=r"^this is a group of splits \(train\)"):
        read_hugging_face(datasets.DatasetDict(train=data))
    with pytest.raises(InputError, match=r"^this data set is a stream"):
        read_hugging_face(data.to_iterable_dataset())
