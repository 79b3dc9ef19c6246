"""What a source holds, told even where it cannot be learnt from as it is."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from makeweight.data import checks
from makeweight.data.archives import ArraySet
from makeweight.data.files import open_regular
from makeweight.data.folders import BadFile, Entry, Listing
from makeweight.data.images import LARGEST_FILE, PLAIN_MODES, ImageFacts, OnProgress, map_in_threads
from makeweight.data.source import Found, find_source, look_at_files
from makeweight.data.stores import array_spec, folder_notes, look_alikes
from makeweight.data.wording import listed, shown

SMALL_CLASS = 10
TRAIN = "train"


@dataclass(frozen=True)
class Copies:
    """Files that are byte for byte the same, or arrays that are equal.

    Parameters
    ----------
    files : tuple of str
        Their names relative to the source, at least two.
    classes : tuple of str
        The classes they are found in, sorted; files of other splits count for none.
    splits : tuple of str
        The splits they are found in, sorted; "train" is what is learnt from.
    """

    files: tuple[str, ...]
    classes: tuple[str, ...]
    splits: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Where they meet: "across splits", "across classes" or "within a class", the gravest first."""
        if len(self.splits) > 1:
            return "across splits"
        return "across classes" if len(self.classes) > 1 else "within a class"


@dataclass(frozen=True)
class Inspection:
    """What a source holds.

    Attributes
    ----------
    name : str
        Name of the folder, archive or set.
    counts : dict of str to int
        Readable images of each class of the training part; a class that lost all its images counts 0.
    sizes : dict of (int, int) to int
        Images of each (height, width), most frequent first.
    modes : dict of str to int
        Images of each Pillow mode (dtype for float arrays), most frequent first.
    channels : int
        Channels of the images as they would be learnt: 1, 3 or 4; those of `mode` if it was given, else 3 where modes
        differ or have to be converted.
    bad_files : list of BadFile
        Files that cannot be used, with the reason.
    copies : list of Copies
        Groups of identical files within the training part, or shared with other splits.
    other_splits : dict of str to int
        Images of each split that is not learnt from.
    ignored : dict of str to int
        Files that are no images by name, counted by suffix.
    notes : list of str
        What else is worth knowing, a sentence each.
    problems : list of str
        What `open_source` would refuse with the same options, a sentence each, in its order.
    needs_mending : bool
        Whether files or classes are among the problems: no size and no mode lets such a source be learnt from.
    n_bytes : int
        Size of the readable originals.
    """

    name: str
    counts: dict[str, int]
    sizes: dict[tuple[int, int], int]
    modes: dict[str, int]
    channels: int
    bad_files: list[BadFile] = field(default_factory=list)
    copies: list[Copies] = field(default_factory=list)
    other_splits: dict[str, int] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    needs_mending: bool = False
    n_bytes: int = 0

    @property
    def n_images(self) -> int:
        """Number of readable images of the training part."""
        return sum(self.counts.values())

    @property
    def imbalance_ratio(self) -> float:
        """Largest class by smallest; classes without readable images do not count. 1 where there is nothing."""
        sizes = [count for count in self.counts.values() if count]
        return max(sizes) / min(sizes) if sizes else 1.0

    @property
    def small_classes(self) -> dict[str, int]:
        """Classes of fewer than ten images: too small to learn alone, so duplicates and augmentation serve them."""
        return {label: count for label, count in self.counts.items() if count < SMALL_CLASS}

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain lists, dicts, strings and numbers, ready for JSON."""
        return {
            "name": self.name,
            "images": self.n_images,
            "bytes": self.n_bytes,
            "classes": dict(self.counts),
            "imbalance_ratio": self.imbalance_ratio,
            "small_classes": self.small_classes,
            "sizes": [{"width": w, "height": h, "images": count} for (h, w), count in self.sizes.items()],
            "modes": dict(self.modes),
            "channels": self.channels,
            "bad_files": [{"file": bad.file, "reason": bad.reason} for bad in self.bad_files],
            "copies": [{"kind": group.kind, "files": list(group.files)} for group in self.copies],
            "other_splits": dict(self.other_splits),
            "ignored": dict(self.ignored),
            "notes": list(self.notes),
            "problems": list(self.problems),
            "needs_mending": self.needs_mending,
        }


@dataclass(frozen=True)
class InspectionTable:
    """A titled table of text, one part of what is shown of an inspection.

    Parameters
    ----------
    title : str
        What the rows are.
    columns : tuple of str
        Heads of the columns.
    rows : sequence of tuple of str
        Cells, safe to print.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def inspect(
    source: str | Path,
    *,
    labels: str | Path | None = None,
    resize: int | None = None,
    mode: str | None = None,
    skip_bad: bool = False,
    data_dir: str | Path | None = None,
    download: bool = False,
    progress: OnProgress | None = None,
) -> Inspection:
    """Say what a source holds and what stands in the way of learning from it.

    Images of different sizes or modes, damaged files and a single class are reported, not refused.

    Parameters
    ----------
    source, labels, resize, mode, skip_bad, data_dir, download, progress
        As for `makeweight.data.source.open_source`.

    Returns
    -------
    Inspection

    Raises
    ------
    InputError
        If there is nothing to inspect: no such folder, no images, a table that cannot be read; or for an impossible
        size or mode.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> folder = Path(tempfile.mkdtemp())
    >>> for label, side in (("boot", 8), ("sandal", 16)):
    ...     (folder / label).mkdir()
    ...     Image.new("L", (side, side)).save(folder / label / "1.png")
    >>> found = inspect(folder)
    >>> found.counts, found.sizes
    ({'boot': 1, 'sandal': 1}, {(8, 8): 1, (16, 16): 1})
    """
    checks.check_options(resize, mode)
    found = find_source(source, labels=labels, data_dir=data_dir, download=download)
    return inspect_found(found, progress, resize=resize, mode=mode, skip_bad=skip_bad)


