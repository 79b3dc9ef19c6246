"""Whether an output folder still holds what was written, and its model still draws it."""

from __future__ import annotations

import errno
import os
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makeweight.balance.contents import foreign_entries
from makeweight.balance.drawn_images import Mark, pixels_from, read_pixels, resized
from makeweight.balance.early import check_verify
from makeweight.balance.listener import Listener
from makeweight.balance.manifest import MANIFEST, ManifestRow, read_manifest, unnamed_files
from makeweight.balance.models import load_model
from makeweight.balance.names import DRAWN_PREFIX, FALLBACK, IMAGES, MODEL, class_folder
from makeweight.balance.sampling import find_label
from makeweight.data.files import open_regular
from makeweight.data.images import DRAWN, LARGEST_FILE, UnreadableImageError, look_at, opened_image, strict_pillow
from makeweight.data.wording import counted, listed, shown
from makeweight.errors import InputError
from makeweight.machine import software_versions
from makeweight.sampler import ImageSampler

MOST_LEVELS = 2.0
N_ORIGINALS = 64  # of which the sizes are looked at
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MARK_KEYS = tuple(Mark("", "", 0, 0, "").chunks())


@dataclass
class Verification:
    """What `verify_folder` found.

    Attributes
    ----------
    problems : list of str
        What is wrong, one sentence each; empty if all is well.
    notes : list of str
        What is worth knowing but not wrong.
    n_files, n_redrawn : int
        Files hashed, and images drawn again.
    most_levels : float
        Largest difference between a drawn image and its redrawing, in steps of 1/255 of the range.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    n_files: int = 0
    n_redrawn: int = 0
    most_levels: float = 0.0

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify_folder(
    out: str | Path, *, redraw: int = 16, seed: int = 0, listener: Listener | None = None
) -> Verification:
    """Check an output of `balance_folder` against its manifest and its model.

    Every file is hashed; files that are missing or that no row names are found; the marks inside the PNGs are compared
    with the manifest; the model's hash and its settings' are computed again; some drawn images are drawn again and
    compared pixel by pixel.

    Parameters
    ----------
    out : str or Path
        The output folder.
    redraw : int, default=16
        How many images to draw again, spread over the classes; 0 for none.
    seed : int, default=0
        Seed of the choice of these images.
    listener : Listener, optional
        Hears about the progress.

    Returns
    -------
    Verification

    Raises
    ------
    InputError
        If the folder is no output of `balance_folder`.
    """
    listener = listener or Listener()
    folder = Path(out)
    check_verify(folder, redraw)
    if any(folder.glob(f"{DRAWN_PREFIX}*")) and not (folder / IMAGES).exists() and not (folder / MODEL).exists():
        raise InputError(f"{shown(folder)} was written by makeweight sample: give an output of makeweight balance.")
    found = Verification()
    try:
        rows = read_manifest(folder / MANIFEST)
    except InputError as error:
        if not (folder / IMAGES).is_dir():
            raise
        found.problems.append(f"the manifest cannot be read: {error}")
        return found
    intact = _check_files(folder, rows, found, listener)
    _check_rows(rows, found)
    samplers = _check_models(folder, rows, found)
    drawn = _check_marks(folder, intact, {each.model_hash_ for each in samplers.values()}, found)
    if samplers and redraw:
        listener.stage("redrawing")
        again = choose_rows([row for row in drawn if row.method in samplers], redraw, seed)
        originals = choose_rows([row for row in intact if row.origin == "real"], N_ORIGINALS, seed)
        _redraw(folder, samplers, again, _sizes(folder, originals), found, listener)
    return found


def choose_rows(rows: Sequence[ManifestRow], n_rows: int, seed: int) -> list[ManifestRow]:
    """Choose rows at random, as evenly over the labels as there are rows.

    Parameters
    ----------
    rows : sequence of ManifestRow
        The rows to choose from.
    n_rows : int
        How many; all of them if there are fewer.
    seed : int
        Seed of the choice.

    Returns
    -------
    list of ManifestRow
    """
    by_label: dict[str, list[ManifestRow]] = defaultdict(list)
    for row in rows:
        by_label[row.label].append(row)
    chance = random.Random(seed)
    for members in by_label.values():
        chance.shuffle(members)
    chosen: list[ManifestRow] = []
    while len(chosen) < min(n_rows, len(rows)):
        for members in by_label.values():
            if members and len(chosen) < n_rows:
                chosen.append(members.pop())
    return chosen


def _check_files(
    folder: Path, rows: Sequence[ManifestRow], found: Verification, listener: Listener
) -> list[ManifestRow]:
    """Hash every file that the manifest names; return the rows whose files are as they were written."""
    listener.stage("checking")
    outside = [row.file for row in rows if not _is_inside(row.file)]
    missing, changed, unreadable, intact = [], [], [], []
    inside = [row for row in rows if _is_inside(row.file)]
    for number, row in enumerate(inside, 1):
        try:
            digest = digest_of(folder / row.file)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            missing.append(row.file)
        except (OSError, ValueError):
            unreadable.append(row.file)
        else:
            if digest == row.sha256:
                intact.append(row)
            else:
                changed.append(row.file)
        listener.count(number, len(inside))
    found.n_files = len(intact) + len(changed)
    extra, stray = unnamed_files(folder, rows), foreign_entries(folder)
    _tell(found, "file", "named in the manifest outside images/", outside)
    _tell(found, "file", "missing", missing)
    _tell(found, "file", "that cannot be read", unreadable)
    _tell(found, "file", "changed since written", changed)
    _tell(found, "file", "in images/ but not in the manifest", extra)
    _tell(found, "file or folder", "that makeweight did not write", stray, "files or folders")
    return intact


def _check_rows(rows: Sequence[ManifestRow], found: Verification) -> None:
    """Find rows that stand twice in the manifest, labels in other classes' folders, and copies of no real image."""
    files = Counter(row.file for row in rows)
    draws = Counter((row.label, row.seed, row.row) for row in rows if row.origin == "drawn")
    twice = [
        row.file
        for row in rows
        if files[row.file] > 1 or (row.origin == "drawn" and draws[row.label, row.seed, row.row] > 1)
    ]
    elsewhere = [
        row.file
        for row in rows
        if _is_inside(row.file) and PurePosixPath(row.file).parts[1:-1] != (class_folder(row.label),)
    ]
    _tell(found, "row", "of the manifest for an image that has another row", twice)
    _tell(found, "file", "in another folder than that of the label", elsewhere)
    real = {row.file for row in rows if row.origin == "real"}
    _tell(
        found,
        "image",
        "said to copy what is no real image",
        [row.file for row in rows if row.copy_of and row.copy_of not in real],
    )


