"""What a report tells about how its figures came about: hashes, settings, versions, device; and the data card."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from makeweight.data.wording import counted, shown
from makeweight.machine import software_and_processor
from makeweight.report.page import Facts, Section, Table

if TYPE_CHECKING:
    from makeweight.balance.manifest import ManifestRow


def software() -> list[tuple[str, str]]:
    """Give versions and processor."""
    return [(name, version) for name, version in software_and_processor().items() if name != "cores"]


def hash_of_originals(rows: Iterable[ManifestRow]) -> str:
    """Hash labels and SHA-256 of the original files of a manifest, whatever their order."""
    lines = sorted(f"{row.label}\t{row.sha256}\n" for row in rows if row.origin == "real")
    return hashlib.sha256("".join(lines).encode("utf-8", "backslashreplace")).hexdigest()


def settings_table(caption: str, settings: Mapping[str, Any]) -> Table:
    """Give nested settings as a table of names, joined by dots, and values."""
    rows = [(name, shown(value)) for name, value in _flat(settings)]
    return Table(caption, ("setting", "value"), rows, words=2)


def run_section(facts: Sequence[tuple[str, str]], *tables: Table) -> Section:
    """Give the section "What was run", with the versions at the end."""
    return Section("What was run", [Facts([*facts, *software()]), *tables])


def card_section(facts: Sequence[tuple[str, str]]) -> Section:
    """Give the section "Data card"."""
    return Section("Data card", [Facts(facts)])


def groups_told(rows: Iterable[ManifestRow]) -> str:
    """Say how many groups of real images a manifest tells."""
    n_groups = len({row.group for row in rows if row.group})
    return counted(n_groups, "group") if n_groups else "none"


def drawn_facts(rows: Sequence[ManifestRow], learning: str = "") -> list[tuple[str, str]]:
    """Give what a data card says of a manifest: what is drawn, by what, from what and how, and what it is not for."""
    drawn, real = (Counter(row.label for row in rows if row.origin == origin) for origin in ("drawn", "real"))
    methods = Counter(row.method for row in rows if row.origin == "drawn")
    return [
        ("What is drawn", per_class(dict(sorted(drawn.items()))) or "nothing"),
        ("By", ", ".join(f"{shown(method)} ({n:,})" for method, n in sorted(methods.items())) or "nothing"),
        ("From what", f"real images: {per_class(dict(sorted(real.items())))}{learning and f'; {learning}'}"),
        (
            "How to tell them apart",
            "column origin of manifest.csv; file names that start with drawn-; the text chunk makeweight=drawn in each "
            "drawn PNG",
        ),
        (
            "Not for",
            "test sets, prevalence figures, or anything that asks what was observed: no camera has seen a drawn image, "
            "and it knows no more than the real ones of its class",
        ),
    ]


def per_class(counts: Mapping[str, int]) -> str:
    """Give numbers of images with their classes.

    Examples
    --------
    >>> per_class({"boot": 20, "bag": 1})
    '20 of boot, 1 of bag'
    """
    few = [f"{count:,} of {shown(label)}" for label, count in list(counts.items())[:20]]
    rest = len(counts) - len(few)
    return ", ".join(few) + (f" and more of {counted(rest, 'other class', 'other classes')}" if rest else "")


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            inner = {key: each for key, each in value.items() if key not in ("axis", "name")}
            if "name" in value:
                yield f"{prefix}{name}", value["name"]
            yield from _flat(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