def inspect_found(
    found: Found,
    progress: OnProgress | None = None,
    *,
    resize: int | None = None,
    mode: str | None = None,
    skip_bad: bool = False,
) -> Inspection:
    """Say what a source holds that `find_source` found. See `inspect`."""
    if found.arrays is not None:
        return _inspect_arrays(found, found.arrays, mode)
    assert found.listing is not None
    return _inspect_folder(found, found.listing, progress, resize=resize, mode=mode, skip_bad=skip_bad)


def sections(inspection: Inspection) -> list[InspectionTable]:
    """Group an inspection into tables of text for people; sections without rows are left out.

    Parameters
    ----------
    inspection : Inspection
        What was found.

    Returns
    -------
    list of InspectionTable
        Classes, sizes, modes, other splits, files that cannot be used, identical files, other files, notes and
        problems, in this order.

    Examples
    --------
    >>> [section.title for section in sections(Inspection("shoes", {"boot": 3}, {(8, 8): 3}, {"L": 3}, 1))]
    ['Classes', 'Sizes', 'Modes']
    """
    most = max(inspection.counts.values(), default=0)
    classes = [
        (shown(label), f"{count:,}", f"{most / count:.4g}" if count else "–", _remark(count))
        for label, count in inspection.counts.items()
    ]
    parts = [
        InspectionTable("Classes", ("class", "images", "largest by this", "remark"), classes),
        InspectionTable(
            "Sizes", ("width×height", "images"), _table({f"{w}×{h}": n for (h, w), n in inspection.sizes.items()})
        ),
        InspectionTable(
            "Modes", ("mode", "images"), _table({checks.mode_name(m): n for m, n in inspection.modes.items()})
        ),
        InspectionTable("Other splits, not learnt from", ("split", "images"), _table(inspection.other_splits)),
        InspectionTable(
            "Files that cannot be used",
            ("file", "reason"),
            [(shown(bad.file), shown(bad.reason)) for bad in inspection.bad_files],
        ),
        InspectionTable(
            "Identical files",
            ("where", "files"),
            [(group.kind, ", ".join(map(shown, group.files))) for group in inspection.copies],
        ),
        InspectionTable("Files that are no images", ("suffix", "files"), _table(inspection.ignored)),
        InspectionTable("Notes", ("note",), [(note,) for note in inspection.notes]),
        InspectionTable("Problems", ("problem",), [(problem,) for problem in inspection.problems]),
    ]
    return [part for part in parts if part.rows]


def _remark(count: int) -> str:
    if count == 1:
        return "one image: it can only be copied"
    return "fewer than ten: too few to learn any variety from" if count < SMALL_CLASS else ""


def _table(counts: Mapping[str, int]) -> list[tuple[str, ...]]:
    return [(shown(name), f"{count:,}") for name, count in counts.items()]


