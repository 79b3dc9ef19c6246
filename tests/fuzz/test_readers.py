"""Any bytes, and damaged files of the right kind: readers read them or refuse them in a sentence, and write nothing."""

import gzip
import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from makeweight import AGGAN, Duplicates, load
from makeweight.balance.manifest import ManifestRow, guard, read_manifest, unguard, write_manifest
from makeweight.balance.names import class_folder, class_folders, original_names
from makeweight.bench.rows import Outcome, RowFile, Run, TornRowWarning, run_once
from makeweight.compare.runs import Predictions
from makeweight.data.archives import read_archive
from makeweight.data.celeba import read_hair_splits
from makeweight.data.gtsrb import read_gtsrb_splits
from makeweight.data.inspect import inspect, sections
from makeweight.data.lmdb_pages import read_entries
from makeweight.data.lsun import read_lsun_splits
from makeweight.data.official import CIFAR10_ARCHIVE, read_cifar10_splits, read_idx
from makeweight.data.source import open_source
from makeweight.data.svhn import read_svhn_splits
from makeweight.data.tables import read_table
from makeweight.data.wording import shown
from makeweight.errors import InputError
from makeweight.networks import DCGAN

from ..data.small_sets import write_celeba, write_gtsrb, write_lmdb, write_lsun, write_svhn

few = settings(
    max_examples=40, derandomize=True, deadline=5000, database=None, suppress_health_check=list(HealthCheck)
)  # the same inputs each time; benchmarks/faults.py tries thousands

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([10**9, 2**31, 2**63, 10**30, -1, "<U1000000000", "O", "../x", "\x1b[31m"]),
)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=8,
)


@contextmanager
def reading() -> Iterator[Path]:
    """Give an empty folder; afterwards nothing lies beside what was put there, and refusals were single sentences."""
    with tempfile.TemporaryDirectory() as name:
        box = Path(name)
        (box / "in").mkdir()
        try:
            yield box / "in"
        except InputError as error:
            sentence = str(error)
            assert sentence.isprintable()
            assert sentence.endswith((".", "?"))
        assert [path.name for path in box.iterdir()] == ["in"]


@st.composite
def damaged(draw: st.DrawFn, valid: Callable[[], bytes]) -> bytes:
    """Draw a valid file with some bytes changed, cut out, put in or cut off, or any bytes at all."""
    content = valid()
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    for _ in range(draw(st.integers(1, 3))):
        first = draw(st.integers(0, len(content)))
        width = draw(st.integers(0, 9))
        content = content[:first] + draw(st.binary(max_size=9)) + content[first + width :]
    return content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content


