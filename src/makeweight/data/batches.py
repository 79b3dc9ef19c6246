"""Batches of encoded images on a device, from memory or from files by worker processes."""

from __future__ import annotations

import multiprocessing
import multiprocessing.util
import os
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from typing import Any

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from makeweight.data.arrays import ImageCodec
from makeweight.data.lazy import LazyImages
from makeweight.errors import InputError
from makeweight.team import processes_here
from makeweight.transfer import moved

WORKERS = "MAKEWEIGHT_WORKERS"
AHEAD = 4
MOST_WORKERS = 8
CORES_PER_WORKER = 4
SHARE_OF_GPU = 0.25

Batches = Generator[tuple[Tensor, Tensor]]
Indices = Iterable[NDArray[np.int64]]
Encode = Callable[[NDArray[Any] | Tensor], Tensor]


def read_batches(
    X: NDArray[Any] | LazyImages,
    codes: NDArray[np.int64],
    indices: Indices,
    codec: ImageCodec,
    device: torch.device,
    n_workers: int | None = None,
) -> Batches:
    """Give batches of images and codes; the same ones wherever the images are and whoever reads them.

    Indices are taken in this process. Images in memory are picked there; small ones are first moved to a GPU that has
    room. `LazyImages` are read by worker processes, a few batches ahead.

    Parameters
    ----------
    X : array or LazyImages of shape (n, ...)
        Images in the layout of `codec`.
    codes : array of int of shape (n,)
        Class codes.
    indices : iterable of arrays of int of shape (batch,)
        Which images are in each batch.
    codec : ImageCodec
        The way to floats.
    device : torch.device
        Where batches are wanted.
    n_workers : int, optional
        Worker processes for `LazyImages`, 0 to read in this process; by default as `default_workers` says.

    Yields
    ------
    images : Tensor of shape (batch, c, h, w)
        float32 in [-1, 1].
    codes : Tensor of shape (batch,)
        int64.

    Raises
    ------
    InputError
        If a file can no longer be read, or a worker process was ended from outside.

    Examples
    --------
    >>> X = np.array([[[0, 255]], [[255, 0]]], np.uint8)
    >>> batches = read_batches(X, np.array([0, 1]), [np.array([1, 0])], ImageCodec.learn(X), torch.device("cpu"))
    >>> images, codes = next(batches)
    >>> images[:, 0, 0].tolist(), codes.tolist()
    ([[1.0, -1.0], [-1.0, 1.0]], [1, 0])
    """
    encode = encoder(codec, device)
    pixels: Iterator[tuple[NDArray[np.int64], NDArray[Any] | Tensor]]
    if isinstance(X, LazyImages):
        pixels = _from_files(X, indices, default_workers(device) if n_workers is None else n_workers)
    elif device.type == "cuda" and is_looked_up(codec) and X.nbytes < SHARE_OF_GPU * torch.cuda.mem_get_info(device)[0]:
        pixels = from_device(X, indices, device)
    else:
        pixels = ((index, X[index]) for index in indices)
    for index, batch in pixels:
        yield encode(batch), moved(codes[index], device)


def default_workers(device: torch.device) -> int:
    """Choose the number of worker processes that read for one training process.

    Returns
    -------
    int
        The variable MAKEWEIGHT_WORKERS if it is set. Else none where processes cannot be forked; one for every four
        cores, at least one, beside a training on the processor, which needs the cores itself; and one for every core
        beside a GPU; at most eight. Processes that torchrun starts on one machine share its cores.
    """
    given = os.environ.get(WORKERS)
    if given is not None:
        if not given.isdigit():
            raise InputError(f"{WORKERS}={given} is no number of processes: give 0 or more.")
        return int(given)
    if not can_fork():
        return 0
    cores = cores_for_this_process()
    return max(1, min(MOST_WORKERS, cores if device.type == "cuda" else cores // CORES_PER_WORKER))


def can_fork() -> bool:
    """Tell whether this process can start others as copies of itself."""
    return sys.platform == "linux" and not multiprocessing.current_process().daemon


def end_at_once(_: int = 0) -> None:
    """Let a forked process end when its work is done, without what its parent's libraries planned for their own end.

    They may wait for threads that are not in the fork; joblib's process pool does.
    """
    multiprocessing.util.Finalize(None, os._exit, args=(0,), exitpriority=-100)


def cores_for_this_process() -> int:
    """Give the number of cores that this process may use, which those of one torchrun share."""
    return max(1, int(joblib.cpu_count()) // processes_here())


def is_looked_up(codec: ImageCodec) -> bool:
    """Tell whether `encoder` looks values up in a table, so that they may lie on the device as they are."""
    return codec.dtype == "uint8" and codec.layout != "rows"


def encoder(codec: ImageCodec, device: torch.device) -> Encode:
    """Give a function from a batch in the layout of a codec to floats on a device, equal to `ImageCodec.encode`.

    Bytes are moved as they are and looked up in a table there.
    """
    if not is_looked_up(codec):
        return lambda pixels: moved(codec.encode(np.asarray(pixels)), device)
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    table = moved(replace(codec, layout="grey", shape=(16, 16)).encode(levels).ravel(), device)

    def look_up(pixels: NDArray[Any] | Tensor) -> Tensor:
        batch = pixels if isinstance(pixels, Tensor) else moved(pixels, device)
        images = table.index_select(0, batch.reshape(-1).int()).view(batch.shape)
        if codec.layout == "last":
            images = images.movedim(-1, 1)
        return images.reshape(len(batch), *codec.image_shape).contiguous()

    return look_up


def from_device(X: NDArray[Any], indices: Indices, device: torch.device) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Hold all images on a device and pick batches there."""
    held = torch.tensor(np.ascontiguousarray(X), device=device)
    for index in indices:
        yield index, held.index_select(0, moved(index, device))


def _from_files(X: LazyImages, indices: Indices, n_workers: int) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
    """Let worker processes read batches ahead; they come in the order of the indices."""
    with warnings.catch_warnings():
        # torch counts cores in its own way, and Python warns of forks beside threads, of which workers use none.
        warnings.filterwarnings("ignore", message="This DataLoader will create", category=UserWarning)
        warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
        loader: DataLoader[Any] = DataLoader(
            _Reader(X),
            batch_sampler=indices,  # type: ignore[arg-type]
            num_workers=n_workers,
            collate_fn=_as_it_is,
            prefetch_factor=AHEAD if n_workers else None,
            generator=torch.Generator(),
            worker_init_fn=end_at_once,
        )
        batches = iter(loader)
    try:
        while (batch := _next(batches, n_workers)) is not None:
            if isinstance(batch, InputError):
                raise batch
            yield batch
    finally:
        del batches  # ends the workers, even while an error's traceback holds this frame


def _next(batches: Iterator[Any], n_workers: int) -> Any:
    try:
        return next(batches, None)
    except RuntimeError as error:
        if n_workers == 0 or "worker" not in str(error):
            raise
        raise InputError(
            "a process that reads images was ended from outside, perhaps for want of memory: make the batches "
            f"smaller, or read with fewer processes ({WORKERS}={n_workers // 2})."
        ) from error


class _Reader(Dataset[Any]):
    """Reads the images of a batch inside a worker."""

    def __init__(self, X: LazyImages) -> None:
        self.X = X

    def __getitems__(self, index: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[Any]] | InputError:
        try:
            return index, self.X.read(index)
        except InputError as error:  # as a value, since torch would wrap it into a traceback
            return error


def _as_it_is(batch: Any) -> Any:
    return batch
