import pytest

from makeweight.data.wording import counted, label_fault, listed, no_such, shown, time_text


def test_names_are_counted_only_beyond_the_limit():
    assert listed("abcde") == "a, b, c, d, e"
    assert listed("abcdefg") == "a, b, c, d, e and 2 more"
    assert listed([]) == ""


def test_counts():
    assert counted(0, "file") == "0 files"
    assert counted(1200, "file") == "1,200 files"


def test_times_read_well():
    assert [time_text(s) for s in (0, 59.4, 59.6, 3599, 3600, 90061)] == [
        "0 s",
        "59 s",
        "1 min 0 s",
        "59 min 59 s",
        "1 h 0 min",
        "25 h 1 min",
    ]


def test_unprintable_letters_are_escaped():
    assert shown("a\nb\x1b\udcff é 靴") == r"a\nb\x1b\udcff é 靴"


@pytest.mark.parametrize(
    ("label", "fault"),
    [
        ("-x = y, z", None),
        (" ", "is empty"),
        ("a/b", "holds a slash"),
        ("a\\b", "holds a slash"),
        ("..", "starts with a dot"),
        ("\udcff", "is no valid UTF-8"),
        ("a\0", "holds control characters"),
        ("é" * 101, "is longer than 200 bytes"),
    ],
)
def test_labels_that_name_no_folder(label, fault):
    assert label_fault(label) == fault


def test_of_many_choices_the_first_are_named():
    sentence = no_such("class", "z\n", [f"{number:03d}" for number in range(1000)])
    assert sentence.startswith(r"there is no class called 'z\\n': choose from 000, 001, ")
    assert sentence.endswith(" 048, 049 and 950 more.")
