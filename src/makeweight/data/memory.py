"""How much memory there is, and what fits into it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from makeweight.errors import InputError

LIMIT = "MAKEWEIGHT_MEMORY"
SHARE = 0.5  # of the available memory, that may be taken at once
_ROOT = Path("/")


def available_memory(root: Path = _ROOT) -> int | None:
    """Give the bytes of memory that this process can still take without others being pushed out.

    Parameters
    ----------
    root : Path, default=Path("/")
        Where ``proc`` and ``sys`` are looked for.

    Returns
    -------
    int or None
        What the system calls available, or what the container's limit leaves if that is less; None where the system
        does not tell.
    """
    found = [room for room in (_of_system(root), _of_container(root / "sys/fs/cgroup")) if room is not None]
    return min(found, default=None)


def fits_in_memory(n_bytes: int) -> bool:
    """Tell whether decoded images may be held in memory as a whole.

    Parameters
    ----------
    n_bytes : int
        Size of the images.

    Returns
    -------
    bool
        Whether they take no more than half of the memory that is available now, or no more megabytes than the
        variable MAKEWEIGHT_MEMORY says.

    Raises
    ------
    InputError
        If MAKEWEIGHT_MEMORY is no number of megabytes.
    """
    given = os.environ.get(LIMIT)
    if given:
        return n_bytes <= _megabytes(given) * 1_000_000
    available = available_memory()
    return available is None or n_bytes <= SHARE * available


def _megabytes(given: str) -> float:
    with suppress(ValueError):
        if float(given) >= 0:
            return float(given)
    raise InputError(f"{LIMIT}={given} is no limit: give the megabytes that images may take, such as 2000.")


def _of_system(root: Path) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        lines = (root / "proc/meminfo").read_text().splitlines()
        fields = [line.split() for line in lines if line.startswith("MemAvailable:")]
        return int(fields[0][1]) * 1024
    with suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_container(group: Path) -> int | None:
    """Room below the limit of a control group, of the second version or the first; None without a limit."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):
            total, taken = int((group / limit).read_text()), int((group / used).read_text())
            return max(0, total - taken + _cached(group / Path(limit).with_name("memory.stat")))
    return None


def _cached(statistics: Path) -> int:
    """Bytes of files' contents that the system gives up when it is asked for memory."""
    with suppress(OSError, ValueError):
        fields = dict(line.split() for line in statistics.read_text().splitlines())
        return int(fields.get("total_inactive_file", fields.get("inactive_file", 0)))
    return 0