@cache
def model_files(kind: type = AGGAN) -> dict[str, bytes]:
    """Files of a small saved model."""
    X, y = np.random.default_rng(0).integers(0, 255, (12, 8, 8), dtype=np.uint8), np.array(["boot", "clog"] * 6)
    with tempfile.TemporaryDirectory() as folder:
        options = {} if kind is Duplicates else {"n_steps": 1, "batch_size": 4, "latent_dim": 4}
        networks = {} if kind is Duplicates else {"networks": DCGAN(width=2, generator_width=2)}
        kind(random_state=0, **options, **networks).fit(X, y).save(folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def small_training(checkpoints: Path) -> AGGAN:
    """Train for two steps, or go on."""
    X, y = np.random.default_rng(0).integers(0, 255, (12, 8, 8), dtype=np.uint8), np.array(["boot", "clog"] * 6)
    networks = DCGAN(width=2, generator_width=2)
    fixed = AGGAN(n_steps=2, batch_size=4, latent_dim=4, random_state=0, networks=networks)
    return fixed.set_params(checkpoints=checkpoints).fit(X, y)


@cache
def checkpoint() -> tuple[str, bytes]:
    """Numbers, as JSON, and bytes of a checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        small_training(Path(folder))
        (path,) = Path(folder).iterdir()
        with safe_open(path, "pt") as file:
            return file.metadata()["numbers"], path.read_bytes()


@cache
def picture(suffix: str) -> bytes:
    """Bytes of a small image."""
    buffer = io.BytesIO()
    Image.new("RGB", (9, 8), (1, 2, 3)).save(buffer, suffix)
    return buffer.getvalue()


@cache
def npz() -> bytes:
    """Bytes of a small archive."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, X=np.zeros((4, 8, 8), np.uint8), y=np.array(["a", "b"] * 2))
    return buffer.getvalue()


@cache
def manifest() -> bytes:
    """Bytes of a small manifest."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            ManifestRow("images/a/1.png", "a", "real", sha256="0" * 64, source="1.png"),
            ManifestRow("images/a/2.png", "a", "drawn", "aggan", 1, 2, "a" * 64, "b" * 64, "c" * 64),
        ]
        write_manifest(Path(folder) / "m.csv", rows)
        return (Path(folder) / "m.csv").read_bytes()


@cache
def rows() -> bytes:
    """Bytes of a file of benchmark rows."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(protocol="p", data_hash="0" * 64, subset_seed=0, method="m", settings={"a": [1]}, budget="1 step")
        run_once(RowFile(Path(folder) / "r.jsonl"), run, lambda run: Outcome({"acsa": 0.5}))
        return (Path(folder) / "r.jsonl").read_bytes()


@pytest.mark.parametrize("suffix", ["png", "jpeg", "bmp", "tiff", "webp"])
def test_images(suffix: str) -> None:
    @few
    @given(damaged(lambda: picture(suffix)))
    def check(content: bytes) -> None:
        with reading() as folder:
            for label in ("boot", "clog"):
                (folder / label).mkdir()
                Image.new("RGB", (9, 8)).save(folder / label / "good.png")
            (folder / "boot" / f"bad.{suffix}").write_bytes(content)
            sections(inspect(folder))
            open_source(folder, skip_bad=True, resize=8, mode="L").load()

    check()


@few
@given(st.text(max_size=300) | st.binary(max_size=300))
def test_tables_of_anything(content: str | bytes) -> None:
    with reading() as folder:
        data = (
            content if isinstance(content, bytes) else b"file_name,label\n" + content.encode("utf-8", "surrogatepass")
        )
        (folder / "metadata.csv").write_bytes(data)
        for row in read_table(folder / "metadata.csv"):
            assert row.label.isprintable()


@few
@given(st.lists(st.text(max_size=300), max_size=6, unique=True))
def test_names_are_safe_for_any_label(labels: list[str]) -> None:
    for label in labels:
        folder = class_folder(label)
        assert folder.isprintable()
        assert folder not in ("", ".", "..")
        assert not set(folder) & set('/\\:*?"<>|')
        assert len(folder.encode()) <= 200
    with reading():
        assert len(set(class_folders(labels).values())) == len(labels)
    names = original_names([f"{label}.png" for label in labels])
    assert len({name.casefold() for name in names}) == len(labels)
    assert all(name.isprintable() and "/" not in name and "\\" not in name for name in names)


@few
@given(st.text(max_size=60))
def test_cells_come_back_and_run_in_no_spreadsheet(cell: str) -> None:
    assert unguard(guard(cell)) == cell
    assert guard(cell)[:1] not in ("=", "@", "\t", "\r", "\n")
    assert shown(cell).isprintable()
    if "\0" not in cell:
        with reading() as folder:
            row = ManifestRow("images/a/1.png", cell, "real", sha256="0" * 64, source=cell)
            write_manifest(folder / "m.csv", [row])
            assert read_manifest(folder / "m.csv") == [row]


@few
@given(damaged(manifest))
def test_manifests(content: bytes) -> None:
    with reading() as folder:
        (folder / "manifest.csv").write_bytes(content)
        read_manifest(folder / "manifest.csv")


@few
@given(damaged(npz))
def test_archives(content: bytes) -> None:
    with reading() as folder:
        (folder / "set.npz").write_bytes(content)
        read_archive(folder / "set.npz")


@few
@given(st.text(max_size=60), st.binary(max_size=600), st.booleans())
def test_headers_of_arrays(text: str, data: bytes, told: bool) -> None:
    header = text.encode() if told else f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({text},)}}\n".encode()
    with reading() as folder, zipfile.ZipFile(folder / "set.npz", "w") as archive:
        for name in ("X.npy", "y.npy"):
            archive.writestr(name, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data)
        archive.close()
        read_archive(folder / "set.npz")


@few
@given(damaged(npz))
def test_predictions(content: bytes) -> None:
    with reading() as folder:
        (folder / "answers.npz").write_bytes(content)
        Predictions.read(folder / "answers.npz")


@few
@given(damaged(lambda: bytes((0, 0, 8, 1, 0, 0, 0, 4, 1, 2, 3, 4))), st.booleans())
def test_idx(content: bytes, packed: bool) -> None:
    with reading() as folder:
        path = folder / ("labels.gz" if packed else "labels")
        path.write_bytes(gzip.compress(content) if packed else content)
        assert read_idx(path, n_axes=1).ndim == 1


@few
@given(damaged(lambda: bytes(1536)), st.booleans())
def test_cifar_archives(content: bytes, packed: bool) -> None:
    with reading() as folder:
        (folder / CIFAR10_ARCHIVE).write_bytes(gzip.compress(content) if packed else content)
        read_cifar10_splits(folder)


