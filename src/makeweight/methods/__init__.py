"""The methods, one recipe a file. A new one is one new file, named in `_FILES`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from makeweight.sampler import METHODS

_FILES = ("acgan", "aggan", "duplicates", "egan", "smote")


def _register_all() -> None:
    for name in _FILES:
        import_module(f"makeweight.methods.{name}")


def get_method(name: str) -> Any:
    """Class of the method called `name`.

    Raises
    ------
    InputError
        If there is none; the message lists the names.
    """
    return METHODS.get(name)


def method_names() -> list[str]:
    """Names of all methods, in alphabetical order."""
    return METHODS.names()


_register_all()
