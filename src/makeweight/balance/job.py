"""The main job: learn a folder's classes, draw what is missing, write the balanced folder whole or not at all."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makeweight.balance.drawing import Press, blocks_of
from makeweight.balance.drawn_images import pixels_from
from makeweight.balance.grid import GridRow, samples_grid
from makeweight.balance.listener import Listener
from makeweight.balance.manifest import MANIFEST, ManifestRow, is_manifest, write_manifest
from makeweight.balance.models import find_model, prepare_sampler
from makeweight.balance.names import DRAWN_PREFIX, class_folders, original_names
from makeweight.balance.output import OutputFolder
from makeweight.balance.strategy import Strategy, numbers_to_add
from makeweight.data.folders import BadFile
from makeweight.data.source import ImageSource, open_source
from makeweight.data.wording import listed
from makeweight.devices import join_team
from makeweight.errors import InputError
from makeweight.sampler import ImageSampler
from makeweight.team import team

IMAGES, MODEL, SAMPLES = "images", "model", "samples.png"
SHOWN = 8
ROOM_FOR_MODEL = 64_000_000
ROOM_PER_FILE = 4_096


@dataclass(frozen=True)
class ClassCount:
    """Images of one class in the output: its label, its folder's name, real and drawn images."""

    label: str
    folder: str
    real: int
    drawn: int

    @property
    def total(self) -> int:
        """Real and drawn images together."""
        return self.real + self.drawn


@dataclass(frozen=True)
class BalanceSummary:
    """What `balance_folder` did.

    Attributes
    ----------
    out : Path
        The output folder.
    method, model_hash, settings_hash : str
        What drew.
    seed : int
        Seed of the drawing, as in the manifest.
    classes : list of ClassCount
        Every class, sorted by label.
    learns : bool
        Whether the method trains networks.
    small_classes : list of str
        Classes with fewer than ten images; a method that trains learns them with duplicates and augmentation.
    skipped : list of BadFile
        Files left out because they could not be used.
    seconds : float
        Time taken.
    """

    out: Path
    method: str
    model_hash: str
    settings_hash: str
    seed: int
    classes: list[ClassCount]
    learns: bool
    small_classes: list[str]
    skipped: list[BadFile]
    seconds: float


