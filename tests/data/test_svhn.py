"""SVHN is read from tiny MATLAB files."""

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csc_array
from typer.testing import CliRunner

from makeweight.cli import app
from makeweight.data import mat_files
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


OTHER_ARRAYS = r"does not hold bytes X of shape \(32, 32, 3, n\) and labels y of shape \(n, 1\): replace"
OTHER_VALUES = r"holds labels other than 1 to 10: replace it by the official file\.$"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.zeros((28, 28, 3, 3), np.uint8)}, OTHER_ARRAYS),
        ({"X": np.zeros((32, 32, 3), np.uint8)}, OTHER_ARRAYS),
        ({"X": np.zeros((32, 32, 3, 3))}, OTHER_ARRAYS),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8)}, OTHER_ARRAYS),
        ({"X": np.zeros((32, 32, 3, 0), np.uint8)}, r"cannot be read \(its array X has no numbers\)"),
        (
            {"X": np.zeros((1,) * 9, np.uint8)},
            r"cannot be read \(a part of it says to have 36 bytes, which is too many",
        ),
        ({"X": {"a": 1}}, OTHER_ARRAYS),
        ({"X": csc_array(np.eye(3))}, OTHER_ARRAYS),
        ({"X": "text"}, OTHER_ARRAYS),
        ({"y": np.array([1, 2, 3], np.uint8)}, OTHER_ARRAYS),
        ({"y": np.array([[True], [False], [True]])}, OTHER_ARRAYS),
        ({"y": np.array([[1], [2], [3 + 1j]])}, OTHER_ARRAYS),
        ({"y": np.array([[1], [2], [11]], np.uint8)}, OTHER_VALUES),
        ({"y": np.array([[1], [2], [0]], np.uint8)}, OTHER_VALUES),
        ({"y": np.array([[1], [2], [2.5]])}, OTHER_VALUES),
        ({f"a{number}": number for number in range(20)}, r"cannot be read \(it holds more than 15 variables\)"),
    ],
    ids=range(16),
)
@pytest.mark.parametrize("packed", [True, False])
def test_other_arrays_are_refused(tmp_path: Path, change: dict[str, Any], message: str, packed: bool) -> None:
    write_svhn(tmp_path, packed=packed, **change)
    with pytest.raises(InputError, match=message) as caught:
        read_svhn_splits(tmp_path)
    assert str(tmp_path / "train_32x32.mat") in str(caught.value)


def test_other_variables_are_left_alone(tmp_path: Path) -> None:
    write_svhn(tmp_path, a={"b": 1}, c="text", d=np.eye(3))
    assert read_svhn_splits(tmp_path).train_codes.tolist() == [0, 1, 2]


HEADER = b" " * 124 + b"\x00\x01IM"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is no MATLAB file of version 5"),
        (b"\0" * 124 + b"\x00\x02IM", "it is no MATLAB file of version 5"),
        (HEADER + b"\x0e\0\0\0\xff\xff\xff\xff", "it is cut off after 136 bytes"),
        (HEADER + b"\x0e\0\0", "unpack requires a buffer of 8 bytes"),
        (HEADER + b"\x0f\0\0\0\x04\0\0\0abcd", "Error -3 while"),
        (HEADER + b"\x0f\0\0\0\0\0\0\0", "a variable is cut off"),
        (HEADER + b"\x09\0\0\0\0\0\0\0", "it holds something that is no variable"),
        (b" " * 124 + b"\x01\x00MI" + b"\0\0\0\x09\0\0\0\0", "it holds something that is no variable"),
        (HEADER + b"\x0e\0\0\0\x08\0\0\0" + b"\1" * 8, "a variable is not laid out as version 5 has it"),
        (HEADER + b"\x0e\0\0\0\x08\0\0\0" + b"\6\0\0\0\7\0\0\0", "it has 7 bytes where its shape asks for other"),
        (HEADER + b"\x0e\0\0\0\x08\0\0\0" + b"\6\0\0\0\x08\0\0\0", "a part of it says to have 8 bytes, which is"),
    ],
    ids=range(11),
)
def test_damaged_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    write_svhn(tmp_path)
    (tmp_path / "train_32x32.mat").write_bytes(content)
    with pytest.raises(InputError, match=rf"cannot be read \({message}.*\): replace it by the official file\.$"):
        read_svhn_splits(tmp_path)


def test_files_without_variables(tmp_path: Path) -> None:
    write_svhn(tmp_path)
    (tmp_path / "train_32x32.mat").write_bytes(HEADER)
    with pytest.raises(InputError, match=OTHER_ARRAYS):
        read_svhn_splits(tmp_path)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("packed", [True, False])
