"""Fills the marked places of the pages on results, benchmarks and methods from the rows in benchmarks/results.

    python benchmarks/results_page.py            # writes the pages anew
    python benchmarks/results_page.py --check    # ends with status 1 where a page is not what the rows say

What stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->` is made here; all else is written by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from makeweight.bench.entrant import CLASS_OUTPUT, Entrant
from makeweight.bench.results import sections
from makeweight.bench.rows import Row, RowFile
from makeweight.bench.settings import read_settings
from makeweight.bench.wording import computed_on, markdown, not_run
from makeweight.component import describe, rebuild
from makeweight.data.wording import counted
from makeweight.methods import get_method, method_names

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs" / "figures"))
from measured import FIGURES  # noqa: E402
from measured import words as figure_words  # noqa: E402

PAGE, BENCHMARKS = ROOT / "docs" / "results.md", ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "benchmarks" / "results"
METHOD_PAGES = ROOT / "docs" / "methods"
BENCH = RESULTS / "bench.jsonl"
NAMES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10", "svhn": "SVHN"}


def rows_of(name: str) -> list[Row]:
    """Read a file of rows; none where there is no such file yet."""
    path = RESULTS / f"{name}.jsonl"
    return RowFile(path).read() if path.is_file() else []


def paper_table(name: str) -> str:
    """Give our figures beside a paper's, and what was not run."""
    rows = [row for row in rows_of("bench") if row.protocol.partition("/")[0] == name]
    found = sections(name, rows)
    tables = markdown(found).replace("### ", "#### ").rstrip()  # one level below the headings of the page
    return "\n\n".join(filter(None, (tables, *not_run(name, found), computed_on(rows))))


def picture(name: str) -> str:
    """Show a figure of docs/figures/measured.py, with what it says in words for those who do not see it."""
    with_words = f"![{figure_words(name)}](figures/{name}"
    return f"{with_words}-light.svg#only-light)\n{with_words}-dark.svg#only-dark)"


def means(name: str, protocol: str, scale: float = 100.0, called: Callable[[Row], str] | None = None) -> str:
    """Give mean recall by method, in per cent, the best first, with its standard deviation over seeds."""
    found: dict[tuple[str, str], dict[tuple[int, str], float]] = {}
    for row in rows_of(name):
        if row.protocol == protocol and "acsa" in row.metrics:
            own = row.method if called is None else called(row)
            method = own if row.device == "cpu" else f"{own} ({row.device})"
            seeds = found.setdefault((method, row.budget), {})
            run = (row.subset_seed, str(row.settings.get("seed", "")))  # a comparison has several of one subset
            if run in seeds:
                raise ValueError(f"{name}.jsonl holds two rows of {method}, seed {run}: they are not one method's")
            seeds[run] = scale * float(str(row.metrics["acsa"]))
    lines = ["| | length | seeds | mean recall | deviation |", "|---|---|---|---|---|"]
    for (method, length), values in sorted(found.items(), key=lambda item: -np.mean([*item[1].values()])):
        recalls = [*values.values()]
        deviation = f"{np.std(recalls, ddof=1):.2f}" if len(recalls) > 1 else ""
        lines.append(f"| {method} | {length} | {len(recalls)} | {np.mean(recalls):.2f} | {deviation} |")
    return "\n".join(lines)


def learner_of(row: Row) -> str:
    """Name what learnt in `distilling.py`, with its network where that is not the small CNN."""
    networks = row.settings["learner"]["networks"]["name"]
    return row.method if networks == "by_shape" else f"{row.method} ({networks})"


PLACES: dict[str, Callable[[], str]] = {
    **{name: partial(paper_table, name) for name in read_settings()},
    "heads": partial(means, "class_heads", "class-heads/fashion-mnist/test", 1.0),
    "verdict": partial(means, "verdict", "compare/fashion-mnist/test"),
    "ensemble": partial(means, "ensemble", "ensemble/fashion-mnist"),
    **{name: partial(picture, name) for name in FIGURES},
}
LEARNING: dict[str, Callable[[], str]] = {
    "distilling": partial(means, "distilling", "distilling/fashion-mnist/development", 1.0, learner_of),
    "classifiers": partial(
        means, "classifiers", "classifiers/fashion-mnist/development", 1.0, lambda row: str(row.metrics["variant"])
    ),
}
CHEAP = ("nothing", "duplicates")
NO_SETTINGS = ("method", "random_state", "budget", "channels", "sampling_strategy", "precision")
SEEN = {
    "seen": "drawn images in which a classifier of the whole data sees the class asked for, %",
    "seen_rarest": "the same in the two rarest classes, %",
    "likeness": "SSIM of two drawn images of a class",
    "likeness_of_real": "SSIM of two real ones",
    "acsa_of_head": "mean recall of the method's own class output, %",
    "acsa_of_cnn": "mean recall of a small CNN, with augmentation, on the balanced set, %",
}


