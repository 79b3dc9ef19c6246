"""Quality of drawn images: whether they show their class, how near and how varied they are, and whether they copy."""

from makeweight.quality.alignment import ImageBank
from makeweight.quality.copies import Copy, CopyFinder
from makeweight.quality.crossfit import CrossFit
from makeweight.quality.distances import frechet_distance, kernel_distance
from makeweight.quality.evaluate import evaluate_images
from makeweight.quality.figures import METRICS, Figure
from makeweight.quality.leak import LeakReport, leak_test
from makeweight.quality.neighbours import NeighbourFigures, neighbour_figures, reach
from makeweight.quality.report import ClassQuality, QualityReport
from makeweight.quality.similarity import pair_similarity, ssim

__all__ = [
    "METRICS",
    "ClassQuality",
    "Copy",
    "CopyFinder",
    "CrossFit",
    "Figure",
    "ImageBank",
    "LeakReport",
    "NeighbourFigures",
    "QualityReport",
    "evaluate_images",
    "frechet_distance",
    "kernel_distance",
    "leak_test",
    "neighbour_figures",
    "pair_similarity",
    "reach",
    "ssim",
]