def _check_marks(
    folder: Path, rows: Sequence[ManifestRow], model_hashes: set[str], found: Verification
) -> list[ManifestRow]:
    """Compare the marks inside the PNGs with the manifest; return the drawn rows that agree with theirs."""
    unreadable, unmarked, different, agreeing = [], [], [], []
    hidden: list[str] = []
    earlier: list[str] = []
    for row in rows:
        try:
            mark = _mark(folder / row.file)
        except (UnreadableImageError, OSError):
            unreadable.append(row.file)
            continue
        if row.origin == "drawn":
            if mark is None:
                unmarked.append(row.file)
            elif mark != _expected(row):
                different.append(row.file)
            else:
                agreeing.append(row)
        elif mark is not None:
            ours = mark["model_hash"] in model_hashes or PurePosixPath(row.file).name.startswith(DRAWN_PREFIX)
            (hidden if ours else earlier).append(row.file)
    _tell(found, "file", "not readable as PNG", unreadable)
    _tell(found, "image", "drawn by the manifest but without makeweight's mark", unmarked)
    _tell(found, "image", "whose mark differs from the manifest", different)
    _tell(found, "image", "real by the manifest but with the mark of a drawn one", hidden)
    if earlier:
        found.notes.append(f"{counted(len(earlier), 'original')} drawn earlier by another model: {listed(earlier)}")
    return agreeing


def _check_models(folder: Path, rows: Sequence[ManifestRow], found: Verification) -> dict[str, ImageSampler]:
    """Load what drew the images, by the name of the method, and compare it with the rows."""
    drawn = [row for row in rows if row.origin == "drawn"]
    if not drawn and not (folder / MODEL).exists():
        found.notes.append("nothing was drawn, so there is no model")
        return {}
    main = _loaded(folder / MODEL, "model", found)
    fallback = _loaded(folder / FALLBACK, "fallback model", found) if (folder / FALLBACK).exists() else None
    if main is not None and fallback is not None and main.name == fallback.name:
        found.problems.append(
            f"model/ and fallback/ both hold {main.name}, so that rows of the one pass for the other's"
        )
        fallback = None
    of_fallback = [row for row in drawn if fallback is not None and row.method == fallback.name]
    others = [row for row in drawn if fallback is None or row.method != fallback.name]
    samplers = {}
    for what, settings, sampler, own in (
        ("model", "settings", main, others),
        ("fallback model", "fallback model's settings", fallback, of_fallback),
    ):
        if sampler is None:
            continue
        samplers[sampler.name] = sampler
        here = software_versions()
        changed = [f"{name} {then}" for name, then in sampler.made_with_.items() if here.get(name) != then]
        if changed:
            found.notes.append(f"the {what} was made with {listed(changed)}, and here are other versions")
        if not own:
            found.notes.append(f"no row names the {what}, so its hash cannot be compared")
        for part, now, then in (
            (what, sampler.model_hash_, {row.model_hash for row in own}),
            (settings, sampler.settings_hash, {row.settings_hash for row in own}),
        ):
            if then - {now}:
                found.problems.append(
                    f"the hash of the {part} is {now[:12]}…, and the manifest says {listed(_short(then))}"
                )
    if main is not None:
        _check_counts(main, rows, found)
        foreign = [row.file for row in drawn if row.method not in samplers]
        _tell(found, "image", "drawn by a method of which there is no model", foreign)
    return samplers


