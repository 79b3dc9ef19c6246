"""Feature maps: where training, drawn and test images lie for a classifier that learnt from real images alone."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makeweight.data.wording import shown
from makeweight.errors import InputError
from makeweight.report.page import Drawing, Paragraph
from makeweight.report.plots import CLASS_COLOURS, Layer, scatter

MOST_POINTS = 500
PERPLEXITY = 30
FEWEST = 8
Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cloud:
    """Features of one part of the images.

    Attributes
    ----------
    features : array of shape (n, n_features)
        What a classifier makes of the images.
    codes : array of int of shape (n,)
        Their classes.
    """

    features: NDArray[np.float32]
    codes: NDArray[np.int64]


def choose_rows(codes: NDArray[np.int64], most: int = MOST_POINTS, seed: int = 0) -> NDArray[np.int64]:
    """Choose rows of which every class has as equal a share as it can.

    Parameters
    ----------
    codes : array of int of shape (n,)
        Classes.
    most : int
        How many rows, more or less.
    seed : int
        Seed of the choice.

    Returns
    -------
    array of int
        Rows, in order.

    Examples
    --------
    >>> np.bincount(np.array([0] * 50 + [1] * 3)[choose_rows(np.array([0] * 50 + [1] * 3), most=10)]).tolist()
    [5, 3]
    """
    random, known = np.random.default_rng(seed), np.unique(codes)
    each = max(1, most // max(1, len(known)))
    chosen = [random.permutation(np.flatnonzero(codes == code))[:each] for code in known]
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)


def project(features: NDArray[np.float32], how: str = "tsne") -> Points:
    """Lay features out in the plane; the same features give the same points.

    Parameters
    ----------
    features : array of shape (n, n_features)
        At least eight rows.
    how : {"tsne", "umap"}
        t-SNE by scikit-learn, or UMAP, which needs the extra "umap".

    Returns
    -------
    array of shape (n, 2)

    Raises
    ------
    InputError
        If there is no such projection, or its package is not there.

    References
    ----------
    van der Maaten and Hinton, 2008, "Visualizing Data using t-SNE". McInnes et al., 2018, "UMAP".
    """
    check_projection(how)
    if how == "umap":
        from umap import UMAP

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            neighbours = min(15, len(features) - 1)
            return np.asarray(UMAP(n_neighbors=neighbours, random_state=0, n_jobs=1).fit_transform(features), float)
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    map_ = TSNE(perplexity=perplexity, init="pca", random_state=0, n_jobs=1)
    return np.asarray(map_.fit_transform(features.astype(np.float32)), float)


def check_projection(how: str) -> None:
    """Refuse a projection that there is not.

    Raises
    ------
    InputError
        If it is none, or its package is not there.
    """
    from importlib.util import find_spec

    if how not in ("tsne", "umap"):
        raise InputError(f"there is no feature map called {how!r}: choose tsne or umap.")
    if how == "umap" and find_spec("umap") is None:
        raise InputError("UMAP is not installed: install umap-learn (makeweight's extra umap), or take tsne.")


def feature_map(
    train: Cloud,
    drawn: Mapping[str, Cloud],
    test: Cloud | None,
    labels: Sequence[object],
    how: str = "tsne",
) -> list[Drawing | Paragraph]:
    """Draw training, drawn and test images in one plane, as Figure 7 of the AGGAN paper does.

    Parameters
    ----------
    train : Cloud
        Real images that were learnt from.
    drawn : mapping of str to Cloud
        Drawn images by the name of the method.
    test : Cloud or None
        Test images, which lie translucent below the others.
    labels : sequence
        The classes.
    how : {"tsne", "umap"}
        How features are laid out.

    Returns
    -------
    list of Drawing and Paragraph
        A drawing of the training images, one for each method, and how to read them; nothing where there are fewer than
        eight images.
    """
    clouds = [train, *drawn.values(), *([] if test is None else [test])]
    codes = [cloud.codes for cloud in clouds]
    if sum(map(len, codes)) < FEWEST:
        return []
    placed = project(np.concatenate([cloud.features for cloud in clouds]), how)
    points = np.split(placed, np.cumsum([len(own) for own in codes])[:-1])
    below: list[Layer] = [] if test is None else [(points[-1], codes[-1], "cloud")]
    over = " over test images" if below else ""
    real: Layer = (points[0], codes[0], "dot")
    panels: list[tuple[str, list[Layer]]] = [(f"Training images{over}", [*below, real])]
    panels += [
        (f"With images drawn by {name}{over}", [*below, (points[place], codes[place], "cross"), real])
        for place, name in enumerate(drawn, start=1)
    ]
    coloured = _coloured([int(code) for code in np.unique(np.concatenate(codes))], drawn)
    everything = np.concatenate(points)
    limits = everything.min(axis=0), everything.max(axis=0)
    told = ["", *_crowding(points, codes, drawn, labels)]
    title = {"tsne": "t-SNE", "umap": "UMAP"}[how]
    drawings = [
        scatter(f"{name}.", layers, labels, coloured, limits, f"Feature map by {title}. {name}. {words}".strip())
        for (name, layers), words in zip(panels, told, strict=True)
    ]
    return [*drawings, Paragraph(_legend(title, train, drawn, test))]


def _legend(title: str, train: Cloud, drawn: Mapping[str, Cloud], test: Cloud | None) -> str:
    parts = [f"{len(train.codes):,} training images (dots)"]
    parts += [f"{len(cloud.codes):,} drawn by {name} (crosses)" for name, cloud in drawn.items()]
    parts += [] if test is None else [f"{len(test.codes):,} test images (pale discs)"]
    return (
        f"By {title}: {', '.join(parts)}; of every class equally many, where there are. The features are those of a "
        f"classifier that learnt from real training images alone. Near points look alike to it; the distance between "
        f"clusters means little."
    )


def _coloured(present: list[int], drawn: Mapping[str, Cloud]) -> list[int]:
    """All classes where there are colours for all; else those that are drawn, as far as colours reach."""
    if len(present) <= len(CLASS_COLOURS):
        return present
    wanted = sorted({int(code) for cloud in drawn.values() for code in cloud.codes})
    return (wanted or present)[: len(CLASS_COLOURS)]


def _crowding(
    points: Sequence[Points], codes: Sequence[NDArray[np.int64]], drawn: Mapping[str, Cloud], labels: Sequence[object]
) -> list[str]:
    """Say in words for each method how many drawn images lie next to a training image of their own class."""
    from sklearn.neighbors import NearestNeighbors

    told = []
    for place in range(1, len(drawn) + 1):
        nearest = NearestNeighbors(n_neighbors=1).fit(points[0]).kneighbors(points[place], return_distance=False)[:, 0]
        own = codes[0][nearest] == codes[place]
        shares = [f"{shown(labels[c])} {own[codes[place] == c].mean():.0%}" for c in np.unique(codes[place]).tolist()]
        told.append(f"Drawn images whose nearest training image on the map is of their class: {', '.join(shares)}.")
    return told
