"""Folders, tables, archives and images that somebody made to do harm."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import threading
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from makeweight.data import files, npz, official
from makeweight.data.archives import read_archive, read_test_part
from makeweight.data.files import open_regular, read_regular, room_for
from makeweight.data.images import look_at, strict_pillow
from makeweight.data.inspect import inspect
from makeweight.data.official import CIFAR10_ARCHIVE, CIFAR10_FILES, RECORD, read_cifar10_splits, read_idx
from makeweight.data.source import open_source
from makeweight.data.stores import look_alikes
from makeweight.data.tables import read_table
from makeweight.errors import InputError

BAD_CHARACTERS = ("\x1b[31m", "\u202e", "\u200b", "\x07", "\u2028")


def refusal(action, *arguments, **options) -> str:
    """Give the sentence in which something is refused, within five seconds."""
    start = time.monotonic()
    with pytest.raises(InputError) as caught:
        action(*arguments, **options)
    assert time.monotonic() - start < 5
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert sentence.endswith((".", "?"))
    return sentence


def npy(shape: str, descr: str = "'|u1'", data: bytes = b"") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def zipped(path: Path, members: list[tuple[str, bytes]], packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


class TestFiles:
    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(OSError, match="it is a pipe or a device, no regular file"):
            open_regular(tmp_path / "pipe")

    def test_a_file_swapped_for_a_pipe_in_between(self, tmp_path, monkeypatch):
        (tmp_path / "file").write_bytes(b"x")
        os.mkfifo(tmp_path / "pipe")
        status = os.stat(tmp_path / "file")
        monkeypatch.setattr(files.os, "stat", lambda path: status)
        with pytest.raises(OSError, match="no regular file"):
            open_regular(tmp_path / "pipe")

    @pytest.mark.parametrize("device", ["/dev/zero", "/dev/full", "/dev/tty"])
    def test_a_link_to_a_device(self, tmp_path, device):
        (tmp_path / "link").symlink_to(device)
        with pytest.raises(OSError, match="no regular file|No such"):
            read_regular(tmp_path / "link")

    def test_a_folder_a_loop_a_missing_file_and_no_name(self, tmp_path):
        (tmp_path / "loop").symlink_to("loop")
        for name, words in (
            (".", "directory"),
            ("loop", "symbolic links"),
            ("none", "No such file"),
            ("a\0b", "no name"),
        ):
            with pytest.raises(OSError, match=words):
                read_regular(tmp_path / name)

    def test_a_file_of_a_terabyte_is_not_read(self, tmp_path):
        with (tmp_path / "huge").open("wb") as file:
            file.truncate(1 << 40)
        with pytest.raises(OSError, match="it has 1,099,511,627,776 bytes, which is too many"):
            read_regular(tmp_path / "huge")

    def test_room_is_half_of_the_memory_and_never_over_the_limit(self, monkeypatch):
        monkeypatch.setattr(files, "available_memory", lambda: 1000)
        assert (room_for(), room_for(200), room_for(2000)) == (500, 200, 500)
        monkeypatch.setattr(files, "available_memory", lambda: None)
        assert room_for(200) == 200


class TestNpz:
    @pytest.mark.parametrize(
        "array",
        [
            npy("(1000000000000000,)"),
            npy("(1000000000000000, 8, 8)", data=bytes(64)),
            npy("(4611686018427387904, 4)"),
            npy("(-1, 8, 8)"),
            npy("(3, 8, 8)", data=bytes(64)),
            npy("(1, 8, 8)", data=bytes(640)),
            npy("(" * 300),
            npy("(2, 8, 8)", descr="'<U1000000000'"),
            npy("(2, 8, 8)", descr="__import__('os').system('true')"),
            npy("(2, 8, 8)", descr="[('a', '|O')"),
            b"\x93NUMPY\x09\x00",
            b"\x93NUMPY\x01\x00\xff\xff",
            b"",
        ],
        ids=range(13),
    )
    def test_headers_that_lie(self, tmp_path, array):
        path = zipped(tmp_path / "set.npz", [("X.npy", array), ("y.npy", npy("(1,)", data=b"\1"))])
        assert refusal(read_archive, path).endswith("is damaged or no .npz archive: save it again with numpy.savez.")

    @pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_packings_that_unpack_without_bounds(self, tmp_path, packing):
        path = zipped(
            tmp_path / "set.npz",
            [("X.npy", npy("(8, 8, 8)", data=bytes(512))), ("y.npy", npy("(8,)", data=bytes(8)))],
            packing,
        )
        assert "is damaged or no .npz archive" in refusal(read_archive, path)

    @pytest.mark.parametrize("pack", [bz2.compress, lzma.compress])
    def test_other_archives_under_its_name(self, tmp_path, pack):
        (tmp_path / "set.npz").write_bytes(pack(bytes(1000)))
        assert "is damaged or no .npz archive" in refusal(read_archive, tmp_path / "set.npz")

    def test_a_bomb_is_refused_by_its_size(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files, "available_memory", lambda: 1_000_000)
        np.savez_compressed(tmp_path / "set.npz", X=np.zeros((10_000, 8, 8), np.uint8), y=np.zeros(10_000, np.uint8))
        assert refusal(read_archive, tmp_path / "set.npz").endswith(
            "does not fit into memory: split it, or give a folder of images."
        )

    def test_a_nested_bomb_stays_packed(self, tmp_path):
        inner = zipped(tmp_path / "inner.npz", [("X.npy", npy("(900000, 8)", data=bytes(7_200_000)))])
        path = zipped(tmp_path / "set.npz", [("X.npy", inner.read_bytes()), ("y.npy", npy("(1,)", data=b"\1"))])
        assert "is damaged or no .npz archive" in refusal(read_archive, path)

    def test_names_that_occur_twice(self, tmp_path):
        member = npy("(2, 8, 8)", data=bytes(128))
        with pytest.warns(UserWarning, match="Duplicate name"):
            path = zipped(tmp_path / "set.npz", [("X.npy", member), ("X.npy", member)])
        assert refusal(read_archive, path).endswith("holds more than one array called x: keep one of each.")
        path = zipped(tmp_path / "case.npz", [("X.npy", member), ("x.npy", member)])
        assert "holds more than one array called x" in refusal(read_archive, path)

    def test_names_that_lead_elsewhere_are_only_names(self, tmp_path):
        path = zipped(tmp_path / "set.npz", [("../../X.npy", npy("(2, 8, 8)", data=bytes(128))), ("\x1b[31m.npy", b"")])
        assert "holds ../../X, \\x1b[31m: give it the images as an array X" in refusal(read_archive, path)
        assert [p.name for p in tmp_path.iterdir()] == ["set.npz"]

    def test_objects_are_refused_before_they_are_looked_at(self, tmp_path):
        path = zipped(
            tmp_path / "set.npz", [("X.npy", npy("(2,)", "'|O'", b"\x80\x04.")), ("y.npy", npy("(2,)", data=b"ab"))]
        )
        assert "holds Python objects, which are not loaded for safety" in refusal(read_archive, path)

    def test_a_wrong_checksum(self, tmp_path):
        np.savez(tmp_path / "set.npz", X=np.arange(128, dtype=np.uint8).reshape(2, 8, 8), y=np.arange(2))
        content = bytearray((tmp_path / "set.npz").read_bytes())
        content[content.index(bytes(range(60, 70)))] ^= 255
        (tmp_path / "set.npz").write_bytes(content)
        assert "is damaged or no .npz archive" in refusal(read_archive, tmp_path / "set.npz")

    def test_a_pipe_and_a_folder_in_its_place(self, tmp_path):
        os.mkfifo(tmp_path / "set.npz")
        assert "is neither a folder nor an .npz file" in refusal(open_source, tmp_path / "set.npz")
        assert "is damaged or no .npz archive" in refusal(read_archive, tmp_path / "set.npz")

    def test_the_test_part_is_read_as_carefully(self, tmp_path):
        X, y = np.zeros((2, 8, 8), np.uint8), np.array(["a", "b"])
        np.savez(tmp_path / "good.npz", x_train=X, y_train=y, x_test=X[:1], y_test=y[:1])
        images, labels = read_test_part(tmp_path / "good.npz")
        assert images.shape == (1, 8, 8)
        assert labels.tolist() == ["a"]
        np.savez(tmp_path / "none.npz", X=X, y=y)
        assert read_test_part(tmp_path / "none.npz") is None
        np.savez(tmp_path / "bad.npz", x_test=np.array([object()]), y_test=y[:1], allow_pickle=True)
        assert "holds Python objects" in refusal(read_test_part, tmp_path / "bad.npz")

    @pytest.mark.parametrize("order", "<>")
    def test_letters_that_there_are_not(self, tmp_path, order):
        letters = np.array([[65, 0x110000]], f"{order}u4")
        members = [
            ("X.npy", npy("(1, 8, 8)", data=bytes(64))),
            ("y.npy", npy("(1,)", f"'{order}U2'", letters.tobytes())),
        ]
        assert "is damaged or no .npz archive" in refusal(read_archive, zipped(tmp_path / "set.npz", members))

    def test_nothing_that_can_be_read_is_read_for_its_shape(self, tmp_path, monkeypatch):
        np.savez(tmp_path / "set.npz", X=np.zeros((3, 8, 8)))
        monkeypatch.setattr(npz.npy, "read_array", None)
        with npz.open_npz(tmp_path / "set.npz") as archive:
            assert archive.shape("X") == (3, 8, 8)


class TestOfficialFiles:
    def packed(self, folder: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
        with tarfile.open(folder / CIFAR10_ARCHIVE, "w:gz") as tar:
            for member, content in members:
                tar.addfile(member, io.BytesIO(content))
        return folder

    def member(self, name: str, size: int = RECORD) -> tuple[tarfile.TarInfo, bytes]:
        member = tarfile.TarInfo(name)
        member.size = size
        return member, bytes(size)

    def test_members_that_lead_elsewhere_are_never_unpacked(self, tmp_path):
        members = [self.member(f"../../../../{tmp_path}/outside/{name}") for name in CIFAR10_FILES]
        splits = read_cifar10_splits(self.packed(tmp_path, members))
        assert splits.train_images.shape == (5, 32, 32, 3)
        assert [path.name for path in tmp_path.iterdir()] == [CIFAR10_ARCHIVE]

    def test_links_and_devices_are_no_batches(self, tmp_path):
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            member = tarfile.TarInfo(CIFAR10_FILES[0])
            member.type, member.linkname = kind, "/etc/passwd"
            assert "lacks data_batch_1.bin, data_batch_2.bin" in refusal(
                read_cifar10_splits, self.packed(tmp_path, [(member, b"")])
            )

    def test_a_batch_that_occurs_twice_or_is_too_large(self, tmp_path):
        twice = [self.member(CIFAR10_FILES[0]), self.member(f"x/{CIFAR10_FILES[0]}")]
        assert "(data_batch_1.bin is none of its batches)" in refusal(read_cifar10_splits, self.packed(tmp_path, twice))
        large = [self.member(CIFAR10_FILES[0], 10_001 * RECORD)]
        assert "(data_batch_1.bin is none of its batches)" in refusal(read_cifar10_splits, self.packed(tmp_path, large))

    def test_an_archive_that_goes_on_for_ever(self, tmp_path, monkeypatch):
        monkeypatch.setattr(official, "LARGEST_ARCHIVE", 1 << 20)
        bomb = [self.member("zeros", 4 << 20), *(self.member(name) for name in CIFAR10_FILES)]
        sentence = refusal(read_cifar10_splits, self.packed(tmp_path, bomb))
        assert "cannot be read (it unpacks to more than 1,048,576 bytes): replace it by the official file." in sentence

    def test_a_name_of_megabytes(self, tmp_path, monkeypatch):
        monkeypatch.setattr(official, "LARGEST_ARCHIVE", 1 << 20)
        member, content = self.member("x" * (3 << 20))
        assert "it unpacks to more than" in refusal(read_cifar10_splits, self.packed(tmp_path, [(member, content)]))

    def test_a_sparse_batch_of_a_terabyte(self, tmp_path):
        header = bytearray(self.member(CIFAR10_FILES[0], 0)[0].tobuf(tarfile.GNU_FORMAT))
        header[156:157] = b"S"
        header[386:410] = b"00000000000\x0000000000000\x00"[:24].ljust(24, b"\0")
        header[483:495] = b"77777777777\x00"
        header[148:156] = b" " * 8
        header[148:156] = f"{sum(header):06o}\0 ".encode()
        (tmp_path / CIFAR10_ARCHIVE).write_bytes(gzip.compress(bytes(header) + bytes(1024)))
        assert refusal(read_cifar10_splits, tmp_path).endswith("replace it by the official file.")

    def test_a_gzip_bomb_in_idx_is_refused_by_its_size(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files, "available_memory", lambda: 1_000_000)
        content = bytes((0, 0, 8, 1)) + struct.pack(">I", 10_000_000) + bytes(10_000_000)
        (tmp_path / "labels.gz").write_bytes(gzip.compress(content))
        assert "does not fit into memory (10,000,000 bytes)" in refusal(read_idx, tmp_path / "labels.gz", n_axes=1)

    def test_a_pipe_in_the_place_of_a_file(self, tmp_path):
        os.mkfifo(tmp_path / "train-labels-idx1-ubyte")
        assert "cannot be read (it is a pipe or a device, no regular file)" in refusal(
            read_idx, tmp_path / "train-labels-idx1-ubyte", n_axes=1
        )

    def test_a_batch_that_is_too_large_is_not_read(self, tmp_path):
        for name in CIFAR10_FILES:
            (tmp_path / name).write_bytes(bytes(RECORD))
        with (tmp_path / CIFAR10_FILES[2]).open("wb") as file:
            file.truncate(1 << 40)
        assert "data_batch_3.bin cannot be read (it has 1,099,511,627,776 bytes, which is too many)." in refusal(
            read_cifar10_splits, tmp_path
        )


class TestTables:
    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"file_name,label\n" + b"x" * 10_000_000 + b",boot\n", "is no CSV table (field larger than field limit"),
            (b'file_name,label\n"a.png,boot\n' + b"b.png,clog\n" * 20_000, "is no CSV table (field larger than"),
            (b"file_name,label\na.png,bo\x00ot\n", "line 2 (the label holds control characters)"),
            (b"file_name,label\na.png,\x1b[31mboot\n", "line 2 (the label holds control characters)"),
            ("file_name,label\na.png,\u202etoob\n".encode(), "line 2 (the label holds control characters)"),
            (b"file_name,label\na.png,../../etc\n", "line 2 (the label holds a slash)"),
            (b"file_name,label\na.png," + b"x" * 201 + b"\n", "line 2 (the label is longer than 200 bytes)"),
            ("file_name,label\na.png,boot\n".encode("utf-16"), "is no UTF-8 text"),
            (b"\xff\xfe\x00\x00", "is no UTF-8 text"),
            (b"\x1b]0 title\x07,label\nx,y\n", "has no column file_name (its columns are \\x1b]0 title\\x07, label)"),
            (b"", "is empty"),
            (b"\n" * 100_000, "is empty"),
        ],
        ids=range(12),
    )
    def test_tables_that_are_refused(self, tmp_path, content, words):
        (tmp_path / "metadata.csv").write_bytes(content)
        assert words in refusal(read_table, tmp_path / "metadata.csv")

    def test_mixed_line_ends_a_mark_and_no_last_one(self, tmp_path):
        content = b"\xef\xbb\xbffile_name,label\r\na.png,boot\rb.png,clog\n\r\nc.png,=1+1"
        (tmp_path / "metadata.csv").write_bytes(content)
        rows = [(row.file, row.label) for row in read_table(tmp_path / "metadata.csv")]
        assert rows == [("a.png", "boot"), ("b.png", "clog"), ("c.png", "=1+1")]

    def test_names_that_lead_elsewhere_are_missing(self, tmp_path, paint):
        paint(tmp_path / "outside.png")
        paint(tmp_path / "shoes" / "a.png")
        names = ("../outside.png", str(tmp_path / "outside.png"), "/etc/passwd", "a\0b.png", "-rf", "~/x.png")
        table = "file_name,label\na.png,boot\n" + "".join(f"{name},clog\n" for name in names)
        (tmp_path / "shoes" / "metadata.csv").write_text(table)
        assert "named in metadata.csv, line 3, but missing" in refusal(open_source, tmp_path / "shoes")

    def test_too_large_a_table_and_a_pipe(self, tmp_path):
        with (tmp_path / "huge.csv").open("wb") as file:
            file.truncate(1 << 40)
        assert "cannot be read (it has 1,099,511,627,776 bytes, which is too many)" in refusal(
            read_table, tmp_path / "huge.csv"
        )
        os.mkfifo(tmp_path / "pipe.csv")
        assert "cannot be read (it is a pipe or a device" in refusal(read_table, tmp_path / "pipe.csv")


class TestFolders:
    @pytest.mark.parametrize("bad", BAD_CHARACTERS)
    def test_no_control_character_reaches_a_message(self, shoes, paint, bad):
        (shoes / "boot" / f"{bad}.png").write_bytes(b"no image")
        sentence = refusal(open_source, shoes)
        assert ascii(bad)[1:-1] in sentence
        assert bad not in sentence
        os.rename(shoes / "sandal", shoes / f"san{bad}dal")
        assert "holds control characters: rename the folder." in refusal(open_source, shoes)

    def test_names_of_255_bytes(self, shoes, paint):
        paint(shoes / "boot" / f"{'é' * 125}x.png", 9)
        assert open_source(shoes).counts["boot"] == 4
        paint(shoes / ("x" * 255) / "a.png", 10)
        assert "is longer than 200 bytes: rename the folder." in refusal(open_source, shoes)

    def test_names_that_look_alike_are_noted(self, shoes, paint):
        paint(shoes / "bооt" / "a.png", 9)  # noqa: RUF001
        assert "Classes whose names look alike, and which are learnt apart: boot and bооt." in inspect(shoes).notes  # noqa: RUF001

    def test_look_alikes(self):
        twins = [["e\u0301", "\u00e9"], ["boot", "Boot"], ["１", "1"], ["саr", "car"], ["ﬁn", "fin"]]  # noqa: RUF001
        for pair in twins:
            assert look_alikes([*pair, "clog"]) == [" and ".join(sorted(pair))]
        assert look_alikes(["boot", "clog", "靴", "ботинок"]) == []

    def test_links_that_loop_lead_up_or_nowhere(self, shoes):
        (shoes / "boot" / "loop.png").symlink_to("loop.png")
        (shoes / "boot" / "up").symlink_to("..")
        (shoes / "boot" / "root").symlink_to("/")
        (shoes / "sandal" / "self").symlink_to(".")
        found = open_source(shoes, skip_bad=True)
        assert found.counts == {"boot": 3, "sandal": 2}
        assert [bad.reason for bad in found.skipped] == ["too many levels of symbolic links"]

    def test_a_device_and_a_folder_called_like_an_image(self, shoes):
        (shoes / "boot" / "zero.png").symlink_to("/dev/zero")
        os.mkfifo(shoes / "boot" / "pipe.png")
        (shoes / "boot" / "folder.png").mkdir()
        assert open_source(shoes).counts == {"boot": 3, "sandal": 2}

    def test_a_file_that_vanishes_changes_or_becomes_a_pipe(self, shoes, tmp_path):
        source = open_source(shoes)
        for number, change in enumerate((lambda path: None, lambda path: path.mkdir(), os.mkfifo)):
            path = source.paths[number]
            path.unlink()
            change(path)
            words = f"{path} has changed while it was in use ("
            assert words in refusal(source.load)
            assert words in refusal(source.write, number, tmp_path / "copy.png")
            assert words in refusal(source.write, number, tmp_path / "copy.png", link=True)
            assert not (tmp_path / "copy.png").exists()
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
            Image.new("L", (10, 8)).save(path)

    def test_a_file_that_is_cut_off_while_it_is_read(self, tmp_path):
        Image.new("L", (3000, 3000)).save(tmp_path / "a.bmp")
        path = tmp_path / "a.bmp"
        with strict_pillow():
            assert look_at(path).width == 3000
            threading.Timer(0.0, lambda: os.truncate(path, 2000)).start()
            for _ in range(20):
                try:
                    look_at(path)
                except Exception as error:
                    assert str(error) in ("truncated", "truncated or damaged")  # noqa: PT017


class TestImages:
    def look(self, path: Path):
        with strict_pillow():
            return look_at(path)

    @pytest.mark.parametrize("size", [(1, 1), (100_000, 1), (1, 100_000)])
    def test_sides_of_any_length(self, tmp_path, size):
        Image.new("RGB", size).save(tmp_path / "a.png")
        facts = self.look(tmp_path / "a.png")
        assert (facts.width, facts.height) == size

    @pytest.mark.parametrize("side", [10**5, 2**31 - 1])
    def test_a_png_that_says_it_is_enormous(self, tmp_path, side):
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        chunk = b"IHDR" + header
        content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
        (tmp_path / "shoe" / "a.png").parent.mkdir()
        (tmp_path / "shoe" / "a.png").write_bytes(content)
        assert "decompression bomb" in refusal(open_source, tmp_path) or "damaged" in refusal(open_source, tmp_path)

    def test_text_that_unpacks_to_megabytes_is_no_image_to_read(self, tmp_path):
        chunk = b"zTXt" + b"a\0\0" + zlib.compress(bytes(50_000_000))
        buffer = io.BytesIO()
        Image.new("L", (8, 8)).save(buffer, "PNG")
        content = buffer.getvalue()
        bomb = (
            content[:33]
            + struct.pack(">I", len(chunk) - 4)
            + chunk
            + struct.pack(">I", zlib.crc32(chunk))
            + content[33:]
        )
        (tmp_path / "boot").mkdir()
        (tmp_path / "boot" / "a.png").write_bytes(bomb)
        assert "boot/a.png (truncated or damaged)" in refusal(open_source, tmp_path)

    def test_files_of_a_terabyte(self, shoes):
        for folder in ("boot", "sandal"):
            with (shoes / folder / "a.png").open("r+b") as file:
                file.truncate(1 << 40)
        assert "boot/a.png (larger than 1 GB), sandal/a.png (larger than 1 GB)" in refusal(open_source, shoes)
        (shoes / "test").mkdir()
        os.rename(shoes / "boot", shoes / "train")
        assert inspect(shoes).bad_files

    def test_metadata_of_megabytes_is_passed_over(self, tmp_path):
        exif = Image.Exif()
        exif[0x010E] = "x" * 60_000
        Image.new("RGB", (10, 8)).save(
            tmp_path / "a.jpg", exif=exif, comment=b"y" * 60_000, icc_profile=bytes(1_000_000)
        )
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", "z" * 900_000)
        Image.new("RGB", (10, 8)).save(tmp_path / "a.png", pnginfo=text)
        assert self.look(tmp_path / "a.jpg").width == self.look(tmp_path / "a.png").width == 10

    @pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
    def test_rotation_is_honoured_in_every_format(self, tmp_path, suffix):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (10, 8)).save(tmp_path / f"a{suffix}", exif=exif)
        facts = self.look(tmp_path / f"a{suffix}")
        assert (facts.width, facts.height) == (8, 10)

    def test_an_animation_gives_its_first_frame(self, tmp_path):
        frames = [Image.new("L", (8, 8), value) for value in (10, 200, 90)]
        for label, suffix in (("boot", ".png"), ("clog", ".webp")):
            (tmp_path / label).mkdir()
            frames[0].save(tmp_path / label / f"a{suffix}", save_all=True, append_images=frames[1:], lossless=True)
        X = open_source(tmp_path, mode="L").load()
        assert X[:, 0, 0].tolist() == [10, 10]

    def test_formats_that_run_programs_or_are_no_pictures_stay_closed(self, tmp_path):
        for name, content in (
            ("eps.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"),
            ("svg.png", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
            ("gif.png", b"GIF89a\x08\x00\x08\x00\x80\x00\x00"),
            ("html.png", b"<html>"),
        ):
            (tmp_path / "boot").mkdir(exist_ok=True)
            (tmp_path / "boot" / name).write_bytes(content)
        found = inspect(tmp_path)
        assert {bad.reason for bad in found.bad_files} == {"no PNG, JPEG, BMP, TIFF or WebP image, or damaged"}
