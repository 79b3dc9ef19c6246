"""What the processor's allocator does with memory that was freed."""

from __future__ import annotations

import ctypes
import os
import sys

# Numbers of mallopt(3), with the variables that glibc reads at its start, and what they are set to, in bytes.
SETTINGS = {
    "MALLOC_TRIM_THRESHOLD_": (-1, 2**29),  # what may lie free at the end before it is given back
    "MALLOC_MMAP_THRESHOLD_": (-3, 2**25),  # what is taken and given back by itself; glibc knows no larger number
}


def keep_freed_memory() -> bool:
    """Keep up to 512 MB of freed memory for what is allocated next.

    A step of training frees hundreds of megabytes and needs them again at once. glibc gives them back to the system
    meanwhile, which hands them out anew page by page, each of them overwritten with zeros. The choice counts for this
    process and for those that it starts. Values that the user has set in the environment stay, and other C libraries
    are left as they are.

    Returns
    -------
    bool
        Whether anything was set.
    """
    by_user = os.environ.keys() & SETTINGS.keys() or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if by_user or mallopt is None:
        return False
    for name, (number, n_bytes) in SETTINGS.items():
        os.environ[name] = str(n_bytes)
        mallopt(number, n_bytes)
    return True
