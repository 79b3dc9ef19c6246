"""LSUN is read from tiny databases; LMDB's own library, which writes them, is what the reading is held against."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from makeweight.data import crops, lmdb_pages, lsun
from makeweight.data.lmdb_pages import count_entries, read_entries
from makeweight.data.lsun import read_lsun_splits
from makeweight.data.named import load_named
from makeweight.errors import InputError

from .small_sets import SCENES, picture, write_lmdb, write_lsun

PAGE = 4096


class TestSet:
    def test_scenes_and_parts(self, tmp_path: Path) -> None:
        write_lsun(tmp_path / "lsun")
        before = sorted(tmp_path.rglob("*"))
        known = load_named("lsun", data_dir=tmp_path)
        assert known.class_names == ("church", "classroom", "bridge", "tower", "restaurant")
        assert known.y_train.tolist() == [name for name in known.class_names for _ in range(2)]
        assert known.y_test.tolist() == list(known.class_names)
        assert known.X_train.shape == (10, 128, 128, 3)
        in_order_of_keys = [[scene, number, 0] for scene in range(5) for number in (1, 0)]
        assert known.X_train[:, 64, 64].tolist() == in_order_of_keys
        assert known.X_test[:, 0, 127].tolist() == [[scene, 0, 1] for scene in range(5)]
        assert sorted(tmp_path.rglob("*")) == before

    def test_the_square_in_the_middle_of_a_jpeg(self, tmp_path: Path) -> None:
        write_lsun(tmp_path)
        write_lmdb(tmp_path / "tower_val_lmdb", {b"0" * 32: picture((200, 100, 50), "JPEG", (400, 256))})
        assert np.abs(read_lsun_splits(tmp_path).test_images[3].astype(int) - [200, 100, 50]).max() <= 3

    def test_the_first_of_each_scene(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_lsun(tmp_path, 5)
        whole = read_lsun_splits(tmp_path)
        monkeypatch.setattr(lsun, "MOST_IMAGES", 3)
        monkeypatch.setattr(lsun, "_BLOCK_IMAGES", 2)
        part = read_lsun_splits(tmp_path)
        assert np.bincount(part.train_codes).tolist() == [3] * 5
        np.testing.assert_array_equal(part.train_images[6:9], whole.train_images[10:13])

    def test_what_is_missing_is_named(self, tmp_path: Path) -> None:
        write_lsun(tmp_path)
        (tmp_path / "bridge_val_lmdb" / "data.mdb").unlink()
        with pytest.raises(InputError) as caught:
            load_named("lsun", data_dir=tmp_path)
        assert "lacks bridge_val_lmdb)" in str(caught.value)
        assert "get them from https://www.yf.io/p/lsun, and put them into a folder" in str(caught.value)

    def test_a_database_without_images(self, tmp_path: Path) -> None:
        write_lsun(tmp_path)
        (tmp_path / "tower_train_lmdb" / "data.mdb").unlink()
        write_lmdb(tmp_path / "tower_train_lmdb", {})
        with pytest.raises(InputError, match=r"tower_train_lmdb holds no images: get it anew\.$"):
            read_lsun_splits(tmp_path)

    def test_an_image_that_is_none(self, tmp_path: Path) -> None:
        write_lsun(tmp_path)
        write_lmdb(tmp_path / "tower_train_lmdb", {b"\x1b[31m\xff": b"no image"})
        with pytest.raises(
            InputError, match=r"^the image \\x1b\[31m\\xff of .* is damaged or no WEBP or JPEG image: get"
        ):
            read_lsun_splits(tmp_path)

    def test_not_enough_memory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_lsun(tmp_path)
        monkeypatch.setattr(crops, "room_for", lambda: 100_000)
        with pytest.raises(InputError, match="^the 10 images of .* do not fit into memory"):
            read_lsun_splits(tmp_path)


def random_entries(n: int) -> dict[bytes, bytes]:
    random = np.random.default_rng(0)
    sizes = random.choice([0, 1, 40, 1000, 2030, 4080, 5000, 30_000], n, p=[0.1, 0.2, 0.3, 0.2, 0.1, 0.05, 0.04, 0.01])
    return {random.bytes(random.integers(1, 60)): random.bytes(size) for size in sizes}


class TestPages:
    def test_entries_are_those_of_the_library(self, tmp_path: Path) -> None:
        import lmdb

        entries = random_entries(4000)
        write_lmdb(tmp_path, entries)
        with lmdb.open(str(tmp_path), map_size=1 << 26) as database:  # free pages, and a second transaction
            with database.begin(write=True) as writing:
                for key in list(entries)[::3]:
                    writing.delete(key)
            with database.begin() as reading:
                expected = list(reading.cursor())
        assert len(expected) == count_entries(tmp_path) > 2000
        assert list(read_entries(tmp_path)) == expected

    @pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.3, 0.7, 0.95])
    def test_a_file_that_is_cut_off(self, tmp_path: Path, share: float) -> None:
        write_lmdb(tmp_path, random_entries(1000))
        path = tmp_path / "data.mdb"
        os.truncate(path, int(share * path.stat().st_size))
        with pytest.raises(
            InputError, match=r"^the database .*data\.mdb cannot be read \(it is cut off.*\): get it anew"
        ):
            list(read_entries(tmp_path))

    @pytest.mark.parametrize(
        ("offset", "value", "message"),
        [
            (16, "<I", "it is no LMDB database of version 1"),
            (20, "<I", "it is no LMDB database of version 1"),
            (10, "<H", "it is no LMDB database of version 1"),
            (PAGE + 16, "<I", "it is no LMDB database of version 1"),
            (40, "<I", "its pages are of another kind"),
            (PAGE + 40, "<I", "its pages are of another kind"),
            (PAGE + 92, "<H", "its pages are of another kind"),
            (PAGE + 120, "<Q", "its first pages are damaged"),
            (PAGE + 128, "<Q", "it is cut off after"),
        ],
    )
    def test_damaged_first_pages(self, tmp_path: Path, offset: int, value: str, message: str) -> None:
        write_lmdb(tmp_path, {b"a": b"b"})
        self.change(tmp_path, offset, struct.pack(value, 2 ** (8 * struct.calcsize(value)) - 9))
        with pytest.raises(InputError, match=rf"cannot be read \({message}"):
            list(read_entries(tmp_path))

    def change(self, folder: Path, offset: int, content: bytes) -> None:
        with (folder / "data.mdb").open("r+b") as file:
            file.seek(offset)
            file.write(content)

    def root(self, folder: Path) -> int:
        """Where the page of the root begins: a database that was written once has its later roots on page 1."""
        content = (folder / "data.mdb").read_bytes()
        return struct.unpack_from("<Q", content, PAGE + 128)[0] * PAGE

    @pytest.mark.parametrize(
        ("offset", "content", "message"),
        [
            (0, b"\7", r"page \d is damaged"),
            (10, b"\4", r"page \d is damaged"),
            (12, b"\0", r"page \d is damaged"),
            (12, b"\x11", r"page \d is damaged"),
            (14, b"\xff\xff", r"page \d is damaged"),
            (16, b"\xff\xff", "unpack_from requires a buffer"),
        ],
    )
    def test_damaged_pages(self, tmp_path: Path, offset: int, content: bytes, message: str) -> None:
        write_lmdb(tmp_path, {b"a": b"b"})
        self.change(tmp_path, self.root(tmp_path) + offset, content)
        with pytest.raises(InputError, match=rf"cannot be read \({message}"):
            list(read_entries(tmp_path))

    @pytest.mark.parametrize(
        ("offset", "content", "message"),
        [
            (0, b"\xff\xff", "an entry does not fit onto its page"),
            (2, b"\xff\xff", "an entry is larger than 4 MiB, or no plain value"),
            (4, b"\x02", "an entry is larger than 4 MiB, or no plain value"),
            (4, b"\x01", "it is cut off: page"),
        ],
    )
    def test_damaged_entries(self, tmp_path: Path, offset: int, content: bytes, message: str) -> None:
        write_lmdb(tmp_path, {b"a": b"b" * 8})
        root = self.root(tmp_path)
        (node,) = struct.unpack_from("<H", (tmp_path / "data.mdb").read_bytes(), root + 16)
        self.change(tmp_path, root + node + offset, content)
        with pytest.raises(InputError, match=rf"cannot be read \({message}"):
            list(read_entries(tmp_path))

    def test_a_value_on_pages_of_its_own_is_checked(self, tmp_path: Path) -> None:
        write_lmdb(tmp_path, {b"a": b"\0" * 10_000, b"b": b"\1" * 10_000})
        content = (tmp_path / "data.mdb").read_bytes()
        root = self.root(tmp_path)
        nodes = struct.unpack_from("<HH", content, root + 16)
        places = [struct.unpack_from("<Q", content, root + node + 9)[0] for node in nodes]
        self.change(tmp_path, root + nodes[1] + 9, struct.pack("<Q", places[0]))
        with pytest.raises(InputError, match=r"\(page \d is used twice\)"):
            list(read_entries(tmp_path))
        self.change(tmp_path, places[0] * PAGE + 12, b"\2")
        with pytest.raises(InputError, match=r"\(page \d is damaged\)"):
            list(read_entries(tmp_path))

    def test_trees_that_loop_or_are_too_deep(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_lmdb(tmp_path, random_entries(1000))
        monkeypatch.setattr(lmdb_pages, "MOST_LEVELS", 1)
        with pytest.raises(InputError, match="its tree has more than 1 levels"):
            list(read_entries(tmp_path))
        monkeypatch.undo()
        root = self.root(tmp_path)
        (node,) = struct.unpack_from("<H", (tmp_path / "data.mdb").read_bytes(), root + 16)
        self.change(tmp_path, root + node, struct.pack("<I", root // PAGE))
        with pytest.raises(InputError, match="is used twice"):
            list(read_entries(tmp_path))

    @pytest.mark.parametrize("told", [1, 3])
    def test_another_number_of_entries(self, tmp_path: Path, told: int) -> None:
        write_lmdb(tmp_path, {b"a": b"1", b"b": b"2"})
        self.change(tmp_path, PAGE + 120, struct.pack("<Q", told))
        with pytest.raises(InputError, match=f"it does not hold the {told} entries that it says"):
            list(read_entries(tmp_path))

    def test_a_pipe_is_no_database(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "data.mdb")
        with pytest.raises(InputError, match="it is a pipe or a device"):
            count_entries(tmp_path)


def test_all_scenes_are_written() -> None:
    assert tuple(lsun.SCENES.values()) == SCENES
