"""Hashes of data and settings, and the plain JSON data that they are taken of."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from makeweight.errors import InputError


def hash_data(X: ArrayLike, y: ArrayLike) -> str:
    """Hash images and labels: values, shapes, dtypes and order, whatever the machine's byte order.

    Parameters
    ----------
    X : array-like of shape (n, ...)
        Images.
    y : array-like of shape (n,)
        Labels; the text of each is hashed.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> hash_data(np.zeros((2, 8, 8), np.uint8), ["boot", "bag"])[:8]
    '7701a80b'
    """
    X = np.asarray(X)
    little = np.ascontiguousarray(X, X.dtype.newbyteorder("<"))
    labels = [str(label) for label in np.asarray(y).tolist()]
    digest = hashlib.sha256(json.dumps([X.dtype.name, X.shape, labels]).encode())
    digest.update(little.tobytes())
    return digest.hexdigest()


def hash_settings(settings: Mapping[str, Any]) -> str:
    """Hash settings, whatever the order of their names; for those of a sampler, this is its `settings_hash`.

    Parameters
    ----------
    settings : mapping
        Names and values, as `to_json` takes them.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> hash_settings({"a": 1, "b": 2}) == hash_settings({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(to_json(settings), sort_keys=True).encode()).hexdigest()


def to_json(value: Any) -> Any:
    """Turn numpy's values, tuples and mappings into plain JSON data.

    Parameters
    ----------
    value : object
        None, text, numbers, numpy scalars and arrays, lists, tuples, mappings.

    Returns
    -------
    object
        The same as lists, dicts and plain values; numbers that are not finite become None.

    Raises
    ------
    InputError
        If something else is in it.

    Examples
    --------
    >>> to_json({"recall": np.array([0.5, np.nan]), "shape": (28, 28)})
    {'recall': [0.5, None], 'shape': [28, 28]}
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): to_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    raise InputError(f"a benchmark row takes text, numbers, lists and mappings: {value!r} is none of them.")
