"""The main job: learn a folder's classes, draw what is missing, write the balanced folder whole or not at all."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from makeweight.balance.contents import output_fault
from makeweight.balance.fill import FILLS, FillReport, cost_of_choosing, held_out_folds, numbers_at, strategy_at
from makeweight.balance.finished import finished_rows
from makeweight.balance.gate import FEWEST_GROUPS, GatedClass
from makeweight.balance.listener import Listener
from makeweight.balance.manifest import check_no_output
from makeweight.balance.models import find_model, prepare_sampler, suited
from makeweight.balance.names import DRAWN_PREFIX, class_folders, drawn_before
from makeweight.balance.options import AUTO, FALLBACK_METHOD, Fill, check_fill, check_gate
from makeweight.balance.output import ROOM_PER_FILE, OutputFolder, training_folder
from makeweight.balance.resuming import check_kept, is_finished, kept_training, remove_kept
from makeweight.balance.strategy import Strategy, numbers_to_add
from makeweight.balance.work import Work, shared_size
from makeweight.data.folders import BadFile
from makeweight.data.groups import TRAIN, Membership, Part, groups_file, groups_of, number_groups
from makeweight.data.source import ImageSource, open_source
from makeweight.data.stores import look_alikes
from makeweight.data.wording import as_note, counted, listed
from makeweight.devices import join_team
from makeweight.errors import InputError
from makeweight.ranges import SEED, check_ranges
from makeweight.sampler import FEW, ImageSampler
from makeweight.team import team

ROOM_FOR_MODEL = 64_000_000


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
        What drew; the hash of the model is empty where nothing was drawn.
    seed : int or None
        Seed of the drawing, as in the manifest; None where nothing was drawn.
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
    fill : FillReport or None
        How the fill was chosen, with ``fill="auto"``.
    gate : tuple of GatedClass or None
        What was rejected, with ``gate=True``.
    was_finished : bool
        Whether the output was there already, and nothing was left to do; how fill and gate went is then in its
        ``balance.json``.
    """

    out: Path
    method: str
    model_hash: str
    settings_hash: str
    seed: int | None
    classes: list[ClassCount]
    learns: bool
    small_classes: list[str]
    skipped: list[BadFile]
    seconds: float
    fill: FillReport | None = None
    gate: tuple[GatedClass, ...] | None = None
    was_finished: bool = False

    @property
    def drawn_by(self) -> list[str]:
        """Names of the methods that drew: another than `method`, too, or alone, where the gate had classes replaced."""
        replaced = {each.label for each in self.gate or () if each.replaced}
        own = [each for each in self.classes if each.drawn and each.label not in replaced]
        others = [each for each in self.classes if each.drawn and each.label in replaced]
        return [*([self.method] if own else []), *([FALLBACK_METHOD] if others else [])]


