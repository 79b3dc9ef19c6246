"""The comparison as one call: on arrays, or on a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from makeweight.balance.listener import Listener
from makeweight.balance.names import DRAWN_PREFIX, drawn_before
from makeweight.balance.output import OutputFolder
from makeweight.compare.arms import Arm
from makeweight.compare.classifier import MixedClassifier
from makeweight.compare.inputs import (
    Groups,
    Reading,
    check_left_out,
    find_images,
    find_test,
    gather,
    image_names,
    open_images,
)
from makeweight.compare.options import Options
from makeweight.compare.plan import LEAST_STEPS, Plan, about, fit_into, time_costs
from makeweight.compare.result import Comparison, summarise
from makeweight.compare.runs import Workbench, run_all
from makeweight.compare.sights import gather_sights
from makeweight.compare.splits import Images, Split, leaks, make_splits
from makeweight.compare.workspace import VERDICT, workspace, write_json
from makeweight.data.base import ImageSource
from makeweight.data.groups import TEST, TRAIN, Membership, Part, groups_of
from makeweight.data.wording import counted
from makeweight.errors import InputError
from makeweight.report.comparison import REPORT, comparison_page
from makeweight.report.render import write_report
from makeweight.schedule import balanced_steps

DEFAULT_FOLDS = 5


def compare(
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    *,
    folds: int | None = None,
    groups: Groups = None,
    groups_test: Groups = None,
    options: Options | None = None,
    out: str | Path | None = None,
    name: str = "images",
    names: Sequence[str] | None = None,
    given: Mapping[str, Any] | None = None,
    listener: Listener | None = None,
) -> Comparison:
    """Tell whether drawn images help, which method, and which class.

    Parameters
    ----------
    X, y : array of shape (n, ...), array of shape (n,)
        Training images and labels.
    X_test, y_test : arrays, optional
        Test images and labels, which nothing learns from.
    folds : int, optional
        Number of folds in place of a test set; 5 by default.
    groups, groups_test : array of shape (n,), optional
        What each image belongs to; None or one group an image. Groups are never parted.
    options : Options, optional
        How to compare.
    out : str or Path, optional
        Folder for rows, models, predictions, verdict and report, from which a stopped comparison goes on; none by
        default.
    name : str, default="images"
        What rows call the data.
    names : sequence of str, optional
        What messages call the images, the test's after the training's.
    given : mapping, optional
        What else the verdict's settings are to tell: where groups and test images came from, how images were read.
    listener : Listener, optional
        Hears about the progress.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If the input or the options cannot be used, or `out` holds something else.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from makeweight.data.subsets import imbalanced_subset
    >>> digits = load_digits()
    >>> X, y, _ = imbalanced_subset(digits.images[:900], digits.target[:900], {0: 60, 1: 60, 8: 6}, random_state=0)
    >>> rest = [place for place in range(900, 1797) if digits.target[place] in (0, 1, 8)]
    >>> options = Options(methods=["smote"], n_seeds=2, fills=[0.5], shares=[], n_steps=20)
    >>> found = compare(X, y, digits.images[rest], digits.target[rest], options=options)
    >>> [verdict.label for verdict in found.verdicts], len(found.arms)
    ([None, '8'], 11)
    """
    chosen = options or Options()
    chosen.check()
    heard = listener or Listener()
    images = gather(X, y, X_test, y_test, groups, groups_test)
    n_folds = None if X_test is not None else DEFAULT_FOLDS if folds is None else folds
    if X_test is not None and folds is not None:
        raise InputError("both a test set and folds are given: give one of them.")

    def splits_of(n_seeds: int) -> list[Split]:
        return make_splits(images, range(n_seeds), n_folds)

    splits = splits_of(chosen.n_seeds)
    arms, left_out = _that_draw(chosen.arms(), images), []
    heard.stage("checking")
    warnings = leaks(images, splits, names)
    for warning in warnings:
        heard.note(warning)
    with workspace(out, images, name) as (folder, data_hash):
        base = _classifier(chosen, images)
        bench = Workbench(folder, images, name, data_hash, base, n_folds, chosen.gan_steps, chosen.precision)
        if chosen.budget is not None:
            heard.stage("timing")
            costs = time_costs(bench, arms, splits[0])
            plan = fit_into(chosen.budget, costs, arms, splits_of, chosen.n_seeds, chosen.jobs())
            arms, splits = plan.arms, splits_of(plan.n_seeds)
            left_out = _told(plan)
            for line in left_out:
                heard.note(f"left out for time: {line}")
        run_all(bench, arms, splits, chosen.jobs(), heard)
        heard.stage("judging")
        settings = {
            key: value for key, value in vars(chosen).items() if key not in ("classifier", "n_jobs", "projection")
        }
        settings |= {"groups": len(np.unique(images.clusters)) if images.grouped else None, **(given or {})}
        found = summarise(
            bench,
            arms,
            splits,
            worthwhile=chosen.worthwhile,
            warnings=warnings,
            left_out=left_out,
            settings=settings,
        )
        write_json(folder / VERDICT, found.as_dict())
        if out is not None:
            heard.stage("reporting")
            sights = gather_sights(bench, arms, splits, found)
            write_report(folder / REPORT, comparison_page(found, sights, chosen.projection))
        return found


def compare_folder(
    source: str | Path,
    *,
    test: str | Path | None = None,
    folds: int | None = None,
    groups: str | None = None,
    out: str | Path | None = None,
    options: Options | None = None,
    reading: Reading | None = None,
    listener: Listener | None = None,
) -> Comparison:
    """Compare on a folder, an archive or a known set; what `makeweight compare` calls.

    Parameters
    ----------
    source : str or Path
        As in `makeweight.data.source.open_source`.
    test : str or Path, optional
        Test images. Without it and `folds`, the source's own test part is taken where it has one.
    folds : int, optional
        Number of folds in place of a test set.
    groups : str, optional
        A CSV file with the columns file_name and group, or a column of the table of labels; by default what a known set
        tells by itself.
    out : str or Path, optional
        Folder for what is kept; by default `default_out(source)`.
    options : Options, optional
        How to compare.
    reading : Reading, optional
        How images are read, and which classes are left out.
    listener : Listener, optional
        Hears about the progress.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If the input or the options cannot be used, or `out` holds something else.
    """
    if test is not None and folds is not None:
        raise InputError("both --test and --folds are given: give one of them.")
    (options or Options()).check()
    heard, how = listener or Listener(), reading or Reading()
    target = Path(out) if out is not None else default_out(source)
    for place in (source, *(() if test is None else (test,))):
        if Path(place).is_dir():
            OutputFolder(target, False, lambda path: None).check_outside(Path(place))
    heard.stage("reading")
    train, held = _opened(source, test, folds, how)
    for what, part in (("training", train), ("test", held)):
        if part is not None and (n_drawn := drawn_before(part)):
            heard.note(
                f"{counted(n_drawn, f'{what} image')} named {DRAWN_PREFIX}* or marked as drawn by an earlier run: what "
                "is measured on drawn images says little about real ones"
            )
    train_groups, test_groups = _groups(groups, train, held, heard)
    return compare(
        train.load(),
        train.labels,
        None if held is None else held.load(),
        None if held is None else held.labels,
        folds=folds,
        groups=train_groups,
        groups_test=test_groups,
        options=options,
        out=target,
        name=train.name,
        names=image_names(train, held),
        given={
            "groups_from": None if train_groups is None else Path(groups or train.name).name,
            "test": None if held is None else held.name,
            "resize": how.resize,
            "mode": how.mode,
            "leave_out": sorted(set(how.leave_out)),
        },
        listener=heard,
    )


def _opened(
    source: str | Path, test: str | Path | None, folds: int | None, how: Reading
) -> tuple[ImageSource, ImageSource | None]:
    """Open training images, and test images where there are any and no folds are asked for."""
    found = find_images(source, how)
    tests = find_test(source, test, found, how) if folds is None else None
    check_left_out(how, found, tests)
    train = open_images(found, how)
    return train, None if tests is None else open_images(tests, replace(how, value_range=train.value_range))


def _groups(
    given: str | None, train: ImageSource, held: ImageSource | None, heard: Listener
) -> tuple[Membership | None, Membership | None]:
    """Read which images belong together, of both parts; where nothing is given, a known set tells for folds."""
    parts = [Part(TRAIN, train)]
    if held is not None:
        parts.append(Part(TEST, held))
    own, *other = groups_of(given, parts, heard.note)
    return own, other[0] if other else None


def default_out(source: str | Path) -> Path:
    """Give the folder that is taken where none is named.

    Examples
    --------
    >>> str(default_out("shoes/train.npz"))
    'train-compared'
    """
    return Path(
        f"{Path(source).resolve().stem if Path(source).suffix == '.npz' else Path(source).resolve().name}-compared"
    )


def _classifier(options: Options, images: Images) -> MixedClassifier:
    base = options.classifier or MixedClassifier()
    n_steps = options.n_steps or base.n_steps or balanced_steps(images.class_counts, base.batch_size, LEAST_STEPS)
    own: MixedClassifier = MixedClassifier(**base.get_params(deep=False)).set_params(
        n_steps=n_steps, device=options.device
    )
    return own


def _that_draw(arms: Sequence[Arm], images: Images) -> list[Arm]:
    """Leave out the arms that ask for drawn images and find no class that lacks any; refuse if none fills a class."""
    if not any(arm.fills for arm in arms):
        raise InputError(
            "none of the arms holds drawn images of rare classes, which verdicts are about: add one to --arms, such as "
            "filled_augmented, or shared beside --shares."
        )
    counts = images.class_counts
    kept = [arm for arm in arms if not arm.draws or arm.counts(counts).any()]
    if not any(arm.fills for arm in kept):
        raise InputError(
            f"there is nothing to draw: no fill asks for more than the {int(counts.min()):,} images of the smallest "
            f"class; give a larger fill."
        )
    return kept


def _told(plan: Plan) -> list[str]:
    return [each.what + (f" (about {about(each.seconds)})" if each.seconds else "") for each in plan.left_out]
