"""The main job and what belongs to it: balance a folder, sample from a model, verify an output."""

from makeweight.balance.job import BalanceSummary, ClassCount, balance_folder
from makeweight.balance.listener import Listener
from makeweight.balance.manifest import ManifestRow, read_manifest
from makeweight.balance.sampling import SampleSummary, sample_folder
from makeweight.balance.verify import Verification, verify_folder

__all__ = [
    "BalanceSummary",
    "ClassCount",
    "Listener",
    "ManifestRow",
    "SampleSummary",
    "Verification",
    "balance_folder",
    "read_manifest",
    "sample_folder",
    "verify_folder",
]
