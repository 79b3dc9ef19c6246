"""How many images each class gets, settled before anything is learnt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makeweight.data.wording import counted, no_such, shown
from makeweight.errors import InputError

STRATEGY_NAMES = ("auto", "minority", "not minority", "not majority", "all")
Strategy = float | str | Mapping[str, int]


def numbers_to_add(strategy: Strategy, labels: NDArray[np.str_]) -> dict[str, int]:
    """Work out how many images each class lacks.

    Parameters
    ----------
    strategy : float, str or mapping of str to int
        As in imbalanced-learn: a name ("auto", "minority", "not minority", "not majority", "all"), the ratio of the
        smaller to the larger of two classes, or final totals for some classes.
    labels : ndarray of shape (n,)
        Label of each image.

    Returns
    -------
    dict of str to int
        Number of images to draw for each class that gets any, in the order of the labels.

    Raises
    ------
    InputError
        For another name, a class that is not there, a total below what there is, or nothing to add at all.

    Examples
    --------
    >>> numbers_to_add("auto", np.array(["a", "a", "a", "b"]))
    {'b': 2}
    """
    from imblearn.utils import check_sampling_strategy

    counts = Counter(labels.tolist())
    check_name(strategy)
    if isinstance(strategy, Mapping):
        _check_totals(strategy, counts)
        strategy = dict(strategy)
    elif not isinstance(strategy, str):
        _check_ratio(float(strategy), counts)
    found: dict[Any, int] = check_sampling_strategy(strategy, labels, "over-sampling")
    to_add = {str(label): int(number) for label, number in sorted(found.items()) if number > 0}
    if not to_add:
        raise InputError(
            f"there is nothing to draw: the classes have {_totals(counts)} already; "
            f"ask for more with --sampling-strategy NAME=TOTAL (sampling_strategy=)."
        )
    return to_add


def check_name(strategy: Strategy) -> None:
    """Refuse a name that is none of `STRATEGY_NAMES`; ratios and totals are left for `numbers_to_add` to check.

    Raises
    ------
    InputError
        If it is none.
    """
    if isinstance(strategy, str) and strategy not in STRATEGY_NAMES:
        raise InputError(
            f"there is no sampling strategy {shown(strategy)!r}: give {', '.join(STRATEGY_NAMES)}, a ratio such as "
            f"0.5, or final totals such as scratches=200,patches=150."
        )


def _check_totals(strategy: Mapping[str, int], counts: Mapping[str, int]) -> None:
    for label, total in strategy.items():
        if label not in counts:
            raise InputError(f"the sampling strategy cannot be met since {no_such('class', label, counts)}")
        if not isinstance(total, (int, np.integer)) or isinstance(total, bool):
            raise InputError(
                f"the sampling strategy asks for {shown(total)} images of {shown(label)!r}: ask for a whole number."
            )
        if total < counts[label]:
            raise InputError(
                f"the sampling strategy asks for {counted(total, 'image')} of {shown(label)!r}, and there are "
                f"{counts[label]:,} already: balancing only adds, so ask for {counts[label]:,} or more."
            )


def _check_ratio(ratio: float, counts: Mapping[str, int]) -> None:
    if len(counts) != 2:
        raise InputError(
            f"a ratio such as {ratio:g} works for two classes, and there are {len(counts)}: give auto, or final totals "
            f"such as NAME=200."
        )
    small, large = sorted(counts.values())
    if not 0 < ratio <= 1:
        raise InputError(f"the ratio {ratio:g} of the smaller to the larger class is not above 0 and at most 1.")
    if ratio * large < small:
        raise InputError(
            f"the ratio {ratio:g} asks for fewer images than there are ({small:,} to {large:,} is "
            f"{small / large:.2g}): balancing only adds, so give a larger ratio."
        )


def _totals(counts: Mapping[str, int]) -> str:
    least, most = min(counts.values()), max(counts.values())
    return f"{counted(least, 'image')} each" if least == most else f"{least:,} to {counted(most, 'image')} each"
