"""The folder that a comparison is kept in: one comparison's alone, from which it goes on."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from makeweight.bench.hashing import hash_data
from makeweight.compare.runs import MODELS, PREDICTIONS
from makeweight.compare.splits import Images
from makeweight.data.files import read_regular, write_whole
from makeweight.data.wording import shown
from makeweight.errors import InputError

LARGEST_CARD = 1 << 20
CARD, VERDICT, LOCK = "comparison.json", "verdict.json", "comparison.lock"


@contextmanager
def workspace(out: str | Path | None, images: Images, name: str) -> Iterator[tuple[Path, str]]:
    """Give the folder that a comparison is kept in, and the hash of its data; it is for these data alone."""
    data_hash = hash_data(images.X, [images.n_train, *images.classes[images.codes].tolist()])
    if out is None:
        with tempfile.TemporaryDirectory() as passing:
            yield Path(passing), data_hash
        return
    folder = Path(out)
    _check_folder(folder, data_hash)
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise InputError(f"{shown(folder)} is in use by another run: wait for it, or name another folder.") from None
    try:
        write_json(folder / CARD, {"makeweight": "comparison", "name": name, "data_hash": data_hash})
        for kept in (folder / MODELS, folder / PREDICTIONS):
            for stale in kept.glob("*.partial"):
                shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
        yield folder, data_hash
    except InputError:
        if {path.name for path in folder.iterdir()} <= {CARD, LOCK}:  # nothing was begun: the folder is free again
            (folder / CARD).unlink(missing_ok=True)
        raise
    finally:
        (folder / LOCK).unlink(missing_ok=True)
        lock.release()


def _check_folder(folder: Path, data_hash: str) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{shown(folder)} is a file: name a folder for the comparison with --out.")
    if not folder.is_dir() or not any(path.name != LOCK for path in folder.iterdir()):
        return
    try:
        card = json.loads(read_regular(folder / CARD, LARGEST_CARD))
        ours = card["makeweight"] == "comparison"
        same = card["data_hash"] == data_hash
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        ours = same = False
    if not ours:
        raise InputError(f"{shown(folder)} holds something else than a comparison: name another folder with --out.")
    if not same:
        raise InputError(
            f"{shown(folder)} holds a comparison of other images, or other classes: name another folder with --out."
        )


def write_json(path: Path, content: object) -> None:
    """Write JSON data, whole or not at all."""
    write_whole(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
