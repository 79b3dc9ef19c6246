"""Drawn images on their way to files: drawn block by block, encoded and written by several processes at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from bisect import bisect_left
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from makeweight.balance.copies import NO_COPY, Originals
from makeweight.balance.drawn_images import Mark, drawn_png, pixels_from, resized
from makeweight.balance.manifest import ManifestRow
from makeweight.balance.names import drawn_name
from makeweight.data.batches import can_fork, cores_for_this_process
from makeweight.data.images import OnProgress
from makeweight.errors import InputError
from makeweight.sampler import ImageSampler
from makeweight.team import team

FEW_BLOCKS = 4
AHEAD = 2


@dataclass(frozen=True)
class Block:
    """Images of one class that are drawn together.

    Attributes
    ----------
    label : object
        The class.
    rows : sequence of int
        Row numbers, ascending, all of one block of the sampler.
    folder : str
        Where the files go below the output folder, "" or with a slash at its end.
    n_shown : int
        How many of these images, the first ones, are given back for a picture of samples.
    """

    label: Any
    rows: Sequence[int]
    folder: str = ""
    n_shown: int = 0


@dataclass(frozen=True)
class Written:
    """What `Press.write` did with a block.

    Attributes
    ----------
    digests : list of str
        sha256 of each file.
    copies : list of tuple of str and float or None
        The real image that each copies and their distance; an empty name and None for no copy.
    shown : array of shape (n_shown, h, w) or (n_shown, h, w, c)
        Images for a picture of samples, as drawn.
    """

    digests: list[str]
    copies: list[tuple[str, float | None]]
    shown: NDArray[Any]


@dataclass(frozen=True)
class Drawn:
    """A block that was written: the manifest's rows, and the images to show, uint8 or uint16."""

    block: Block
    rows: list[ManifestRow]
    shown: list[NDArray[Any]]


