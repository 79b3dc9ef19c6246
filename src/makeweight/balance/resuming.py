"""What an interrupted balance leaves to go on from: checkpoints in ``OUT.training``, beside OUT."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from makeweight.balance.manifest import is_output
from makeweight.balance.output import training_folder
from makeweight.data.wording import shown
from makeweight.errors import InputError, TrainingError
from makeweight.team import team

CHOOSING, LEARNING = "choosing", "learning"
MARKER = ".makeweight-training"


def is_finished(out: Path, resume: bool, overwrite: bool) -> bool:
    """Tell whether a run is to go on with an output that is there already."""
    return resume and not overwrite and is_output(out)


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


def keep_in(kept: Path) -> None:
    """Make the folder, with the mark by which it is known to be ours."""
    if team().rank == 0:
        kept.mkdir(exist_ok=True)
        (kept / MARKER).touch()


@contextmanager
def kept_training(out: Path, *, resume: bool, note: Callable[[str], None]) -> Iterator[Path]:
    """Give the folder for checkpoints, which is removed where a training has broken down.

    Whatever else ends the job early leaves it for ``--resume``, and says so in a note. `note` is told where nothing is
    there although the job is to go on.
    """
    kept = training_folder(out)
    if resume and not _holds_training(kept):
        note(f"there is no training to go on with in {shown(kept)}, so it begins anew")
    try:
        yield kept
    except TrainingError:
        remove_kept(kept)
        raise
    except (KeyboardInterrupt, InputError, OSError) as error:
        if _holds_training(kept):
            error.add_note(f"what is kept in {shown(kept)} goes on with the arguments of its run and --resume")
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
