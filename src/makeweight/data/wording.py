"""How names and counts are put into the sentences that people read."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

MOST_CHOICES = 50


def shown(name: object) -> str:
    r"""Give a name for a message, with control characters and broken encodings escaped.

    Parameters
    ----------
    name : object
        A path, a file name or a label.

    Returns
    -------
    str

    Examples
    --------
    >>> shown("ankle boot")
    'ankle boot'
    >>> print(shown("red\x1b[31m"))
    red\x1b[31m
    """
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in str(name))


def listed(names: Iterable[object], limit: int = 5) -> str:
    """Join names with commas, the first few and then a count.

    Parameters
    ----------
    names : iterable of object
        What to name, in order.
    limit : int, default=5
        How many are named before the rest is counted.

    Returns
    -------
    str

    Examples
    --------
    >>> listed(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    words = [shown(name) for name in names]
    if len(words) <= limit:
        return ", ".join(words)
    return f"{', '.join(words[:limit])} and {len(words) - limit} more"


def reason_of(error: BaseException) -> str:
    """Give what went wrong in a few words, as parentheses in messages tell it.

    Parameters
    ----------
    error : BaseException
        What was raised.

    Returns
    -------
    str
        The system's words, else the error's own, else the name of its type.

    Examples
    --------
    >>> reason_of(FileNotFoundError(2, "No such file or directory", "x"))
    'No such file or directory'
    >>> reason_of(KeyError())
    'KeyError'
    """
    return shown((error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__)


def as_note(sentence: str) -> str:
    """Give a sentence as notes are written: without a capital and a full stop.

    Examples
    --------
    >>> as_note("Files are read.")
    'files are read'
    """
    return sentence[:1].lower() + sentence[1:].removesuffix(".")


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Give a number with its noun.

    Parameters
    ----------
    number : int
        How many.
    singular : str
        The noun for one.
    plural : str, optional
        The noun for any other number; by default `singular` with an s.

    Returns
    -------
    str

    Examples
    --------
    >>> counted(1, "file"), counted(3, "class", "classes")
    ('1 file', '3 classes')
    """
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def points(share: float | None) -> str:
    """Give a share in points of a hundred, with a proper minus sign; a dash where there is none.

    Examples
    --------
    >>> points(0.8412), points(-0.005), points(None)
    ('84.1', '−0.5', '–')
    """
    return "–" if share is None else f"{round(share * 100, 1) + 0:.1f}".replace("-", "−")


def signed_points(share: float) -> str:
    """Give a difference of shares in points of a hundred, with its sign.

    Examples
    --------
    >>> signed_points(0.041), signed_points(-0.2)
    ('+4.1', '−20.0')
    """
    return f"{round(share * 100, 1) + 0:+.1f}".replace("-", "−")


def rounded(number: float) -> str:
    """Give a figure with two decimals, or one where it is large.

    Examples
    --------
    >>> rounded(0.123), rounded(-12.34), rounded(-0.001)
    ('0.12', '−12.3', '0.00')
    """
    digits = 2 if abs(number) < 10 else 1
    return f"{round(number, digits) + 0:.{digits}f}".replace("-", "−")


def time_text(seconds: float) -> str:
    """Write a duration for people.

    Examples
    --------
    >>> time_text(7.2), time_text(754), time_text(5400)
    ('7 s', '12 min 34 s', '1 h 30 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def no_such(what: str, name: object, choices: Iterable[str]) -> str:
    """Say that a name is none of the known ones.

    Parameters
    ----------
    what : str
        What the names are, in the singular.
    name : object
        The name that is none of them.
    choices : iterable of str
        The known ones.

    Returns
    -------
    str
        A sentence that lists them, if there are any, and guesses which was meant.

    Examples
    --------
    >>> no_such("method", "smot", ["acgan", "smote"])
    "there is no method called 'smot': choose from acgan, smote; did you mean 'smote'?"
    >>> no_such("method", "ACGAN", ["acgan", "smote"])
    "there is no method called 'ACGAN': choose from acgan, smote; did you mean 'acgan'?"
    >>> no_such("setting of duplicates", "width", [])
    "there is no setting of duplicates called 'width', nor any other: leave it out."
    """
    known = sorted(choices)
    if not known:
        return f"there is no {what} called {shown(name)!r}, nor any other: leave it out."
    folded = {choice.casefold(): choice for choice in known}
    close = get_close_matches(str(name).casefold(), folded, n=1)
    hint = f"; did you mean {folded[close[0]]!r}?" if close else "."
    return f"there is no {what} called {shown(name)!r}: choose from {listed(known, MOST_CHOICES)}{hint}"


def label_fault(label: str) -> str | None:
    """Say why a label cannot name a class folder.

    Parameters
    ----------
    label : str
        The name of a class.

    Returns
    -------
    str or None
        The reason in a few words; None where the label will do.

    Examples
    --------
    >>> label_fault("ankle boot")
    >>> label_fault("../boot")
    'holds a slash'
    """
    faults: Sequence[tuple[bool, str]] = (
        (not label.strip(), "is empty"),
        ("/" in label or "\\" in label, "holds a slash"),
        (label.startswith("."), "starts with a dot"),
        (not is_text(label), "is no valid UTF-8"),
        (not label.isprintable(), "holds control characters"),
        (len(label.encode(errors="replace")) > 200, "is longer than 200 bytes"),
    )
    return next((reason for wrong, reason in faults if wrong), None)


def is_text(name: str) -> bool:
    """Tell whether a name read from the file system is valid UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
