"""Known sets are read from tiny files in their official formats; the real files are not needed."""

import gzip
import hashlib
import io
import struct
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from makeweight.data import named
from makeweight.data.download import OfficialFile, download_files
from makeweight.data.named import load_named
from makeweight.data.official import CIFAR10_FILES, IDX_FILES, RECORD, read_idx
from makeweight.errors import InputError

N_CLASSES = {"celeba": 5, "celeba-eyeglasses": 2, "gtsrb": 43, "lsun": 5}
SYSTEM_FOLDERS = named.KNOWN_SETS["fashion-mnist"].system_folders


@pytest.fixture(autouse=True)
def _no_other_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look nowhere but where a test says, whatever the machine has installed."""
    monkeypatch.delenv("MAKEWEIGHT_DATA", raising=False)
    fashion = named.KNOWN_SETS["fashion-mnist"]
    monkeypatch.setitem(named.KNOWN_SETS, "fashion-mnist", replace(fashion, system_folders=()))


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def digit_images(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 28, 28), np.uint8)


def write_mnist(folder: Path, *, packed: bool = False) -> None:
    arrays = (digit_images(3, 0), np.array([9, 0, 5], np.uint8), digit_images(2, 1), np.array([1, 1], np.uint8))
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(IDX_FILES, arrays, strict=True):
        content = idx_bytes(array)
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)


def cifar10_contents() -> dict[str, bytes]:
    """Two records a batch; the first has red 10, green 20, blue 30, and a green 77 in row 1, column 2."""
    planes = np.zeros((3, 32, 32), np.uint8)
    planes[0], planes[1], planes[2] = 10, 20, 30
    planes[1, 1, 2] = 77
    batch = bytes([3]) + planes.tobytes() + bytes([9]) + bytes(3072)
    return dict.fromkeys(CIFAR10_FILES, batch)


def write_cifar10_archive(path: Path, contents: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


class TestRegistry:
    def test_names_are_sorted(self) -> None:
        assert named.names() == [
            "celeba",
            "celeba-eyeglasses",
            "cifar10",
            "digits",
            "fashion-mnist",
            "gtsrb",
            "lsun",
            "mnist",
            "svhn",
        ]

    def test_unknown_name_lists_the_known_ones(self) -> None:
        with pytest.raises(
            InputError, match="no set called mnits: the known ones are celeba, celeba-eyeglasses, cifar10, digits"
        ):
            load_named("mnits")

    @pytest.mark.parametrize("name", named.names())
    def test_class_names_can_name_folders(self, name: str) -> None:
        class_names = named.KNOWN_SETS[name].class_names
        assert len(set(class_names)) == len(class_names) == N_CLASSES.get(name, 10)
        assert not any("/" in class_name for class_name in class_names)

    def test_a_new_set_is_one_entry(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        entry = replace(named.KNOWN_SETS["mnist"], class_names=tuple("abcdefghij"), licence="own")
        monkeypatch.setitem(named.KNOWN_SETS, "letters", entry)
        write_mnist(tmp_path / "letters")
        letters = load_named("letters", data_dir=tmp_path)
        assert letters.y_train.tolist() == ["j", "a", "f"]
        assert (letters.name, letters.licence) == ("letters", "own")


class TestDigits:
    def test_split_is_stratified_and_whole(self) -> None:
        digits = load_named("digits")
        assert digits.X_train.shape == (1200, 8, 8)
        assert digits.X_test.shape == (597, 8, 8)
        assert digits.X_train.dtype == digits.X_test.dtype == np.uint8
        assert digits.class_names == tuple("0123456789")
        _, per_class = np.unique(digits.y_test, return_counts=True)
        assert per_class.min() >= 57
        assert per_class.max() <= 62

    def test_values_scale_to_the_full_range_and_back(self) -> None:
        from sklearn.datasets import load_digits

        digits = load_named("digits")
        ours = np.concatenate([digits.X_train, digits.X_test])
        assert sorted(np.unique(ours).tolist()) == [(255 * value + 8) // 16 for value in range(17)]
        restored = np.rint(ours / 255 * 16).reshape(len(ours), -1)
        theirs = load_digits().data
        assert sorted(map(bytes, restored.astype(np.uint8))) == sorted(map(bytes, theirs.astype(np.uint8)))

    def test_bytes_never_change(self) -> None:
        digits = load_named("digits")
        content = digits.X_train.tobytes() + "".join(digits.y_train.tolist()).encode()
        assert hashlib.sha256(content).hexdigest() == "86559b04d5fa9262882af480122fd1a82c1e1b11d3330fd7861e25422a901414"


class TestIdxSets:
    @pytest.mark.parametrize("packed", [False, True])
    @pytest.mark.parametrize("below", ["mnist", "."])
    def test_reads_plain_and_packed_files(self, tmp_path: Path, packed: bool, below: str) -> None:
        write_mnist(tmp_path / below, packed=packed)
        mnist = load_named("mnist", data_dir=tmp_path)
        np.testing.assert_array_equal(mnist.X_train, digit_images(3, 0))
        np.testing.assert_array_equal(mnist.X_test, digit_images(2, 1))
        assert mnist.y_train.tolist() == ["9", "0", "5"]
        assert mnist.y_test.tolist() == ["1", "1"]
        assert mnist.X_train.flags.writeable

    def test_names_classes_of_fashion_mnist(self, tmp_path: Path) -> None:
        write_mnist(tmp_path)
        assert load_named("fashion-mnist", data_dir=tmp_path).y_train.tolist() == ["ankle boot", "t-shirt", "sandal"]

    def test_finds_the_folder_of_the_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_mnist(tmp_path / "mnist")
        monkeypatch.setenv("MAKEWEIGHT_DATA", str(tmp_path))
        assert len(load_named("mnist").X_train) == 3
        assert len(load_named("mnist", data_dir=tmp_path / "nowhere").X_train) == 3

    def test_finds_the_folder_of_a_system_package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_mnist(tmp_path, packed=True)
        entry = replace(named.KNOWN_SETS["fashion-mnist"], system_folders=(tmp_path,))
        monkeypatch.setitem(named.KNOWN_SETS, "fashion-mnist", entry)
        assert len(load_named("fashion-mnist").X_test) == 2

    def test_debians_folder_is_known(self) -> None:
        assert list(SYSTEM_FOLDERS) == [Path("/usr/share/datasets/fashion-mnist")]

    def test_missing_file_is_named(self, tmp_path: Path) -> None:
        write_mnist(tmp_path / "mnist")
        (tmp_path / "mnist" / IDX_FILES[3]).unlink()
        with pytest.raises(InputError) as caught:
            load_named("mnist", data_dir=tmp_path)
        message = str(caught.value)
        assert all(name in message for name in IDX_FILES)
        assert f"looked in {tmp_path / 'mnist'}, {tmp_path}" in message
        assert f"{tmp_path / 'mnist'} lacks t10k-labels-idx1-ubyte)" in message
        assert "--download" in message
        assert "\n" not in message

    def test_nowhere_to_look(self) -> None:
        with pytest.raises(InputError, match="no folder to look in was given"):
            load_named("mnist")


WRONG_MAGIC = b"\0\0\x09\x03" + bytes(12)
TOO_LONG = idx_bytes(digit_images(3, 0)) + b"\0"
TOO_SHORT = idx_bytes(digit_images(3, 0))[:-1]
HUGE = struct.pack(">HBB3I", 0, 8, 3, 4_000_000_000, 28, 28)
EMPTY_SET = struct.pack(">HBB3I", 0, 8, 3, 0, 28, 28)
OTHER_SHAPE = idx_bytes(np.zeros((3, 32, 32), np.uint8))
FEWER_LABELS = idx_bytes(np.array([1, 2], np.uint8))
LABEL_10 = idx_bytes(np.array([1, 2, 10], np.uint8))


class TestDamagedIdx:
    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            (IDX_FILES[0], b"", "does not start as an idx file"),
            (IDX_FILES[0], WRONG_MAGIC, "00000903 in place of 00000803"),
            (IDX_FILES[0], TOO_LONG, "holds 2353 bytes of data where its header says 2352"),
            (IDX_FILES[0], TOO_SHORT, "holds 2351 bytes of data where its header says 2352"),
            (IDX_FILES[0], HUGE, "holds 0 bytes of data where its header says 3136000000000"),
            (IDX_FILES[0], EMPTY_SET, "header says 0"),
            (IDX_FILES[0], OTHER_SHAPE, "32×32 pixels where 28×28 are expected"),
            (IDX_FILES[1], FEWER_LABELS, "holds 3 images and .* 2 labels"),
            (IDX_FILES[1], LABEL_10, "holds the label 10, labels go from 0 to 9"),
        ],
    )
    def test_is_refused_with_the_file_named(self, tmp_path: Path, name: str, content: bytes, message: str) -> None:
        write_mnist(tmp_path)
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message) as caught:
            load_named("mnist", data_dir=tmp_path)
        assert str(tmp_path / name) in str(caught.value)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"no gzip at all", "cannot be read"),
            (gzip.compress(idx_bytes(digit_images(3, 0)))[:-9], "header says 2352|cannot be read"),
            (gzip.compress(TOO_SHORT), "holds 2351 bytes"),
            (gzip.compress(HUGE), "holds 0 bytes"),
            (b"", "does not start|cannot be read"),
        ],
        ids=["no-gzip", "cut", "too-short", "huge", "empty"],
    )
    def test_packed_file_is_refused(self, tmp_path: Path, content: bytes, message: str) -> None:
        path = tmp_path / "train-images-idx3-ubyte.gz"
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_idx(path, n_axes=3)

    def test_forged_length_of_a_packed_file_takes_no_memory(self, tmp_path: Path) -> None:
        path = tmp_path / "train-images-idx3-ubyte.gz"
        size = 4_000_000 * 784
        header = struct.pack(">HBB3I", 0, 8, 3, 4_000_000, 28, 28)
        path.write_bytes(gzip.compress(header)[:-4] + struct.pack("<I", size + len(header)))
        with pytest.raises(InputError, match="where its header says 3136000000"):
            read_idx(path, n_axes=3)

    def test_unreadable_path(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot be read"):
            read_idx(tmp_path, n_axes=1)


class TestCIFAR10:
    @pytest.mark.parametrize("below", ["cifar10/cifar-10-batches-bin", "cifar-10-batches-bin", "."])
    def test_reads_batches(self, tmp_path: Path, below: str) -> None:
        folder = tmp_path / below
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in cifar10_contents().items():
            (folder / name).write_bytes(content)
        self.check(load_named("cifar10", data_dir=tmp_path))

    @pytest.mark.parametrize("below", ["cifar10", "."])
    def test_reads_the_archive_without_unpacking(self, tmp_path: Path, below: str) -> None:
        write_cifar10_archive(tmp_path / below / "cifar-10-binary.tar.gz", cifar10_contents())
        before = sorted(tmp_path.rglob("*"))
        self.check(load_named("cifar10", data_dir=tmp_path))
        assert sorted(tmp_path.rglob("*")) == before

    def check(self, cifar10: named.NamedSet) -> None:
        assert cifar10.X_train.shape == (10, 32, 32, 3)
        assert cifar10.X_test.shape == (2, 32, 32, 3)
        assert cifar10.X_train[0, 0, 0].tolist() == [10, 20, 30]
        assert cifar10.X_train[0, 1, 2].tolist() == [10, 77, 30]
        assert cifar10.y_train.tolist() == ["cat", "truck"] * 5
        assert cifar10.X_train.flags.c_contiguous
        assert cifar10.X_train.flags.writeable

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "has 0 bytes, which is no whole number of records"),
            (bytes(RECORD + 1), "has 3074 bytes"),
            (bytes([10]) + bytes(3072), "holds the label 10"),
        ],
    )
    @pytest.mark.parametrize("packed", [False, True])
    def test_damaged_batch_is_named(self, tmp_path: Path, content: bytes, message: str, packed: bool) -> None:
        contents = cifar10_contents() | {"data_batch_4.bin": content}
        if packed:
            write_cifar10_archive(tmp_path / "cifar-10-binary.tar.gz", contents)
        else:
            for name, batch in contents.items():
                (tmp_path / name).write_bytes(batch)
        with pytest.raises(InputError, match=message) as caught:
            load_named("cifar10", data_dir=tmp_path)
        assert "data_batch_4.bin" in str(caught.value)

    def test_archive_that_lacks_a_batch(self, tmp_path: Path) -> None:
        contents = cifar10_contents()
        del contents["test_batch.bin"]
        write_cifar10_archive(tmp_path / "cifar-10-binary.tar.gz", contents)
        with pytest.raises(InputError, match=r"cifar-10-binary\.tar\.gz lacks test_batch\.bin"):
            load_named("cifar10", data_dir=tmp_path)

    def test_truncated_archive(self, tmp_path: Path) -> None:
        archive = tmp_path / "cifar-10-binary.tar.gz"
        write_cifar10_archive(archive, cifar10_contents())
        archive.write_bytes(archive.read_bytes()[:-40])
        with pytest.raises(InputError, match="cannot be read|lacks"):
            load_named("cifar10", data_dir=tmp_path)

    def test_missing_batches_are_named(self, tmp_path: Path) -> None:
        for name in CIFAR10_FILES[:4]:
            (tmp_path / name).write_bytes(b"")
        with pytest.raises(InputError, match=r"lacks data_batch_5\.bin, test_batch\.bin"):
            load_named("cifar10", data_dir=tmp_path)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Serve a folder on this machine: its address, and the folder."""
    folder = tmp_path / "served"
    write_mnist(folder, packed=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}", folder
        http.shutdown()
        thread.join()


