"""New images from a saved model, without the training data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from makeweight.balance.drawing import Press, blocks_of
from makeweight.balance.drawn_images import check_draws_images
from makeweight.balance.listener import Listener
from makeweight.balance.manifest import MANIFEST, is_manifest, is_output, read_manifest, write_manifest
from makeweight.balance.models import find_model, load_model
from makeweight.balance.names import DRAWN_PREFIX
from makeweight.balance.output import MARKER, ROOM_PER_FILE, OutputFolder
from makeweight.data.wording import listed, no_such
from makeweight.devices import join_team
from makeweight.errors import InputError
from makeweight.ranges import LARGEST, SEED, whole
from makeweight.sampler import ImageSampler
from makeweight.team import team


@dataclass(frozen=True)
class SampleSummary:
    """What `sample_folder` did: where, how many, of which class, by what, from which rows of which seed."""

    out: Path
    n_images: int
    label: str
    method: str
    model_hash: str
    seed: int
    first_row: int


def sample_folder(
    model: str | Path,
    n_images: int,
    *,
    label: str,
    out: str | Path,
    seed: int | None = None,
    overwrite: bool = False,
    listener: Listener | None = None,
) -> SampleSummary:
    """Draw images of one class from a saved model into a folder.

    The folder gets exactly `n_images` marked PNGs, of the size that the model learnt, and ``manifest.csv``.

    Parameters
    ----------
    model : str or Path
        The folder of a model, or an output of `balance_folder` with one in it.
    n_images : int
        How many, 1 to 2**31 - 1.
    label : str
        The class.
    out : str or Path
        A new or empty folder.
    seed : int, optional
        Seed of the drawing, 0 to 2**31 - 1. By default the model's own, going on after the rows that were drawn when it
        was saved, so that no image of the balanced folder comes again. Other seeds start at row 0.
    overwrite : bool, default=False
        Replace an older folder of drawn images.
    listener : Listener, optional
        Hears about the progress.

    Returns
    -------
    SampleSummary

    Raises
    ------
    InputError
        For an unknown class, a model that is none of ours, or a folder that cannot be written.
    """
    listener = listener or Listener()
    place = find_model(model)
    output = OutputFolder(Path(out), overwrite, sample_fault)
    output.check([place])
    _check_outside_outputs(output)
    number = whole(1)
    if not number.holds(n_images):
        raise InputError(f"{n_images} images cannot be drawn: ask for {number.words}.")
    if seed is not None and not SEED.holds(seed):
        raise InputError(f"the seed {seed} is out of range: give a whole number from 0 to {LARGEST}.")
    sampler = load_model(model)
    check_draws_images(sampler.codec_)
    key = find_label(sampler, label)
    first = sampler.rows_drawn_[key] if seed is None or seed == sampler.seed_ else 0
    seed = sampler.seed_ if seed is None else seed
    one = np.dtype(sampler.codec_.dtype).itemsize * math.prod(sampler.codec_.shape)
    output.check_space(n_images * (one + ROOM_PER_FILE))
    join_team("auto")
    with output.writing_together(listener.note) as partial:
        listener.stage("drawing")
        blocks = list(blocks_of(sampler, key, range(first, first + n_images)))
        written = Press(sampler, seed, partial).run(blocks, listener.count)
        if team().rank == 0:
            write_manifest(partial / MANIFEST, [row for drawn in written for row in drawn.rows])
    return SampleSummary(Path(out), n_images, str(key), sampler.name, sampler.model_hash_, seed, first)


def find_label(sampler: ImageSampler, label: str) -> Any:
    """Find the class that is written `label`, whatever type the model's labels have.

    Raises
    ------
    InputError
        If there is none; the message names those that there are.
    """
    known = {str(each): each for each in sampler.classes_.tolist()}
    if label in known:
        return known[label]
    raise InputError(no_such("class of the model", label, known))


def sample_fault(folder: Path) -> str | None:
    """Say why a folder is no output of `sample_folder`, a manifest and drawn images only; None if it is one."""
    names = {path.name for path in folder.iterdir()} - {MANIFEST, MARKER}
    foreign = sorted(name for name in names if not name.startswith(DRAWN_PREFIX))
    if not foreign and not is_manifest(folder / MANIFEST):
        return f"it lacks a {MANIFEST} of makeweight"
    foreign = foreign or sorted(names - {row.file for row in read_manifest(folder / MANIFEST)})
    return f"it holds {listed(foreign)}" if foreign else None


def _check_outside_outputs(output: OutputFolder) -> None:
    """Refuse to add to a balanced folder, which its manifest would no longer tell of."""
    for parent in output.path.parents:
        if is_output(parent):
            raise InputError(f"{output.given} lies inside the balanced folder {parent}: name a folder outside it.")
