"""The methods, one recipe a file. A new one is one new file, called as the method is."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from makeweight.data.wording import no_such
from makeweight.errors import InputError

if TYPE_CHECKING:
    from makeweight.component import CatalogueEntry, Registry


def registry() -> Registry[Any]:
    """All methods by name."""
    methods: Registry[Any] = import_module("makeweight.sampler").METHODS
    return methods


def get_method(name: str) -> Any:
    """Class of the method called `name`.

    Raises
    ------
    InputError
        If there is none; the message lists the names.
    """
    return registry().get(name)


def method_names() -> list[str]:
    """Names of all methods, in alphabetical order."""
    return registry().names()


def catalogue() -> list[CatalogueEntry]:
    """Every method with one line and its paper, which are read from its docstring.

    Examples
    --------
    >>> [entry.paper.partition(",")[0] for entry in catalogue() if entry.name == "egan"]
    ['Wang et al.']
    """
    return registry().catalogue()


def shipped() -> tuple[str, ...]:
    """Names of the methods in this folder, in alphabetical order; loads nothing.

    Examples
    --------
    >>> "aggan" in shipped()
    True
    """
    return tuple(file.name for file in iter_modules(__path__))


def check_shipped(name: str) -> None:
    """Refuse a name that is none of the methods in this folder; loads nothing.

    Raises
    ------
    InputError
        If it is none; the message lists the names.
    """
    if name not in shipped():
        raise InputError(no_such("method", name, shipped()))


def classifies(name: str) -> bool:
    """Tell whether a method has a class output by default, so that it is a classifier, too.

    Examples
    --------
    >>> classifies("aggan"), classifies("smote")
    (True, False)
    """
    method = get_method(name)()
    return "head" in method.get_params(deep=False) and bool(method.setting("head").classifies)
