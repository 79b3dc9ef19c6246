"""Draws the pictures of the methods' parts, from the registry.

    python docs/figures/parts.py

A game is drawn as what goes where, each box an axis with the part that the method's recipe takes there; boxes in colour
are those in which it differs from ACGAN. What plays no game is drawn as a chain of steps. The method's page gets the
same in words, for those who do not see the picture.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from style import COLOURS, HERE, save_both

from makeweight.evolution import Evolution
from makeweight.methods import get_method, method_names
from makeweight.recipe_sampler import RecipeSampler

CHAINS: dict[str, list[tuple[str, str]]] = {
    "duplicates": [("images of a class", "as they are"), ("choose", "one at random"), ("draw", "the same again")],
    "augmentation": [
        ("images of a class", "as they are"),
        ("choose", "one at random"),
        ("draw", "it, turned, scaled,\nshifted; cropped and\nmirrored if asked for"),
    ],
    "smote": [
        ("images of a class", "as pixels"),
        ("choose", "one, and one of its\nfive nearest of the class"),
        ("draw", "a point between them,\nin pixel levels"),
    ],
    "borderline_smote": [
        ("images of a class", "those that have more\nothers near them"),
        ("choose", "one, and one of its\nfive nearest of the class"),
        ("draw", "a point between them,\nin pixel levels"),
    ],
    "adasyn": [
        ("images of a class", "the more often, the more\nothers are near them"),
        ("choose", "one, and one of its\nnearest of the class"),
        ("draw", "a point between them,\nin pixel levels"),
    ],
    "deep_smote": [
        ("autoencoder", "gives back images, and\nthose of the same class\nin exchange"),
        ("codes of a class", "one, and one of its\nnearest of the class"),
        ("draw", "a point between them,\ndecoded"),
    ],
}
WORDS = {
    "non saturating": "non-saturating",
    "k plus one": "K + 1 softmax",
    "by shape": "fits the images",
    "none": "realness alone",
    "autoencoder": "begins as a decoder",
    "encoder": "beside an encoder that\ngives real images back",
    "wasserstein": "Wasserstein",
    "convex": "mixes real images",
    "convex latent": "mixes codes of\nreal images",
    "opposed classifier": "told the class, beside a\nclassifier to lead astray",
}
PLACES = {  # left, bottom, width, height
    "prior": (0, 30, 20, 15),
    "generator": (27, 30, 20, 15),
    "augmentation": (54, 30, 18, 15),
    "discriminator": (79, 30, 21, 15),
    "step": (18, 5, 38, 17),
    "real": (60, 5, 15, 13),
    "losses": (79, 5, 21, 15),
}


def box(axes: Axes, place: tuple[float, ...], title: str, text: str, ink: str, edge: str) -> None:
    """Draw a box with a title and some lines."""
    left, bottom, width, height = place
    axes.add_patch(
        FancyBboxPatch((left, bottom), width, height, "round,pad=0,rounding_size=1.2", fc="none", ec=edge, lw=1.6)
    )
    middle = left + width / 2
    axes.text(middle, bottom + height - 1.4, title, ha="center", va="top", color=ink, weight="bold", fontsize=10)
    axes.text(middle, bottom + (height - 4) / 2, text, ha="center", va="center", color=ink, fontsize=9)


def arrow(axes: Axes, points: Sequence[tuple[float, float]], ink: str) -> None:
    """Draw a line through some points, with a head at the last."""
    axes.plot(*zip(*points[:-1], strict=True), color=ink, lw=1.2, solid_capstyle="round")
    axes.annotate("", points[-1], points[-2], arrowprops={"arrowstyle": "-|>", "color": ink, "lw": 1.2, "shrinkA": 0})


def named(part: Any) -> str:
    """Give a part's name in words."""
    name: str = (part if isinstance(part, str) else part.name).replace("_", " ")
    return WORDS.get(name, name)


