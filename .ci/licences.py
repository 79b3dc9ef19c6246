#!/usr/bin/env python3
"""Refuse installed distributions whose licences are not on the list.

    python .ci/licences.py constraints.txt      # those that development and CI use
    python .ci/licences.py constraints.txt --list

Licences are read from each distribution's own metadata: the licence expression, or else the classifiers, or else the
free text of older packages. All on the list allow use, change and redistribution beside BSD code. The Mozilla Public
License asks the same of changes to its own files alone, and none are made here. The OpenLDAP Public License is a
permissive one of the BSD kind; only tests and benchmarks need what is under it.
"""

from __future__ import annotations

import argparse
import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

ALLOWED = frozenset(
    {
        "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
        "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "OLDAP-2.8", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib",
    }
)  # fmt: skip
# Names in classifiers and in the free text of older packages.
SPELLINGS = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD 3-Clause": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "zlib/libpng License": "Zlib",
}


def licence(package: Distribution) -> str:
    """Give the licence of a distribution as an expression; empty where its metadata does not tell."""
    told = package.metadata.get("License-Expression")
    if told:
        return told
    headings = (heading.split(" :: ") for heading in package.metadata.get_all("Classifier") or [])
    names = [parts[-1] for parts in headings if parts[0] == "License" and parts[-1] != "OSI Approved"]
    text = (package.metadata.get("License") or "").strip()
    names = names or ([text] if text and "\n" not in text else [])
    return " OR ".join(SPELLINGS.get(name, name) for name in names)


def refused(expression: str) -> list[str]:
    """Name the licences of an expression that keep it off the list: of alternatives, one allowed is enough.

    Parentheses are left out, which can only refuse more.
    """
    choices = [part.split(" AND ") for part in re.sub(r"[()]", "", expression).split(" OR ")]
    strangers = [[name.strip() for name in names if name.strip() not in ALLOWED] for names in choices]
    return min(strangers, key=len)


def names_in(constraints: Path) -> list[str]:
    """Read the names of the distributions from a constraints file."""
    lines = (line.partition("#")[0].strip() for line in constraints.read_text(encoding="utf-8").splitlines())
    return [re.split(r"[=<>~! \[]", line, maxsplit=1)[0] for line in lines if line]


def main() -> int:
    """Check the distributions that a constraints file names and that are installed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("constraints", type=Path)
    parser.add_argument("--list", action="store_true", help="print every distribution with its licence")
    options = parser.parse_args()
    faults, n_checked = [], 0
    for name in names_in(options.constraints):
        try:
            expression = licence(distribution(name))
        except PackageNotFoundError:
            continue
        n_checked += 1
        if options.list:
            print(f"{name}: {expression or 'not told'}")
        strangers = refused(expression)
        if strangers:
            faults.append(f"{name}: {', '.join(strangers).strip() or 'its metadata tells no licence'}")
    for fault in faults:
        print(f"licence not on the list: {fault}", file=sys.stderr)
    print(f"{n_checked} distributions checked, {len(faults)} refused")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
