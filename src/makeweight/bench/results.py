"""What rows add up to: our figures beside the papers', with intervals, and paired differences."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_1samp

from makeweight.bench.learners import PAPER
from makeweight.bench.published import PUBLISHED
from makeweight.bench.rivals import against_rivals
from makeweight.bench.rows import Row
from makeweight.bench.table_rows import Group, grouped
from makeweight.compare.statistics import holm
from makeweight.data.wording import shown

Cells = tuple[list[str], list[list[str]]]  # the columns of a table, and its lines
CONFIDENCE = 0.95
DIGITS = 9  # of per cent; beyond them equal figures differ by how they were added up
FEWEST_SEEDS = 3  # that a difference is judged by: two may agree to the second digit by chance
LEAST_P = 0.001  # that is told as a number
# What a paper claims, and what balanced batches do by themselves: each is to be ahead of those after it.
CLAIMS = tuple(itertools.combinations(("aggan", "egan", "acgan", "twin", "cn"), 2))
# What was asked later, when the former had figures; corrected by itself.
LATER_CLAIMS = (
    *(("aggan by batch statistics", other) for other in ("aggan", "egan", "egan by batch statistics", "twin")),
    ("egan by batch statistics", "egan"),
)
# Of tables about drawn images: what the metric is called, in how many digits and times what it is told.
OF_DRAWN = {
    "recall_of_rare": ("rare", 2, 100),
    "seen": ("seen", 1, 100),
    "frechet": ("Fréchet", 2, 1),
    "ssim": ("SSIM", 3, 1),
    "ssim_of_real": ("of real", 3, 1),
}


@dataclass(frozen=True)
class Line:
    """Figures of one method, in per cent.

    Attributes
    ----------
    method : str
        The method.
    n_seeds : int
        Seeds that have a row.
    recall, f1, geometric_mean : float
        Means over seeds of mean recall (ACSA), macro F1 and the geometric mean of recall.
    reach : float or None
        Half of the 95 % interval of mean recall (Student's t over seeds); None as for a difference.
    published : float or None
        Mean recall that the paper prints.
    drawn : dict of str to float
        Recall of the rare classes, and figures of drawn images, by the names of `OF_DRAWN`; means over seeds.
    places : tuple of str
        Processors and GPUs that computed its rows.
    """

    method: str
    n_seeds: int
    recall: float
    f1: float
    geometric_mean: float
    reach: float | None
    published: float | None
    drawn: Mapping[str, float] = field(default_factory=dict)
    places: tuple[str, ...] = ()

    columns: ClassVar = ("method", "seeds", "mean recall", "95 % interval", "F1", "geometric mean", "paper")

    @property
    def cells(self) -> list[str]:
        """What a table shows below `columns`; empty where there is nothing to tell."""
        reach = "" if self.reach is None else f"± {self.reach:.2f}"
        paper = "" if self.published is None else f"{self.published:.2f}"
        figures = [f"{value:.2f}" for value in (self.f1, self.geometric_mean)]
        return [shown(self.method), str(self.n_seeds), f"{self.recall:.2f}", reach, *figures, paper]

    @property
    def cells_of_drawn(self) -> dict[str, str]:
        """Figures of drawn images as tables show them, by name; empty where there are none."""
        drawn = self.drawn
        return {
            name: f"{times * drawn[name]:.{digits}f}" if name in drawn else ""
            for name, (_, digits, times) in OF_DRAWN.items()
        }


@dataclass(frozen=True)
class Difference:
    """Mean recall of one method less that of another, in points, paired over seeds.

    Attributes
    ----------
    one, other : str
        The methods.
    n_seeds : int
        Seeds that both have a row of.
    points : float
        The mean difference.
    reach : float or None
        Half of its 95 % interval (Student's t over seeds); None for fewer than three seeds, or where all are alike.
    published : float or None
        The difference that the paper prints.
    errors : float or None
        Share that the difference takes away of what the other lacks to a mean recall of 1, negative where it adds to
        it; None where the other lacks nothing.
    p : float or None
        How likely as large a difference is if neither method is ahead (Student's t over seeds), corrected by Holm for
        all differences of the section, for what the papers claim and for what was asked later each by itself; None
        where there is no interval.
    """

    one: str
    other: str
    n_seeds: int
    points: float
    reach: float | None
    published: float | None
    errors: float | None = None
    p: float | None = None

    columns: ClassVar = ("method", "against", "points", "95 % interval", "p", "errors", "seeds", "verdict", "paper")

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval, which is not corrected, excludes zero."""
        return self.reach is not None and abs(self.points) > self.reach

    @property
    def verdict(self) -> str:
        """Whether one method is ahead of the other, or behind it: "perhaps" where that is not sure once corrected."""
        if not self.excludes_zero:
            return "cannot tell"
        way = "ahead" if self.points > 0 else "behind"
        return way if self.p is not None and self.p <= 1 - CONFIDENCE else f"perhaps {way}"

    @property
    def cells(self) -> list[str]:
        """What a table shows below `columns`; empty where there is nothing to tell."""
        interval = errors = ""
        if self.reach is not None:
            low, high = max(self.points - self.reach, -100.0), min(self.points + self.reach, 100.0)
            interval = f"{_signed(low)} to {_signed(high)}"
        if self.errors is not None and self.excludes_zero:
            errors = f"{100 * abs(self.errors):.0f} % {'fewer' if self.errors >= 0 else 'more'}"
        p = "" if self.p is None else f"{self.p:.3f}" if self.p >= LEAST_P else f"< {LEAST_P}"
        paper = "" if self.published is None else _signed(self.published)
        names = (shown(self.one), shown(self.other))
        return [*names, _signed(self.points), interval, p, errors, str(self.n_seeds), self.verdict, paper]


@dataclass(frozen=True)
class ResultSection:
    """One set, reading and length of training.

    Attributes
    ----------
    reading, group, budget : str
        Which.
    settings : str
        Hash of what was fixed for the table, where it is not what comes with makeweight; else empty.
    lines : list of Line
        The best first.
    differences : list of Difference
        What the paper claims, or what drawn images add to augmentation.
    """

    reading: str
    group: str
    budget: str
    settings: str
    lines: list[Line]
    differences: list[Difference]

    @property
    def of_drawn(self) -> list[str]:
        """Names of the figures that some of the lines have beside recall."""
        return [name for name in OF_DRAWN if any(name in line.drawn for line in self.lines)]

    @property
    def is_published(self) -> bool:
        """Whether the paper prints a figure of any of the lines."""
        return any(line.published is not None for line in self.lines)

    @property
    def table(self) -> Cells:
        """Columns and lines; what no line has to tell is left out."""
        columns = [*Line.columns, *(title for title, _, _ in OF_DRAWN.values()), "computed on"]
        several = len({place for line in self.lines for place in line.places}) > 1
        where = [" and ".join(line.places) if several else "" for line in self.lines]
        lines = zip(self.lines, where, strict=True)
        return told(columns, [[*line.cells, *line.cells_of_drawn.values(), place] for line, place in lines])

    @property
    def table_of_differences(self) -> Cells:
        """Columns and differences; what none has to tell is left out."""
        return told(Difference.columns, [each.cells for each in self.differences])

    @property
    def foremost(self) -> list[Difference]:
        """Those to tell first: what the paper claims, or those of the best method with several rivals.

        It is the best on the very images that it is judged by, and one that can be judged, if there is any.
        """
        if self.reading == PAPER:
            return self.differences
        each = [[found for found in self.differences if found.one == line.method] for line in self.lines]
        several = [own for own in each if len(own) > 1]
        judged = [own for own in several if any(found.reach is not None for found in own)]
        return next(iter(judged or several), self.differences)

    @property
    def _families(self) -> str:
        """How p is corrected where a paper's claims stand beside later questions."""
        later = sum((each.one, each.other) in LATER_CLAIMS for each in self.differences if each.reach is not None)
        return f", of the {later} that were asked later by themselves" if later and self.reading == PAPER else ""

    @property
    def chance(self) -> str:
        """How many of some intervals would exclude zero by chance; nothing of a single one, or none."""
        n = sum(each.reach is not None for each in self.differences)
        by_chance = f"{n * (1 - CONFIDENCE):.1f}"
        if n < 2:
            return ""
        return (
            f"Of {n} intervals {by_chance} would exclude zero by chance, if no method differed; p is corrected for "
            f"their number (Holm){self._families}."
        )


def sections(name: str, rows: Iterable[Row]) -> list[ResultSection]:
    """Sum up the rows of a table.

    Parameters
    ----------
    name : str
        Name of the table.
    rows : iterable of Row
        Rows, of other tables too. Of several with one method and seed the last counts; seeds are paired where both
        methods learnt from the same images.

    Returns
    -------
    list of ResultSection
        By reading, set, length of training and what was fixed.
    """
    return [_section(name, *key, methods) for key, methods in grouped(name, rows).items()]


def _section(name: str, reading: str, group: str, budget: str, settings: str, methods: Group) -> ResultSection:
    known = PUBLISHED.get(name, {}).get(group, {}) if reading == PAPER else {}
    lines = []
    for method, by_seed in methods.items():
        recall, f1, geometric = (
            _percent(by_seed.values(), metric) for metric in ("acsa", "macro_f1", "geometric_mean_recall")
        )
        mean, reach, _ = _tested(recall)
        lines.append(
            Line(
                method,
                len(recall),
                mean,
                float(f1.mean()),
                float(geometric.mean()),
                reach,
                known.get(method),
                _of_drawn(by_seed.values()),
                tuple(sorted({place_of(row) for row in by_seed.values()})),
            )
        )
    families = [CLAIMS, LATER_CLAIMS] if reading == PAPER else [against_rivals(methods)]
    differences = [
        found
        for family in families
        for found in _corrected([_difference(*pair, methods, known) for pair in family if len(set(pair)) == 2])
    ]
    return ResultSection(
        reading,
        group,
        budget,
        settings,
        sorted(lines, key=lambda line: -line.recall),
        differences,
    )


def _difference(one: str, other: str, methods: Group, known: Mapping[str, float]) -> Difference | None:
    mine, theirs = methods.get(one, {}), methods.get(other, {})
    shared = [seed for seed in sorted(mine.keys() & theirs.keys()) if mine[seed].data_hash == theirs[seed].data_hash]
    if not shared:
        return None
    recall, rival = (_percent([rows[seed] for seed in shared], "acsa") for rows in (mine, theirs))
    published = known[one] - known[other] if {one, other} <= known.keys() else None
    points, reach, p = _tested(recall - rival)
    error = float(100 - rival.mean())
    errors = points / error if error > 0 else None
    return Difference(one, other, len(shared), points, reach, published, errors, p)


def _corrected(found: Sequence[Difference | None]) -> list[Difference]:
    """Correct the p-values of a family of differences for their number."""
    differences = [each for each in found if each is not None]
    adjusted = iter(holm([each.p for each in differences if each.p is not None]).tolist())
    return [each if each.p is None else replace(each, p=next(adjusted)) for each in differences]


def _of_drawn(rows: Iterable[Row]) -> dict[str, float]:
    """Means over seeds of what tables about drawn images tell."""
    found: dict[str, list[float]] = {}
    for row in rows:
        drawn = row.metrics.get("drawn")
        told = {**(drawn if isinstance(drawn, dict) else {}), "recall_of_rare": row.metrics.get("recall_of_rare")}
        for name in OF_DRAWN:
            value = told.get(name)
            if isinstance(value, (int, float)):
                found.setdefault(name, []).append(float(value))
    return {name: float(np.mean(values)) for name, values in found.items()}


def _percent(rows: Iterable[Row], metric: str) -> NDArray[np.float64]:
    return 100 * np.array([row.metrics[metric] for row in rows], float)


def _tested(values: NDArray[np.float64]) -> tuple[float, float | None, float | None]:
    """Mean, half of its interval, and its p-value if zero is expected, by Student's t.

    The mean alone of fewer than three values, and of values that are all alike: they are counts of images, so that is
    chance, and says nothing of how far others would be apart.
    """
    values = values.round(DIGITS)
    mean = float(values.mean())
    if len(values) < FEWEST_SEEDS or np.ptp(values) == 0:
        return mean, None, None
    found = ttest_1samp(values, 0)
    low, high = found.confidence_interval(CONFIDENCE)
    return mean, float(high - low) / 2, float(found.pvalue)


def told(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> Cells:
    """Leave out the columns of a table that are empty in every line."""
    kept = [place for place in range(len(columns)) if any(line[place] for line in lines)]
    return [columns[place] for place in kept], [[line[place] for place in kept] for line in lines]


def place_of(row: Row) -> str:
    """Name the GPU or the processor that computed a row.

    Examples
    --------
    >>> versions = {"processor": "Intel(R) Xeon(R) Processor @ 2.10GHz"}
    >>> place_of(Row.model_construct(device="cpu", versions=versions))
    'Intel Xeon'
    """
    name = str(row.versions.get("processor", "")) if row.device == "cpu" else row.device
    return shown(re.sub(r"\((R|TM)\)| (CPU|Processor)\b|@.*", "", name).strip()) or row.device


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−") if round(value, 2) else "0.00"