def of_game(sampler: RecipeSampler) -> dict[str, tuple[str, str]]:
    """Say what is at each place of a game."""
    get = sampler.setting
    evolution: Evolution = get("evolution")
    mutations = [named(mutation) for mutation in evolution.mutations]
    acceptance = named(evolution.acceptance)
    if len(mutations) == 1 and acceptance == "always":
        step = ("one step", f"along the gradient of\n{mutations[0]}")
    else:
        fitness = "quality + diversity" if evolution.fitness is None else " + ".join(map(named, evolution.fitness))
        offspring = ", ".join(mutations[:2]) + "".join(f",\n{mutation}" for mutation in mutations[2:])
        step = (
            f"{len(mutations)} offspring",
            f"by {offspring};\nfittest by {fitness}\nreplaces the parent: {acceptance}",
        )
    start = named(get("start"))
    begins = "" if start == "fresh" else f",\n{start}"
    extras = [word for word in ("spectral_norm", "minibatch_deviation") if get(word)]
    if get("mixed_batches").name != "none":
        extras.append("mixed batches")
    penalty = get("penalty").name.replace("_", " ")
    prior = named(get("prior"))
    asked = {
        "uniform": "classes alike",
        "missing": "classes by what\nthey lack",
        "empirical": "classes as often as\nthe data have them",
        "class gaussian": "classes alike,\na Gaussian for each",
    }[prior]
    return {
        "prior": ("asked for", f"noise, and\n{asked}"),
        "generator": ("generator", f"{named(get('networks'))}{begins}"),
        "augmentation": ("augmentation", named(get("augmentation"))),
        "discriminator": (
            "discriminator",
            "\n".join([f"head:\n{named(get('head'))}", *map(named, extras)]),
        ),
        "step": step,
        "real": ("real images", "every class\nalike" if get("balanced_batches") else "as they come"),
        "losses": ("losses", f"{named(get('objective'))}" + ("" if penalty == "none" else f",\n{penalty}")),
    }


def parts(name: str) -> dict[str, tuple[str, str]]:
    """Say what is at each place of a method's game, in the order of the play."""
    found = of_game(get_method(name)())
    if name == "class_dcgan":
        found["prior"] = ("asked for", "noise; a game for\neach rare class")
        found["real"] = ("real images", "of that class")
    return found


def words(name: str) -> str:
    """Say what the picture of a method shows."""
    boxes = CHAINS[name] if name in CHAINS else parts(name).values()
    return " ".join(f"{title.capitalize()}: {' '.join(text.split())}." for title, text in boxes)


def game(axes: Axes, name: str, ink: str, grid: str) -> None:
    """Draw a game."""
    own, plain = parts(name), parts("acgan")
    for place, (title, text) in own.items():
        box(axes, PLACES[place], title, text, ink, COLOURS[1] if own[place] != plain[place] else grid)
    for one, other in (("prior", "generator"), ("generator", "augmentation"), ("augmentation", "discriminator")):
        (left, bottom, width, height), (end, *_) = PLACES[one], PLACES[other]
        arrow(axes, [(left + width, bottom + height / 2), (end, bottom + height / 2)], ink)
    arrow(axes, [(67.5, 18), (67.5, 30)], ink)
    arrow(axes, [(89.5, 30), (89.5, 20)], ink)
    arrow(axes, [(89.5, 5), (89.5, 1), (37, 1), (37, 5)], ink)
    arrow(axes, [(37, 22), (37, 30)], ink)
    axes.text(62, 1.6, "tell both players what to learn", ha="center", va="bottom", color=ink, fontsize=8)
    axes.set_ylim(-0.5, 46)


def chain(axes: Axes, steps: list[tuple[str, str]], ink: str, grid: str) -> None:
    """Draw steps, one after the other."""
    for number, (title, text) in enumerate(steps):
        left = 37 * number
        box(axes, (left, 0, 27, 17), title, text, ink, grid)
        if number:
            arrow(axes, [(left - 10, 8.5), (left, 8.5)], ink)
    axes.set_ylim(-0.5, 18)


def draw(name: str, ink: str) -> Figure:
    """Draw the parts of a method."""
    is_game = name not in CHAINS
    figure = Figure(figsize=(8, 3.7 if is_game else 1.5), layout="constrained")
    axes = figure.subplots()
    grid = "#8b949e"
    if is_game:
        game(axes, name, ink, grid)
    else:
        chain(axes, CHAINS[name], ink, grid)
    axes.set_xlim(-0.5, 101.5)
    axes.axis("off")
    return figure


def tell(name: str) -> None:
    """Write what the picture shows into the page of a method."""
    page = HERE.parent / "methods" / f"{name}.md"
    text = page.read_text(encoding="utf-8")
    told = f"![{words(name)}]"
    page.write_text(re.sub(rf"!\[[^\]]*\](?=\(\.\./figures/methods/{name}-)", told, text), encoding="utf-8")


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "methods"
    folder.mkdir(exist_ok=True)
    for method in method_names():
        save_both(method, lambda ink, name=method: draw(name, ink), folder, **{"svg.fonttype": "none"})
        tell(method)