def _check_counts(model: ImageSampler, rows: Sequence[ManifestRow], found: Verification) -> None:
    """Compare the real images of each class with those that the model has learnt from."""
    own = {(row.file, row.label) for row in rows if row.origin == "real" and _is_inside(row.file)}
    real = Counter(label for _, label in own)
    learnt = {str(label): n for label, n in zip(model.classes_.tolist(), model.class_counts_.tolist(), strict=True)}
    found.problems += [
        f"the model has learnt from {counted(learnt.get(label, 0), 'image')} of {shown(label)!r}, and the manifest has "
        f"{real[label]:,} real ones"
        for label in sorted(real.keys() | learnt.keys())
        if learnt.get(label, 0) != real[label]
    ]


def _sizes(folder: Path, rows: Sequence[ManifestRow]) -> set[tuple[int, int]]:
    """Give the heights and widths of images, of those that can be read."""
    found = set()
    with strict_pillow():
        for row in rows:
            with suppress(UnreadableImageError):
                facts = look_at(folder / row.file)
                found.add((facts.height, facts.width))
    return found


def _loaded(folder: Path, what: str, found: Verification) -> ImageSampler | None:
    try:
        return load_model(folder)
    except InputError as error:
        found.problems.append(f"the {what} cannot be read: {error}")
        return None


def _redraw(
    folder: Path,
    samplers: Mapping[str, ImageSampler],
    rows: Sequence[ManifestRow],
    sizes: set[tuple[int, int]],
    found: Verification,
    listener: Listener,
) -> None:
    """Draw the given rows again and compare pixels, class by class; images have the model's size or an original's."""
    groups: dict[tuple[str, str, int | None], list[ManifestRow]] = defaultdict(list)
    for row in rows:
        groups[row.method, row.label, row.seed].append(row)
    differing: list[str] = []
    unreadable: list[str] = []
    for (method, label, seed), members in groups.items():
        sampler = samplers[method]
        try:
            X_again = sampler.draw(find_label(sampler, label), [row.row or 0 for row in members], seed=seed)
        except InputError as error:
            found.problems.append(f"images of {shown(label)!r} cannot be drawn again: {error}")
            continue
        for row, again in zip(members, pixels_from(X_again, sampler.codec_), strict=True):
            try:
                levels = _levels_apart(read_pixels(folder / row.file), again, sizes)
            except UnreadableImageError:
                unreadable.append(row.file)
                continue
            found.n_redrawn += 1
            found.most_levels = max(found.most_levels, levels)
            differing.extend([row.file] if levels > MOST_LEVELS else [])
            listener.count(found.n_redrawn, len(rows))
    _tell(found, "image", "that cannot be decoded", unreadable)
    if differing:
        found.problems.append(f"{counted(len(differing), 'image')} drawn again came out different: {listed(differing)}")
    elif found.most_levels:
        found.notes.append(f"redrawn images differ by at most {found.most_levels:.2g} of 255 levels (another machine?)")


def _levels_apart(written: NDArray[Any], again: NDArray[Any], sizes: set[tuple[int, int]]) -> float:
    """Give the largest difference in steps of 1/255 of the range; a different kind of image is infinitely far away."""
    if written.dtype != again.dtype or written.ndim != again.ndim:
        return float("inf")
    if written.shape[:2] not in {again.shape[:2], *sizes}:
        return float("inf")
    again = resized(again, written.shape[1], written.shape[0])
    if written.shape != again.shape:
        return float("inf")
    step = np.iinfo(written.dtype).max / 255
    return float(np.abs(written.astype(np.float64) - again).max() / step)


def _mark(path: Path) -> dict[str, str] | None:
    """Read the mark of a drawn image; None for a file that has none."""
    with open_regular(path) as file:
        if file.read(len(PNG_SIGNATURE)) != PNG_SIGNATURE:
            return None
    with opened_image(path, ("PNG",)) as image:
        chunks = {key: str(image.info.get(key, "")) for key in MARK_KEYS}
    return chunks if chunks[DRAWN[0]] == DRAWN[1] else None


def _expected(row: ManifestRow) -> dict[str, str]:
    return Mark(row.method, row.model_hash, row.seed or 0, row.row or 0, row.label).chunks()


def _tell(found: Verification, singular: str, what: str, files: Sequence[str], plural: str | None = None) -> None:
    """Add the problem of these files, if there are any."""
    if files:
        found.problems.append(f"{counted(len(files), singular, plural)} {what}: {listed(files)}")


def _is_inside(file: str) -> bool:
    path = PurePosixPath(file)
    return path.parts[:1] == (IMAGES,) and ".." not in path.parts and "\\" not in file and str(path) == file


def digest_of(path: Path) -> str:
    """Hash a file as the manifest does."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > LARGEST_FILE:
            raise OSError(errno.EFBIG, "larger than any image")
        return file_digest(file, "sha256").hexdigest()


def _short(hashes: set[str]) -> list[str]:
    return sorted(f"{each[:12]}…" for each in hashes)
