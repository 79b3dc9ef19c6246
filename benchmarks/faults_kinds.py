"""Kinds of input: small valid folders made on the spot, and the readers that are tried on them."""

from __future__ import annotations

import contextlib
import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mutations
import numpy as np
from mutations import Mutation


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Attributes
    ----------
    name : str
        What stands in the table.
    make : callable
        Writes the valid input into a folder.
    files : tuple of str
        Patterns of the files that are damaged.
    read : callable
        Tries the reader; gets the folder of the input and the OUT that it may write.
    mutations : tuple of callable
        Ways to damage this kind beside those for any file.
    share : float
        Weight among the kinds.
    """

    name: str
    make: Callable[[Path], None]
    files: tuple[str, ...]
    read: Callable[[Path, Path], object]
    mutations: tuple[Mutation, ...] = ()
    share: float = 1.0


def input_error() -> type[Exception]:
    """Import `InputError`, late, as readers are imported in their own process alone."""
    from makeweight.errors import InputError

    return InputError


def pictures(folder: Path, suffixes: Sequence[str] = (".png", ".jpg", ".bmp", ".tif", ".webp", ".png")) -> None:
    """Write two classes of small images of several formats."""
    from PIL import Image

    random = np.random.default_rng(0)
    for label in ("boot", "clog"):
        (folder / label).mkdir(parents=True)
        for number, suffix in enumerate(suffixes):
            exif = Image.Exif()
            exif[0x0112] = 6
            options: dict[str, Any] = {"exif": exif} if suffix in (".jpg", ".webp", ".png") else {}
            image = Image.fromarray(random.integers(0, 255, (8, 8), dtype=np.uint8)).convert("RGB")
            image.save(folder / label / f"{number}{suffix}", **options)


def labelled(folder: Path) -> None:
    """Write images and a table of labels."""
    pictures(folder / "images", (".png", ".png"))
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    lines = [f"{name},{name.split('/')[1]}" for name in files]
    (folder / "metadata.csv").write_text("\n".join(("file_name,label", *lines)) + "\n")


def archive(folder: Path) -> None:
    """Write an .npz file with a training and a test part."""
    X = np.arange(6 * 64, dtype=np.uint8).reshape(6, 8, 8)
    y = np.array(["boot", "clog"] * 3)
    np.savez_compressed(folder / "set.npz", x_train=X, y_train=y, x_test=X, y_test=y)


def idx(folder: Path) -> None:
    """Write the four files of a set in idx format, half of them packed."""
    import gzip

    for number, name in enumerate(("train", "t10k")):
        images = bytes((0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28)) + bytes(2 * 28 * 28)
        labels = bytes((0, 0, 8, 1, 0, 0, 0, 2, 3, 4))
        for suffix, content in ((f"{name}-images-idx3-ubyte", images), (f"{name}-labels-idx1-ubyte", labels)):
            packed = gzip.compress(content, mtime=0)
            (folder / (suffix + (".gz" if number else ""))).write_bytes(packed if number else content)


def cifar(folder: Path) -> None:
    """Write a small archive of CIFAR-10's binary version."""
    from io import BytesIO

    from makeweight.data.official import CIFAR10_ARCHIVE, CIFAR10_FILES, CIFAR10_FOLDER, RECORD

    with tarfile.open(folder / CIFAR10_ARCHIVE, "w:gz") as tar:
        for name in CIFAR10_FILES:
            member = tarfile.TarInfo(f"{CIFAR10_FOLDER}/{name}")
            member.size = RECORD
            tar.addfile(member, BytesIO(bytes(RECORD)))


def svhn(folder: Path) -> None:
    """Write SVHN's two files, one of them packed."""
    from scipy.io import savemat

    for number, name in enumerate(("train_32x32.mat", "test_32x32.mat")):
        arrays = {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[10], [1]], np.uint8)}
        savemat(folder / name, arrays, do_compression=not number)


def gtsrb(folder: Path) -> None:
    """Write the official layout of GTSRB with one image a class."""
    from PIL import Image

    columns = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"
    places = [(folder / "GTSRB/Final_Training/Images" / f"{code:05d}", code) for code in range(43)]
    for place, code in places:
        place.mkdir(parents=True)
        Image.new("RGB", (9, 8), (code, 0, 0)).save(place / "00000_00000.ppm")
        (place / f"GT-{code:05d}.csv").write_text(f"{columns}\n00000_00000.ppm;9;8;1;1;8;7;{code}\n")
    test = folder / "GTSRB/Final_Test/Images"
    test.mkdir(parents=True)
    Image.new("RGB", (9, 8)).save(test / "00000.ppm")
    (folder / "GT-final_test.csv").write_text(f"{columns}\n00000.ppm;9;8;1;1;8;7;4\n")