def balance_folder(
    source: str | Path,
    out: str | Path,
    *,
    method: str | None = None,
    sampling_strategy: Strategy = "auto",
    n_steps: int | None = None,
    n_epochs: int | None = None,
    budget: float | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str | None = None,
    from_model: str | Path | None = None,
    labels: str | Path | None = None,
    data_dir: str | Path | None = None,
    download: bool = False,
    resize: int | None = None,
    mode: str | None = None,
    skip_bad: bool = False,
    overwrite: bool = False,
    link: bool = False,
    listener: Listener | None = None,
) -> BalanceSummary:
    """Learn the classes of a folder of images, draw what the rare ones lack, and write a balanced folder.

    `out` gets ``images/<class>/`` (the originals byte for byte, and the drawn images as marked PNGs), ``manifest.csv``,
    ``model/`` and ``samples.png``. It appears whole or not at all.

    Parameters
    ----------
    source : str or Path
        A folder of class folders, one with ``train/`` and other splits, one with a table of labels, an ``.npz``, or
        the name of a known set.
    out : str or Path
        The folder to write; not inside `source` nor around it.
    method : str, optional
        Name of a method; "aggan" by default, or that of `from_model`.
    sampling_strategy : float, str or mapping of str to int, default="auto"
        See `makeweight.balance.strategy.numbers_to_add`.
    n_steps, n_epochs : int, optional
        Length of the training; as the method says by default.
    budget : float, optional
        Length of the training in seconds, instead.
    seed : int, default=0
        Seed of training and drawing; equal seeds give equal bytes on the same machine.
    device : str, default="auto"
        Where to train: "auto", "cpu", "cuda", "cuda:1", "mps".
    precision : str, optional
        "32-true" or "bf16-mixed"; by default what suits the device.
    from_model : str or Path, optional
        Go on training this saved model.
    labels : str or Path, optional
        Table of labels: file name and label.
    data_dir : str or Path, optional
        Where the files of known sets are.
    download : bool, default=False
        Fetch a known set that is not there.
    resize : int, optional
        Learn from images of this many pixels a side. Drawn images get the originals' size if they share one.
    mode : {"L", "RGB"}, optional
        Convert the images to grey or RGB before learning; drawn images are of this mode.
    skip_bad : bool, default=False
        Leave out files that cannot be used, instead of refusing.
    overwrite : bool, default=False
        Replace an older output of makeweight; the input is never touched.
    link : bool, default=False
        Hard-link the originals instead of copying them.
    listener : Listener, optional
        Hears about the progress.

    Returns
    -------
    BalanceSummary

    Raises
    ------
    InputError
        For anything about the input that makes the job impossible; nothing has been written then.
    """
    begin = time.perf_counter()
    listener = listener or Listener()
    output = OutputFolder(Path(out), overwrite, output_fault)
    output.check([Path(path) for path in (source, labels) if path is not None])
    if from_model is not None:
        output.check_outside(find_model(from_model))
    sampler = prepare_sampler(
        method=method,
        from_model=from_model,
        sampling_strategy=sampling_strategy,
        n_steps=n_steps,
        n_epochs=n_epochs,
        budget=budget,
        seed=seed,
        device=device,
        precision=precision,
        callback=listener.step,
    )
    listener.stage("reading")
    images = open_source(
        source,
        labels=None if labels is None else Path(labels),
        resize=resize,
        mode=mode,
        skip_bad=skip_bad,
        data_dir=None if data_dir is None else Path(data_dir),
        download=download,
        progress=listener.count,
    )
    to_add = numbers_to_add(sampling_strategy, images.labels)
    folders = class_folders(images.classes)
    _check_size(sampler, images)
    output.check_space(_room_needed(images, sum(to_add.values()), link))
    _note_drawn_originals(images, listener)
    join_team(device)
    with output.writing_together(listener.note) as partial:
        work = _Work(images, sampler, to_add, folders, partial, listener)
        work.copy_originals(link)
        work.learn()
        work.draw()
        if team().rank == 0:
            work.finish()
    counts = Counter(images.labels.tolist())
    return BalanceSummary(
        out=Path(out),
        method=sampler.name,
        model_hash=work.model_hash,
        settings_hash=sampler.settings_hash_,
        seed=sampler.seed_,
        classes=[ClassCount(c, folders[c], counts[c], to_add.get(c, 0)) for c in images.classes],
        learns=sampler.learns,
        small_classes=[str(label) for label in sampler.small_classes_],
        skipped=list(images.skipped),
        seconds=time.perf_counter() - begin,
    )


def is_output(folder: Path) -> bool:
    """Tell whether a folder was written by `balance_folder`: a manifest of ours beside ``images/``."""
    return is_manifest(folder / MANIFEST) and (folder / IMAGES).is_dir()


def output_fault(folder: Path) -> str | None:
    """Say why a folder is no output of `balance_folder`, or holds more than one; None if it is just that."""
    foreign = sorted({path.name for path in folder.iterdir()} - {IMAGES, MODEL, MANIFEST, SAMPLES})
    if foreign:
        return f"it holds {listed(foreign)}"
    return None if is_output(folder) else f"it lacks {IMAGES}/ or a {MANIFEST} of makeweight"


