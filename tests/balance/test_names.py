import pytest

from makeweight.balance.names import class_folder, class_folders, drawn_name, original_names
from makeweight.errors import InputError


@pytest.mark.parametrize(
    ("label", "folder"),
    [
        ("ankle boot", "ankle boot"),
        ("Größe 42", "Größe 42"),
        ("靴", "靴"),
        ("50%", "50%"),
        ("T-shirt/top", "T-shirt%2Ftop"),
        ("a\\b", "a%5Cb"),
        ("..", "%2E%2E"),
        (".hidden", "%2Ehidden"),
        ("end.", "end%2E"),
        (" x ", "%20x%20"),
        ("a\nb\x1b", "a%0Ab%1B"),
        ("\u202eabc", "%E2%80%AEabc"),
        ("", "%empty"),
        ("CON", "%43ON"),
        ("nul.txt", "%6Eul.txt"),
        ("console", "console"),
        ("a:b*?", "a%3Ab%2A%3F"),
        ("%2F", "%252F"),
    ],
)
def test_labels_become_safe_folder_names(label: str, folder: str) -> None:
    assert class_folder(label) == folder


def test_escapes_keep_labels_apart() -> None:
    labels = ["/", "%2F", "%252F", "%", "%2", "%%2F", "%/", "..", ".", ""]
    assert len({class_folder(label) for label in labels}) == len(labels)


def test_long_labels_are_cut_and_kept_apart() -> None:
    one, other = class_folder("é" * 300 + "1"), class_folder("é" * 300 + "2")
    assert one != other
    assert len(one.encode()) <= 200
    assert one == class_folder("é" * 300 + "1")


def test_labels_that_would_share_a_folder_are_refused() -> None:
    with pytest.raises(InputError, match=r"the classes '' and '%empty' would share the folder '%empty': rename one\."):
        class_folders(["", "%empty"])


def test_originals_get_flat_and_unique_names() -> None:
    files = ["a.png", "sub/a.png", "sub__a.png", "A.PNG", "x/y/b.tif", "drawn-aggan-s1-000000.png", ".c.png", "d\n.png"]
    assert original_names(files) == [
        "a.png",
        "sub__a.png",
        "sub__a-2.png",
        "A-2.PNG",
        "x__y__b.tif",
        "in__drawn-aggan-s1-000000.png",
        "%2Ec.png",
        "d%0A.png",
    ]


def test_no_original_name_leaves_its_folder() -> None:
    assert original_names(["../../etc/x.png", "/etc/x.png"]) == ["etc__x.png", "etc__x-2.png"]


def test_long_original_names_keep_their_suffix() -> None:
    (name,) = original_names(["/".join(["deep" * 20] * 5) + "/a.jpeg"])
    assert name.endswith(".jpeg")
    assert len(name) <= 200


def test_drawn_names_tell_method_seed_and_row() -> None:
    assert drawn_name("aggan", 12, 34) == "drawn-aggan-s12-000034.png"


@pytest.mark.parametrize("label", ["train", "Test", "valid", "evaluation"])
def test_no_folder_reads_as_a_split(label: str) -> None:
    folder = class_folder(label)
    assert folder.startswith("%")
    assert folder[3:] == label[1:]
    assert class_folder(f"{label}s") == f"{label}s"


def test_original_names_are_safe_on_every_system() -> None:
    names = [
        "a\\b.png",
        "\\etc\\passwd.tif",
        "con.png",
        "a:b?.png",
        "\u202egnp.exe.png",
        " x.png",
        "-rf.png",
        "\udcff.png",
    ]
    assert original_names(names) == [
        "a%5Cb.png",
        "%5Cetc%5Cpasswd.tif",
        "%63on.png",
        "a%3Ab%3F.png",
        "%E2%80%AEgnp.exe.png",
        "%20x.png",
        "-rf.png",
        "%ED%B3%BF.png",
    ]


def test_names_that_differ_in_their_encoding_alone() -> None:
    composed, decomposed = "\u00e9", "e\u0301"
    assert original_names([f"{composed}.png", f"{decomposed}.png"]) == [f"{composed}.png", f"{decomposed}-2.png"]
    with pytest.raises(InputError, match=r"would share the folder 'e\u0301': rename one\."):
        class_folders([composed, decomposed])
