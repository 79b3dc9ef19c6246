"""Checkpoints: a training's state in one file, whole or absent, verified by its hash, the last two kept.

A file is called ``STEP-HASH.safetensors``, where HASH is the SHA-256 of its bytes. It holds tensors, and numbers as
JSON in its header.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from makeweight.data.files import read_regular, sync_folder, write_synced
from makeweight.data.lazy import LazyImages
from makeweight.data.wording import shown
from makeweight.errors import InputError

N_KEPT = 2
BLOCK = 4096  # images
NAME = re.compile(r"(\d{9,18})-([0-9a-f]{64})\.safetensors")
PARTIAL = re.compile(r"\d{9,18}-[0-9a-f]+\.partial")
Whole = Annotated[int, Field(ge=0, le=2**53)]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class State:
    """What a training can go on from: tensors by name, and numbers as JSON data."""

    tensors: dict[str, Tensor]
    numbers: dict[str, Any]


@dataclass(eq=False)
class Checkpoints:
    """The checkpoints of one training in a folder of their own.

    Parameters
    ----------
    folder : Path
        Made when the first one is written.
    identity : mapping
        JSON data that says which training it is: settings, data, start. A checkpoint of another one is refused.
    notes : list of str
        What went wrong and was put right: files that were passed over, or could not be written.
    """

    folder: Path
    identity: Mapping[str, Any]
    notes: list[str] = field(default_factory=list)
    good: list[str] = field(default_factory=list, init=False)  # names of what was written, or read and found good

    def latest(self, take: Callable[[State], T]) -> T | None:
        """Read the last good checkpoint; None if there is none. What is damaged or unfit is passed over with a note.

        Parameters
        ----------
        take : callable
            Makes of a state what the training goes on from, and changes nothing yet. A `ValueError` says that the
            state is none of such a training, whatever its hash.

        Raises
        ------
        InputError
            If the folder belongs to another training.
        """
        passed: list[str] = []
        found = None
        for path in reversed(self._files()):
            state = _read(path)
            if state is not None:
                self._require_own(state)
                found = _taken(take, state)
            if found is not None:
                self.good = [path.name]
                break
            passed.append(path.name)
        if passed:
            instead = "training begins anew" if found is None else "the one before it was used"
            self.notes.append(f"the checkpoint {' and '.join(passed)} is damaged, so {instead}.")
        return found

    def write(self, step: int, state: State) -> None:
        """Write a checkpoint and remove all but the last two good ones; what the disk does not allow leaves a note."""
        header = {"numbers": json.dumps({**state.numbers, "identity": self.identity}, allow_nan=False)}
        data = save({name: _own(value) for name, value in state.tensors.items()}, header)
        # Numbered as they were written: after a rollback the last one is of an earlier step.
        number = 1 + max((int(path.name.partition("-")[0]) for path in self._files()), default=0)
        target = self.folder / f"{number:09}-{hashlib.sha256(data).hexdigest()}.safetensors"
        partial = target.with_suffix(".partial")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_synced(partial, data)
            partial.replace(target)
            sync_folder(self.folder)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            self.notes.append(f"no checkpoint could be written at step {step}: {error.strerror}.")
            return
        self.good = [*(name for name in self.good if name != target.name), target.name][-N_KEPT:]
        self._clear()

    def _clear(self) -> None:
        """Remove older checkpoints, damaged ones, and what a killed writer left; nothing that is not a file of ours."""
        for path in [*self._files(), *(each for each in self.folder.glob("*.partial") if PARTIAL.fullmatch(each.name))]:
            if path.name not in self.good:
                with suppress(OSError):
                    path.unlink()

    def _require_own(self, state: State) -> None:
        found, own = state.numbers.pop("identity", None), json.loads(json.dumps(self.identity))
        if found != own:
            raise InputError(
                f"{shown(self.folder)} holds checkpoints of another training ({_difference(found, own)}): "
                "give the same data and settings, or another folder."
            )

    def _files(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*.safetensors") if NAME.fullmatch(path.name))


def kin_of(version: str) -> str:
    """Give what the versions whose checkpoints fit each other have in common.

    A development version changes with every commit, and with every installation of a working tree. A training that was
    interrupted must outlive that, so those that lead to one release are taken for one.

    Parameters
    ----------
    version : str
        A version of makeweight.

    Returns
    -------
    str

    Examples
    --------
    >>> kin_of("0.2.0"), kin_of("0.2.1.dev3+g1a2b3c4"), kin_of("0.2.1.dev4+g5d6e7f8.d20260101")
    ('0.2.0', '0.2.1.dev', '0.2.1.dev')
    """
    release, development, _ = version.partition("+")[0].partition(".dev")
    return release + development


def _own(value: Tensor) -> Tensor:
    """Copy a tensor, because networks may share theirs and a file may not."""
    return value.detach().to("cpu", copy=True).contiguous()


def chance_of(random: torch.Generator, device: torch.device) -> dict[str, Tensor]:
    """Describe where a training's own stream of chance, torch's and the device's stand."""
    chance = {"own": random.get_state(), "torch": torch.get_rng_state()}
    return chance | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def numbers_as(kind: type[T], numbers: Any) -> T:
    """Make JSON data what it says to be; `ValueError` where it is not, or a number is not finite."""
    return TypeAdapter(kind).validate_json(json.dumps(numbers, allow_nan=False), strict=True)