@dataclass
class _Work:
    """The stages of one job, in the order in which they are called."""

    images: ImageSource
    sampler: ImageSampler
    to_add: dict[str, int]
    folders: dict[str, str]
    partial: Path
    listener: Listener
    rows: list[ManifestRow] = field(default_factory=list)
    shown_real: dict[str, Sequence[NDArray[Any]]] = field(default_factory=dict)
    shown_drawn: dict[str, list[NDArray[Any]]] = field(default_factory=lambda: defaultdict(list))
    model_hash: str = ""

    def copy_originals(self, link: bool) -> None:
        self.listener.stage("copying")
        together, labels = team(), self.images.labels
        if together.rank == 0:
            self._make_folders()
        together.wait()
        names = [""] * len(labels)
        for label in self.images.classes:
            places = np.flatnonzero(labels == label).tolist()
            for place, name in zip(places, original_names([self.images.files[i] for i in places]), strict=True):
                names[place] = name
        own, rows = range(together.rank, len(labels), together.size), []
        for done, index in enumerate(own, 1):
            file = f"{IMAGES}/{self.folders[labels[index]]}/{names[index]}"
            digest = self.images.write(index, self.partial / file, link=link)
            rows.append(ManifestRow(file, str(labels[index]), "real", sha256=digest, source=self.images.files[index]))
            self.listener.count(done, len(own))
        of_all = together.gather(rows)
        self.rows = [of_all[i % together.size][i // together.size] for i in range(len(labels))]

    def _make_folders(self) -> None:
        for folder in self.folders.values():
            try:
                (self.partial / IMAGES / folder).mkdir(parents=True)
            except FileExistsError:
                raise InputError(
                    f"this disk cannot hold the class folder {folder!r} beside one that it takes for equal: rename one."
                ) from None

    def learn(self) -> None:
        self.listener.stage("learning")
        X, labels = self.images.images(), self.images.labels
        self.sampler.fit(X, labels)
        self.model_hash = self.sampler.model_hash_
        for label in self.images.classes:
            few = np.flatnonzero(labels == label)[:SHOWN]
            self.shown_real[label] = list(pixels_from(X[few], self.sampler.codec_))

    def draw(self) -> None:
        self.listener.stage("drawing")
        blocks = [
            block
            for label, count in self.to_add.items()
            for block in blocks_of(
                self.sampler, label, range(count), folder=f"{IMAGES}/{self.folders[label]}/", n_shown=SHOWN
            )
        ]
        press = Press(self.sampler, self.sampler.seed_, self.partial, _shared_size(self.images))
        for drawn in press.run(blocks, self.listener.count):
            self.rows.extend(drawn.rows)
            self.shown_drawn[drawn.block.label].extend(drawn.shown)
        self.sampler.rows_drawn_.update(self.to_add)

    def finish(self) -> None:
        self.listener.stage("writing")
        counts = Counter(self.images.labels.tolist())
        grid = [
            GridRow(c, counts[c], self.to_add.get(c, 0), self.shown_real[c], self.shown_drawn[c])
            for c in self.images.classes
        ]
        samples_grid(grid, SHOWN).save(self.partial / SAMPLES)
        write_manifest(self.partial / MANIFEST, self.rows)
        self.sampler.save(self.partial / MODEL)


def _shared_size(images: ImageSource) -> tuple[int, int] | None:
    """Width and height that all originals share, None where they differ."""
    original = images.original_spec
    if original is None or original.height is None or original.width is None:
        return None
    return original.width, original.height


def _check_size(sampler: ImageSampler, images: ImageSource) -> None:
    """Refuse, before anything is read into memory, a size that the networks cannot reach."""
    from makeweight.networks import size_problem

    problem = size_problem(images.spec.height, images.spec.width) if sampler.learns else None
    if problem:
        raise InputError(f"{images.name}: {problem}")


def _room_needed(images: ImageSource, n_drawn: int, link: bool) -> int:
    """Bytes of originals, of the drawn images if they did not compress at all, and of a model."""
    spec = images.spec
    width, height = _shared_size(images) or (spec.width, spec.height)
    one = width * height * spec.channels * min(2, np.dtype(spec.dtype).itemsize) + ROOM_PER_FILE
    return (0 if link else images.n_bytes()) + n_drawn * one + ROOM_FOR_MODEL


def _note_drawn_originals(images: ImageSource, listener: Listener) -> None:
    """Say so where the input seems to hold images that were drawn before."""
    n_drawn = sum(Path(file).name.startswith(DRAWN_PREFIX) for file in images.files)
    if n_drawn:
        listener.note(
            f"{n_drawn:,} images of the input are named {DRAWN_PREFIX}*, as if drawn by an earlier run; "
            f"they are learnt from as if they were real"
        )
