"""An output folder that appears whole or not at all, and never at the cost of the input."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import filelock

from makeweight.data.files import FULL, sync_all, sync_folder
from makeweight.errors import InputError
from makeweight.team import team

MARKER = ".makeweight-partial"
ROOM_PER_FILE = 4_096  # bytes that a file system takes for a file beside what it holds


def training_folder(out: Path) -> Path:
    """Give the folder in which the trainings for an output are kept while it is not finished."""
    return out.resolve().with_name(out.resolve().name + ".training")


@dataclass(frozen=True)
class OutputFolder:
    """Where a job writes: ``OUT.partial`` until everything is there, then ``OUT``.

    Parameters
    ----------
    given : Path
        The output folder as the user named it.
    overwrite : bool
        Replace an older output of ours.
    fault : callable
        Says in a few words why a folder is no output of the same job, None if it is one.
    """

    given: Path
    overwrite: bool
    fault: Callable[[Path], str | None]

    @property
    def path(self) -> Path:
        """The folder with symbolic links resolved."""
        return self.given.resolve()

    @property
    def partial(self) -> Path:
        """Where unfinished work lives."""
        return self.path.with_name(self.path.name + ".partial")

    @property
    def lock(self) -> Path:
        """The file that a run locks while it works, so that no other one writes the same output."""
        return self.path.with_name(self.path.name + ".partial.lock")

    @property
    def replaced(self) -> Path:
        """Where the older output waits for the moment in which the new one takes its place."""
        return self.path.with_name(self.path.name + ".replaced")

    def check(self, inputs: Iterable[Path] = ()) -> None:
        """Refuse what cannot or must not be written; nothing is touched. Of a team, the first process looks.

        Parameters
        ----------
        inputs : iterable of Path
            Files and folders that the job reads and that must survive it.

        Raises
        ------
        InputError
            If the folder cannot be written, is in use, is not ours, or lies inside an input or around it.
        """
        if team().rank > 0:
            return
        if not self.path.name:
            raise InputError(f"{self.given} is where all files lie: name a new folder inside it.")
        with self._told("used"):
            for path in (self.path, self.lock):  # the longest name of all
                path.exists()
        for source in inputs:
            self._check_apart(source)
        with self._told("used"):
            self._check_free()
            self._check_writable()
            if self.lock.exists():
                with self._locked():
                    pass

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
        with self._told("used"):
            free = shutil.disk_usage(_nearest_existing(self.path)).free
        if free == 0:
            raise InputError(f"{self.given} lies where there is no room for files at all: name another place.")
        if n_bytes > free:
            raise InputError(
                f"not enough disk for {self.given}: about {size_text(n_bytes)} needed, {size_text(free)} free."
            )

    @contextmanager
    def writing(self, note: Callable[[str], None], done: Callable[[], None] | None = None) -> Iterator[Path]:
        """Give the folder to write into; at the end it becomes the output, after an error in between it is gone.

        A finished folder that cannot take the output's place is kept where it is.

        Parameters
        ----------
        note : callable
            Told when something stale is removed, or cannot be.
        done : callable, optional
            Called when the output is in its place, before another run may begin.

        Yields
        ------
        Path
            The unfinished folder.

        Raises
        ------
        InputError
            If another run writes the same output, or the folder cannot be made or put in its place.
        """
        with self._locked():
            with self._told("written"):
                self._settle(note)
                self._check_free()
                if self.partial.exists():
                    note(f"removed {self.partial}, left from an interrupted run")
                    _remove_tree(self.partial)
                self.partial.mkdir()
            try:
                with self._told("written"):
                    (self.partial / MARKER).touch()
                yield self.partial
                sync_all()
            except OSError as error:
                _remove_tree(self.partial)
                if error.errno in FULL:
                    raise InputError(
                        f"the disk filled up while {self.given} was written: make room and start again."
                    ) from error
                if error.errno == errno.EFBIG:
                    raise InputError(
                        f"a file of {self.given} grew larger than this system or its limits (ulimit -f) allow: raise "
                        "the limit and start again."
                    ) from error
                raise
            except BaseException as error:
                _remove_tree(self.partial)
                if isinstance(error, KeyboardInterrupt):
                    error.add_note("unfinished work was removed")
                raise
            self._commit(note)
            if done is not None:
                done()

    def clear_up(self, done: Callable[[], None]) -> None:
        """Remove the marker of a finished output, and call `done`, unless another run is on its way to replace it.

        Raises
        ------
        InputError
            If another run writes the same output.
        """
        with self._locked():
            (self.path / MARKER).unlink(missing_ok=True)
            done()

    @contextmanager
    def writing_together(self, note: Callable[[str], None], done: Callable[[], None] | None = None) -> Iterator[Path]:
        """Like `writing`, for all processes of a team: the first one makes the folder and puts it in its place.

        The others wait for both. All must have written their parts before the first one leaves.
        """
        own = team()
        with self.writing(note, done) if own.rank == 0 else nullcontext(self.partial) as partial:
            own.wait()
            yield partial
        own.wait()

    def _commit(self, note: Callable[[str], None]) -> None:
        """Put the finished folder in its place; an older output goes only after that, and the marker last.

        A run that is killed on the way leaves what `_settle` puts right.
        """
        kept = f"the finished result is kept in {self.partial}: move it to a free place."
        try:
            if _has_entries(self.path) and (not self.overwrite or self.fault(self.path) is not None):
                raise InputError(f"{self.given} was filled by something else meanwhile, so {kept}")
            swapped = self._swap()
        except (InputError, OSError) as error:
            (self.partial / MARKER).unlink()
            if isinstance(error, InputError):
                raise
            raise InputError(f"{self.given} cannot be put in place ({error.strerror}), so {kept}") from error
        (self.path / MARKER).unlink()
        sync_folder(self.path.parent)
        try:
            if swapped:
                shutil.rmtree(self.replaced)
        except OSError as error:
            note(f"the older output could not be removed ({error.strerror}): delete {self.replaced}")

    def _swap(self) -> bool:
        """Rename the finished folder; tell whether an older output now waits to be removed."""
        if not _has_entries(self.path):
            if self.path.is_dir():
                self.path.rmdir()
            self.partial.rename(self.path)
            return False
        self.path.rename(self.replaced)
        try:
            self.partial.rename(self.path)
        except BaseException:
            self.replaced.rename(self.path)
            raise
        return True

    def _settle(self, note: Callable[[str], None]) -> None:
        """Put right what a run left that was killed while it put its output in place."""
        if self.path.is_dir() and (self.path / MARKER).is_file():
            (self.path / MARKER).unlink()
        if self._waits():
            if _has_entries(self.path):
                shutil.rmtree(self.replaced)
            else:
                if self.path.is_dir():
                    self.path.rmdir()
                self.replaced.rename(self.path)
            note(f"{self.given} was being replaced when a run was interrupted: what it left was put right")

    def _waits(self) -> bool:
        """Tell whether an older output of ours waits to be removed, or to be put back."""
        return _has_entries(self.replaced) and not self.replaced.is_symlink() and self.fault(self.replaced) is None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock, whose file is gone afterwards."""
        lock = filelock.FileLock(self.lock, timeout=0)
        with self._told("written"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire()
            except filelock.Timeout:
                raise InputError(
                    f"{self.given} is in use by another run: wait for it, or name another folder."
                ) from None
        try:
            yield
        finally:
            with suppress(OSError):
                self.lock.unlink()
            lock.release()

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turn what the file system refuses into a sentence."""
        try:
            yield
        except OSError as error:
            raise InputError(
                f"{self.given} cannot be {what} ({error.strerror}): name another place, or give a shorter name."
            ) from error

    def _check_free(self) -> None:
        """Refuse what must not be replaced."""
        path, partial = self.path, self.partial
        if path.exists() and not path.is_dir():
            raise InputError(f"{self.given} is a file: name a new folder for the output.")
        if path.is_dir() and (os.path.ismount(path) or path == Path.cwd()):
            raise InputError(f"{self.given} cannot be replaced in one step: name a new folder inside it.")
        if _has_entries(path):
            if not self.overwrite:
                raise InputError(f"{self.given} is not empty: name another folder, or replace it with --overwrite.")
            fault = self.fault(path)
            if fault is not None:
                raise InputError(
                    f"{self.given} does not look like an output of makeweight ({fault}), so it is not overwritten."
                )
        if self.replaced.exists() and not self._waits():
            raise InputError(f"{self.replaced} is left from an interrupted run: move it away or delete it.")
        if partial.exists() and (not partial.is_dir() or (_has_entries(partial) and not (partial / MARKER).is_file())):
            raise InputError(f"{partial} is in the way and is no unfinished output of makeweight: move it away.")

    def _check_writable(self) -> None:
        place = _nearest_existing(self.path.parent)
        if not place.is_dir():
            raise InputError(f"{self.given} cannot be made, since {place} is a file: name another place.")
        if not os.access(place, os.W_OK | os.X_OK):
            raise InputError(f"{self.given} cannot be made, since {place} is not writable: name another place.")

    def _check_apart(self, source: Path) -> None:
        """Refuse an output inside `source`, and a `source` inside anything that the job replaces or removes."""
        if not source.exists():
            return
        self.check_outside(source)
        for place in (self.path, self.partial, self.replaced, training_folder(self.path)):
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
