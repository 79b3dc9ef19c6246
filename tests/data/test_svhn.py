"""SVHN is read from tiny MATLAB files."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csc_array
from typer.testing import CliRunner

from makeweight.cli import app
from makeweight.data import svhn
from makeweight.data.named import load_named
from makeweight.data.svhn import read_svhn_splits
from makeweight.errors import InputError

from .small_sets import svhn_arrays, write_svhn


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("below", ["svhn", "."])
def test_reads_images_and_digits(tmp_path: Path, packed: bool, below: str) -> None:
    write_svhn(tmp_path / below, packed=packed)
    before = sorted(tmp_path.rglob("*"))
    known = load_named("svhn", data_dir=tmp_path)
    assert (known.X_train.shape, known.X_test.shape, known.X_train.dtype) == ((3, 32, 32, 3), (2, 32, 32, 3), np.uint8)
    np.testing.assert_array_equal(known.X_train[2, 5, 7], svhn_arrays(3, 0)["X"][5, 7, :, 2])
    np.testing.assert_array_equal(known.X_test[0, 0, 31], svhn_arrays(2, 1)["X"][0, 31, :, 0])
    assert (known.y_train.tolist(), known.y_test.tolist()) == (["0", "1", "2"], ["0", "1"])
    assert known.class_names == tuple("0123456789")
    assert known.groups_train is None
    assert known.X_train.flags.c_contiguous
    assert known.X_train.flags.writeable
    assert sorted(tmp_path.rglob("*")) == before


def test_the_command_line_reads_it(tmp_path: Path) -> None:
    write_svhn(tmp_path)
    result = CliRunner().invoke(app, ["inspect", "svhn", "--data-dir", str(tmp_path)])
    assert (result.exit_code, "svhn: 3 images, 3 classes" in result.output) == (0, True)


def test_labels_may_be_floats(tmp_path: Path) -> None:
    write_svhn(tmp_path, y=np.array([[9.0], [10.0], [1.0]]))
    assert read_svhn_splits(tmp_path).train_codes.tolist() == [9, 0, 1]


OTHER_ARRAYS = r"does not hold arrays X of shape \(32, 32, 3, n\) and y of shape \(n, 1\)"
OTHER_VALUES = "does not hold bytes of images with labels from 1 to 10"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.zeros((28, 28, 3, 3), np.uint8)}, OTHER_ARRAYS),
        ({"X": np.zeros((32, 32, 3), np.uint8)}, OTHER_ARRAYS),
        ({"X": np.zeros((32, 32, 3, 3))}, OTHER_ARRAYS),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8)}, OTHER_ARRAYS),
        ({"X": {"a": 1}}, OTHER_ARRAYS),
        ({"X": csc_array(np.eye(3))}, OTHER_ARRAYS),
        ({"X": "text"}, OTHER_ARRAYS),
        ({"y": np.array([1, 2, 3], np.uint8)}, OTHER_ARRAYS),
        ({"y": np.array([[True], [False], [True]])}, OTHER_ARRAYS),
        ({"y": np.array([[1], [2], [11]], np.uint8)}, OTHER_VALUES),
        ({"y": np.array([[1], [2], [0]], np.uint8)}, OTHER_VALUES),
        ({"y": np.array([[1], [2], [2.5]])}, OTHER_VALUES),
        ({"y": np.array([[1], [2], [3 + 1j]])}, OTHER_VALUES),
        ({f"a{number}": number for number in range(20)}, "is cut off, or holds other things than two arrays"),
    ],
    ids=range(14),
)
@pytest.mark.parametrize("packed", [True, False])
def test_other_arrays_are_refused(tmp_path: Path, change: dict[str, Any], message: str, packed: bool) -> None:
    write_svhn(tmp_path, packed=packed, **change)
    with pytest.raises(InputError, match=message) as caught:
        read_svhn_splits(tmp_path)
    assert str(tmp_path / "train_32x32.mat") in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no MATLAB file of version 5"),
        (b"\0" * 124 + b"\x00\x02IM", "is no MATLAB file of version 5"),
        (b" " * 124 + b"\x00\x01IM", OTHER_ARRAYS),
        (b" " * 124 + b"\x00\x01IM" + b"\x0e\0\0\0\xff\xff\xff\xff", "is cut off, or holds other things"),
        (b" " * 124 + b"\x00\x01IM" + b"\x0f\0\0\0\x04\0\0\0abcd", r"cannot be read \(Error -3 while"),
        (b" " * 124 + b"\x01\x00MI" + b"\0\0\0\x09\0\0\0\0", "is cut off, or holds other things"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    write_svhn(tmp_path)
    (tmp_path / "train_32x32.mat").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_svhn_splits(tmp_path)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("packed", [True, False])
def test_files_that_are_cut_off(tmp_path: Path, share: float, packed: bool) -> None:
    write_svhn(tmp_path, packed=packed)
    path = tmp_path / "train_32x32.mat"
    os.truncate(path, int(share * path.stat().st_size))
    with pytest.raises(InputError, match="is cut off, or holds other things than two arrays|does not hold arrays"):
        read_svhn_splits(tmp_path)


def test_a_variable_that_comes_twice(tmp_path: Path) -> None:
    write_svhn(tmp_path)
    content = (tmp_path / "train_32x32.mat").read_bytes()
    (tmp_path / "train_32x32.mat").write_bytes(content + content[128:])
    with pytest.raises(InputError, match=OTHER_ARRAYS):
        read_svhn_splits(tmp_path)


def test_what_unpacks_to_more_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_svhn(tmp_path, extra=np.zeros(1 << 20))
    monkeypatch.setattr(svhn, "LARGEST", 1 << 20)
    with pytest.raises(InputError, match="or holds other things than two arrays of at most 1 MiB"):
        read_svhn_splits(tmp_path)


def test_not_enough_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_svhn(tmp_path)
    monkeypatch.setattr(svhn, "room_for", lambda: 10_000)
    with pytest.raises(InputError, match=r"does not fit into memory \(18,\d{3} bytes\): free some\.$"):
        read_svhn_splits(tmp_path)


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    write_svhn(tmp_path)
    (tmp_path / "train_32x32.mat").unlink()
    os.mkfifo(tmp_path / "train_32x32.mat")
    with pytest.raises(InputError, match=r"cannot be read \(it is a pipe or a device, no regular file\)"):
        read_svhn_splits(tmp_path)
    with pytest.raises(InputError, match=r"the set svhn needs its official files train_32x32\.mat, test_32x32\.mat \("):
        load_named("svhn", data_dir=tmp_path)
