"""The verdict: do drawn images help, by which method, for which class."""

from makeweight.compare.inputs import Reading
from makeweight.compare.job import compare, compare_folder, default_out
from makeweight.compare.options import Options
from makeweight.compare.result import ArmResult, Comparison
from makeweight.compare.verdict import Verdict

__all__ = ["ArmResult", "Comparison", "Options", "Reading", "Verdict", "compare", "compare_folder", "default_out"]