def balance_folder(
    source: str | Path,
    out: str | Path,
    *,
    method: str | None = None,
    sampling_strategy: Strategy | None = None,
    fill: Fill | None = None,
    gate: bool = False,
    groups: str | None = None,
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
    resume: bool = False,
    settings: Mapping[str, str] | None = None,
    listener: Listener | None = None,
) -> BalanceSummary:
    """Learn the classes of a folder of images, draw what the rare ones lack, and write a balanced folder.

    `out` gets ``images/<class>/`` (the originals byte for byte, and the drawn images as marked PNGs), ``manifest.csv``,
    ``model/``, ``samples.png`` and ``report.html``; ``balance.json`` and ``fallback/`` where there was something to
    decide. It appears whole or not at all.

    Parameters
    ----------
    source : str or Path
        A folder of class folders, one with ``train/`` and other splits, one with a table of labels, an ``.npz``, or
        the name of a known set.
    out : str or Path
        The folder to write; not inside `source` nor around it.
    method : str, optional
        Name of a method; "aggan" by default, or that of `from_model`.
    sampling_strategy : float, str or mapping of str to int, optional
        As in imbalanced-learn; "auto" by default. The guide has a table under "How many images are drawn".
    fill : float or "auto", optional
        How far classes are filled instead, as a share of the largest, above 0 and at most 1. "auto" chooses by
        validation on the training part; it may choose to draw nothing.
    gate : bool, default=False
        Draw again what does not show its class, lies off the real images or copies one of them, and fill a class that
        cannot pass by augmentation.
    groups : str, optional
        What belongs together, such as images of one patient: a CSV file with the columns file_name and group, or a
        column of the table of labels; by default what a known set tells. "auto" and the gate judge no image by what has
        seen another of its group, and the manifest tells each original's.
    n_steps, n_epochs : int, optional
        Length of the training; as the method says by default.
    budget : float, optional
        Length of the training in seconds, instead.
    seed : int, default=0
        Seed of training and drawing, 0 to 2**31 - 1; equal seeds give equal bytes on the same machine.
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
    mode : "L" or "RGB", optional
        Convert the images to grey or RGB before learning; drawn images are of this mode.
    skip_bad : bool, default=False
        Leave out files that cannot be used, instead of refusing.
    overwrite : bool, default=False
        Replace an older output of makeweight; the input is never touched.
    link : bool, default=False
        Hard-link the originals instead of copying them.
    resume : bool, default=False
        Go on with what an interrupted run with the same arguments has learnt, kept in ``OUT.training`` every half a
        minute; the output is the same, byte for byte. What is copied, judged and drawn is done again. An output that is
        finished already is left as it is, if it is that of the same run.
    settings : mapping of str to str, optional
        Parameters of the method as they are typed after ``--set``: dots reach into a part.
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
    check_no_output(source, labels)
    output = OutputFolder(Path(out), overwrite, output_fault)
    finished = is_finished(Path(out), resume, overwrite)
    if not finished:
        output.check([Path(path) for path in (source, labels, groups_file(groups)) if path is not None])
    if team().rank == 0:
        check_kept(Path(out), resume)
    if from_model is not None:
        output.check_outside(find_model(from_model))
    check_fill(fill, sampling_strategy, from_model)
    check_gate(gate, method)
    check_ranges({"seed": SEED}, {"seed": seed})
    new_sampler = partial(
        prepare_sampler,
        method=method,
        from_model=from_model,
        sampling_strategy=sampling_strategy or "auto",
        n_steps=n_steps,
        n_epochs=n_epochs,
        budget=budget,
        seed=seed,
        device=device,
        precision=precision,
        callback=listener.step,
        settings=settings,
        judged=gate or fill == AUTO,
    )
    sampler = new_sampler()
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
    suited(sampler, images)
    to_add = _numbers(fill, sampling_strategy or "auto", images, sampler)
    folders = class_folders(images.classes)
    _check_size(sampler, images)
    counts = Counter(images.labels.tolist())
    summary = partial(
        BalanceSummary,
        out=Path(out),
        method=sampler.name,
        learns=sampler.learns,
        small_classes=[c for c in images.classes if counts[c] < FEW],
        skipped=list(images.skipped),
    )
    asked = {
        "from_model": None if from_model is None else sampler.model_hash_,
        "resize": resize,
        "mode": mode,
        "groups": None if groups is None else Path(groups).name,
        "left_out": [str(bad) for bad in images.skipped],
        "drawn_before": drawn_before(images),
    }
    asked = {name: value for name, value in asked.items() if value}
    done = partial(remove_kept, training_folder(Path(out)))
    (together,) = groups_of(groups, [Part(TRAIN, images)], listener.note)
    if finished:
        rows = finished_rows(
            Path(out), images, sampler, to_add, chooses=fill == AUTO, gate=gate, together=together, asked=asked
        )
        output.clear_up(done)  # what a run leaves that is killed after it has put its output in place
        drawn = Counter(row.label for row in rows if row.origin != "real")
        own = next((row for row in rows if row.method == sampler.name), None)
        return summary(
            model_hash=own.model_hash if own else "",
            settings_hash=sampler.settings_hash,
            seed=own.seed if own else None,
            classes=[ClassCount(c, folders[c], counts[c], drawn[c]) for c in images.classes],
            seconds=time.perf_counter() - begin,
            was_finished=True,
        )
    output.check_space(_room_needed(images, sum(to_add.values()), link))
    for sentence in images.notes:
        listener.note(as_note(sentence))
    if alike := look_alikes(images.classes):
        listener.note(
            f"classes whose names look alike: {listed(alike)}; where a disk or an archive does not tell case, folders "
            "that differ in case alone become one"
        )
    if n_drawn := drawn_before(images):
        listener.note(
            f"{counted(n_drawn, 'image')} of the input named {DRAWN_PREFIX}* or marked as drawn by an earlier run; "
            f"they are learnt from as if they were real"
        )
    _check_groups(together, images, gate, fill == AUTO, seed)
    join_team(device)
    keeping = kept_training(Path(out), resume=resume and sampler.learns, note=listener.note)
    with output.writing_together(listener.note, done) as target, keeping as kept:
        work = Work(images, sampler, to_add, folders, target, kept, listener, seed, device, together, asked)
        work.copy_originals(link)
        if fill == AUTO:
            listener.note(cost_of_choosing(sampler.name, sampler.learns))
            work.choose_fill(lambda: suited(new_sampler(), images), gate)
        work.learn()
        work.draw(gate)
        if team().rank == 0:
            work.finish()
    return summary(
        model_hash=work.model_hash,
        settings_hash=sampler.settings_hash,
        seed=sampler.seed_ if work.to_add else None,
        classes=[ClassCount(c, folders[c], counts[c], work.to_add.get(c, 0)) for c in images.classes],
        seconds=time.perf_counter() - begin,
        fill=work.fill,
        gate=None if work.gated is None else tuple(work.gated),
    )


def _numbers(fill: Fill | None, strategy: Strategy, images: ImageSource, sampler: ImageSampler) -> dict[str, int]:
    """Settle how many images each class gets; with "auto", the most that it may come to."""
    if fill is None:
        return numbers_to_add(strategy, images.labels)
    most = max(FILLS) if isinstance(fill, str) else fill
    sampler.set_params(sampling_strategy=strategy_at(most, images.labels))
    return numbers_at(most, images.labels)


def _check_groups(together: Membership | None, images: ImageSource, gate: bool, auto: bool, seed: int) -> None:
    """Refuse, before anything is copied or learnt, groups that nothing can be held out of."""
    if together is None:
        return
    numbers = number_groups(together)
    n_groups = len(np.unique(numbers))
    if gate and n_groups < FEWEST_GROUPS:
        raise InputError(
            f"--gate parts groups by {FEWEST_GROUPS}, and {images.name} has {counted(n_groups, 'group')}: give more, "
            "or leave out --gate or --groups."
        )
    if auto:
        _, codes = np.unique(images.labels, return_inverse=True)
        held_out_folds(codes.astype(np.int64), numbers, seed)


def _check_size(sampler: ImageSampler, images: ImageSource) -> None:
    """Refuse, before anything is read into memory, a size that the networks cannot reach."""
    from makeweight.networks import size_problem

    problem = size_problem(images.spec.height, images.spec.width) if sampler.learns else None
    if problem:
        raise InputError(f"{images.name}: {problem}")


def _room_needed(images: ImageSource, n_drawn: int, link: bool) -> int:
    """Bytes of originals, of the drawn images if they did not compress at all, and of a model."""
    spec = images.spec
    width, height = shared_size(images) or (spec.width, spec.height)
    one = width * height * spec.channels * min(2, np.dtype(spec.dtype).itemsize) + ROOM_PER_FILE
    return (0 if link else images.n_bytes()) + n_drawn * one + ROOM_FOR_MODEL
