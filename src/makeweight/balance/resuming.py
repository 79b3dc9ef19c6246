"""What an interrupted balance leaves to go on from: checkpoints in ``OUT.training``, beside OUT."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from makeweight.balance import output
from makeweight.balance.manifest import MANIFEST, ManifestRow, read_manifest
from makeweight.balance.names import RECORD
from makeweight.balance.options import FALLBACK_METHOD
from makeweight.balance.output import training_folder
from makeweight.data.base import ImageSource
from makeweight.data.wording import shown
from makeweight.errors import InputError, TrainingError
from makeweight.team import team

CHOOSING, LEARNING = "choosing", "learning"
MARKER = ".makeweight-training"


def check_kept(out: Path, resume: bool) -> None:
    """Refuse to begin anew where an interrupted run has left something to go on from; nothing is touched.

    Raises
    ------
    InputError
        If there are checkpoints and `resume` is not asked for, or something that no run of ours has left.
    """
    kept = training_folder(out)
    if os.path.lexists(kept) and not _is_ours(kept):
        raise InputError(f"{shown(kept)} is in the way of what training keeps: move it.")
    if not resume and _holds_training(kept):
        raise InputError(
            f"{shown(kept)} holds a training that was interrupted: go on with --resume, or delete it to begin anew."
        )


def settle_finished(
    out: Path, images: ImageSource, settings_hash: str | None, method: str, to_add: Mapping[str, int] | None
) -> list[ManifestRow]:
    """Give the manifest of an output that is there already, and remove its marker and what was kept for it.

    A run that is killed between putting its output in place and clearing up leaves these.

    Parameters
    ----------
    out : Path
        The output.
    images : ImageSource
        What this run would learn from.
    settings_hash : str or None
        Hash of the settings that this run would draw with; None where it would choose some of them.
    method : str
        What it would draw with.
    to_add : mapping of str to int, or None
        How many images of each class it would draw; None where it would choose that.

    Raises
    ------
    InputError
        If the output is that of another run.
    """
    rows = read_manifest(out / MANIFEST)
    real = [(row.label, row.source, row.sha256) for row in rows if row.origin == "real"]
    drawn = [row for row in rows if row.origin == "drawn"]
    hashes = {row.settings_hash for row in drawn if row.method == method}
    others = {row.method for row in drawn} - {method}
    if (out / RECORD).exists():  # where the gate may have had classes filled by another method
        others -= {FALLBACK_METHOD}
    if others or (settings_hash is not None and hashes - {settings_hash}):
        other = "method, length, seed or settings"
    elif to_add is not None and Counter(row.label for row in drawn) != Counter(dict(to_add)):
        other = "number of drawn images"
    elif real != [(str(images.labels[i]), images.files[i], images.digest(i)) for i in range(len(images.labels))]:
        other = "images"
    else:
        (out / output.MARKER).unlink(missing_ok=True)
        remove_kept(training_folder(out))
        return rows
    raise InputError(
        f"{shown(out)} is the finished output of another run ({other}): name another folder, or replace it with "
        "--overwrite."
    )


def keep_in(kept: Path) -> None:
    """Make the folder, with the mark by which it is known to be ours."""
    if team().rank == 0:
        kept.mkdir(exist_ok=True)
        (kept / MARKER).touch()


@contextmanager
def kept_training(out: Path) -> Iterator[Path]:
    """Give the folder for checkpoints, which is removed where a training has broken down.

    Whatever else ends the job early leaves it for ``--resume``, and says so in a note.
    """
    kept = training_folder(out)
    try:
        yield kept
    except TrainingError:
        remove_kept(kept)
        raise
    except (KeyboardInterrupt, InputError, OSError) as error:
        if _holds_training(kept):
            error.add_note(f"--resume goes on from what is kept in {shown(kept)}")
        else:
            remove_kept(kept)
        raise


def remove_kept(kept: Path) -> None:
    """Remove the folder, if it is one of ours."""
    if team().rank == 0 and _is_ours(kept):
        shutil.rmtree(kept, ignore_errors=True)


def _is_ours(kept: Path) -> bool:
    """Tell whether a folder was made by `keep_in` and holds no links, or is empty."""
    if kept.is_symlink() or not kept.is_dir():
        return False
    entries = [Path(root, name) for root, folders, files in os.walk(kept) for name in (*folders, *files)]
    return not entries or ((kept / MARKER).is_file() and not any(entry.is_symlink() for entry in entries))


def _holds_training(kept: Path) -> bool:
    return kept.is_dir() and any(kept.rglob("*.safetensors"))