def _inspect_folder(
    source: Found,
    listing: Listing,
    progress: OnProgress | None,
    *,
    resize: int | None,
    mode: str | None,
    skip_bad: bool,
) -> Inspection:
    found, bad = look_at_files(listing.entries, progress)
    facts = [each for _, each in found]
    bad = [*listing.troubles, *bad]
    readable = Counter(entry.label for entry, _ in found)
    counts = {label: readable[label] for label in sorted({entry.label for entry in listing.entries})}
    sizes = dict(Counter((each.height, each.width) for each in facts).most_common())
    modes = dict(Counter(each.mode for each in facts).most_common())
    to_mend = _problems(checks.bad_files_problem(source.where, [] if skip_bad else bad), _classes(source.where, counts))
    to_convert = _problems(
        checks.modes_problem(source.where, modes) if mode is None else None,
        checks.sizes_problem(source.where, sizes) if resize is None else None,
    )
    return Inspection(
        name=source.name,
        counts=counts,
        sizes=sizes,
        modes=modes,
        channels=_channels(modes if mode is None else {mode: len(facts)}),
        bad_files=bad,
        copies=_identical_files(listing, found),
        other_splits={split: len(paths) for split, paths in listing.other_splits.items()},
        ignored=dict(listing.ignored.most_common()),
        notes=[*_doubts(counts, facts), *folder_notes(listing, facts)],
        problems=[*to_mend, *to_convert],
        needs_mending=bool(to_mend),
        n_bytes=sum(each.n_bytes for each in facts),
    )


def _doubts(labels: Iterable[str], facts: Sequence[ImageFacts]) -> list[str]:
    """Say which classes may be one, and how many images may be drawn ones."""
    alike, drawn = look_alikes(labels), sum(each.drawn for each in facts)
    notes = (
        (alike, f"Classes whose names look alike, and which are learnt apart: {listed(alike)}."),
        (drawn, f"Images that makeweight drew, by the mark in their files: {drawn:,}."),
    )
    return [sentence for applies, sentence in notes if applies]


def _channels(modes: Mapping[str, int]) -> int:
    """Give the channels of the one mode there is, or of the RGB that others would be converted to."""
    mode = next(iter(modes), "")
    return Image.getmodebands(mode) if len(modes) == 1 and mode in PLAIN_MODES else 3


def _classes(where: str, counts: dict[str, int]) -> str | None:
    kept = {label: count for label, count in counts.items() if count}
    return checks.classes_problem(where, kept, [label for label in counts if label not in kept])


def _problems(*found: str | None) -> list[str]:
    return [problem for problem in found if problem is not None]


def _identical_files(listing: Listing, found: Sequence[tuple[Entry, ImageFacts]]) -> list[Copies]:
    """Hash files of equal size, and only those."""
    places = [(entry.path, entry.shown, entry.label, TRAIN) for entry, _ in found]
    for split, paths in listing.other_splits.items():
        places.extend((path, path.relative_to(listing.root).as_posix(), "", split) for path in paths)
    sizes = [_size(path) for path, *_ in places]
    times = Counter(sizes)
    places = [each for each, size in zip(places, sizes, strict=True) if 0 < size <= LARGEST_FILE and times[size] > 1]
    digests = map_in_threads(_digest, [path for path, *_ in places])
    return _groups([(digest, *rest) for digest, (_, *rest) in zip(digests, places, strict=True) if digest])


def _groups(marked: Sequence[tuple[str, ...]]) -> list[Copies]:
    """Group (digest, file, label, split) by digest; groups wholly in other splits are no concern."""
    by_digest: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for digest, file, label, split in marked:
        by_digest[digest].append((file, label, split))
    groups = []
    for members in by_digest.values():
        splits = tuple(sorted({split for _, _, split in members}))
        if len(members) > 1 and TRAIN in splits:
            classes = tuple(sorted({label for _, label, split in members if split == TRAIN}))
            groups.append(Copies(tuple(file for file, _, _ in members), classes, splits))
    return groups


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _digest(path: Path) -> str:
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _inspect_arrays(source: Found, data: ArraySet, mode: str | None) -> Inspection:
    spec = array_spec(data.X)
    names, numbers = np.unique(data.labels, return_counts=True)
    counts = dict(zip(names.tolist(), numbers.tolist(), strict=True))
    marked = [
        (hashlib.sha256(pixels.tobytes()).hexdigest(), f"{row:06d}.png", label, TRAIN)
        for row, (pixels, label) in enumerate(zip(data.X, data.labels.tolist(), strict=True))
    ]
    to_mend = _problems(_classes(source.where, counts))
    return Inspection(
        name=source.name,
        counts=counts,
        sizes={(spec.height, spec.width): len(data.X)},
        modes={spec.mode if spec.dtype.startswith("u") else spec.dtype: len(data.X)},
        channels=spec.channels if mode is None else Image.getmodebands(mode),
        copies=_groups(marked),
        other_splits=dict(data.other_splits),
        problems=to_mend,
        needs_mending=bool(to_mend),
        n_bytes=data.X.nbytes,
    )
