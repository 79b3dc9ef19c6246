"""The quality of the drawn images of an output folder, with the names of the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makeweight.balance.listener import Listener
from makeweight.balance.manifest import MANIFEST, ManifestRow, read_manifest
from makeweight.balance.reading import open_listing, open_output
from makeweight.balance.verify import digest_of
from makeweight.data.checks import check_options
from makeweight.data.groups import number_groups
from makeweight.data.images import ImageSpec, OnProgress
from makeweight.data.source import find_source
from makeweight.data.stores import ArraySource
from makeweight.data.wording import counted, listed, shown
from makeweight.errors import InputError
from makeweight.networks import LARGEST_SIDE, SMALLEST_SIDE
from makeweight.quality.copies import Copy
from makeweight.quality.crossfit import CrossFit
from makeweight.quality.evaluate import evaluate_images
from makeweight.quality.inputs import QualityInput
from makeweight.quality.report import QualityReport

LARGEST_COMPARED = 64  # pixels a side


@dataclass(frozen=True, eq=False)
class FolderSights:
    """What there is to look at: the images of an evaluation, and the classifiers that judged them.

    Attributes
    ----------
    data : QualityInput
        Real and drawn images and their classes.
    test : tuple of array and array, or None
        Test images and their codes, -1 for classes that the real images lack.
    crossfit : CrossFit
        The classifiers.
    rows : list of ManifestRow
        What the manifest says of the images.
    """

    data: QualityInput
    test: tuple[NDArray[Any], NDArray[np.int64]] | None
    crossfit: CrossFit
    rows: list[ManifestRow]


@dataclass(frozen=True)
class FolderQuality:
    """What `evaluate_folder` found.

    Attributes
    ----------
    name : str
        Name of the folder.
    report : QualityReport
        The figures. Copies are rows of the lists of files.
    width, height : int
        Size in pixels at which the images were compared.
    real, drawn : list of str
        Files as the manifest names them.
    test : list of str
        Test files, relative to their class folder and with it.
    sights : FolderSights
        The images.
    """

    name: str
    report: QualityReport
    width: int
    height: int
    real: list[str]
    drawn: list[str]
    test: list[str]
    sights: FolderSights = field(repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain lists, dicts, strings and numbers, ready for JSON; copies by the names of files."""
        found = self.report.as_dict()
        found["copies"] = _named(self.report.copies, self.drawn, self.real)
        if self.report.leak is not None:
            found["leak"]["shared"] = _named(self.report.leak.shared, self.test, self.real)
            found["leak"]["copies"] = _named(self.report.leak.copies, self.drawn, self.test)
        return {"name": self.name, "width": self.width, "height": self.height, **found}