def blocks_of(
    sampler: ImageSampler, label: Any, rows: Sequence[int], *, folder: str = "", n_shown: int = 0
) -> Iterator[Block]:
    """Cut the rows of a class into the sampler's blocks, so that nothing is drawn twice.

    Parameters
    ----------
    sampler : ImageSampler
        What draws.
    label : object
        The class.
    rows : sequence of int
        Row numbers, ascending.
    folder : str, default=""
        See `Block`.
    n_shown : int, default=0
        How many images to give back, of all blocks together.

    Yields
    ------
    Block
    """
    first = 0
    while first < len(rows):
        end = bisect_left(rows, (rows[first] // sampler.block_size + 1) * sampler.block_size, lo=first)
        yield Block(label, rows[first:end], folder, max(0, min(end, n_shown) - first))
        first = end


class Press:
    """Draws a sampler's images and writes them as marked PNGs, the same bytes however many processes help.

    On a processor, what was learnt draws inside worker processes of one thread each, which also encode and write. A
    model on a GPU draws in this process, and so do methods that hold all images; the workers encode and write. Few
    blocks are not worth a process.

    Parameters
    ----------
    sampler : ImageSampler
        What draws.
    seed : int
        Seed of the drawing.
    target : Path
        The output folder.
    size : tuple of two int, optional
        Width and height in pixels to scale to; by default as drawn.
    originals : Originals, optional
        Real images among which copied ones are looked for; by default copies are not looked for.
    """

    def __init__(
        self,
        sampler: ImageSampler,
        seed: int,
        target: Path,
        size: tuple[int, int] | None = None,
        originals: Originals | None = None,
    ) -> None:
        self.sampler = sampler
        self.seed = seed
        self.target = target
        self.size = size
        self.originals = originals
        self.model_hash, self.settings_hash = sampler.model_hash_, sampler.settings_hash

    def run(self, blocks: Sequence[Block], progress: OnProgress) -> list[Drawn]:
        """Draw and write blocks, of which only a few are held at a time; processes of a team share them.

        Parameters
        ----------
        blocks : sequence of Block
            What to draw.
        progress : callable
            Called with the number of images written and the number of all, of those that this process draws.

        Returns
        -------
        list of Drawn
            In the order of the blocks, all of them in every process of a team.

        Raises
        ------
        InputError
            If a worker process was ended from outside.
        """
        together = team()
        own = blocks[together.rank :: together.size]
        total, n_written, finished = sum(len(block.rows) for block in own), 0, []
        with one_thread(), closing(self._written(own)) as written:
            for drawn in written:
                finished.append(drawn)
                n_written += len(drawn.rows)
                progress(n_written, total)
        of_all = together.gather(finished)
        return [of_all[i % together.size][i // together.size] for i in range(len(blocks))]

    def draw(self, block: Block) -> NDArray[Any]:
        """Draw the images of a block."""
        return self.sampler.draw(block.label, block.rows, seed=self.seed)

    def write(self, block: Block, X: NDArray[Any] | None) -> Written:
        """Write the images of a block, drawing them first where they are not given.

        Returns
        -------
        Written
        """
        X = self.draw(block) if X is None else X
        pixels = pixels_from(X, self.sampler.codec_)
        digests = []
        for row, image in zip(block.rows, pixels, strict=True):
            mark = Mark(self.sampler.name, self.model_hash, self.seed, row, str(block.label))
            data = drawn_png(image if self.size is None else resized(image, *self.size), mark)
            (self.target / self._file(block, row)).write_bytes(data)
            digests.append(sha256(data).hexdigest())
        copies = [NO_COPY] * len(X) if self.originals is None else self.originals.named(block.label, X)
        return Written(digests, copies, pixels[: block.n_shown].copy())

    def _written(self, blocks: Sequence[Block]) -> Generator[Drawn]:
        """Keep the workers busy, and take what they have done in order."""
        in_processes = len(blocks) > FEW_BLOCKS and can_fork()
        draws_here = not (in_processes and draws_on_processor(self.sampler))
        n_workers = min(cores_for_this_process(), len(blocks)) if in_processes else 0
        task = _write_in_worker if in_processes else self.write
        waiting: deque[tuple[Block, Future[Written]]] = deque()
        with _workers(n_workers, self) as workers:
            for block in blocks:
                if len(waiting) > AHEAD * n_workers:
                    yield self._drawn(*waiting.popleft())
                waiting.append((block, workers.submit(task, block, self.draw(block) if draws_here else None)))
            while waiting:
                yield self._drawn(*waiting.popleft())

    def _drawn(self, block: Block, future: Future[Written]) -> Drawn:
        try:
            written = future.result()
        except BrokenProcessPool as error:
            raise InputError(
                "a process that writes images was ended from outside, perhaps for want of memory: make room and start "
                "again."
            ) from error
        rows = [
            ManifestRow(
                file=self._file(block, row),
                label=str(block.label),
                origin="drawn",
                method=self.sampler.name,
                seed=self.seed,
                row=row,
                model_hash=self.model_hash,
                settings_hash=self.settings_hash,
                sha256=digest,
                copy_of=copied,
                copy_distance=distance,
            )
            for row, digest, (copied, distance) in zip(block.rows, written.digests, written.copies, strict=True)
        ]
        return Drawn(block, rows, list(written.shown))

    def _file(self, block: Block, row: int) -> str:
        return block.folder + drawn_name(self.sampler.name, self.seed, row)


def draws_on_processor(sampler: ImageSampler) -> bool:
    """Tell whether a sampler draws with networks on the processor, of which copies in other processes cost little."""
    generator = getattr(sampler, "generator_", None)
    return generator is not None and all(each.device.type == "cpu" for each in generator.parameters())


@contextmanager
def one_thread() -> Iterator[None]:
    """Draw with one thread, so that rounding depends neither on cores nor on where an image is drawn."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _workers(n_workers: int, press: Press) -> Iterator[Executor]:
    """Give worker processes, or one thread for none; what they have begun is finished at the end, the rest dropped."""
    pool: Executor = (
        ProcessPoolExecutor(n_workers, multiprocessing.get_context("fork"), _enter_worker, (press,))
        if n_workers
        else ThreadPoolExecutor(1, thread_name_prefix="makeweight-writer")
    )
    with warnings.catch_warnings():
        # Python warns of forks beside threads; the workers use none that were started before.
        warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


_press: Press | None = None


def _enter_worker(press: Press) -> None:
    """Prepare a worker: Ctrl-C is this process's parent's to handle, and without it there is nothing to do."""
    global _press
    _press = press
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _write_in_worker(block: Block, X: NDArray[Any] | None) -> Written:
    assert _press is not None
    return _press.write(block, X)