def celeba(folder: Path) -> None:
    """Write CelebA with three people."""
    from PIL import Image

    (folder / "img_align_celeba").mkdir()
    names = "Bald Black_Hair Blond_Hair Brown_Hair Eyeglasses Gray_Hair"
    attributes, parts = ["3", names], []
    for number, row in enumerate(("1 -1 -1 -1 -1 -1", "-1 1 -1 -1 1 -1", "-1 -1 1 -1 1 -1")):
        Image.new("RGB", (178, 218), (number, 0, 0)).save(folder / "img_align_celeba" / f"{number:06d}.jpg")
        attributes.append(f"{number:06d}.jpg {row}")
        parts.append(f"{number:06d}.jpg {2 * (number // 2)}")
    (folder / "list_attr_celeba.txt").write_text("\n".join(attributes) + "\n")
    (folder / "list_eval_partition.txt").write_text("\n".join(parts) + "\n")


def lsun(folder: Path) -> None:
    """Write five scenes of LSUN with LMDB's own library."""
    from io import BytesIO

    import lmdb
    from PIL import Image

    from makeweight.data.lsun import LSUN_FILES

    random = np.random.default_rng(0)
    pictures = []
    for side in (16, 16, 100):
        buffer = BytesIO()
        Image.fromarray(random.integers(0, 255, (side, side, 3), dtype=np.uint8)).save(buffer, "WEBP")
        pictures.append(buffer.getvalue())
    for name in LSUN_FILES:
        with lmdb.open(str(folder / name), map_size=1 << 22) as database, database.begin(write=True) as writing:
            for number, content in enumerate(pictures):
                writing.put(b"%08d" % number, content)
        (folder / name / "lock.mdb").unlink()


def trained(folder: Path) -> None:
    """Save a small AGGAN."""
    from makeweight import AGGAN
    from makeweight.networks import DCGAN

    X = np.random.default_rng(0).integers(0, 255, (12, 8, 8), dtype=np.uint8)
    networks = DCGAN(width=2, generator_width=2)
    sampler = AGGAN(n_steps=2, batch_size=4, latent_dim=4, random_state=0, networks=networks)
    sampler.fit(X, np.array(["boot", "clog", "boot"] * 4)).save(folder)


def small_training(checkpoints: Path, **settings: Any) -> object:
    """Train a small AGGAN, or go on with it."""
    from makeweight import AGGAN
    from makeweight.networks import DCGAN

    X = np.random.default_rng(0).integers(0, 255, (12, 8, 8), dtype=np.uint8)
    networks = DCGAN(width=2, generator_width=2)
    fixed = {"n_steps": 6, "batch_size": 4, "latent_dim": 4, "random_state": 0, "best_every": 2, "networks": networks}
    return AGGAN(**fixed, checkpoints=checkpoints, **settings).fit(X, np.array(["boot", "clog", "boot"] * 4))


def interrupted(folder: Path) -> None:
    """Leave the checkpoints of a training that was interrupted at its fifth step."""
    from unittest import mock

    def stop(report: Any) -> None:
        if report.step == 5:
            raise KeyboardInterrupt

    with mock.patch("makeweight.loop.KEEP_EVERY", 0.0), contextlib.suppress(KeyboardInterrupt):
        small_training(folder, callback=stop)


def go_on(folder: Path, out: Path) -> object:
    """Go on with a training from checkpoints that say the right hash of whatever they hold."""
    import hashlib

    out.mkdir()
    for path in folder.iterdir():
        if path.is_file() and path.stat().st_size < 1 << 24:
            content = path.read_bytes()
            name = f"{path.name.partition('-')[0]}-{hashlib.sha256(content).hexdigest()}.safetensors"
            (out / name).write_bytes(content)
        else:
            (out / path.name).symlink_to(path)
    return small_training(out)


def smote(folder: Path) -> None:
    """Save a SMOTE, whose weights are the images."""
    from makeweight import SMOTE

    X = np.random.default_rng(0).integers(0, 255, (12, 8, 8), dtype=np.uint8)
    SMOTE(random_state=0).fit(X, np.array(["boot", "clog", "boot"] * 4)).save(folder)


def balanced(folder: Path) -> None:
    """Write an output of balance."""
    from makeweight.balance import balance_folder

    source = folder.with_name(folder.name + "-source")
    pictures(source, (".png", ".jpg"))
    shutil.copy(source / "boot" / "0.png", source / "boot" / "9.png")
    folder.rmdir()
    balance_folder(source, folder, method="duplicates")


def rows(folder: Path) -> None:
    """Write a file of benchmark rows."""
    from makeweight.bench.rows import Outcome, RowFile, Run, run_once

    for seed in range(2):
        what = {"protocol": "demo", "data_hash": "0" * 64, "method": "m", "budget": "1 step"}
        run = Run.model_validate({**what, "subset_seed": seed, "settings": {"a": [1]}})
        run_once(RowFile(folder / "rows.jsonl"), run, lambda run: Outcome({"acsa": 0.5}, [{"step": 1}]))


def answers(folder: Path) -> None:
    """Write the predictions that a comparison keeps."""
    from makeweight.compare.runs import Predictions

    chances = np.full((4, 2), 0.5)
    Predictions(np.arange(4), np.zeros(4, np.int64), chances).write(folder / "answers.npz")


