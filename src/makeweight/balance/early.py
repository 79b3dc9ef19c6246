"""What a job refuses without loading anything heavy, so that the answer to bad input comes at once.

The jobs check the same again, and more, with the same words.
"""

from __future__ import annotations

from pathlib import Path

from makeweight.balance.manifest import MANIFEST, check_no_output, require_manifest
from makeweight.balance.models import check_length, find_model
from makeweight.balance.options import Fill, check_fill, check_gate
from makeweight.balance.output import OutputFolder
from makeweight.balance.resuming import check_kept, is_finished
from makeweight.balance.strategy import Strategy, check_name
from makeweight.data.checks import check_exists, check_options
from makeweight.data.groups import groups_file
from makeweight.data.wording import shown
from makeweight.errors import InputError
from makeweight.methods import check_shipped


def check_balance(
    source: str,
    out: Path,
    *,
    method: str | None = None,
    sampling_strategy: Strategy | None = None,
    fill: Fill | None = None,
    gate: bool = False,
    groups: str | None = None,
    n_steps: int | None = None,
    n_epochs: int | None = None,
    budget: float | None = None,
    from_model: Path | None = None,
    labels: Path | None = None,
    resize: int | None = None,
    mode: str | None = None,
    overwrite: bool = False,
    resume: bool = False,
) -> None:
    """Refuse what `makeweight.balance.balance_folder` would refuse for what was typed alone; nothing is opened.

    Parameters are those of `makeweight.balance.balance_folder`.

    Raises
    ------
    InputError
        For a source that is not there or an output itself, an output that cannot be written, an unknown method,
        strategy or mode, lengths of training that exclude each other, an interrupted training that is not to be gone on
        with, a fill that is none or beside a strategy, a gate for a method that copies, or a model that is none.
    """
    check_exists(source)
    check_no_output(source, labels)
    if not is_finished(out, resume, overwrite):
        inputs = (source, labels, groups_file(groups))
        _output(out, overwrite).check([Path(path) for path in inputs if path is not None])
    if method is not None:
        check_shipped(method)
    check_name(sampling_strategy or "auto")
    check_fill(fill, sampling_strategy, from_model)
    check_gate(gate, method)
    check_length({"n_steps": n_steps, "n_epochs": n_epochs, "budget": budget})
    check_options(resize, mode)
    if from_model is not None:
        _output(out, overwrite).check_outside(find_model(from_model))
    check_kept(out, resume)


def check_inspect(
    source: str,
    method: str | None = None,
    *,
    labels: Path | None = None,
    resize: int | None = None,
    mode: str | None = None,
) -> None:
    """Refuse a source that is not there or an output, an unknown method, and an impossible size or mode.

    Raises
    ------
    InputError
        For any of these.
    """
    check_exists(source)
    check_no_output(source, labels)
    if method is not None:
        check_shipped(method)
    check_options(resize, mode)


def check_sample(model: Path, out: Path, *, overwrite: bool = False) -> None:
    """Refuse a folder that holds no model, and an output that cannot be written.

    Raises
    ------
    InputError
        For either.
    """
    _output(out, overwrite).check([find_model(model)])


def check_verify(out: Path, redraw: int = 0) -> None:
    """Refuse a folder that is not there or holds no manifest, and fewer than no images to draw again.

    Raises
    ------
    InputError
        For either.
    """
    if not out.is_dir():
        raise InputError(f"there is no folder {shown(out)}: give an output of makeweight balance.")
    if not isinstance(redraw, int) or redraw < 0:
        raise InputError(f"{redraw} images cannot be drawn again: give 0 or more.")
    require_manifest(out / MANIFEST)


def _output(out: Path, overwrite: bool) -> OutputFolder:
    """Give the output; whether an older one may be replaced, is left for the job to find out."""
    return OutputFolder(out, overwrite, lambda folder: None)
