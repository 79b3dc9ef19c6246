"""CelebA is read from a handful of people."""

import os
from pathlib import Path

import numpy as np
import pytest

from makeweight.data import celeba
from makeweight.data.celeba import read_eyeglasses_splits, read_hair_splits
from makeweight.data.named import load_named
from makeweight.errors import InputError

from .small_sets import HAIR_NAMES, jpeg, write_celeba

PEOPLE: list[tuple[set[str], int]] = [
    ({"Black_Hair", "Eyeglasses"}, 0),
    ({"Blond_Hair"}, 0),
    ({"Blond_Hair", "Brown_Hair"}, 0),
    (set(), 0),
    ({"Bald"}, 1),
    ({"Gray_Hair"}, 2),
    ({"Brown_Hair", "Eyeglasses"}, 2),
    ({"Blond_Hair"}, 0),
    ({"Blond_Hair"}, 0),
]
ATTRIBUTES, PARTITION = "list_attr_celeba.txt", "list_eval_partition.txt"


@pytest.mark.parametrize("nested", [True, False])
def test_hair_colours(tmp_path: Path, nested: bool) -> None:
    write_celeba(tmp_path / "celeba", PEOPLE, nested=nested)
    known = load_named("celeba", data_dir=tmp_path)
    assert known.class_names == ("blond", "black", "bald", "brown", "grey")
    assert known.y_train.tolist() == ["black", "blond", "blond", "blond"]
    assert known.y_test.tolist() == ["grey", "brown"]
    assert (known.X_train.shape, known.X_test.shape) == ((4, 64, 64, 3), (2, 64, 64, 3))
    assert "non-commercial research" in known.licence


def test_the_middle_is_taken(tmp_path: Path) -> None:
    """White stripes of 16 pixels lie outside of the middle 178 of 218 rows."""
    write_celeba(tmp_path, PEOPLE)
    images = read_hair_splits(tmp_path).train_images
    for image, number in zip(images, (1, 2, 8, 9), strict=True):
        assert np.abs(image.astype(int) - [number, 2 * number, 3 * number]).max() <= 3


def test_eyeglasses_lie_in_the_same_folder(tmp_path: Path) -> None:
    write_celeba(tmp_path / "celeba", PEOPLE)
    known = load_named("celeba-eyeglasses", data_dir=tmp_path)
    assert known.class_names == ("eyeglasses", "none")
    assert known.y_train.tolist() == ["eyeglasses", *["none"] * 5]
    assert known.y_test.tolist() == ["none", "eyeglasses"]


def test_the_first_of_each_class_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celeba, "MOST_TRAIN", 2)
    write_celeba(tmp_path, PEOPLE)
    (tmp_path / "img_align_celeba" / "000009.jpg").unlink()  # what is not taken is not opened
    splits = read_hair_splits(tmp_path)
    assert splits.train_codes.tolist() == [1, 0, 0]
    assert np.abs(splits.train_images[2].astype(int) - [8, 16, 24]).max() <= 3


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    write_celeba(tmp_path / "celeba", PEOPLE)
    (tmp_path / "celeba" / PARTITION).unlink()
    with pytest.raises(InputError) as caught:
        load_named("celeba-eyeglasses", data_dir=tmp_path, download=True)
    message = str(caught.value)
    assert f"{tmp_path / 'celeba'} lacks {PARTITION})" in message
    assert (
        "which are not downloaded for you: get them from https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html" in message
    )


HEAD = f"2\n{HAIR_NAMES}\n"
START = "does not start with the number of its images and the names of their attributes: replace"
GOOD = "000001.jpg -1 1 -1 -1 -1 -1\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (ATTRIBUTES, "", START),
        (ATTRIBUTES, "2\n", START),
        (ATTRIBUTES, HEAD, START),
        (ATTRIBUTES, HEAD + GOOD, START),
        (ATTRIBUTES, "1\nBald Black_Hair\n000001.jpg 1 1\n", START),
        (ATTRIBUTES, HEAD + GOOD + GOOD, r"^line 4 of .* is no row of attributes: replace it by the official file\.$"),
        (ATTRIBUTES, HEAD + GOOD + "000002.jpg 1 1 1 1 1\n", "^line 4 of .* is no row of attributes"),
        (ATTRIBUTES, HEAD + GOOD + "000002.jpg 1 1 1 0 1 1\n", "^line 4 of .* is no row of attributes"),
        (ATTRIBUTES, HEAD + GOOD + "../../01.jpg 1 1 1 1 1 1\n", "^line 4 of .* is no row of attributes"),
        (ATTRIBUTES, HEAD + "\n" + GOOD, "^line 3 of .* is no row of attributes"),
        (ATTRIBUTES, HEAD + GOOD + "000088.jpg 1 1 1 1 1 1\n", r"list_eval_partition\.txt lacks 000088\.jpg: replace"),
        (PARTITION, "000001.jpg 0\n000002.jpg 3\n", r"^line 2 of .* is no name with 0, 1 or 2: replace it by"),
        (PARTITION, "000001.jpg\n", "^line 1 of .* is no name with 0, 1 or 2"),
        (PARTITION, "", r"list_eval_partition\.txt lacks 000001\.jpg"),
        (PARTITION, "é", r"^the list .* cannot be read \('ascii' codec"),
        (
            PARTITION,
            "".join(f"{number:06d}.jpg 0\n" for number in range(1, 10)),
            "^the lists of .* name no images of the classes in partition 2: replace them by the official files",
        ),
    ],
    ids=range(16),
)
def test_damaged_lists(tmp_path: Path, name: str, content: str, message: str) -> None:
    write_celeba(tmp_path, PEOPLE)
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_hair_splits(tmp_path)


def test_lists_that_are_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_celeba(tmp_path, PEOPLE)
    monkeypatch.setattr(celeba, "MOST_IMAGES", 5)
    with pytest.raises(InputError, match=START):
        read_eyeglasses_splits(tmp_path)
    monkeypatch.setattr(celeba, "LARGEST_LIST", 20)
    with pytest.raises(InputError, match=r"cannot be read \(it has \d+ bytes, which is too many\)"):
        read_eyeglasses_splits(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (jpeg((0, 0, 0), (100, 100)), "has 100×100 pixels in place of 178×218: replace it by the official file"),
        (jpeg((0, 0, 0))[:400], "is damaged or no JPEG image"),
        (b"P6 1 1 255\n\0\0\0", "is damaged or no JPEG image"),
        (None, "cannot be read .No such file or directory.: put the official file there"),
    ],
)
def test_damaged_images(tmp_path: Path, content: bytes | None, message: str) -> None:
    write_celeba(tmp_path, PEOPLE)
    path = tmp_path / "img_align_celeba" / "000002.jpg"
    if content is None:
        os.unlink(path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"^the image .*000002\.jpg {message}"):
        read_hair_splits(tmp_path)