def offered(address: str, folder: Path) -> tuple[OfficialFile, ...]:
    contents = [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]
    return tuple(
        OfficialFile(f"{address}/{name}", len(content), "sha256", hashlib.sha256(content).hexdigest())
        for name, content in contents
    )


class TestDownload:
    def test_only_where_it_is_asked_for(
        self, tmp_path: Path, server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        entry = replace(named.KNOWN_SETS["mnist"], downloads=offered(*server))
        monkeypatch.setitem(named.KNOWN_SETS, "mnist", entry)
        data_dir = tmp_path / "data"
        with pytest.raises(InputError, match="needs its official files"):
            load_named("mnist", data_dir=data_dir)
        assert not data_dir.exists()
        assert load_named("mnist", data_dir=data_dir, download=True).y_train.tolist() == ["9", "0", "5"]
        assert sorted(path.name for path in (data_dir / "mnist").iterdir()) == sorted(f"{n}.gz" for n in IDX_FILES)
        assert [path.name for path in data_dir.iterdir()] == ["mnist"]
        monkeypatch.setitem(named.KNOWN_SETS, "mnist", replace(entry, downloads=()))
        assert len(load_named("mnist", data_dir=data_dir, download=True).X_train) == 3

    def test_goes_to_the_folder_of_the_environment(
        self, tmp_path: Path, server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        entry = replace(named.KNOWN_SETS["mnist"], downloads=offered(*server))
        monkeypatch.setitem(named.KNOWN_SETS, "mnist", entry)
        monkeypatch.setenv("MAKEWEIGHT_DATA", str(tmp_path / "data"))
        load_named("mnist", download=True)
        assert len(list((tmp_path / "data" / "mnist").iterdir())) == 4

    def test_needs_a_place(self) -> None:
        with pytest.raises(InputError, match="download of mnist needs a place"):
            load_named("mnist", download=True)

    @pytest.mark.parametrize("change", [{"checksum": "0" * 64}, {"size": 5}, {"size": 10**6}])
    def test_wrong_file_leaves_nothing(
        self, tmp_path: Path, server: tuple[str, Path], change: dict[str, object]
    ) -> None:
        first, *others, last = offered(*server)
        target = tmp_path / "data" / "mnist"
        with pytest.raises(InputError, match=f"{last.url} is not the official file"):
            download_files((first, *others, replace(last, **change)), target)
        assert not (tmp_path / "data").exists()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["served"]

    def test_no_such_file(self, tmp_path: Path, server: tuple[str, Path]) -> None:
        address, _ = server
        with pytest.raises(InputError, match="absent.gz cannot be downloaded .*put the official files into .* by hand"):
            download_files([OfficialFile(f"{address}/absent.gz", 1, "md5", "")], tmp_path / "data")

    def test_no_network(self, tmp_path: Path) -> None:
        with ThreadingHTTPServer(("127.0.0.1", 0), QuietHandler) as http:
            port = http.server_port
        with pytest.raises(InputError, match="refused.*: without a network, put the official files"):
            download_files([OfficialFile(f"http://127.0.0.1:{port}/x", 1, "md5", "")], tmp_path / "data")
        assert list(tmp_path.iterdir()) == []

    def test_checksums_are_those_of_the_official_files(self) -> None:
        for name in ("mnist", "fashion-mnist", "cifar10", "svhn"):
            for file in named.KNOWN_SETS[name].downloads:
                assert len(file.checksum) == 2 * hashlib.new(file.algorithm, usedforsecurity=False).digest_size
        algorithms = {
            name: named.KNOWN_SETS[name].downloads[0].algorithm for name in ("mnist", "svhn", "fashion-mnist")
        }
        assert algorithms == {"mnist": "sha256", "svhn": "sha256", "fashion-mnist": "md5"}

    @pytest.mark.parametrize("name", ["celeba", "celeba-eyeglasses", "gtsrb", "lsun"])
    @pytest.mark.parametrize("download", [False, True])
    def test_what_is_not_downloaded_is_told(self, tmp_path: Path, name: str, download: bool) -> None:
        home = named.KNOWN_SETS[name].home
        with pytest.raises(InputError) as caught:
            load_named(name, data_dir=tmp_path / "data", download=download)
        message = str(caught.value)
        assert f"which are not downloaded for you: get them from {home}, and put them into a folder" in message
        assert "--download" not in message
        assert not (tmp_path / "data").exists()
        with pytest.raises(InputError, match=r"\(no folder to look in was given\), which are not downloaded"):
            load_named(name, download=download)
