"""An output folder that appears whole or not at all, and never at the cost of the input."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from makeweight.errors import InputError

MARKER = ".makeweight-partial"
LOCK = ".makeweight-partial.lock"


@dataclass(frozen=True)
class OutputFolder:
    """Where a job writes: ``OUT.partial`` until everything is there, then ``OUT``.

    Parameters
    ----------
    given : Path
        The output folder as the user named it.
    overwrite : bool
        Replace an older output of ours.
    is_ours : callable
        Tells whether a folder looks like an output of the same job.
    """

    given: Path
    overwrite: bool
    is_ours: Callable[[Path], bool]

    @property
    def path(self) -> Path:
        """The folder with symbolic links resolved."""
        return self.given.resolve()

    @property
    def partial(self) -> Path:
        """Where unfinished work lives."""
        return self.path.with_name(self.path.name + ".partial")

    @property
    def replaced(self) -> Path:
        """Where the older output waits for the moment in which the new one takes its place."""
        return self.path.with_name(self.path.name + ".replaced")

    def check(self, inputs: Iterable[Path] = ()) -> None:
        """Refuse what cannot or must not be written; nothing is touched.

        Parameters
        ----------
        inputs : iterable of Path
            Files and folders that the job reads and that must survive it.

        Raises
        ------
        InputError
            If the folder is in use, is not ours, or lies inside an input or around it.
        """
        for source in inputs:
            self._check_apart(source)
        path = self.path
        if path.exists() and not path.is_dir():
            raise InputError(f"{self.given} is a file: name a new folder for the output.")
        if path.is_dir() and (os.path.ismount(path) or path == Path.cwd()):
            raise InputError(f"{self.given} cannot be replaced in one step: name a new folder inside it.")
        if _has_entries(path):
            if not self.overwrite:
                raise InputError(f"{self.given} is not empty: name another folder, or replace it with --overwrite.")
            if not self.is_ours(path):
                raise InputError(f"{self.given} does not look like an output of makeweight, so it is not overwritten.")
        if self.replaced.exists():
            raise InputError(f"{self.replaced} is left from an interrupted run: move it away or delete it.")
        self._stale_partial()

    def check_outside(self, source: Path) -> None:
        """Refuse an output that lies inside `source`, or is the same folder.

        Raises
        ------
        InputError
            If it does.
        """
        if any(_same(parent, source) for parent in (self.path, *self.path.parents)):
            raise InputError(f"the output {self.given} lies inside the input {source}: name a folder outside it.")

    def check_space(self, n_bytes: int) -> None:
        """Refuse to start when the disk cannot hold `n_bytes` more.

        Raises
        ------
        InputError
            If there is less room.
        """
        free = shutil.disk_usage(_nearest_existing(self.path)).free
        if n_bytes > free:
            raise InputError(
                f"not enough disk for {self.given}: about {size_text(n_bytes)} needed, {size_text(free)} free."
            )

    @contextmanager
    def writing(self, note: Callable[[str], None]) -> Iterator[Path]:
        """Give the folder to write into; at the end it becomes the output, after any error it is gone.

        Parameters
        ----------
        note : callable
            Told when something stale is removed.

        Yields
        ------
        Path
            The unfinished folder.
        """
        if self._stale_partial():
            note(f"removed {self.partial}, left from an interrupted run")
            _remove_tree(self.partial)
        try:
            self.partial.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write beside {self.given} ({error.strerror}): name another place.") from error
        try:
            with filelock.FileLock(self.partial / LOCK, timeout=0):
                (self.partial / MARKER).touch()
                yield self.partial
            (self.partial / LOCK).unlink(missing_ok=True)
            (self.partial / MARKER).unlink()
            self._commit()
        except OSError as error:
            _remove_tree(self.partial)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise InputError(
                    f"the disk filled up while {self.given} was written: make room and start again."
                ) from error
            raise
        except BaseException:
            _remove_tree(self.partial)
            raise

    def _commit(self) -> None:
        """Put the finished folder in its place; an older output goes only after that."""
        path = self.path
        if not path.is_dir():
            self.partial.rename(path)
        elif not _has_entries(path):
            path.rmdir()
            self.partial.rename(path)
        else:
            path.rename(self.replaced)
            try:
                self.partial.rename(path)
            except BaseException:
                self.replaced.rename(path)
                raise
            shutil.rmtree(self.replaced)

    def _stale_partial(self) -> bool:
        partial = self.partial
        if not partial.exists():
            return False
        marker = partial / MARKER
        if not partial.is_dir() or (_has_entries(partial) and not marker.is_file()):
            raise InputError(f"{partial} is in the way and is no unfinished output of makeweight: move it away.")
        if marker.is_file():
            try:
                with filelock.FileLock(partial / LOCK, timeout=0):
                    pass
            except filelock.Timeout:
                raise InputError(
                    f"another run is writing {self.given} now: wait for it, or name another folder."
                ) from None
        return True

    def _check_apart(self, source: Path) -> None:
        """Refuse an output inside `source`, and a `source` inside anything that the job replaces or removes."""
        if not source.exists():
            return
        self.check_outside(source)
        for place in (self.path, self.partial, self.replaced):
            if any(_same(parent, place) for parent in (source.resolve(), *source.resolve().parents)):
                raise InputError(f"the input {source} lies inside the output {self.given}: name another output folder.")
        if not self.path.is_dir():
            return
        for link in _links_below(source):
            if any(_same(place, self.path) for place in (link.resolve(), *link.resolve().parents)):
                raise InputError(f"the input's {link} links into the output {self.given}: name another output folder.")


def size_text(n_bytes: float) -> str:
    """Write a number of bytes for people.

    Examples
    --------
    >>> size_text(999), size_text(1_500_000), size_text(12_000_000_000)
    ('999 bytes', '1.5 MB', '12 GB')
    """
    units = ["bytes", "kB", "MB", "GB", "TB"]
    while n_bytes >= 1000 and len(units) > 1:
        n_bytes /= 1000
        units.pop(0)
    return f"{n_bytes:.{0 if n_bytes >= 10 or units[0] == 'bytes' else 1}f} {units[0]}"


def _has_entries(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _nearest_existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _links_below(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(root, name)
            if path.is_symlink():
                yield path


def _remove_tree(folder: Path) -> None:
    """Remove an unfinished folder, its marker last, so that an interruption leaves it recognisable."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.name != MARKER:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    shutil.rmtree(folder)