def evaluate_folder(
    out: str | Path,
    *,
    test: str | Path | None = None,
    resize: int | None = None,
    seed: int = 0,
    device: str = "auto",
    listener: Listener | None = None,
) -> FolderQuality:
    """Measure the quality of the drawn images of an output of `balance_folder`. Nothing is written.

    Where the manifest tells groups, classifiers judge the real images of one together, and have seen none of them.

    Parameters
    ----------
    out : str or Path
        The output folder; its manifest says what is real and what is drawn.
    test : str or Path, optional
        Test images for the leak test: a folder of class folders or an ``.npz`` file.
    resize : int, optional
        Compare the images at this many pixels a side, 8 to 128. By default at the size of the drawn ones, or at 64
        pixels for the longer side where these are larger.
    seed : int, default=0
        Seed of folds, trainings and resamples.
    device : str, default="auto"
        Where to train the classifiers.
    listener : Listener, optional
        Hears about the progress.

    Returns
    -------
    FolderQuality

    Raises
    ------
    InputError
        If the folder is no output of `balance_folder`, is not whole, or holds no drawn image.
    """
    listener = listener or Listener()
    check_options(resize, None)
    if resize is not None and not SMALLEST_SIDE <= resize <= LARGEST_SIDE:
        raise InputError(
            f"images cannot be compared at {resize} pixels a side: give {SMALLEST_SIDE} to {LARGEST_SIDE}, as networks "
            "take."
        )
    folder = Path(out)
    rows = read_manifest(folder / MANIFEST)
    for origin in ("real", "drawn"):
        if not any(row.origin == origin for row in rows):
            raise InputError(f"{shown(out)} holds no {origin} images, so there is nothing to compare.")
    listener.stage("reading")
    source = open_output(folder, rows, lambda drawn: target(drawn, resize), listener.count)
    X, y, spec = source.load(), source.labels, source.spec
    drawn = np.array([row.origin == "drawn" for row in rows])
    X_test, y_test, test_files = (
        (None, None, []) if test is None else _read_test(test, spec, source.value_range, listener.count)
    )
    data = QualityInput.check(X[~drawn], y[~drawn], X[drawn], y[drawn], spec.layout)
    tell = _stages(listener)
    crossfit = CrossFit(random_state=seed, device=device)
    groups = _groups(rows)
    n_groups = 0 if groups is None else len(np.unique(groups))
    crossfit.fit(
        data.X,
        data.codes,
        codec=data.codec,
        groups=groups if n_groups >= crossfit.n_folds else None,
        progress=lambda done, total: tell("cross-fitting", done, total),
    )
    report = evaluate_images(
        data.X,
        y[~drawn],
        data.X_drawn,
        y[drawn],
        X_test=X_test,
        y_test=y_test,
        random_state=seed,
        channels=spec.layout,
        crossfit=crossfit,
        progress=tell,
    )
    if 0 < n_groups < crossfit.n_folds:
        told = counted(n_groups, "group of real images is", "groups of real images are")
        warning = f"{told} too few to keep together, so real images are judged by what has seen their like"
        report = replace(report, warnings=(*report.warnings, warning))
    changed = [row.file for row in rows if digest_of(folder / row.file) != row.sha256]
    if changed:
        warning = f"not as the manifest says any more: {listed(changed)}. makeweight verify tells more"
        report = replace(report, warnings=(warning, *report.warnings))
    files = np.array([row.file for row in rows], dtype=object)
    return FolderQuality(
        name=folder.resolve().name,
        report=report,
        width=spec.width,
        height=spec.height,
        real=[*files[~drawn]],
        drawn=[*files[drawn]],
        test=test_files,
        sights=FolderSights(data, data.check_test(X_test, y_test), crossfit, rows),
    )


def _groups(rows: Sequence[ManifestRow]) -> NDArray[np.int64] | None:
    """Give the groups of the real images as numbers; None where the manifest tells none."""
    told = [row.group for row in rows if row.origin == "real"]
    return number_groups(told) if any(told) else None


def target(drawn: ImageSpec, resize: int | None) -> ImageSpec:
    """Say at which size and in which mode images are compared: as the drawn ones are, within what networks take.

    Examples
    --------
    >>> target(ImageSpec(100, 200, 3, "uint8", "RGB"), None).shape
    (32, 64, 3)
    """
    if resize:
        return ImageSpec(resize, resize, drawn.channels, drawn.dtype, drawn.mode)
    sides = drawn.height, drawn.width
    shrink = min(1.0, LARGEST_COMPARED / max(sides))
    height, width = (max(SMALLEST_SIDE, round(side * shrink)) for side in sides)
    return ImageSpec(height, width, drawn.channels, drawn.dtype, drawn.mode)


def _read_test(
    test: str | Path, spec: ImageSpec, value_range: tuple[float, float] | None, progress: OnProgress
) -> tuple[NDArray[Any], NDArray[np.str_], list[str]]:
    found = find_source(test)
    if found.listing is None:
        assert found.arrays is not None
        source = ArraySource(found.arrays, value_range=value_range)
        X = source.load()
        if X.shape[1:] != spec.shape or X.dtype != spec.dtype:
            raise InputError(
                f"{found.where} holds images of shape {X.shape[1:]} and {X.dtype}, and the drawn ones are {spec.shape} "
                f"and {spec.dtype}: bring them to one form."
            )
        return X, source.labels, source.files
    if not found.listing.entries:
        raise InputError(f"{found.where} holds no images: give a folder with one folder of images per class.")
    folder = open_listing(found.listing, found.name, found.where, lambda specs: spec, progress, value_range)
    return folder.load(), folder.labels, [entry.shown for entry in found.listing.entries]


def _stages(listener: Listener) -> Any:
    """Progress of `evaluate_images` for a listener."""
    heard: list[str] = []

    def tell(stage: str, done: int, total: int) -> None:
        if stage not in heard:
            heard.append(stage)
            listener.stage(stage)
        listener.count(done, total)

    return tell


def _named(copies: Sequence[Copy], files: Sequence[str], originals: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "file": files[copy.index],
            "of": originals[copy.of],
            "kind": copy.kind,
            "change": copy.change,
            "distance": copy.distance,
            "ratio": copy.ratio,
        }
        for copy in copies
    ]
