"""Whether the intervals of the figures on features hold what they say.

Real and drawn features are drawn anew from two normal distributions, again and again; what is counted is how many of
the 95 % intervals hold the mean of all figures, and how long they are beside the spread of the figures.

    python benchmarks/interval_coverage.py
    python benchmarks/interval_coverage.py --trials 200

Prints a table in Markdown. Equal seeds, equal table; about two minutes of one core for 60 trials.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from makeweight.quality.resampling import NAMES, FoldFeatures, Z, feature_figures

SIZES = ((150, 100), (1500, 1000), (3000, 400))
SCALES = np.array([3.0, 2.0, 1.0, 0.3, 0.1])  # of the features, so that the principal components are known well
SHIFT, SPREAD = 0.5, 0.9  # of the drawn ones
N_FOLDS, N_COMPONENTS, N_RESAMPLES = 3, 3, 40


def trial(seed: int, n_real: int, n_drawn: int) -> NDArray[np.float64]:
    """Give value, lower and upper end of every figure for fresh features."""
    random = np.random.default_rng(seed)
    real = (SCALES * random.normal(size=(n_real, len(SCALES)))).astype(np.float32)
    drawn = (SCALES * random.normal(SHIFT, SPREAD, (n_drawn, len(SCALES)))).astype(np.float32)
    codes, drawn_codes = np.zeros(n_real, np.int64), np.zeros(n_drawn, np.int64)
    held_out = [np.arange(n_real) % N_FOLDS == fold for fold in range(N_FOLDS)]
    folds = [FoldFeatures.of(real, codes, each, drawn, drawn_codes, N_COMPONENTS, 0) for each in held_out]
    found = feature_figures(folds, (0,), np.random.default_rng(seed), N_RESAMPLES)
    return [
        (float(found[name].value or 0), float(found[name].low or 0), float(found[name].high or 0)) for name in NAMES
    ]


def main() -> None:
    """Try all sizes, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=60)
    n_trials = parser.parse_args().trials
    print("In brackets: half an interval, in 1.96 standard deviations of the figure over trials.\n")
    print(f"| real, drawn | {' | '.join(NAMES)} |\n{'|---' * (1 + len(NAMES))}|")
    for n_real, n_drawn in SIZES:
        values, low, high = np.moveaxis(np.array([trial(seed, n_real, n_drawn) for seed in range(n_trials)]), 2, 0)
        holds = ((low <= values.mean(axis=0)) & (values.mean(axis=0) <= high)).mean(axis=0)
        length = (high - low).mean(axis=0) / 2 / Z / values.std(axis=0, ddof=1)
        cells = [f"{100 * share:.0f} % ({ratio:.2f})" for share, ratio in zip(holds, length, strict=True)]
        print(f"| {n_real:,}, {n_drawn:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
