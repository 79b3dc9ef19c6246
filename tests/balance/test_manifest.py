import csv
from pathlib import Path

import pytest

from makeweight.balance.manifest import (
    COLUMNS,
    ManifestRow,
    guard,
    read_manifest,
    unguard,
    write_manifest,
)
from makeweight.errors import InputError

LABELS = [
    "boot",
    "=1+1",
    "+x",
    "-1",
    "-1.5",
    "-x",
    "@me",
    "'quoted",
    "''",
    "a,b",
    'say "hi"',
    "line\nbreak",
    "carriage\rreturn",
    "\r=1",
    "\tx",
    "靴",
]


@pytest.mark.parametrize("label", LABELS)
def test_guarding_is_reversible(label: str) -> None:
    assert unguard(guard(label)) == label


def test_formulas_are_guarded_and_numbers_are_not() -> None:
    assert [guard(cell) for cell in ("=cmd", "+x", "-x", "@x", "\tx", "'x")] == [
        "'=cmd",
        "'+x",
        "'-x",
        "'@x",
        "'\tx",
        "''x",
    ]
    assert [guard(cell) for cell in ("-1", "+2.5", "boot", "")] == ["-1", "+2.5", "boot", ""]


def test_rows_come_back_as_written(tmp_path: Path) -> None:
    rows = [
        ManifestRow(f"images/{i}.png", label, "real", sha256="0" * 64, source=label) for i, label in enumerate(LABELS)
    ]
    rows.append(ManifestRow("images/d.png", "boot", "drawn", "aggan", 0, 3, "a" * 64, "b" * 64, "c" * 64))
    write_manifest(tmp_path / "manifest.csv", rows)
    assert read_manifest(tmp_path / "manifest.csv") == read_manifest(str(tmp_path / "manifest.csv")) == rows


def test_a_drawn_image_has_no_group(tmp_path: Path) -> None:
    drawn = ManifestRow("images/d.png", "boot", "drawn", "aggan", 0, 3, "a" * 64, "b" * 64, "c" * 64, group="left")
    write_manifest(tmp_path / "manifest.csv", [drawn])
    with pytest.raises(InputError, match="line 2: a drawn image with a group"):
        read_manifest(tmp_path / "manifest.csv")


def test_other_csv_readers_see_the_header(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.csv", [ManifestRow("images/a/1.png", "a", "real")])
    with (tmp_path / "m.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert tuple(row) == COLUMNS
    assert (row["file"], row["label"], row["seed"]) == ("images/a/1.png", "a", "")


def test_what_is_no_manifest_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    with pytest.raises(InputError, match="no manifest at"):
        read_manifest(path)
    for columns in (("a", "b"), COLUMNS[:-2]):
        path.write_text(",".join(columns) + "\n1,2\n")
        with pytest.raises(InputError, match="no manifest of makeweight: its columns differ"):
            read_manifest(path)
    path.write_text(",".join(COLUMNS) + "\nonly,two\n")
    with pytest.raises(InputError, match="a row of 2 cells instead of 13"):
        read_manifest(path)
    path.write_text(",".join(COLUMNS) + "\nf,l,drawn,m,x,1,a,b,c,d,,\n")
    with pytest.raises(InputError, match="is damaged"):
        read_manifest(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is damaged"):
        read_manifest(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="no manifest of makeweight"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("f,l,other,,,,,,,", "line 2: the origin 'other' instead of real or drawn"),
        ("f,l,,,,,,,,", "line 2: the origin '' instead"),
        ("f,l,real,,,3,,,,", "line 2: a real image with a method, seed, row, model_hash or settings_hash"),
        ("f,l,real,m,,,,,,", "a real image with a method"),
        ("f,l,drawn,m,1,,h,,,", "a drawn image without method, seed, row or model_hash"),
        ("f,l,drawn,,1,2,h,,,", "a drawn image without"),
        ("f,l,drawn,m,1,2,,,,", "a drawn image without"),
        ("f,l,drawn,m,1,-3,h,,,", "the row '-3' is no whole number from 0 to 4611686018427387904"),
        (f"f,l,drawn,m,1,{10**30},h,,,", "the row '1000000000000000000000000000000' is no whole number"),
        (f"f,l,drawn,m,1,{2**63},h,,,", "the row '9223372036854775808' is no"),
        (f"f,l,drawn,m,{2**31},1,h,,,", "the seed '2147483648' is no whole number from 0 to 2147483647"),
        (f"f,l,drawn,m,{'9' * 5000},1,h,,,", "the seed '99999"),
    ],
)
def test_rows_that_describe_no_image_are_refused(row: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text(",".join(COLUMNS) + "\n" + row + ",,,\n")
    with pytest.raises(InputError, match=message):
        read_manifest(path)


def test_a_manifest_without_an_end_is_not_waited_for(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.csv", [ManifestRow("images/a/1.png", "a", "real")])
    with (tmp_path / "manifest.csv").open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(
        InputError, match="is damaged .a line of 1,048,576 letters or more.: restore it or balance again"
    ):
        read_manifest(tmp_path / "manifest.csv")


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.csv", [ManifestRow("images/a/\0.png", "a", "real")])
    with pytest.raises(InputError, match="is damaged .line 2: a name that no file can have.: restore it"):
        read_manifest(tmp_path / "manifest.csv")


def test_a_manifest_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_manifest(tmp_path / "manifest.csv", [])

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("makeweight.balance.manifest.open_regular", refuse)
    with pytest.raises(InputError, match=r"manifest.csv cannot be read \(Permission denied\): check its permissions."):
        read_manifest(tmp_path / "manifest.csv")
