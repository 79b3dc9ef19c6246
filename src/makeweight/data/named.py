"""Known sets by name, read from their official files; a new set is one entry of `KNOWN_SETS`.

Official files are looked for in the data folder and in the folder that the environment variable `MAKEWEIGHT_DATA`
names. Nothing is downloaded unless that is asked for, and only what its authors' terms let anybody fetch. Downloads are
checked against the SHA-256 sums of MNIST's and SVHN's files, and against the MD5 sums that the authors of Fashion-MNIST
and CIFAR-10 publish, who publish no other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from makeweight.data.celeba import (
    CELEBA_FILES,
    EYEGLASSES_NAMES,
    HAIR,
    missing_celeba,
    read_eyeglasses_splits,
    read_hair_splits,
)
from makeweight.data.download import OfficialFile, download_files
from makeweight.data.gtsrb import CLASS_NAMES, GTSRB_FILES, missing_gtsrb, read_gtsrb_splits
from makeweight.data.lsun import LSUN_FILES, SCENES, missing_lsun, read_lsun_splits
from makeweight.data.official import (
    CIFAR10_ARCHIVE,
    CIFAR10_FILES,
    IDX_FILES,
    Splits,
    missing_cifar10,
    missing_idx,
    read_cifar10_splits,
    read_idx_splits,
)
from makeweight.data.svhn import SVHN_FILES, missing_svhn, read_svhn_splits
from makeweight.data.wording import listed, shown
from makeweight.errors import InputError

DATA_VARIABLE = "MAKEWEIGHT_DATA"
DIGIT_NAMES = tuple("0123456789")
N_DIGITS_TEST = 597
CELEBA_HOME = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
GTSRB_HOME = "https://benchmark.ini.rub.de"
LSUN_HOME = "https://www.yf.io/p/lsun"
CELEBA_LICENCE = (
    "CelebA, Z. Liu, P. Luo, X. Wang and X. Tang; for non-commercial research alone, on the terms of its page, "
    f"{CELEBA_HOME}"
)


@dataclass(frozen=True, eq=False)
class NamedSet:
    """A known set with its official split.

    Attributes
    ----------
    name : str
        Name of the set.
    X_train, X_test : ndarray of shape (n, height, width) or (n, height, width, 3), dtype uint8
        Images.
    y_train, y_test : ndarray of shape (n,), dtype str
        Class names.
    class_names : tuple of str
        Names in the order of the official indices.
    licence : str
        Where the images come from and what their licence is.
    groups_train : ndarray of shape (n,), dtype str, optional
        What belongs together, such as the frames of one track, where the set tells; None where it does not.
    """

    name: str
    X_train: NDArray[np.uint8]
    y_train: NDArray[Any]
    X_test: NDArray[np.uint8]
    y_test: NDArray[Any]
    class_names: tuple[str, ...]
    licence: str
    groups_train: NDArray[np.str_] | None = None


class KnownSet(Protocol):
    """What an entry of `KNOWN_SETS` offers."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes by official index."""

    @property
    def licence(self) -> str:
        """Origin and licence."""

    def read(self, name: str, data_dir: Path | None, download: bool) -> Splits:
        """Read images and label codes."""


@dataclass(frozen=True)
class PackagedSet:
    """A set that an installed package ships.

    Attributes
    ----------
    class_names : tuple of str
        Names by index.
    licence : str
        Origin and licence.
    load : callable
        Gives images and label codes.
    """

    class_names: tuple[str, ...]
    licence: str
    load: Callable[[], Splits]

    def read(self, name: str, data_dir: Path | None, download: bool) -> Splits:
        """Read the set from its package: there is nothing to look for and nothing to download."""
        return self.load()


