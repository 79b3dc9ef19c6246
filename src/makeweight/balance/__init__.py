"""The main job and what belongs to it: balance a folder, sample from a model, verify an output.

Nothing heavy is loaded before it is used, so that the command line can refuse bad input at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from makeweight.balance.dataset import BalancedDataset, LabelledImage
    from makeweight.balance.job import BalanceSummary, ClassCount, balance_folder
    from makeweight.balance.listener import Listener
    from makeweight.balance.manifest import ManifestRow, read_manifest
    from makeweight.balance.sampling import SampleSummary, sample_folder
    from makeweight.balance.verify import Verification, verify_folder

_HOMES = {
    "BalanceSummary": "job",
    "BalancedDataset": "dataset",
    "ClassCount": "job",
    "LabelledImage": "dataset",
    "Listener": "listener",
    "ManifestRow": "manifest",
    "SampleSummary": "sampling",
    "Verification": "verify",
    "balance_folder": "job",
    "read_manifest": "manifest",
    "sample_folder": "sampling",
    "verify_folder": "verify",
}
__all__ = [
    "BalanceSummary",
    "BalancedDataset",
    "ClassCount",
    "LabelledImage",
    "Listener",
    "ManifestRow",
    "SampleSummary",
    "Verification",
    "balance_folder",
    "read_manifest",
    "sample_folder",
    "verify_folder",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"makeweight.balance.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
