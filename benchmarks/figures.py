"""How benchmarks sum up what they measured."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def quartiles(values: Iterable[float]) -> list[float]:
    """Median, lower and upper quartile."""
    return [round(float(value), 3) for value in np.percentile(list(values), [50, 25, 75])]
