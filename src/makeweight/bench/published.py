"""Figures that papers print, to be set beside ours: per cent, by table, set and method."""

from __future__ import annotations

from collections.abc import Mapping

Figures = Mapping[str, Mapping[str, float]]

_METHODS = ("cn", "acgan", "egan", "lsgan", "wgan", "class_balanced", "dos", "gamo", "aggan")


def _by_method(*values: float) -> dict[str, float]:
    return dict(zip(_METHODS, values, strict=True))


# Hao et al., "Annealing Genetic GAN for Imbalanced Web Data Learning", Table V: mean recall (ACSA).
MULTICLASS: dict[str, dict[str, float]] = {
    "mnist": _by_method(89.00, 90.70, 91.30, 91.19, 91.70, 92.30, 90.60, 91.20, 92.41),
    "fashion-mnist": _by_method(79.70, 79.90, 81.90, 80.61, 81.00, 81.90, 82.74, 82.90, 83.20),
    "svhn": _by_method(73.80, 75.40, 76.80, 75.30, 75.90, 75.60, 71.20, 76.00, 77.10),
    "cifar10": _by_method(45.30, 47.50, 48.10, 47.50, 48.60, 49.30, 46.02, 49.00, 52.40),
    "celeba": _by_method(59.00, 66.20, 67.20, 66.80, 67.60, 60.00, 61.10, 66.00, 68.80),
    "lsun": _by_method(49.80, 56.20, 59.60, 56.40, 57.80, 55.40, 54.02, 57.20, 63.60),
}

_RATIOS = (10, 50, 100)
_PAIRWISE: dict[str, dict[str, tuple[float, float, float]]] = {
    "mnist": {
        "cn": (97.93, 94.80, 90.27),
        "os_cn": (98.60, 96.33, 95.53),
        "acgan": (99.53, 98.13, 96.60),
        "egan": (99.53, 98.33, 97.00),
        "aggan": (99.60, 98.47, 97.53),
    },
    "fashion-mnist": {
        "cn": (93.53, 86.73, 80.00),
        "os_cn": (94.67, 92.07, 88.13),
        "acgan": (97.80, 96.20, 94.13),
        "egan": (97.67, 96.13, 94.40),
        "aggan": (97.80, 96.53, 95.07),
    },
    "svhn": {
        "cn": (74.65, 58.15, 52.00),
        "os_cn": (87.60, 66.50, 58.90),
        "acgan": (90.50, 74.65, 70.55),
        "egan": (90.85, 74.90, 75.50),
        "aggan": (90.95, 81.60, 77.70),
    },
    "cifar10": {
        "cn": (72.00, 58.85, 57.65),
        "os_cn": (90.60, 82.75, 80.55),
        "acgan": (92.00, 84.70, 83.65),
        "egan": (92.10, 86.55, 85.75),
        "aggan": (94.00, 89.25, 86.25),
    },
    "celeba-eyeglasses": {
        "cn": (71.10, 64.40, 60.80),
        "os_cn": (86.70, 78.85, 77.65),
        "acgan": (91.65, 81.40, 78.60),
        "egan": (91.65, 81.75, 80.80),
        "aggan": (92.05, 84.20, 81.40),
    },
    "lsun": {
        "cn": (81.20, 74.60, 52.00),
        "os_cn": (92.05, 89.95, 64.00),
        "acgan": (95.05, 91.10, 89.50),
        "egan": (95.20, 92.40, 91.00),
        "aggan": (95.35, 93.10, 91.70),
    },
}

# The same paper, Table IV: accuracy on two classes, which is their mean recall on a balanced test set.
BINARY: dict[str, dict[str, float]] = {
    f"{name} 1:{ratio}": {method: values[place] for method, values in methods.items()}
    for name, methods in _PAIRWISE.items()
    for place, ratio in enumerate(_RATIOS)
}

PUBLISHED: Mapping[str, Figures] = {"aggan-multiclass": MULTICLASS, "aggan-binary": BINARY}
