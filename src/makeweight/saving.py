"""Models on disk: a card in JSON and weights in safetensors, never pickle.

A model folder holds ``model.json`` (the card) and ``weights.safetensors`` (what draws); the model's hash covers both.
``training.json`` and ``training.safetensors`` hold what goes on training needs, and how many rows were drawn.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file

from makeweight.data.arrays import ImageCodec
from makeweight.errors import InputError

CARD, WEIGHTS, STATE, TRAINING = "model.json", "weights.safetensors", "training.json", "training.safetensors"
Arrays = dict[str, NDArray[Any]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Labels(_Strict):
    """Class labels with their dtype."""

    dtype: str
    values: list[bool | int | float | str]

    @classmethod
    def of(cls, classes: NDArray[Any]) -> Labels:
        """Describe an array of labels; labels that JSON cannot hold are refused."""
        values = classes.tolist()
        if any(not isinstance(value, (bool, int, float, str)) for value in values):
            raise InputError(f"labels such as {values[0]!r} cannot be saved: use numbers or strings.")
        return cls(dtype="object" if classes.dtype == object else classes.dtype.str, values=values)

    def array(self) -> NDArray[Any]:
        """Undo `of`."""
        return np.array(self.values, dtype=self.dtype)


class Pixels(_Strict):
    """An `ImageCodec` as data."""

    layout: Literal["rows", "grey", "first", "last"]
    shape: tuple[int, ...]
    dtype: str
    low: tuple[float, ...]
    high: tuple[float, ...]


class State(_Strict):
    """What may change without changing what is drawn: rows drawn so far, and numbers of the training."""

    rows_drawn: list[int]
    training: dict[str, Any] = {}


class ModelCard(_Strict):
    """Description of a model: enough, with the weights, to draw from it."""

    format: Literal["makeweight model"] = "makeweight model"
    format_version: Literal[1] = 1
    method: str
    settings: dict[str, Any]
    pixels: Pixels
    classes: Labels
    class_counts: list[int]
    seed: int

    def codec(self) -> ImageCodec:
        """Codec of the images."""
        return ImageCodec(**self.pixels.model_dump())


def read_json(path: Path, model: type[BaseModel]) -> Any:
    """Read and validate a JSON file of a model folder."""
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(
            f"{path.parent} is no model of makeweight: {path.name} cannot be read ({error.strerror})."
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"{path} is no card of a makeweight model: {where}: {first['msg']}.") from None


def read_arrays(path: Path) -> Arrays:
    """Read a safetensors file of a model folder."""
    try:
        arrays: Arrays = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read as safetensors ({error}): save the model anew.") from None
    return arrays


def write_json(path: Path, data: BaseModel) -> None:
    """Write data, indented, with a newline at the end."""
    path.write_text(json.dumps(data.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
