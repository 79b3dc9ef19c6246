import hashlib

from makeweight.balance.manifest import ManifestRow
from makeweight.report.record import drawn_facts, hash_of_originals

ROWS = [
    ManifestRow("a.png", "boot", "real", sha256="ab"),
    ManifestRow("b.png", "bag", "real", sha256="cd"),
    ManifestRow("c.png", "boot", "drawn", method="smote", sha256="ef"),
    ManifestRow("d.png", "boot", "drawn", method="aggan", sha256="01"),
    ManifestRow("e.png", "boot", "drawn", method="smote", sha256="23"),
]


def test_the_hash_of_the_originals_by_hand() -> None:
    expected = hashlib.sha256(b"bag\tcd\nboot\tab\n").hexdigest()
    assert hash_of_originals(ROWS) == hash_of_originals(reversed(ROWS)) == expected


def test_what_is_drawn_by_what_and_from_what() -> None:
    *facts, (_, marks), (_, warning) = drawn_facts(ROWS, "made without training")
    assert facts == [
        ("What is drawn", "3 of boot"),
        ("By", "aggan (1), smote (2)"),
        ("From what", "real images: 1 of bag, 1 of boot; made without training"),
    ]
    assert "makeweight=drawn" in marks
    assert warning.startswith("test sets")
    assert drawn_facts(ROWS)[2] == ("From what", "real images: 1 of bag, 1 of boot")
    assert drawn_facts(ROWS[:2])[:2] == [("What is drawn", "nothing"), ("By", "nothing")]
