"""The stages of a balance: copy, choose how far to fill, learn, gate, draw, write."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makeweight.balance.copies import Originals
from makeweight.balance.drawing import Press, blocks_of
from makeweight.balance.drawn_images import pixels_from
from makeweight.balance.fill import FillReport, choose_fill, numbers_at, totals_at, why_nothing
from makeweight.balance.gate import CANNOT_PASS, TOO_FEW_GROUPS, Gate, GatedClass, GatedRows
from makeweight.balance.grid import GridRow, samples_grid
from makeweight.balance.listener import Listener
from makeweight.balance.manifest import MANIFEST, ManifestRow, write_manifest
from makeweight.balance.models import suited
from makeweight.balance.names import FALLBACK, IMAGES, MODEL, RECORD, SAMPLES, original_names
from makeweight.balance.options import FALLBACK_METHOD
from makeweight.balance.resuming import CHOOSING, LEARNING, keep_in
from makeweight.data.arrays import ImageCodec
from makeweight.data.groups import number_groups
from makeweight.data.lazy import LazyImages
from makeweight.data.source import ImageSource
from makeweight.data.wording import counted, shown
from makeweight.errors import InputError
from makeweight.methods import get_method
from makeweight.report.balance import REPORT, balance_page
from makeweight.report.render import write_report
from makeweight.sampler import FEW, ImageSampler
from makeweight.team import team
from makeweight.training_sampler import shortness

SHOWN = 8
Rows = Mapping[str, Sequence[int]]


@dataclass
class Work:
    """The stages of one job, in the order in which they are called.

    Attributes
    ----------
    images : ImageSource
        What is balanced.
    sampler : ImageSampler
        What draws.
    to_add : dict of str to int
        Images to draw for each class that gets any.
    folders : dict of str to str
        Name of each class folder.
    target : Path
        Where the output grows.
    kept : Path
        Where trainings are kept, to be gone on with.
    listener : Listener
        Hears about the progress.
    seed : int
        The job's seed.
    device : str
        Where to compute.
    groups : sequence of (str or None), optional
        What each image belongs to; `numbers` has the same as numbers.
    asked : mapping of str to object, optional
        What else decided what was learnt, for the record.
    """

    images: ImageSource
    sampler: ImageSampler
    to_add: dict[str, int]
    folders: dict[str, str]
    target: Path
    kept: Path
    listener: Listener
    seed: int
    device: str
    groups: Sequence[str | None] | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)
    X: NDArray[Any] | LazyImages = field(init=False, repr=False)
    rows: list[ManifestRow] = field(default_factory=list)
    shown_real: dict[str, Sequence[NDArray[Any]]] = field(default_factory=dict)
    shown_drawn: dict[str, list[NDArray[Any]]] = field(default_factory=lambda: defaultdict(list))
    model_hash: str = ""
    fill: FillReport | None = None
    gated: list[GatedClass] | None = None
    fallback: ImageSampler | None = None

    def copy_originals(self, link: bool) -> None:
        """Copy or link every original, and begin the manifest."""
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
            digest = self.images.write(index, self.target / file, link=link)
            group = "" if self.groups is None else self.groups[index] or ""
            source = self.images.files[index]
            rows.append(ManifestRow(file, str(labels[index]), "real", sha256=digest, source=source, group=group))
            self.listener.count(done, len(own))
        of_all = together.gather(rows)
        self.rows = [of_all[i % together.size][i // together.size] for i in range(len(labels))]
        self.X = self.images.images()

    def choose_fill(self, new_sampler: Callable[[], ImageSampler], gate: bool) -> None:
        """Find by validation how far to fill, and set what is to be drawn; nothing may come out."""
        labels, X = self.images.labels, self.X
        if isinstance(X, LazyImages):
            raise InputError(
                "--fill auto needs all images in memory, and these do not fit: give a ratio such as 0.5, or make them "
                "smaller with --resize."
            )

        def draw(part: NDArray[np.intp], numbers: Mapping[str, int]) -> dict[str, NDArray[Any]]:
            X_part, y_part = X[part], labels[part]
            self.listener.stage("learning a part")
            sampler = self._keeping(new_sampler(), CHOOSING).set_params(sampling_strategy="auto").fit(X_part, y_part)
            rows: Rows = {label: range(number) for label, number in numbers.items()}
            fallback = None
            if gate:
                files = [""] * len(y_part)
                own = None if self.numbers is None else self.numbers[part]
                rows, reports = self._gate(sampler, numbers, X_part, y_part, files, own)
                fallback = self._fallback(reports, X_part, y_part)
            by_model = {label: sampler.draw(label, own) for label, own in rows.items()}
            lacking = {label: range(number) for label, number in numbers.items() if label not in rows}
            return by_model | {label: fallback.draw(label, own) for label, own in lacking.items() if fallback}

        self.fill = team().gather(
            choose_fill(
                X,
                labels,
                draw,
                learns=self.sampler.learns,
                seed=self.seed,
                device=self.device,
                listener=self.listener,
                groups=self.numbers,
                channels=self.images.spec.layout,
            )
        )[0]
        self.to_add = numbers_at(self.fill.chosen, labels)
        self.sampler.set_params(sampling_strategy=totals_at(self.fill.chosen, labels))
        if not self.to_add:
            self.listener.note(f"{why_nothing(self.fill)}, so nothing is drawn: see the table")

    def learn(self) -> None:
        """Learn the classes, where anything is to be drawn."""
        labels, X = self.images.labels, self.X
        if self.to_add:
            self.listener.stage("learning")
            self._keeping(self.sampler, LEARNING).fit(X, labels)
            self.model_hash, codec = self.sampler.model_hash_, self.sampler.codec_
            if too_short := shortness(self.sampler):
                self.listener.note(too_short)
        else:
            codec = ImageCodec.learn(np.asarray(X), self.images.spec.layout)
        for label in self.images.classes:
            few = np.flatnonzero(labels == label)[:SHOWN]
            self.shown_real[label] = list(pixels_from(X[few], codec))

    def draw(self, gate: bool) -> None:
        """Draw, judge where that is asked for, and write."""
        if not self.to_add:
            self.gated = [] if gate else None
            return
        labels, files = self.images.labels, [row.file for row in self.rows]
        rows: Rows = {label: range(number) for label, number in self.to_add.items()}
        self.sampler.rows_drawn_.update(self.to_add)
        if gate:
            rows, self.gated = self._gate(self.sampler, self.to_add, self.X, labels, files, self.numbers)
            self.sampler.rows_drawn_.update({each.label: each.n_judged for each in self.gated})
            self.fallback = self._fallback(self.gated, self.X, labels)
            self._tell_of_replaced(self.gated)
        originals = Originals(self.X, labels, files, self.sampler.codec_)
        self._write(self.sampler, rows, originals)
        if self.fallback is not None:
            replaced = {label: number for label, number in self.to_add.items() if label not in rows}
            self._write(self.fallback, {label: range(number) for label, number in replaced.items()}, originals)
            self.fallback.rows_drawn_.update(replaced)

    def finish(self) -> None:
        """Write the picture, the manifest, the models, the record of what was decided, and the report."""
        self.listener.stage("writing")
        counts = Counter(self.images.labels.tolist())
        grid = [
            GridRow(c, counts[c], self.to_add.get(c, 0), self.shown_real[c], self.shown_drawn[c])
            for c in self.images.classes
        ]
        samples_grid(grid, SHOWN).save(self.target / SAMPLES)
        write_manifest(self.target / MANIFEST, self.rows)
        if self.to_add:
            self.sampler.save(self.target / MODEL)
        if self.fallback is not None:
            self.fallback.save(self.target / FALLBACK)
        if self.fill is not None or self.gated is not None or self.asked:
            text = json.dumps(self._record(), indent=2, ensure_ascii=False)
            (self.target / RECORD).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
        page = balance_page(self.images.name, self.target, self.rows, self.sampler, self._record())
        write_report(self.target / REPORT, page)

    def _keeping(self, sampler: ImageSampler, name: str) -> ImageSampler:
        """Let a training be kept, and go on from what is there."""
        if sampler.learns:
            keep_in(self.kept)
            sampler.set_params(checkpoints=self.kept / name)
        return sampler

    def _make_folders(self) -> None:
        for folder in self.folders.values():
            try:
                (self.target / IMAGES / folder).mkdir(parents=True)
            except FileExistsError:
                raise InputError(
                    f"this disk cannot hold the class folder {folder!r} beside one that it takes for equal: rename one."
                ) from None

    def _gate(
        self,
        sampler: ImageSampler,
        numbers: Mapping[str, int],
        X: NDArray[Any] | LazyImages,
        labels: NDArray[Any],
        files: list[str],
        groups: NDArray[np.int64] | None,
    ) -> tuple[Rows, list[GatedClass]]:
        """Give the rows that pass of the classes that do, and what the gate did with each; alike in all processes."""
        self.listener.stage("cross-fitting")
        originals = Originals(X, labels, files, sampler.codec_)
        gate = Gate(X, labels, originals, groups=groups, seed=self.seed, device=self.device).fit(self.listener.count)
        self.listener.stage("gating")
        found: list[GatedRows] = []
        n_all, n_before = sum(numbers.values()), 0
        for label, number in numbers.items():
            found.append(gate.select(sampler, label, number, partial(self._count_on, n_before, n_all)))
            n_before += number
        found = team().gather(found)[0]
        rows = {label: each.rows for label, each in zip(numbers, found, strict=True) if not each.report.replaced}
        return rows, [each.report for each in found]

    @cached_property
    def numbers(self) -> NDArray[np.int64] | None:
        """Number of each image's group, of shape (n,); None where no groups are told."""
        return None if self.groups is None else number_groups(self.groups)

    def _count_on(self, n_before: int, n_all: int, done: int, _: int) -> None:
        self.listener.count(n_before + done, n_all)

    def _fallback(
        self, gated: Sequence[GatedClass], X: NDArray[Any] | LazyImages, labels: NDArray[Any]
    ) -> ImageSampler | None:
        """Learn augmentation of the classes that did not pass, and of another one where two would be lacking."""
        replaced = [each.label for each in gated if each.replaced]
        if not replaced:
            return None
        others = Counter(label for label in labels.tolist() if label not in replaced)
        chosen = replaced if len(replaced) > 1 else [*replaced, min(others, key=lambda label: (others[label], label))]
        rows = np.flatnonzero(np.isin(labels, chosen))
        sampler: ImageSampler = get_method(FALLBACK_METHOD)(random_state=self.seed)
        return suited(sampler, self.images).fit(X[rows], labels[rows])

    def _tell_of_replaced(self, gated: Sequence[GatedClass]) -> None:
        for each in gated:
            if each.replaced == CANNOT_PASS:
                why = (
                    f"{each.n_judged - sum(each.rejected.values()):,} of {counted(each.n_judged, 'drawn image')} passed"
                )
            elif each.replaced == TOO_FEW_GROUPS:
                why = "its real images lie in too few groups to judge drawn ones by"
            elif each.replaced:
                why = f"fewer than {FEW} real images, too few to judge drawn ones by"
            else:
                continue
            self.listener.note(f"{shown(each.label)} is filled by augmentation instead of {self.sampler.name}: {why}")

    def _write(self, sampler: ImageSampler, rows: Rows, originals: Originals) -> None:
        self.listener.stage("drawing")
        blocks = [
            block
            for label, own in rows.items()
            for block in blocks_of(sampler, label, own, folder=f"{IMAGES}/{self.folders[label]}/", n_shown=SHOWN)
        ]
        press = Press(sampler, sampler.seed_, self.target, shared_size(self.images), originals)
        for drawn in press.run(blocks, self.listener.count):
            self.rows.extend(drawn.rows)
            self.shown_drawn[drawn.block.label].extend(drawn.shown)

    def _record(self) -> dict[str, Any]:
        """Give what was decided as plain values."""
        return {
            "makeweight": "balance",
            "version": 1,
            "method": self.sampler.name,
            "settings": self.sampler.settings,
            **({"run": dict(self.asked)} if self.asked else {}),
            "fill": None if self.fill is None else asdict(self.fill),
            "gate": None
            if self.gated is None
            else [{**asdict(each), "reject_rate": each.reject_rate} for each in self.gated],
        }


def shared_size(images: ImageSource) -> tuple[int, int] | None:
    """Width and height that all originals share, None where they differ."""
    original = images.original_spec
    return None if original is None else (original.width, original.height)
