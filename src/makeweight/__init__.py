"""Add weight to the light side of an imbalanced image set, and check that it helps.

Nothing heavy is loaded before it is used: ``import makeweight`` loads neither torch nor numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from makeweight.balance import balance_folder, sample_folder, verify_folder
    from makeweight.classifiers.gan_classifier import GANClassifier
    from makeweight.classifiers.small_cnn import CNNClassifier
    from makeweight.errors import InputError
    from makeweight.evolution import Annealed, Evolution
    from makeweight.methods.acgan import ACGAN
    from makeweight.methods.aggan import AGGAN
    from makeweight.methods.duplicates import Duplicates
    from makeweight.methods.egan import EGAN
    from makeweight.methods.smote import SMOTE
    from makeweight.networks import OwnNetworks
    from makeweight.quality.evaluate import evaluate_images
    from makeweight.quality.folder import evaluate_folder
    from makeweight.sampler import load

__version__ = "0.1.0.dev0"

_HOMES = {
    "ACGAN": "methods.acgan",
    "AGGAN": "methods.aggan",
    "Annealed": "evolution",
    "CNNClassifier": "classifiers.small_cnn",
    "Duplicates": "methods.duplicates",
    "EGAN": "methods.egan",
    "Evolution": "evolution",
    "GANClassifier": "classifiers.gan_classifier",
    "InputError": "errors",
    "OwnNetworks": "networks",
    "SMOTE": "methods.smote",
    "balance_folder": "balance",
    "evaluate_folder": "quality.folder",
    "evaluate_images": "quality.evaluate",
    "sample_folder": "balance",
    "verify_folder": "balance",
    "load": "sampler",
}
__all__ = [
    "ACGAN",
    "AGGAN",
    "EGAN",
    "SMOTE",
    "Annealed",
    "CNNClassifier",
    "Duplicates",
    "Evolution",
    "GANClassifier",
    "InputError",
    "OwnNetworks",
    "balance_folder",
    "evaluate_folder",
    "evaluate_images",
    "load",
    "sample_folder",
    "verify_folder",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"makeweight.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
