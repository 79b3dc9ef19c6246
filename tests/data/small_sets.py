"""Tiny files in the official formats of known sets."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COLUMNS = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"
HAIR_NAMES = "Bald Black_Hair Blond_Hair Brown_Hair Eyeglasses Gray_Hair"
SCENES = ("church_outdoor", "classroom", "bridge", "tower", "restaurant")


def svhn_arrays(n: int, seed: int) -> dict[str, Any]:
    """Arrays as the files of SVHN hold them, with labels 10, 1, 2 and so on."""
    X = np.random.default_rng(seed).integers(0, 256, (32, 32, 3, n), np.uint8)
    return {"X": X, "y": np.array([10, 1, 2, 3, 4, 5, 6, 7, 8, 9] * n, np.uint8)[:n, None]}


def write_svhn(folder: Path, *, packed: bool = True, **train: Any) -> None:
    """Three training images and two test images; `train` replaces arrays."""
    from scipy.io import savemat

    folder.mkdir(parents=True, exist_ok=True)
    savemat(folder / "train_32x32.mat", svhn_arrays(3, 0) | train, do_compression=packed)
    savemat(folder / "test_32x32.mat", svhn_arrays(2, 1), do_compression=packed)


def write_ppm(path: Path, seed: int, size: tuple[int, int] = (44, 42)) -> np.ndarray:
    """Noise of a width and height; its pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "PPM")
    return pixels


def write_gtsrb(root: Path, n_classes: int = 43) -> None:
    """One training image of each class and two of class 1, two test images; the region of interest is 32×32."""
    for code in range(n_classes):
        folder = root / "GTSRB/Final_Training/Images" / f"{code:05d}"
        names = ["00007_00029.ppm", "00008_00000.ppm"] if code == 1 else ["00000_00000.ppm"]
        for number, name in enumerate(names):
            write_ppm(folder / name, 2 * code + number)
        rows = [f"{name};44;42;6;5;38;37;{code}" for name in names]
        (folder / f"GT-{code:05d}.csv").write_text("\r\n".join([COLUMNS, *rows]) + "\r\n")
    for number in range(2):
        write_ppm(root / "GTSRB/Final_Test/Images" / f"{number:05d}.ppm", 100 + number, (50, 60))
    rows = ["00000.ppm;50;60;10;20;42;52;16", "00001.ppm;50;60;0;0;50;60;1"]
    (root / "GT-final_test.csv").write_text("\n".join([COLUMNS, *rows]) + "\n")


def write_class_folders(root: Path) -> None:
    """One image of each class in each part, of 32×32 pixels; the brightness is the class."""
    for code in range(43):
        for part, name in (("train", f"track{code:05d}-000003.png"), ("test", "000001.png")):
            (root / part / f"{code:02d}").mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), (code, code, code)).save(root / part / f"{code:02d}" / name)


def jpeg(colour: tuple[int, int, int], size: tuple[int, int] = (178, 218)) -> bytes:
    """Bytes of a plain image with a white stripe at the top and at the bottom, 16 pixels high."""
    pixels = np.full((size[1], size[0], 3), colour, np.uint8)
    pixels[:16] = pixels[-16:] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def write_celeba(folder: Path, people: Sequence[tuple[set[str], int]], *, nested: bool = False) -> None:
    """Write people with given attributes into given parts; person k, counted from 1, is of colour (k, 2k, 3k)."""
    places = [folder / name if nested else folder for name in ("Img", "Anno", "Eval")]
    images, annotations, evaluation = places
    for place in (images / "img_align_celeba", annotations, evaluation):
        place.mkdir(parents=True, exist_ok=True)
    names = HAIR_NAMES.split()
    attributes, parts = [str(len(people)), HAIR_NAMES + " "], []
    for number, (has, part) in enumerate(people, start=1):
        name = f"{number:06d}.jpg"
        attributes.append("  ".join([name, *("1" if each in has else "-1" for each in names)]))
        parts.append(f"{name} {part}")
        if part != 1:
            (images / "img_align_celeba" / name).write_bytes(jpeg((number, 2 * number, 3 * number)))
    (annotations / "list_attr_celeba.txt").write_text("\n".join(attributes) + "\n")
    (evaluation / "list_eval_partition.txt").write_text("\n".join(parts) + "\n")


def write_lmdb(folder: Path, entries: Mapping[bytes, bytes]) -> None:
    """Write a database with LMDB's own library."""
    import lmdb

    folder.mkdir(parents=True, exist_ok=True)
    with lmdb.open(str(folder), map_size=1 << 26) as database, database.begin(write=True) as writing:
        for key, value in entries.items():
            writing.put(key, value)
    (folder / "lock.mdb").unlink()


def picture(colour: tuple[int, int, int], kind: str = "WEBP", size: tuple[int, int] = (300, 256)) -> bytes:
    """Bytes of a plain image."""
    buffer = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    Image.new("RGB", size, colour).save(buffer, kind, **options)
    return buffer.getvalue()


def write_lsun(folder: Path, n: int = 2) -> None:
    """Some training images and one for validation of each scene; colour (scene, image, part), keys descending."""
    for scene, name in enumerate(SCENES):
        train = {b"%032x" % (n - number): picture((scene, number, 0)) for number in range(n)}
        write_lmdb(folder / f"{name}_train_lmdb", train)
        write_lmdb(folder / f"{name}_val_lmdb", {b"0" * 32: picture((scene, 0, 1))})
