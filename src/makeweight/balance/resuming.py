"""What an interrupted balance leaves to go on from: checkpoints in ``OUT.training``, beside OUT."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from makeweight.data.wording import shown
from makeweight.errors import InputError, TrainingError
from makeweight.team import team

CHOOSING, LEARNING = "choosing", "learning"


def training_folder(out: Path) -> Path:
    """Give the folder in which the trainings for an output are kept while it is not finished."""
    return out.resolve().with_name(out.resolve().name + ".training")


def check_kept(out: Path, resume: bool) -> None:
    """Refuse to begin anew where an interrupted run has left something to go on from.

    Raises
    ------
    InputError
        If there are checkpoints and `resume` is not asked for, or a link or something that is no folder.
    """
    kept = training_folder(out)
    if kept.is_symlink() or (kept.exists() and not kept.is_dir()):
        raise InputError(f"{shown(kept)} is in the way of what training keeps: move it.")
    if not resume and any(kept.rglob("*.safetensors")):
        raise InputError(
            f"{shown(kept)} holds a training that was interrupted: go on with --resume, or delete it to begin anew."
        )


@contextmanager
def kept_training(out: Path) -> Iterator[Path]:
    """Give the folder for checkpoints; it is removed once the output is there, or a training has broken down.

    Whatever else ends the job leaves it for ``--resume``, and says so in a note.
    """
    kept = training_folder(out)
    try:
        yield kept
    except TrainingError:
        _remove(kept)
        raise
    except (KeyboardInterrupt, InputError, OSError) as error:
        if any(kept.rglob("*.safetensors")):
            error.add_note(f"--resume goes on from what is kept in {shown(kept)}")
        raise
    _remove(kept)


def _remove(kept: Path) -> None:
    if team().rank == 0:
        shutil.rmtree(kept, ignore_errors=True)
