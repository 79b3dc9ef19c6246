"""Names on disk: class folders from any label, flat file names for originals, marked names for drawn images."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from makeweight.errors import InputError

if TYPE_CHECKING:
    from makeweight.data.base import ImageSource

IMAGES, MODEL, FALLBACK, SAMPLES, RECORD = "images", "model", "fallback", "samples.png", "balance.json"
DRAWN_PREFIX = "drawn-"
ORIGINAL_PREFIX = "in__"
EMPTY_LABEL = "%empty"
MAX_BYTES = 200

_UNSAFE = set('/\\:*?"<>|')
# Readers of data sets take such folders for splits, and then miss the classes.
_SPLITS = re.compile(r"(train|training|dev|val|valid|validation|test|testing|eval|evaluation)", re.IGNORECASE)
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}")


def class_folder(label: str) -> str:
    """Turn a label into a folder name that is safe on every file system.

    Most labels stay as they are. A character that cannot be in a name is written as ``%`` and the two hexadecimal
    digits of each of its UTF-8 bytes: separators, ``: * ? " < > |``, control and invisible characters, a dot or space
    in front or at the end, the first letter of a name that Windows reserves or that readers of data sets take for a
    split (``train``, ``test``, …), and a ``%`` that would read as such an escape. An empty label becomes ``%empty``; a
    name over 200 bytes is cut and ends in twelve digits of its SHA-256.

    Parameters
    ----------
    label : str
        The label as the user wrote it.

    Returns
    -------
    str
        The folder name: the same for the same label on every machine.

    Examples
    --------
    >>> class_folder("ankle boot"), class_folder("T-shirt/top"), class_folder("..")
    ('ankle boot', 'T-shirt%2Ftop', '%2E%2E')
    """
    if not label:
        return EMPTY_LABEL
    last = len(label) - 1
    reserved = any(names.fullmatch(label) is not None for names in (_RESERVED, _SPLITS))
    parts = []
    for position, character in enumerate(label):
        at_edge = (position == 0 and character in ". ") or (position == last and character in ". ")
        unsafe = character in _UNSAFE or not character.isprintable() or at_edge or (reserved and position == 0)
        looks_escaped = character == "%" and _ESCAPED.match(label, position) is not None
        parts.append(_escape(character) if unsafe or looks_escaped else character)
    return _shorten("".join(parts), "")


def class_folders(labels: Iterable[str]) -> dict[str, str]:
    """Give each label its folder name, and refuse labels that would share one.

    Parameters
    ----------
    labels : iterable of str
        The classes.

    Returns
    -------
    dict of str to str
        Folder name of each label.

    Raises
    ------
    InputError
        If two labels would get the same folder, on systems that compose accented letters too.
    """
    folders: dict[str, str] = {}
    owners: dict[str, str] = {}
    for label in labels:
        folder = class_folder(label)
        place = unicodedata.normalize("NFC", folder)
        if place in owners:
            raise InputError(
                f"the classes {owners[place]!r} and {label!r} would share the folder {folder!r}: rename one."
            )
        owners[place] = label
        folders[label] = folder
    return folders


def original_names(files: Sequence[str]) -> list[str]:
    """Give the originals of one class flat and unique file names.

    A file keeps its name. One from a subfolder carries the subfolder in front (``sub/a.png`` becomes ``sub__a.png``);
    one that is named like a drawn image gets ``in__`` in front; characters that no name can hold everywhere, a dot or
    space in front, and names that Windows reserves are escaped as in `class_folder`; a name that is taken already
    (upper and lower case, and composed and decomposed letters, count as equal) gets ``-2``, ``-3`` and so on before its
    extension.

    Parameters
    ----------
    files : sequence of str
        File names relative to the class, with forward slashes.

    Returns
    -------
    list of str
        One name per file, in the same order.

    Examples
    --------
    >>> original_names(["a.png", "sub/a.png", "sub__a.png"])
    ['a.png', 'sub__a.png', 'sub__a-2.png']
    """
    taken: set[str] = set()
    names = []
    for file in files:
        name = _flat_name(file)
        stem, suffix = _split(name)
        copies = 1
        while _folded(name) in taken:
            copies += 1
            name = f"{stem}-{copies}{suffix}"
        taken.add(_folded(name))
        names.append(name)
    return names


def drawn_name(method: str, seed: int, row: int) -> str:
    """Name a drawn image after what draws it again: ``drawn-<method>-s<seed>-<row>.png``."""
    return f"{DRAWN_PREFIX}{method}-s{seed}-{row:06d}.png"


def drawn_before(images: ImageSource) -> int:
    """Count the images that an earlier run seems to have drawn, by the name or the mark of their files."""
    named = (row for row, file in enumerate(images.files) if PurePosixPath(file).name.startswith(DRAWN_PREFIX))
    return len(images.drawn.union(named))


def _flat_name(file: str) -> str:
    parts = [part for part in PurePosixPath(file).parts if part not in ("/", "..")]
    name = "".join(_escape(c) if c in _UNSAFE or not c.isprintable() else c for c in "__".join(parts))
    if name[:1] in (".", " ") or _RESERVED.fullmatch(name):
        name = _escape(name[0]) + name[1:]
    if name.casefold().startswith(DRAWN_PREFIX):
        name = ORIGINAL_PREFIX + name
    return _shorten(*_split(name))


def _folded(name: str) -> str:
    """Give what file systems may take for the same name: letters of either case, composed or not."""
    return unicodedata.normalize("NFC", name).casefold()


def _split(name: str) -> tuple[str, str]:
    suffix = PurePosixPath(name).suffix
    return name[: len(name) - len(suffix)], suffix


def _escape(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _shorten(stem: str, suffix: str) -> str:
    """Cut a name over the limit at a whole character; its hash keeps it apart from others that start alike."""
    if len((stem + suffix).encode()) <= MAX_BYTES:
        return stem + suffix
    digest = hashlib.sha256((stem + suffix).encode()).hexdigest()[:12]
    room = MAX_BYTES - len(suffix.encode()) - len(digest) - 1
    return stem.encode()[:room].decode(errors="ignore") + "~" + digest + suffix