@cache
def small_set(write: Callable[[Path], None]) -> dict[str, bytes]:
    """Files of a known set, by their names within its folder."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def plain_svhn(folder: Path) -> None:
    write_svhn(folder, packed=False)


def faces(folder: Path) -> None:
    write_celeba(folder, [({"Bald"}, 0), ({"Blond_Hair"}, 2)])


def pages(folder: Path) -> None:
    """A tree of two levels, with values on pages of their own."""
    write_lmdb(folder, {b"%04d" % number: bytes(37 * number) for number in range(150)})


def all_entries(folder: Path) -> object:
    return [len(value) for _, value in read_entries(folder)]


@pytest.mark.parametrize(
    ("write", "name", "read"),
    [
        (write_svhn, "train_32x32.mat", read_svhn_splits),
        (plain_svhn, "train_32x32.mat", read_svhn_splits),
        (write_gtsrb, "GT-final_test.csv", read_gtsrb_splits),
        (write_gtsrb, "GTSRB/Final_Training/Images/00001/00008_00000.ppm", read_gtsrb_splits),
        (faces, "list_attr_celeba.txt", read_hair_splits),
        (faces, "list_eval_partition.txt", read_hair_splits),
        (faces, "img_align_celeba/000001.jpg", read_hair_splits),
        (write_lsun, "tower_train_lmdb/data.mdb", read_lsun_splits),
        (pages, "data.mdb", all_entries),
    ],
)
def test_known_sets(write: Callable[[Path], None], name: str, read: Callable[[Path], object]) -> None:
    @settings(few, max_examples=10 if write is write_gtsrb else 40)  # it has 90 files
    @given(damaged(lambda: small_set(write)[name]))
    def check(content: bytes) -> None:
        with reading() as folder:
            for each, original in small_set(write).items():
                (folder / each).parent.mkdir(parents=True, exist_ok=True)
                (folder / each).write_bytes(content if each == name else original)
            read(folder)

    check()


@few
@given(damaged(rows) | ANY_JSON.map(lambda value: json.dumps(value).encode()))
@pytest.mark.filterwarnings(f"ignore::{TornRowWarning.__module__}.{TornRowWarning.__name__}")
def test_rows(content: bytes) -> None:
    with reading() as folder:
        (folder / "rows.jsonl").write_bytes(content)
        RowFile(folder / "rows.jsonl").read()


@pytest.mark.parametrize("kind", [AGGAN, Duplicates])
@pytest.mark.parametrize("name", ["model.json", "weights.safetensors", "training.json"])
def test_model_files(kind: type, name: str) -> None:
    @settings(few, max_examples=20)
    @given(damaged(lambda: model_files(kind)[name]))
    def check(content: bytes) -> None:
        with reading() as folder:
            for each, original in model_files(kind).items():
                (folder / each).write_bytes(content if each == name else original)
            sampler = load(folder, device="cpu")
            sampler.sample(dict.fromkeys(sampler.classes_.tolist(), 1))

    check()


def go_on_from(content: bytes) -> None:
    with reading() as folder:
        (folder / f"{1:09}-{sha256(content).hexdigest()}.safetensors").write_bytes(content)
        assert small_training(folder).n_steps_ == 2


@few
@given(damaged(lambda: checkpoint()[1]))
def test_checkpoints(content: bytes) -> None:
    go_on_from(content)


@settings(few, max_examples=60)
@given(st.data())
def test_numbers_of_checkpoints(data: st.DataObject) -> None:
    numbers, content = checkpoint()
    changed = json.dumps(with_another_entry(json.loads(numbers), data))
    tensors = load_tensors(content)
    go_on_from(save_tensors(tensors, {"numbers": changed.encode("utf-8", "replace").decode()}))


def with_another_entry(card: Any, data: st.DataObject) -> Any:
    """Put anything in the place of one entry of JSON data."""
    place = card
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else list(range(len(place)))))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(ANY_JSON)
    return card


@settings(few, max_examples=60)
@given(st.data())
def test_entries_of_cards(data: st.DataObject) -> None:
    card = with_another_entry(json.loads(model_files()["model.json"]), data)
    with reading() as folder:
        for name, content in model_files().items():
            (folder / name).write_bytes(json.dumps(card).encode() if name == "model.json" else content)
        sampler = load(folder, device="cpu")
        sampler.sample(dict.fromkeys(sampler.classes_.tolist(), 1))


@few
@given(st.dictionaries(st.one_of(st.text(max_size=4), st.sampled_from(["boot", "clog"])), SCALARS, max_size=3))
def test_requests(counts: dict[Any, Any]) -> None:
    with reading() as folder:
        for name, content in model_files(Duplicates).items():
            (folder / name).write_bytes(content)
        sampler = load(folder)
        asked = {label: count % 9 if type(count) is int and count < 9000 else count for label, count in counts.items()}
        images, labels = sampler.sample(asked)
        assert len(images) == len(labels) == sum(asked.values())


@few
@given(st.sampled_from(sorted(AGGAN().get_params(deep=False))), SCALARS)
def test_settings_of_a_sampler(name: str, value: Any) -> None:
    cheap = {"n_steps", "n_epochs", "budget", "batch_size", "latent_dim", "callback", "checkpoints", "device", "n_jobs"}
    X, y = np.zeros((6, 8, 8), np.uint8), np.array(["boot", "clog", "boot"] * 2)
    sampler = AGGAN(n_steps=1, batch_size=2, latent_dim=2, random_state=0, networks=DCGAN(width=2, generator_width=2))
    if name in cheap and isinstance(value, (int, float)) and value > 9:
        return  # sizes of memory and lengths of trainings that people may ask for
    others = {"random_state", "sampling_strategy"}  # which scikit-learn and imbalanced-learn refuse, in their own words
    with suppress(ValueError if name in others else InputError):
        sampler.set_params(**{name: value}).fit(X, y)