def check_chance(tensors: Mapping[str, Tensor], device: torch.device) -> None:
    """Raise `ValueError` where `restore_chance` could not do its work."""
    places = {"own": "cpu", "torch": "cpu"}
    if "cuda" in tensors and device.type == "cuda":
        places["cuda"] = str(device)
    for name, place in places.items():
        try:
            torch.Generator(place).set_state(tensors[name])
        except (KeyError, RuntimeError, TypeError) as error:
            raise ValueError(f"{name} is no state of chance") from error


def check_alike(found: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Raise `ValueError` where tensors are not of the names, shapes and types of `own`."""
    if found.keys() != own.keys():
        raise ValueError(f"other tensors: {', '.join(sorted(found.keys() ^ own.keys())[:3])}")
    for name, value in own.items():
        if (found[name].shape, found[name].dtype) != (value.shape, value.dtype):
            raise ValueError(f"{name} is of another shape or type")


def restore_chance(tensors: Mapping[str, Tensor], random: torch.Generator, device: torch.device) -> None:
    """Take over what `chance_of` described, as far as it concerns this device."""
    random.set_state(tensors["own"])
    torch.set_rng_state(tensors["torch"])
    if "cuda" in tensors and device.type == "cuda":
        torch.cuda.set_rng_state(tensors["cuda"], device)


def joined(parts: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    """Put the tensors of several parts together, under the part's name and their own; `part_of` takes them apart."""
    return {f"{part}.{name}": value for part, named in parts.items() for name, value in named.items()}


def part_of(tensors: Mapping[str, T], prefix: str) -> dict[str, T]:
    """Give the tensors, or arrays, whose names begin with a prefix, under the rest of their names."""
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def fingerprint(X: NDArray[Any] | LazyImages, codes: NDArray[np.int64]) -> str:
    """Hash images and class codes, block by block; 64 hexadecimal digits."""
    digest = hashlib.sha256(json.dumps([str(X.dtype), list(X.shape)]).encode())
    digest.update(codes.astype("<i8").tobytes())
    for start in range(0, len(X), BLOCK):
        digest.update(np.ascontiguousarray(X[start : start + BLOCK]).tobytes())
    return digest.hexdigest()


def _read(path: Path) -> State | None:
    """Read a checkpoint; None if its bytes are not those that its name tells, or it is no such file."""
    try:
        data = read_regular(path)
        if hashlib.sha256(data).hexdigest() != path.stem.partition("-")[2]:
            return None
        length = int.from_bytes(data[:8], "little")
        numbers = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["numbers"])
        return State(load(data), numbers) if isinstance(numbers, dict) else None
    except (OSError, SafetensorError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _taken(take: Callable[[State], T], state: State) -> T | None:
    try:
        return take(state)
    except (ValueError, RecursionError):
        return None


def _difference(found: Any, expected: Mapping[str, Any]) -> str:
    """Name what differs between two identities."""
    known = found if isinstance(found, Mapping) else {}
    other = sorted(_differing(known, expected))
    return f"other {', '.join(other)}" if known and other else "of an unknown kind"


def _differing(found: Mapping[str, Any], expected: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Name the entries that differ, those inside another with a dot."""
    for key, value in expected.items():
        own = found.get(key)
        if isinstance(value, Mapping) and isinstance(own, Mapping) and own != value:
            inner = list(_differing(own, value, f"{prefix}{key}."))
            yield from inner or [f"{prefix}{key}"]
        elif own != value:
            yield f"{prefix}{key}"
