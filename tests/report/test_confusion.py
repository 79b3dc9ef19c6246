from makeweight.report.confusion import confusion_table
from makeweight.report.page import Cell


def test_a_confusion_by_hand() -> None:
    """A class without an image has no answers."""
    table = confusion_table("cn", [[3, 1, 0], [0, 8, 0], [0, 0, 0]], ["bag", "boot\n", "clog"])
    assert table.columns == ("class", "bag", "boot\\n", "clog")
    nothing = Cell("·")
    assert table.rows == [
        ["bag", Cell("75.0", shade=0.75), Cell("25.0", shade=0.25), nothing],
        ["boot\\n", nothing, Cell("100.0", shade=1.0), nothing],
        ["clog", nothing, nothing, nothing],
    ]
