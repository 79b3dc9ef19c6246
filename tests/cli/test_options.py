import pytest

from makeweight.cli.options import parse_duration, parse_strategy
from makeweight.errors import InputError


@pytest.mark.parametrize(
    ("text", "strategy"),
    [
        ("auto", "auto"),
        ("not minority", "not minority"),
        ("0.5", 0.5),
        ("scratches=200,patches=150", {"scratches": 200, "patches": 150}),
        ("a b=2, c=3", {"a b": 2, "c": 3}),
        ("x=y=7", {"x=y": 7}),
        ('"a,b=200",c=3', {"a,b": 200, "c": 3}),
    ],
)
def test_strategies(text: str, strategy: object) -> None:
    assert parse_strategy(text) == strategy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=many", "'a=many' is not of the form NAME=TOTAL with a whole number"),
        ("a=1,b", "'b' is not of the form NAME=TOTAL"),
        ("a=-5", "'a=-5' is not of the form"),
        ("a=1,a=2", "names 'a' twice: keep one total"),
        (f"a={10**12}", "asks for a total of 13 digits: give a smaller one"),
        (f"a={'9' * 5000}", "asks for a total of 5000 digits: give a smaller one"),
        (" ", "--sampling-strategy is empty: give auto, a ratio or NAME=TOTAL, or leave it out"),
    ],
)
def test_strategies_that_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_strategy(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("20m", 1200), ("1h30m", 5400), ("1h30m5s", 5405), ("45", 45), ("1.5H", 5400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0m", "-5m", "5 minutes", "m", "20x", "nan"])
def test_durations_that_cannot_be_read(text: str) -> None:
    with pytest.raises(InputError, match="is no duration: give one such as 90s, 20m or 1h30m"):
        parse_duration(text)
