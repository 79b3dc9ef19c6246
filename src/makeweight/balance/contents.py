"""What belongs in an output folder of `balance_folder`, and what does not."""

from __future__ import annotations

from pathlib import Path

from makeweight.balance.manifest import MANIFEST, is_output, read_manifest, unnamed_files
from makeweight.balance.names import FALLBACK, IMAGES, MODEL, RECORD, SAMPLES
from makeweight.balance.output import MARKER
from makeweight.data.wording import listed
from makeweight.report.balance import REPORT
from makeweight.saving import CARD, STATE, TRAINING, WEIGHTS

OURS = frozenset({IMAGES, MODEL, FALLBACK, MANIFEST, SAMPLES, RECORD, REPORT})


def foreign_entries(folder: Path) -> list[str]:
    """Name what lies in an output, or in its models, and was not written there by makeweight."""
    foreign = sorted({path.name for path in folder.iterdir()} - OURS - {MARKER})
    for model in (MODEL, FALLBACK):
        if (folder / model).is_dir():
            inside = {path.name for path in (folder / model).iterdir()}
            foreign += sorted(f"{model}/{name}" for name in inside - {CARD, STATE, TRAINING, WEIGHTS})
    return foreign


def output_fault(folder: Path) -> str | None:
    """Say why a folder is no output of `balance_folder`, or holds more than one; None if it is just that."""
    foreign = foreign_entries(folder)
    if foreign:
        return f"it holds {listed(foreign)}"
    if not is_output(folder):
        return f"it lacks {IMAGES}/ or a {MANIFEST} of makeweight"
    added = unnamed_files(folder, read_manifest(folder / MANIFEST))
    return f"it holds {listed(added)}, which its manifest does not name" if added else None