@dataclass(frozen=True)
class OfficialSet:
    """A set that is read from its official files.

    Attributes
    ----------
    class_names : tuple of str
        Names by index.
    licence : str
        Origin and licence.
    files : tuple of str
        Names of the files.
    packing : str
        How they may be packed, for the message that says what is missing.
    missing : callable
        Names the files that a folder lacks.
    load : callable
        Reads a folder that lacks none.
    downloads : tuple of OfficialFile
        Where the files can be had; empty where they are not fetched for you.
    system_folders : tuple of Path
        Where packages of operating systems put the files.
    home : str
        Where people get the files themselves, if there are no downloads.
    folder : str, optional
        Name of the set's own folder, where it is not that of the set.
    """

    class_names: tuple[str, ...]
    licence: str
    files: tuple[str, ...]
    packing: str
    missing: Callable[[Path], list[str]]
    load: Callable[[Path], Splits]
    downloads: tuple[OfficialFile, ...]
    system_folders: tuple[Path, ...] = ()
    home: str = ""
    folder: str | None = None

    def read(self, name: str, data_dir: Path | None, download: bool) -> Splits:
        """Read the first folder that holds the whole set, after a download where one is asked for and needed."""
        roots = _roots(data_dir)
        own = self.folder or name
        folders = [folder for root in roots for folder in (root / own, root)] + list(self.system_folders)
        complete = next((folder for folder in folders if not self.missing(folder)), None)
        if complete is None and download and self.downloads:
            complete = _download_folder(own, roots)
            download_files(self.downloads, complete)
        if complete is None:
            raise InputError(self._absence(name, folders))
        return self.load(complete)

    def _absence(self, name: str, folders: list[Path]) -> str:
        partial = [(folder, absent) for folder in folders if len(absent := self.missing(folder)) < len(self.files)]
        told = "".join(f"; {shown(folder)} lacks {listed(absent)}" for folder, absent in partial)
        looked = f"looked in {listed(folders)}" if folders else "no folder to look in was given"
        packing = f", {self.packing}" if self.packing else ""
        needs = f"the set {name} needs its official files {', '.join(self.files)}{packing} ({looked}{told})"
        put = f"put them into a folder and name it with --data-dir or {DATA_VARIABLE}"
        if self.downloads:
            return f"{needs}: {put}, or ask for a download with --download (download=True)."
        return f"{needs}, which are not downloaded for you: get them from {self.home}, and {put}."


def names() -> list[str]:
    """List the known sets.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from makeweight.data import named
    >>> named.names()
    ['celeba', 'celeba-eyeglasses', 'cifar10', 'digits', 'fashion-mnist', 'gtsrb', 'lsun', 'mnist', 'svhn']
    """
    return sorted(KNOWN_SETS)


def load_named(name: str, *, data_dir: str | Path | None = None, download: bool = False) -> NamedSet:
    """Read a known set.

    Parameters
    ----------
    name : str
        One of `names()`.
    data_dir : str or Path, optional
        Where official files lie, in a folder of the set's name or directly. The folder that `MAKEWEIGHT_DATA` names is
        looked through too, and for `fashion-mnist` the one of Debian's package `dataset-fashion-mnist`.
    download : bool, default=False
        Download files that are not found, into a folder of the set's name in `data_dir` or in `MAKEWEIGHT_DATA`.

    Returns
    -------
    NamedSet

    Raises
    ------
    InputError
        If there is no such set, or its files are missing or damaged.

    Notes
    -----
    MNIST and Fashion-MNIST share file names, so a folder of each set's own is the safe place for them. Both sets of
    CelebA are read from the folder `celeba`, hair colours and eyeglasses; only some of its images are read, and of
    LSUN's (see `makeweight.data.celeba` and `makeweight.data.lsun` for which, and for the gigabytes that they take).
    The class that Fashion-MNIST calls "T-shirt/top" is named "t-shirt", because class names serve as folder names.

    Examples
    --------
    >>> from makeweight.data.named import load_named
    >>> digits = load_named("digits")
    >>> digits.X_train.shape, digits.X_test.shape, digits.X_train.max()
    ((1200, 8, 8), (597, 8, 8), np.uint8(255))
    """
    if name not in KNOWN_SETS:
        raise InputError(f"there is no set called {shown(name)}: the known ones are {', '.join(names())}.")
    entry = KNOWN_SETS[name]
    splits = entry.read(name, None if data_dir is None else Path(data_dir), download)
    class_names = np.array(entry.class_names)
    return NamedSet(
        name=name,
        X_train=splits.train_images,
        y_train=class_names[splits.train_codes],
        X_test=splits.test_images,
        y_test=class_names[splits.test_codes],
        class_names=entry.class_names,
        licence=entry.licence,
        groups_train=splits.train_groups,
    )


def _roots(data_dir: Path | None) -> list[Path]:
    variable = os.environ.get(DATA_VARIABLE)
    given = [data_dir, Path(variable) if variable else None]
    return list(dict.fromkeys(root for root in given if root is not None))


def _download_folder(name: str, roots: list[Path]) -> Path:
    if not roots:
        raise InputError(f"the download of {name} needs a place: name a folder with --data-dir or {DATA_VARIABLE}.")
    return roots[0] / name


