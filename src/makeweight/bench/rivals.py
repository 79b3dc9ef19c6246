"""What a method of the practical reading has to be ahead of, by its name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from makeweight.bench.entrant import AND, CLASS_OUTPUT, IMAGES, TWIN, Entrant, read_entrant
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
    pairs = []
    for one in methods:
        names = one.split(AND)
        members = [entrant for name in names if (entrant := read_entrant(name))]
        others = _rivals(members) if len(members) == len(names) else (RIVAL, BLENDS)
        pairs += [(one, other) for other in others]
    return pairs


def _rivals(members: Sequence[Entrant]) -> Iterator[str]:
    """Name what an average of these, or one alone, has to be ahead of."""
    yield RIVAL
    if not all(_is_plain(each) for each in members):
        yield BLENDS
        yield from dict.fromkeys(_averages(members) if len(members) > 1 else _twins(members))
    yield from _ablated(members)
    if len(members) == 1:
        yield from _cheapest(*members)
        yield from [replace(each, mixed=False).name for each in members if each.mixed]


def _twins(members: Iterable[Entrant]) -> list[str]:
    """Name the twin of each class output."""
    return [_without_drawn(each).name for each in members if each.part == CLASS_OUTPUT]


def _averages(members: Sequence[Entrant]) -> Iterator[str]:
    """Name the averages of what has seen no drawn image that another average is held against."""
    blending = any(each.part == CLASS_OUTPUT and each.mixup for each in members)
    others = [_without_drawn(each) for each in members if each.part != CLASS_OUTPUT]
    own, blends = [*others, Entrant(RIVAL)][0], Entrant(BLENDS)
    all_of_them = [_without_drawn(each) for each in members]
    for average in ([own, own], [own, Entrant(TWIN, mixup=blending)], [blends, blends], others, all_of_them):
        if len(average) > 1:
            yield _joined(average)


def _ablated(members: Sequence[Entrant]) -> list[str]:
    """Name the same with the ablations of a game in its place.

    Examples
    --------
    >>> _ablated([Entrant("mixup"), Entrant("aggan", part=CLASS_OUTPUT)])
    ["mixup + egan's class output", "mixup + acgan's class output"]
    """
    games = {each.method for each in members}
    whole = next((place for place, game in enumerate(ABLATION) if game in games), len(ABLATION))
    return [
        _joined([replace(each, method=less) if each.method == ABLATION[whole] else each for each in members])
        for less in ABLATION[whole + 1 :]
    ]


def _cheapest(one: Entrant) -> list[str]:
    """Name the same with as many images of SMOTE, for a classifier that learns from those of another method.

    Examples
    --------
    >>> _cheapest(Entrant("aggan", mixup=True, share="0.25")), _cheapest(Entrant("aggan", part=CLASS_OUTPUT))
    (['smote with mixup at share 0.25'], [])
    """
    alike = one.part in (CLASS_OUTPUT, IMAGES) or one.mixed or one.method == SMOTE or _is_plain(Entrant(one.method))
    return [] if alike else [replace(one, method=SMOTE).name]


def _is_plain(one: Entrant) -> bool:
    """Tell whether it has seen no drawn image."""
    return one in {Entrant(TWIN), Entrant(TWIN, mixup=True), *map(Entrant, plain_arms())}


def _without_drawn(one: Entrant) -> Entrant:
    """Give what stands for a member of an average and has seen no drawn image.

    Examples
    --------
    >>> [_without_drawn(one).name for one in (Entrant("aggan", True, CLASS_OUTPUT), Entrant("aggan", share="0.25"))]
    ['twin with mixup', 'augmentation']
    """
    if one.part == CLASS_OUTPUT:
        return Entrant(TWIN, mixup=one.mixup)
    return one if _is_plain(one) else Entrant(BLENDS if one.mixup else RIVAL)


def _joined(members: Iterable[Entrant]) -> str:
    """Name an average."""
    return AND.join(each.name for each in members)
