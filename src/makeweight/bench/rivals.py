"""What a method of the practical reading has to be ahead of, by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable

from makeweight.bench.learners import AND, CLASS_OUTPUT, DRAWS, MIXED, TWIN, WITH_MIXUP
from makeweight.compare.arms import BLENDS, RIVAL, plain_arms

SMOTE = "smote"  # whose images cost nothing to learn
ABLATION = ("aggan", "egan", "acgan")  # each lacks something of the one before: annealing, then evolution


def against_rivals(methods: Iterable[str]) -> list[tuple[str, str]]:
    """Pair each method with augmentation, and what draws with the other rivals, which have seen no drawn image.

    These are mixup, for class outputs the twin, with mixup where they have it, and for averages two of mixup, two of
    their first classifier, one of it averaged with the twin, and the same average with what has seen no drawn image in
    the place of each member that has, with its class outputs and without them. AGGAN is paired with its ablations, too,
    images of any other method with as many of SMOTE, and a game with mixed batches with the same without them.
    """
    plain = _plain()
    pairs = []
    for one in methods:
        members, fair = one.split(AND), [BLENDS]
        twin = TWIN + WITH_MIXUP if WITH_MIXUP + CLASS_OUTPUT in one else TWIN
        if len(members) > 1:
            others = [_without_drawn(each) for each in members if not each.endswith(CLASS_OUTPUT)]
            own, all_of_them = [*others, RIVAL][0], [_without_drawn(each) for each in members]
            averages = ([own, own], [own, twin], [BLENDS, BLENDS], others, all_of_them)
            fair += dict.fromkeys(AND.join(average) for average in averages if len(average) > 1)
        elif one.endswith(CLASS_OUTPUT):
            fair.append(twin)
        pairs += [(one, other) for other in (RIVAL, *(fair if not plain.issuperset(members) else []))]
        unmixed = [one.removesuffix(MIXED)] if one.endswith(MIXED) else []
        pairs += [(one, other) for other in (*_ablated(one), *_cheapest(one), *unmixed)]
    return pairs


def _cheapest(name: str) -> list[str]:
    """Name the same with as many images of SMOTE, for a classifier that learns from those of another method.

    Examples
    --------
    >>> _cheapest("aggan with mixup at share 0.25"), _cheapest("aggan's class output"), _cheapest("mixup")
    (['smote with mixup at share 0.25'], [], [])
    """
    told = DRAWS.fullmatch(name)
    if told is None or told["images"] or told["method"] in (SMOTE, *_plain()):
        return []
    return [SMOTE + name.removeprefix(told["method"])]


def _ablated(name: str) -> list[str]:
    """Name the same with the ablations of a game in its place.

    Examples
    --------
    >>> _ablated("mixup + aggan's class output")
    ["mixup + egan's class output", "mixup + acgan's class output"]
    """
    whole = next((place for place, game in enumerate(ABLATION) if re.search(rf"\b{game}\b", name)), len(ABLATION))
    return [re.sub(rf"\b{ABLATION[whole]}\b", less, name) for less in ABLATION[whole + 1 :]]


def _plain() -> set[str]:
    """Name what has seen no drawn image."""
    return {TWIN, TWIN + WITH_MIXUP, *plain_arms()}


def _without_drawn(member: str) -> str:
    """Name what stands for a member of an average and has seen no drawn image.

    Examples
    --------
    >>> [_without_drawn(name) for name in ("aggan with mixup's class output", "aggan at share 0.25", "nothing")]
    ['twin with mixup', 'augmentation', 'nothing']
    """
    if member.endswith(CLASS_OUTPUT):
        return TWIN + WITH_MIXUP if member.endswith(WITH_MIXUP + CLASS_OUTPUT) else TWIN
    if member in _plain():
        return member
    return BLENDS if WITH_MIXUP in member else RIVAL