def open_and_load(folder: Path, _: Path) -> object:
    """Read a folder or archive as balance does, and then say what it holds."""
    from makeweight.data.inspect import inspect, sections
    from makeweight.data.source import open_source

    source = next(iter(folder.glob("*.npz")), folder)
    with contextlib.suppress(input_error()):
        sections(inspect(source))
    return open_source(source, resize=8, mode="L").load()


def draw_from(folder: Path, _: Path) -> object:
    """Load a model and draw two images of each class."""
    from makeweight import load

    sampler = load(folder, device="cpu")
    return sampler.sample(dict.fromkeys(sampler.classes_.tolist(), 2))


def check(folder: Path, _: Path) -> object:
    """Verify an output of balance, with two images drawn again."""
    from makeweight.balance import verify_folder

    return verify_folder(folder, redraw=2)


def read_rows(folder: Path, _: Path) -> object:
    """Read benchmark rows."""
    from makeweight.bench.rows import RowFile

    return RowFile(folder / "rows.jsonl").read()


def read_answers(folder: Path, _: Path) -> object:
    """Read predictions."""
    from makeweight.compare.runs import Predictions

    return Predictions.read(folder / "answers.npz")


def read_idx(folder: Path, _: Path) -> object:
    """Read a set in idx format."""
    from makeweight.data.official import read_idx_splits

    return read_idx_splits(folder)


def read_cifar(folder: Path, _: Path) -> object:
    """Read CIFAR-10's archive."""
    from makeweight.data.official import read_cifar10_splits

    return read_cifar10_splits(folder)


def read_svhn(folder: Path, _: Path) -> object:
    """Read SVHN."""
    from makeweight.data.svhn import read_svhn_splits

    return read_svhn_splits(folder)


def read_gtsrb(folder: Path, _: Path) -> object:
    """Read GTSRB."""
    from makeweight.data.gtsrb import read_gtsrb_splits

    return read_gtsrb_splits(folder)


def read_celeba(folder: Path, _: Path) -> object:
    """Read both sets of CelebA."""
    from makeweight.data.celeba import read_eyeglasses_splits, read_hair_splits

    with contextlib.suppress(input_error()):
        read_eyeglasses_splits(folder)
    return read_hair_splits(folder)


def read_lsun(folder: Path, _: Path) -> object:
    """Read LSUN."""
    from makeweight.data.lsun import read_lsun_splits

    return read_lsun_splits(folder)


def balance(folder: Path, out: Path) -> object:
    """Balance a folder, and verify what was written."""
    from makeweight.balance import balance_folder, verify_folder

    balance_folder(folder, out, method="duplicates", resize=8, mode="L", skip_bad=True)
    found = verify_folder(out, redraw=1)
    assert found.good, found.problems
    return found


TENSORS = (mutations.change_safetensors, mutations.poison_floats)
JSON = (mutations.change_json, mutations.change_json, mutations.change_json, mutations.nest_json)
KEPT = (*TENSORS, *(mutations.change_numbers,) * 6)
KINDS = (
    Kind("images in folders", pictures, ("*/*",), open_and_load, (mutations.change_png,), 2),
    Kind("table of labels", labelled, ("metadata.csv",), open_and_load, (mutations.change_cells,) * 4),
    Kind("archive of arrays (.npz)", archive, ("set.npz",), open_and_load, (mutations.change_zip,) * 4, 1.5),
    Kind("idx files, plain and .gz", idx, ("*-ubyte*",), read_idx, (mutations.change_gzip,) * 2),
    Kind("CIFAR-10's archive (.tar.gz)", cifar, ("*.gz",), read_cifar, (mutations.change_gzip,) * 8),
    Kind("SVHN's files (.mat)", svhn, ("*.mat",), read_svhn),
    Kind("GTSRB's tables and images", gtsrb, ("GT-*.csv", "GTSRB/*/Images/*/*"), read_gtsrb, share=0.5),
    Kind("CelebA's lists and images", celeba, ("*.txt", "*/*.jpg"), read_celeba),
    Kind("LSUN's databases (LMDB)", lsun, ("*/data.mdb",), read_lsun),
    Kind("names of classes and files", pictures, (), balance, (), 0.3),
    Kind("model: card", trained, ("model.json",), draw_from, JSON, 2),
    Kind("model: state", trained, ("training.json",), draw_from, JSON),
    Kind("model: weights", trained, ("*.safetensors",), draw_from, TENSORS, 1.5),
    Kind("model: of SMOTE", smote, ("model.json", "weights.safetensors"), draw_from, (), 0.7),
    Kind("training: checkpoints", interrupted, ("*.safetensors",), go_on, KEPT, 2),
    Kind("output: manifest", balanced, ("manifest.csv",), check, (mutations.change_cells,) * 4),
    Kind("output: images and model", balanced, ("images/*/*", "model/*"), check),
    Kind("benchmark rows", rows, ("rows.jsonl",), read_rows, ()),
    Kind("comparison: predictions", answers, ("answers.npz",), read_answers, (mutations.change_zip,) * 3, 0.7),
)  # fmt: skip