def test_files_that_are_cut_off(tmp_path: Path, share: float, packed: bool) -> None:
    write_svhn(tmp_path, packed=packed)
    path = tmp_path / "train_32x32.mat"
    os.truncate(path, int(share * path.stat().st_size))
    with pytest.raises(InputError, match=r"cannot be read \((it is cut off after|unpack requires)"):
        read_svhn_splits(tmp_path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [True, False])
def test_either_byte_order(tmp_path: Path, order: str, packed: bool) -> None:
    """Laid out by hand: flags, shape, name and numbers, each with kind and size; four bytes or fewer in one word."""

    def element(kind: int, content: bytes) -> bytes:
        if len(content) <= 4:
            return struct.pack(f"{order}I", len(content) << 16 | kind) + content.ljust(4, b"\0")
        return struct.pack(f"{order}II", kind, len(content)) + content + bytes(-len(content) % 8)

    def matrix(name: bytes, number: int, shape: tuple[int, ...], stored: bytes) -> bytes:
        axes = struct.pack(f"{order}{len(shape)}i", *shape)
        parts = element(6, struct.pack(f"{order}II", number, 0)), element(5, axes), element(1, name)
        inner = element(14, b"".join(parts) + stored)
        return struct.pack(f"{order}II", 15, len(zlib.compress(inner))) + zlib.compress(inner) if packed else inner

    pixels = np.arange(2 * 3072, dtype=np.uint32).astype(np.uint8)
    X = matrix(b"X", 9, (32, 32, 3, 2), element(2, pixels.tobytes()))
    y = matrix(b"y", 6, (2, 1), element(4, struct.pack(f"{order}2H", 10, 7)))  # doubles that are stored in 16 bits
    write_svhn(tmp_path)
    first = b" " * 124 + {"<": b"\x00\x01IM", ">": b"\x01\x00MI"}[order]
    (tmp_path / "train_32x32.mat").write_bytes(first + y + X)
    splits = read_svhn_splits(tmp_path)
    assert splits.train_codes.tolist() == [0, 7]
    np.testing.assert_array_equal(splits.train_images[1, 2, 5], pixels[3072 + 2 + 5 * 32 :: 1024])


def test_a_variable_that_comes_twice(tmp_path: Path) -> None:
    write_svhn(tmp_path)
    content = (tmp_path / "train_32x32.mat").read_bytes()
    (tmp_path / "train_32x32.mat").write_bytes(content + content[128:])
    with pytest.raises(InputError, match=r"cannot be read \(it holds X twice\)"):
        read_svhn_splits(tmp_path)


@pytest.mark.parametrize("last", [1, 4])
def test_the_checksum_of_a_packed_variable_is_compared(tmp_path: Path, last: int) -> None:
    write_svhn(tmp_path)
    content = bytearray((tmp_path / "train_32x32.mat").read_bytes())
    content[-last] ^= 1
    (tmp_path / "train_32x32.mat").write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read \(Error -3 while decompressing data: incorrect data check\)"):
        read_svhn_splits(tmp_path)


def test_a_packed_variable_without_an_end(tmp_path: Path) -> None:
    write_svhn(tmp_path, packed=False)
    path = tmp_path / "train_32x32.mat"
    content = path.read_bytes()
    for extra, cut in ((b"", 4), (bytes(40), 0), (bytes(8), 4)):
        packed = zlib.compress(content[128:9424] + extra)[: -cut or None]
        path.write_bytes(content[:128] + struct.pack("<II", 15, len(packed)) + packed + content[9424:])
        with pytest.raises(
            InputError, match=r"cannot be read \(a variable goes on for longer than it should, or is cut"
        ):
            read_svhn_splits(tmp_path)


@pytest.mark.parametrize("packed", [True, False])
def test_arrays_that_are_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    write_svhn(tmp_path, packed=packed)
    monkeypatch.setattr(mat_files, "room_for", lambda limit: min(limit, 9000))
    with pytest.raises(
        InputError, match=r"cannot be read \(a part of it says to have 9,216 bytes, which is too many\)"
    ):
        read_svhn_splits(tmp_path)


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    write_svhn(tmp_path)
    (tmp_path / "train_32x32.mat").unlink()
    os.mkfifo(tmp_path / "train_32x32.mat")
    with pytest.raises(InputError, match=r"cannot be read \(it is a pipe or a device, no regular file\)"):
        read_svhn_splits(tmp_path)
    with pytest.raises(InputError, match=r"the set svhn needs its official files train_32x32\.mat, test_32x32\.mat \("):
        load_named("svhn", data_dir=tmp_path)