def _digits() -> Splits:
    """Split scikit-learn's digits, a third of each class for testing, and scale 0…16 to 0…255 in whole numbers."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    values, codes = load_digits(return_X_y=True)
    images = ((values.astype(np.uint16) * 255 + 8) // 16).astype(np.uint8).reshape(-1, 8, 8)
    train, test = train_test_split(np.arange(len(codes)), test_size=N_DIGITS_TEST, random_state=0, stratify=codes)
    codes = codes.astype(np.uint8)
    return Splits(images[train], codes[train], images[test], codes[test])


def _idx_downloads(base: str, algorithm: str, files: dict[str, tuple[int, str]]) -> tuple[OfficialFile, ...]:
    return tuple(OfficialFile(f"{base}/{name}", size, algorithm, digest) for name, (size, digest) in files.items())


KNOWN_SETS: dict[str, KnownSet] = {
    "digits": PackagedSet(
        class_names=DIGIT_NAMES,
        licence="Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI repository, CC BY 4.0; "
        "test part as shipped by scikit-learn",
        load=_digits,
    ),
    "mnist": OfficialSet(
        class_names=DIGIT_NAMES,
        licence="MNIST, Y. LeCun and C. Cortes, CC BY-SA 3.0",
        files=IDX_FILES,
        packing="plain or .gz",
        missing=missing_idx,
        load=read_idx_splits,
        # The authors' own page no longer serves the files; this is the mirror of the CVDF foundation.
        downloads=_idx_downloads(
            "https://storage.googleapis.com/cvdf-datasets/mnist",
            "sha256",
            {
                "train-images-idx3-ubyte.gz": (
                    9_912_422,
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                ),
                "train-labels-idx1-ubyte.gz": (
                    28_881,
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                ),
                "t10k-images-idx3-ubyte.gz": (
                    1_648_877,
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                ),
                "t10k-labels-idx1-ubyte.gz": (
                    4_542,
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                ),
            },
        ),
    ),
    "fashion-mnist": OfficialSet(
        class_names=(
            "t-shirt",
            "trouser",
            "pullover",
            "dress",
            "coat",
            "sandal",
            "shirt",
            "sneaker",
            "bag",
            "ankle boot",
        ),
        licence="Fashion-MNIST, Zalando SE, MIT licence",
        files=IDX_FILES,
        packing="plain or .gz",
        missing=missing_idx,
        load=read_idx_splits,
        downloads=_idx_downloads(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            "md5",
            {
                "train-images-idx3-ubyte.gz": (26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
                "train-labels-idx1-ubyte.gz": (29_515, "25c81989df183df01b3e8a0aad5dffbe"),
                "t10k-images-idx3-ubyte.gz": (4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
                "t10k-labels-idx1-ubyte.gz": (5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
            },
        ),
        system_folders=(Path("/usr/share/datasets/fashion-mnist"),),
    ),
    "cifar10": OfficialSet(
        class_names=(
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
        licence="CIFAR-10, A. Krizhevsky, V. Nair and G. Hinton; no licence stated, cite Krizhevsky (2009)",
        files=CIFAR10_FILES,
        packing=f"or {CIFAR10_ARCHIVE}",
        missing=missing_cifar10,
        load=read_cifar10_splits,
        downloads=(
            OfficialFile(
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                170_052_171,
                "md5",
                "c32a1d4ab5d03f1284b67883e8d87530",
            ),
        ),
    ),
    "svhn": OfficialSet(
        class_names=DIGIT_NAMES,
        licence="SVHN, Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu and A. Y. Ng; for non-commercial use only, "
        "cite Netzer et al. (2011)",
        files=SVHN_FILES,
        packing="",
        missing=missing_svhn,
        load=read_svhn_splits,
        downloads=(
            OfficialFile(
                "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
                182_040_794,
                "sha256",
                "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
            ),
            OfficialFile(
                "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
                64_275_384,
                "sha256",
                "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
            ),
        ),
    ),
    "gtsrb": OfficialSet(
        class_names=CLASS_NAMES,
        licence=f"GTSRB, J. Stallkamp, M. Schlipsing, J. Salmen and C. Igel; on the terms of its page, {GTSRB_HOME}, "
        "cite Stallkamp et al. (2012)",
        files=GTSRB_FILES,
        packing="unpacked",
        missing=missing_gtsrb,
        load=read_gtsrb_splits,
        downloads=(),
        home=GTSRB_HOME,
    ),
    "celeba": OfficialSet(
        class_names=tuple(HAIR),
        licence=CELEBA_LICENCE,
        files=CELEBA_FILES,
        packing="unpacked",
        missing=missing_celeba,
        load=read_hair_splits,
        downloads=(),
        home=CELEBA_HOME,
    ),
    "celeba-eyeglasses": OfficialSet(
        class_names=EYEGLASSES_NAMES,
        licence=CELEBA_LICENCE,
        files=CELEBA_FILES,
        packing="unpacked",
        missing=missing_celeba,
        load=read_eyeglasses_splits,
        downloads=(),
        home=CELEBA_HOME,
        folder="celeba",
    ),
    "lsun": OfficialSet(
        class_names=tuple(SCENES),
        licence=f"LSUN, F. Yu, A. Seff, Y. Zhang, S. Song, T. Funkhouser and J. Xiao; on the terms of its page, "
        f"{LSUN_HOME}, cite Yu et al. (2015)",
        files=LSUN_FILES,
        packing="unpacked",
        missing=missing_lsun,
        load=read_lsun_splits,
        downloads=(),
        home=LSUN_HOME,
    ),
}
