"""Classifiers with the contract of scikit-learn: the judges of usefulness, and methods that are classifiers.

A new one is one new file with a recipe.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from makeweight.component import CatalogueEntry, Registry


def registry() -> Registry[Any]:
    """All classifiers by name."""
    classifiers: Registry[Any] = import_module("makeweight.classifiers.recipe").CLASSIFIERS
    return classifiers


def get_classifier(name: str) -> Any:
    """Class of the classifier called `name`.

    Raises
    ------
    InputError
        If there is none; the message lists the names.

    Examples
    --------
    >>> get_classifier("dos").__name__
    'DOSClassifier'
    """
    return registry().get(name)


def classifier_names() -> list[str]:
    """Names of all classifiers, in alphabetical order."""
    return registry().names()


def catalogue() -> list[CatalogueEntry]:
    """Every classifier with one line and its paper, which are read from its docstring.

    Examples
    --------
    >>> [entry.paper.partition(",")[0] for entry in catalogue() if entry.name == "mixup"]
    ['Zhang et al.']
    """
    return registry().catalogue()
