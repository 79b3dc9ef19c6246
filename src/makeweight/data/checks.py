"""What stands in the way of learning from a source, each in one sentence that offers the way out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from makeweight.data.folders import BadFile
from makeweight.data.images import PLAIN_MODES
from makeweight.data.wording import counted, listed, shown
from makeweight.errors import InputError

MODE_CHOICES = ("L", "RGB")
MAX_RESIZE = 1024


def check_options(resize: int | None, mode: str | None) -> None:
    """Refuse a size or a mode that images cannot be brought to.

    Parameters
    ----------
    resize : int or None
        Side of the square images, 1 to 1024 pixels.
    mode : str or None
        "L" or "RGB".

    Raises
    ------
    InputError
        If either is out of range.
    """
    whole = resize is None or (isinstance(resize, int) and not isinstance(resize, bool))
    if not whole or (resize is not None and not 1 <= resize <= MAX_RESIZE):
        raise InputError(f"images cannot be resized to {shown(resize)}: give a whole number from 1 to {MAX_RESIZE}.")
    if mode is not None and mode not in MODE_CHOICES:
        raise InputError(f"images cannot be converted to the mode {shown(mode)}: give L (grey) or RGB.")


def check_exists(source: str | Path) -> None:
    """Refuse a source that is neither there nor the name of a known set.

    Raises
    ------
    InputError
        If it is neither.
    """
    from makeweight.data.named import names

    if not str(source):
        raise InputError("the name of the input is empty: give a folder, an archive or the name of a known set.")
    if not Path(source).exists() and str(source) not in names():
        raise InputError(
            f"there is no folder or file {shown(source)}, and no set of that name: check the path, or give one of the "
            f"sets {listed(names(), limit=20)}."
        )


def bad_files_problem(where: str, bad: Sequence[BadFile]) -> str | None:
    """Name the files that cannot be used."""
    if not bad:
        return None
    return (
        f"{where} holds {counted(len(bad), 'file')} that cannot be used: {listed(bad)}; "
        f"mend or remove {'it' if len(bad) == 1 else 'them'}, or leave {'it' if len(bad) == 1 else 'them'} out with "
        f"--skip-bad (skip_bad=True)."
    )


def classes_problem(where: str, counts: Mapping[str, int], lost: Sequence[str] = ()) -> str | None:
    """Say that too few classes are left.

    Parameters
    ----------
    where : str
        What messages call the source.
    counts : mapping of str to int
        Usable images of each class.
    lost : sequence of str
        Classes that have files, none of which can be used.

    Returns
    -------
    str or None
    """
    if lost:
        return (
            f"{where}: no image of {listed(lost)} can be read: mend the files, or remove "
            f"{'that class' if len(lost) == 1 else 'these classes'}."
        )
    if not counts:
        return f"{where} holds no images: give a folder with one folder of images per class."
    if len(counts) == 1:
        return f"{where} holds one class only ({shown(next(iter(counts)))}): balancing needs at least two."
    return None


def modes_problem(where: str, modes: Mapping[str, int]) -> str | None:
    """Say that the images' modes differ, or are none that can be learnt as they are."""
    offer = "convert all with --mode RGB or --mode L (mode=)"
    if len(modes) > 1:
        return f"{where} holds images of different modes ({mode_counts(modes)}): {offer}."
    mode = next(iter(modes), "L")
    if mode not in PLAIN_MODES:
        return f"{where} holds images of the mode {mode_name(mode)}, which cannot be learnt as it is: {offer}."
    return None


def sizes_problem(where: str, sizes: Mapping[tuple[int, int], int]) -> str | None:
    """Say that the images' sizes differ; sizes are (height, width)."""
    if len(sizes) < 2:
        return None
    ranked = Counter(sizes).most_common()
    kinds = listed((f"{width}×{height} ({count:,})" for (height, width), count in ranked), limit=3)
    return (
        f"{where} holds images of different sizes (width×height: {kinds}): bring all to one size with "
        f"--resize {offered_side(sizes)} (resize={offered_side(sizes)})."
    )


def offered_side(sizes: Mapping[tuple[int, int], int]) -> int:
    """Return the side to offer for resizing: the longer one of the most frequent size, within 8 to 64 pixels."""
    (size, _), *_ = Counter(sizes).most_common(1)
    return min(64, max(8, *size))


def mode_name(mode: str) -> str:
    """Give Pillow's mode with what it means."""
    meanings = {
        "L": "grey",
        "I;16": "16-bit grey",
        "1": "black and white",
        "LA": "grey with alpha",
        "P": "palette",
        "PA": "palette with alpha",
        "I": "32-bit integers",
        "F": "32-bit floats",
    }
    return f"{mode} ({meanings[mode]})" if mode in meanings else mode


def mode_counts(modes: Mapping[str, int]) -> str:
    """List modes with their counts, most frequent first."""
    return listed(f"{count:,} {mode_name(mode)}" for mode, count in Counter(modes).most_common())


def refuse(*problems: str | None) -> None:
    """Raise the first problem there is.

    Raises
    ------
    InputError
        With that sentence.
    """
    for problem in problems:
        if problem is not None:
            raise InputError(problem)
