"""Models on disk: a card in JSON and weights in safetensors, never pickle.

A model folder holds ``model.json`` (the card) and ``weights.safetensors`` (what draws); the model's hash covers both.
``training.json`` and ``training.safetensors`` hold what goes on training needs, and how many rows were drawn.

A folder may come from anybody. So only regular files are read, sizes are checked before memory is taken, and whatever
the card says is held against bounds, against the rest of it, and against the weights.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.numpy import load, save

from makeweight.data.arrays import COUNTS, ImageCodec
from makeweight.data.files import read_regular, write_together
from makeweight.data.wording import is_text, reason_of, shown
from makeweight.errors import InputError
from makeweight.ranges import LARGEST_ROW

CARD, WEIGHTS, STATE, TRAINING = "model.json", "weights.safetensors", "training.json", "training.safetensors"
# Bytes of a file, and lists and objects in it: a card is small, a state has an object for each step of the training.
LARGEST_CARD, LARGEST_STATE = (8 << 20, 50_000), (512 << 20, 2_000_000)
MOST_LETTERS = 1 << 24  # of all labels together, where their type is wider than the longest
# What a model that somebody changed makes its parts raise, when they are put together.
DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
Arrays = dict[str, NDArray[Any]]
RowNumber = Annotated[int, Field(ge=0, le=LARGEST_ROW)]

_PIXEL_TYPE = re.compile(r"bool|u?int(8|16|32|64)|float(16|32|64|96|128)|longdouble|[<>|=]?([iu][1248]|f(2|4|8|12|16))")
_LABEL_TYPE = re.compile(r"object|[<>|=]?(b1|[iu][1248]|f[248]|U\d{1,5})")
_N_AXES = {"rows": 1, "grey": 2, "first": 3, "last": 3}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Labels(_Strict):
    """Class labels with their dtype."""

    dtype: str
    values: Annotated[list[bool | int | float | str], Field(min_length=1), FailFast()]

    @classmethod
    def of(cls, classes: NDArray[Any]) -> Labels:
        """Describe an array of labels; labels that JSON cannot hold are refused."""
        values = classes.tolist()
        foreign = [value for value in values if not isinstance(value, (bool, int, float, str))]
        unreadable = [value for value in values if isinstance(value, str) and not is_text(value)]
        if foreign or unreadable:
            raise InputError(
                f"labels such as {[*foreign, *unreadable][0]!r} cannot be saved: use numbers, or strings of valid text."
            )
        return cls(dtype="object" if classes.dtype == object else classes.dtype.str, values=values)

    def array(self) -> NDArray[Any]:
        """Undo `of`."""
        return np.array(self.values, dtype=self.dtype)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        width = int(self.dtype.partition("U")[2]) if _LABEL_TYPE.fullmatch(self.dtype) and "U" in self.dtype else 0
        longest = max((len(value) for value in self.values if isinstance(value, str)), default=0)
        too_wide = width > longest and width * len(self.values) > MOST_LETTERS
        if not _LABEL_TYPE.fullmatch(self.dtype) or too_wide:
            raise ValueError(f"{self.dtype[:40]!r} is no type of these labels")
        if self.array().tolist() != self.values or len(set(self.values)) < len(self.values):
            raise ValueError(f"the labels are no different values of the type {self.dtype}")
        return self


def _limits_of(name: str) -> tuple[float, float]:
    """Give the least and the largest number that a type of pixels holds; `ValueError` where this machine has none."""
    try:
        dtype = np.dtype(name)
    except TypeError:
        raise ValueError(f"{name} is no type of pixels on this machine") from None
    if dtype.kind == "b":
        return 0.0, 1.0
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return float(limits.min), float(limits.max)


class Pixels(_Strict):
    """An `ImageCodec` as data."""

    layout: Literal["rows", "grey", "first", "last"]
    shape: Annotated[tuple[Annotated[int, Field(ge=1, le=2**31)], ...], FailFast()]
    dtype: str
    low: Annotated[tuple[float, ...], FailFast()]
    high: Annotated[tuple[float, ...], FailFast()]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not _PIXEL_TYPE.fullmatch(self.dtype):
            raise ValueError(f"{self.dtype[:40]!r} is no type of pixels")
        channels = {"first": self.shape[:1], "last": self.shape[-1:]}.get(self.layout, (1,))
        if len(self.shape) != _N_AXES[self.layout] or channels[0] not in COUNTS or math.prod(self.shape) > 2**31:
            raise ValueError(f"images of the layout {self.layout} have no such shape")
        n_ranges = self.shape[0] if self.layout == "rows" else 1
        if not len(self.low) == len(self.high) == n_ranges or any(
            a > b for a, b in zip(self.low, self.high, strict=True)
        ):
            raise ValueError("the ranges are not those of such images")
        least, most = _limits_of(self.dtype)
        if min(self.low) < least or max(self.high) > most:
            raise ValueError(f"pixels of {self.dtype} have no such ranges")
        return self


class TrainingRecord(_Strict):
    """What may change without changing what is drawn: rows drawn so far, and numbers of the training."""

    rows_drawn: Annotated[list[RowNumber], FailFast()]
    training: dict[str, Any] = {}


class ModelCard(_Strict):
    """Description of a model: enough, with the weights, to draw from it."""

    format: Literal["makeweight model"] = "makeweight model"
    format_version: Literal[1] = 1
    method: str
    settings: dict[str, Any]
    pixels: Pixels
    classes: Labels
    class_counts: Annotated[list[Annotated[int, Field(ge=1, le=2**53)]], FailFast()]
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    made_with: dict[str, str] = {}  # versions of what computed; cards of older versions of makeweight tell none

    def hashed(self) -> bytes:
        """Give what the hash of a model covers of its card."""
        return self.model_dump_json(exclude=None if self.made_with else {"made_with"}).encode()

    def codec(self) -> ImageCodec:
        """Codec of the images."""
        return ImageCodec(**self.pixels.model_dump())

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if len(self.class_counts) != len(self.classes.values):
            raise ValueError(f"{len(self.class_counts)} counts do not belong to {len(self.classes.values)} classes")
        return self


def read_json(path: Path, model: type[BaseModel]) -> Any:
    """Read and validate a JSON file of a model folder."""
    size, number = LARGEST_STATE if path.name == STATE else LARGEST_CARD
    try:
        content = read_regular(path, size)
        if content.count(b"[") + content.count(b"{") > number:
            raise OSError(errno.EFBIG, f"it holds more than {number:,} lists and objects")
        return model.model_validate_json(content)
    except OSError as error:
        raise InputError(
            f"{shown(path.parent)} is no model of makeweight: {path.name} cannot be read ({error.strerror})."
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = shown(".".join(map(str, first["loc"])))[:80] or "the file"
        reason = shown(first["msg"].removeprefix("Value error, "))
        raise InputError(f"{shown(path)} is no card of a makeweight model: {where}: {reason}.") from None


def read_arrays(path: Path) -> Arrays:
    """Read a safetensors file of a model folder; numbers that are not finite are refused."""
    try:
        arrays: Arrays = load(read_regular(path))
    except (OSError, SafetensorError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{shown(path)} cannot be read as safetensors ({reason_of(error)[:200]}): save the model anew."
        ) from None
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            raise InputError(
                f"{shown(path)} holds numbers that are not finite ({shown(name)[:80]}): train and save the model anew."
            )
    return arrays


def check_codes(codes: NDArray[Any], n_classes: int) -> None:
    """Refuse class codes of images that are none, or leave a class without any.

    Raises
    ------
    ValueError
        If they are or do.
    """
    known = codes.ndim == 1 and codes.dtype == np.int64 and ((codes >= 0) & (codes < n_classes)).all()
    if not known or not np.bincount(codes, minlength=n_classes).all():
        raise ValueError(f"the codes are not those of {n_classes} classes")


def write_model(folder: Path, card: ModelCard, weights: Arrays, training: Arrays, state: TrainingRecord) -> None:
    """Write a model's folder, made if need be; an older model there stays until the new one is whole.

    Raises
    ------
    InputError
        If files of these names are there that are no model's, or the folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{shown(folder)} is a file: name a folder for the model.")
    there = [name for name in (CARD, WEIGHTS, TRAINING, STATE) if os.path.lexists(folder / name)]
    if there and not _is_card(folder / CARD):
        raise InputError(
            f"{shown(folder / there[0])} is no part of a makeweight model, and would be overwritten: save elsewhere."
        )
    files = {CARD: _as_json(card), WEIGHTS: save(weights), TRAINING: save(training) if training else b""}
    folder.mkdir(parents=True, exist_ok=True)
    write_together(folder, STATE, {**files, STATE: _as_json(state)})


def _is_card(path: Path) -> bool:
    """Tell whether a file says that it is the card of a model, of any version."""
    try:
        found = json.loads(read_regular(path, LARGEST_CARD[0]))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("format") == ModelCard.model_fields["format"].default


def _as_json(data: BaseModel) -> bytes:
    """Write data, indented, with a newline at the end."""
    return (json.dumps(data.model_dump(mode="json"), indent=1) + "\n").encode()