def measured(method: str) -> str:
    """Say what `samplers.py` found of a method, as means over its seeds."""
    rows = [row for row in rows_of("samplers") if row.method == method]
    if not rows:
        return "Not measured yet on Fashion-MNIST with the papers' counts."
    seeds = "one seed" if len(rows) == 1 else f"{len(rows)} seeds"
    heads = _of_heads(method)
    lines = [
        f"Fashion-MNIST with the papers' counts in reverse, 20 minutes of one core, {seeds} "
        "([how, and beside all others](../benchmarks.md#samplers)):",
        "",
        "| | |",
        "|---|---|",
    ]
    for name, words in SEEN.items():
        values = [float(str(row.metrics[name])) for row in rows if row.metrics.get(name) is not None]
        if values:
            digits = 2 if name.startswith("likeness") else 1
            lines.append(f"| {words} | {np.mean(values):.{digits}f} |")
    bare, copied = (
        next(row.metrics["acsa_of_cnn"] for row in rows_of("samplers") if row.method == name) for name in CHEAP
    )
    lines += ["", f"On the images as they are the CNN reaches {bare:.1f}, on duplicates {copied:.1f}."]
    return "\n".join([*lines, *heads])


def _of_heads(method: str) -> list[str]:
    """Say what the class output reached on test images, where there are rows of it."""
    rows = [row for row in rows_of("bench") if row.protocol.startswith("aggan-multiclass/practical/")]
    told = [
        f"{line.recall:.2f} on {NAMES[section.group]} ({counted(line.n_seeds, 'seed')})"
        for section in sections("aggan-multiclass", rows)
        for line in section.lines
        if line.method == Entrant(method, part=CLASS_OUTPUT).name
    ]
    link = "[beside its ablations, its twin and plain classifiers](../results.md#ten-classes)"
    return ["", f"Its class output reaches {' and '.join(told)}, whole test sets: {link}."] if told else []


def flat(settings: Mapping[str, Any]) -> dict[str, str]:
    """Lay settings out by name, those of parts behind a dot; without what is no setting of the method itself."""
    found: dict[str, str] = {}
    for name, value in settings.items():
        if name in NO_SETTINGS:
            continue
        if isinstance(value, dict):
            found[name] = repr(value["name"])
            own = rebuild(value).get_params(deep=False)  # those, too, that rows leave out
            described = {key: describe(each) for key, each in own.items()}
            found |= {f"{name}.{key}": each for key, each in flat(described).items()}
        else:
            found[name] = repr(tuple(value) if isinstance(value, list) else value)
    return found


def _whole(sampler: Any) -> dict[str, Any]:
    """Give the settings of a sampler with those that rows leave out, since they are off."""
    return {**{name: describe(value) for name, value in sampler.later.items()}, **sampler.settings}


def settings(method: str) -> str:
    """Give the settings of a method, by default and as in its paper."""
    kind = get_method(method)
    own = flat(_whole(kind()))
    if not own:
        return "It has none of its own."
    if not hasattr(kind, "from_paper"):
        return "\n".join(
            ["| setting | default |", "|---|---|", *(f"| `{name}` | {own[name]} |" for name in sorted(own))]
        )
    paper = flat(_whole(kind.from_paper()))
    lines = ["| setting | default | `from_paper()` |", "|---|---|---|"]
    for name in sorted(own | paper):
        ours, theirs = own.get(name, "–"), paper.get(name, "–")
        lines.append(f"| `{name}` | {ours} | {'the same' if ours == theirs else theirs} |")
    return "\n".join(lines)


def pages() -> dict[Path, dict[str, Callable[[], str]]]:
    """Give the pages that are written, and what is at their marked places."""
    of_methods: dict[Path, dict[str, Callable[[], str]]] = {}
    for name in method_names():
        of_methods[METHOD_PAGES / f"{name}.md"] = {
            "measured": partial(measured, name),
            "settings": partial(settings, name),
        }
    return {PAGE: PLACES, BENCHMARKS: LEARNING, **of_methods}


def filled(page: str, places: dict[str, Callable[[], str]]) -> str:
    """Give a page with every marked place made anew."""
    for name, make in places.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        page = re.sub(re.escape(begin) + ".*?" + re.escape(end), partial(_placed, begin, make(), end), page, flags=re.S)
    return page


def _placed(begin: str, text: str, end: str, _: object) -> str:
    return f"{begin}\n{text.rstrip()}\n\n{end}"


def marked(page: str) -> Iterator[str]:
    """Name the marked places of a page."""
    yield from re.findall(r"<!-- ([\w-]+): begin -->", page)


def main() -> None:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    old = {page: page.read_text(encoding="utf-8") for page in pages()}
    new = {page: filled(old[page], places) for page, places in pages().items()}
    if parser.parse_args().check:
        sys.exit(int(old != new))
    for page, text in new.items():
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
