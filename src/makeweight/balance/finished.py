"""An output that is there already, held against the run that was to write it."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from makeweight.balance.manifest import MANIFEST, ManifestRow, read_manifest
from makeweight.balance.names import MODEL, RECORD
from makeweight.data.base import ImageSource
from makeweight.data.files import read_regular
from makeweight.data.groups import Membership
from makeweight.data.wording import listed, shown
from makeweight.errors import InputError
from makeweight.sampler import ImageSampler
from makeweight.saving import CARD, ModelCard, read_json

ASKED = {"from_model": "model to go on from", "resize": "size", "mode": "mode", "groups": "groups"}


def finished_rows(
    out: Path,
    images: ImageSource,
    sampler: ImageSampler,
    to_add: Mapping[str, int],
    *,
    chooses: bool,
    gate: bool,
    together: Membership | None,
    asked: Mapping[str, Any],
) -> list[ManifestRow]:
    """Give the manifest of an output that is there already, if it is that of this run.

    Parameters
    ----------
    out : Path
        The output.
    images : ImageSource
        What this run would learn from.
    sampler : ImageSampler
        What it would draw with.
    to_add : mapping of str to int
        How many images of each class it would draw, unless it chooses.
    chooses, gate : bool
        Whether it would choose the fill, and whether a gate would judge what is drawn.
    together : list of (str or None), or None
        What each image belongs to, where that is told.
    asked : mapping of str to object
        What else it was asked for, as balance.json holds it.

    Raises
    ------
    InputError
        If the output is that of another run, or not whole.
    """
    rows = read_manifest(out / MANIFEST)
    missing = [row.file for row in rows if not (out / row.file).is_file()]
    if missing:
        raise InputError(
            f"{shown(out)} lacks {listed(missing)}, which its manifest names: see makeweight verify, or replace the "
            "output with --overwrite."
        )
    record = _record(out / RECORD)
    card = read_json(out / MODEL / CARD, ModelCard) if (out / MODEL).exists() else None
    mine, theirs = json.loads(json.dumps(sampler.settings)), card.settings if card else record.get("settings")
    if chooses:
        mine, theirs = (
            {name: value for name, value in (settings or {}).items() if name != "sampling_strategy"}
            for settings in (mine, theirs)
        )
    real = ((row.label, row.source, row.sha256) for row in rows if row.origin == "real")
    given = ((str(images.labels[i]), images.files[i], images.digest(i)) for i in range(len(images.labels)))
    groups = [group or "" for group in together or [""] * len(images.labels)]
    if (chooses, gate) != tuple(record.get(name) is not None for name in ("fill", "gate")):
        other = "fill or gate"
    elif (own := _differing(record.get("run"), asked)) is not None:
        other = own
    elif theirs not in (None, mine):
        other = "method, length, seed or settings"
    elif not chooses and Counter(row.label for row in rows if row.origin == "drawn") != Counter(dict(to_add)):
        other = "number of drawn images"
    elif any(one != another for one, another in itertools.zip_longest(real, given)):
        other = "images"
    elif [row.group for row in rows if row.origin == "real"] != groups:
        other = "groups"
    else:
        return rows
    raise InputError(
        f"{shown(out)} is the finished output of another run ({other}): name another folder, or replace it with "
        "--overwrite."
    )


def _differing(theirs: Any, mine: Mapping[str, Any]) -> str | None:
    """Name what another run was asked for."""
    known = theirs if isinstance(theirs, dict) else {}
    return next((ASKED[name] for name in ASKED if known.get(name) != mine.get(name)), None)


def _record(path: Path) -> dict[str, Any]:
    """Read what was decided; nothing where nothing was to be decided."""
    if not path.exists():
        return {}
    try:
        found = json.loads(read_regular(path))
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{shown(path)} is damaged: name another folder, or replace the output with --overwrite.")
    return found
