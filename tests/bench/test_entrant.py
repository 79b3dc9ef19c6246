"""Names of a table's methods."""

from __future__ import annotations

import itertools

import pytest

from makeweight.bench.entrant import AND, Entrant, read_entrant
from makeweight.bench.settings import read_settings


def test_every_combination_has_one_name_and_is_read_from_it() -> None:
    switches = itertools.product([False, True], repeat=3)
    parts = [("", "", ""), ("class output", "", ""), ("images", "", "0.5")]
    parts += [("", fill, share) for fill in ("", "0.5") for share in ("", "0.25")]
    entrants = {
        Entrant("aggan", mixup, part, fill, share, mixed, by_batches)
        for mixup, mixed, by_batches in switches
        for part, fill, share in parts
        if part != "images" or mixup
    }
    names = {entrant.name for entrant in entrants}
    assert len(names) == len(entrants) > 40
    assert {read_entrant(name) for name in names} == entrants


def test_the_methods_of_all_tables_are_read() -> None:
    readings = [own for table in read_settings().values() for own in (table.paper, table.practical) if own]
    names = {name for reading in readings for method in reading.all_methods for name in method.split(AND)}
    assert len(names) > 50
    for name in names:
        entrant = read_entrant(name)
        assert entrant is not None
        assert entrant.name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "aggan ",
        "aggan at fill",
        "aggan and share 0.25",
        "aggan at share 0.25 at fill 0.5",
        "aggan at fill 0.5 at share 0.25",
        "aggan's images at share 0.25",
        "aggan's class output at fill 0.5",
        "aggan's drawings",
        "aggan by batch statistics mixed",
        "aggan + egan",
    ],
)
def test_what_is_no_name_is_none(name: str) -> None:
    assert read_entrant(name) is None
