#!/usr/bin/env python3
"""Refuse a built site whose links lead nowhere, or that fetches anything from elsewhere.

    python .ci/site.py build/site

Looks at what browsers follow or load in every page. Links to other sites are left alone; scripts, styles, pictures and
frames from there are refused, since the site is to work without a network.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "poster")}
# Of what a link element names, browsers load these.
LOADED_RELATIONS = {"stylesheet", "icon", "preload", "modulepreload", "preconnect", "manifest"}


class Page(HTMLParser):
    """What a page links to, what it loads, and the places that links may name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what one element names."""
        given = {name: value or "" for name, value in attrs}
        self.places.update(given[name] for name in ("id", "name") if name in given)
        self.loads.extend(value for name, value in given.items() if (tag, name) in LOADS)
        if tag == "link" and LOADED_RELATIONS & set(given.get("rel", "").split()):
            self.loads.append(given.get("href", ""))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])


def faults(site: Path) -> list[str]:
    """List what is wrong, a line each."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    # The page for addresses that lead nowhere is served from any place, so its links are absolute.
    pages.pop(site / "404.html", None)
    found = []
    for path, page in pages.items():
        name = path.relative_to(site)
        found += [f"{name} loads {address}" for address in page.loads if _is_elsewhere(address)]
        for address in {*page.links, *(each for each in page.loads if not _is_elsewhere(each))}:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            place = unquote(parts.fragment)
            known = pages.get(site.resolve() / target.relative_to(site.resolve())) if _is_in(target, site) else None
            if not target.is_file():
                found.append(f"{name} names {address}, which is not there")
            elif place and known is not None and place not in known.places:
                found.append(f"{name} names {address}, a place that is not in that page")
    for style in site.rglob("*.css"):
        addresses = re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", style.read_text(encoding="utf-8"))
        found += [f"{style.name} loads {each}" for pair in addresses for each in pair if _is_elsewhere(each)]
    return found


def _is_elsewhere(address: str) -> bool:
    return address.startswith("//") or urlsplit(address).scheme in {"http", "https"}


def _is_in(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder.resolve())


def main() -> int:
    """Check the site in the folder that is named."""
    site = Path(sys.argv[1]).resolve()
    found = faults(site)
    for fault in found:
        print(fault, file=sys.stderr)
    print(f"{sum(1 for _ in site.rglob('*.html'))} pages checked, {len(found)} faults")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
