import pytest

from makeweight.data.tables import TableRow, read_table
from makeweight.errors import InputError


@pytest.mark.parametrize(
    "text",
    [
        "file_name,label\na.png,cat\nb.png,small dog\n",
        "LABEL\tFilename\ncat\ta.png\nsmall dog\tb.png\n",
        "\ufeffimage;age;class\r\na.png;3;cat\r\nb.png;4;small dog\r\n",
        'path,target\n"a.png"," cat "\n"b.png","small dog"',
        "file,labels,label\na.png,x,cat\nb.png,y,small dog\n",
    ],
)
def test_tables_in_many_spellings(tmp_path, text):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    assert read_table(tmp_path / "t.csv") == [TableRow(2, "a.png", "cat"), TableRow(3, "b.png", "small dog")]


@pytest.mark.parametrize(
    "text",
    [
        "image_id,Blond,Male\na.png,1,1\nb.png,1,-1\nc.png,-1,-1\n",
        "Blond\tfile_name\tMale\ntrue\ta.png\tTrue\nyes\tb.png\tno\nFALSE\tc.png\t0\n",
    ],
)
def test_binary_columns_in_place_of_a_label_are_attributes(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    assert read_table(tmp_path / "t.csv") == [
        TableRow(2, "a.png", "Blond+Male", (1, 1)),
        TableRow(3, "b.png", "Blond", (1, 0)),
        TableRow(4, "c.png", "none", (0, 0)),
    ]


def test_a_label_wins_over_attributes(tmp_path):
    (tmp_path / "t.csv").write_text("file,label,male\na.png,x,1\n")
    assert read_table(tmp_path / "t.csv") == [TableRow(2, "a.png", "x")]


def test_empty_lines_are_passed_over(tmp_path):
    (tmp_path / "t.csv").write_text("file,label\n\na.png,x\n , \n")
    assert read_table(tmp_path / "t.csv") == [TableRow(3, "a.png", "x")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty: give it the columns file_name and label, and one row per image."),
        (
            b"name,label\na,b\n",
            "has no column file_name (its columns are name, label): name the column file_name, or one",
        ),
        (
            b"file,colour\na,b\n",
            "has no column label (its columns are file, colour): name the column label, or one of class",
        ),
        (
            b"file,label\na.png\n,x\n",
            "line 2 (the label is empty), line 3 (has no file name); give each a file and a label.",
        ),
        (b"file,label\na.png,../x\n", "line 2 (the label holds a slash)"),
        (b"file,label\na.png,.x\n", "line 2 (the label starts with a dot)"),
        (b"file,label\na.png,x\nb.png,x\na.png,y\n", "names files more than once: a.png (lines 2 and 4); keep one row"),
        (
            b"file,a+b\nx.png,1\n",
            "label: it holds '+', is 'none' or comes twice; rename the column.",
        ),
        (b"file,a,a\nx.png,1,0\n", "cannot be part of a label"),
        (b"file,../a\nx.png,1\n", "holds a slash; rename the column."),
        (
            b"file,a\n,1\n",
            "has rows that cannot be used: line 2 (has no file name); give each a file, and attributes of 1 or 0.",
        ),
        (
            b"file," + b"a" * 150 + b"," + b"b" * 150 + b"\nx.png,1,1\n",
            "line 2 (its attributes make a label that is lon",
        ),
        (
            b"file,a,b\nx.png,1,0\ny.png,1,?\nz.png,0,1\nw.png,1\nv.png,0,0\n",
            "line 3 (b is '?'), line 5 (has 2 cells for 3 columns); give each a file, and attributes of 1 or 0.",
        ),
        (b"file,a\nx.png,1\ny.png,2\n", "has no column label (its columns are file, a): name the column label"),
        (b"file,label\n\xff.png,x\n", "is no UTF-8 text: save it as CSV in UTF-8."),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, content, expected):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / "t.csv")
    sentence = str(caught.value)
    assert str(tmp_path / "t.csv") in sentence
    assert expected in sentence


def test_no_table(tmp_path):
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / "t.csv")
    assert str(caught.value) == f"there is no table of labels at {tmp_path / 't.csv'}: check the path."
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path)
