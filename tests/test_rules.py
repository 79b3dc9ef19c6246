"""Every pair of parts plays, or is refused with a sentence that says why."""

import itertools
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from makeweight.augmentations import Augmentation
from makeweight.errors import InputError
from makeweight.evolution import Always, Annealed, Elitist, Evolution
from makeweight.game import rescore_best, step
from makeweight.heads import HEADS, ConditionalActivation
from makeweight.judges import Judgement
from makeweight.objectives import OBJECTIVES, LeastSquares, NonSaturating
from makeweight.penalties import PENALTIES
from makeweight.rules import Batch, Game, problems
from makeweight.stabilisers import Mixed

from .playing import BATCH, COLD, THREE, make_game, make_players, real_batches

# Those of heads.py; methods may bring heads of their own, with tests of their own.
NAMES = [head.name for head in HEADS if head.__module__ == "makeweight.heads"]
EVOLUTIONS: dict[str, tuple[Any, Any, int]] = {
    "plain": (None, Always(), 1),  # the objective's own mutation
    "three": (THREE, Always(), 1),
    "annealed": (THREE, Annealed(), 1),
    "two_survivors": (THREE, Elitist(), 2),
}
REASONS = {
    "none": "tells the generator nothing about classes, and there are 3: choose a head that judges labels",
    "own": "takes the place of the adversarial loss, so that all offspring would be alike: leave objective=",
    "pairs": "compares real with drawn images in pairs, which offspring cannot share: give Evolution one mutation",
    "slope": "is a distance only where the discriminator's slope is limited: choose a penalty",
}


def game_of(head: str, objective: str, penalty: str, evolution: str, **changes: Any) -> Game:
    mutations, acceptance, n_survivors = EVOLUTIONS[evolution]
    return make_game(
        mutations or (objective,),
        acceptance,
        head=HEADS.get(head)(),
        objective=OBJECTIVES.get(objective)(),
        penalty=PENALTIES.get(penalty)(),
        evolution=Evolution(n_survivors=n_survivors),
        **changes,
    )


def reason_against(head: str, objective: str, penalty: str, evolution: str) -> str | None:
    """What a person would say, in the order in which the game says it."""
    if head == "none":
        return "none"
    if head == "k_plus_one" and (objective, evolution) != ("non_saturating", "plain"):
        return "own"
    if objective == "relativistic" and evolution != "plain":
        return "pairs"
    if objective == "wasserstein" and penalty == "none":
        return "slope"
    return None


@pytest.mark.parametrize("head", NAMES)
def test_every_combination_is_allowed_or_refused_with_a_reason(head: str) -> None:
    n_allowed = 0
    for parts in itertools.product([head], OBJECTIVES.names(), PENALTIES.names(), EVOLUTIONS):
        reason = reason_against(*parts)
        if reason is None:
            game_of(*parts)
            n_allowed += 1
            continue
        with pytest.raises(InputError) as caught:
            game_of(*parts)
        assert REASONS[reason] in str(caught.value), parts
        assert re.fullmatch(r"[^.]+(\.\d[^.]*)*\.", str(caught.value)), "one sentence"
    few = {"none": 0, "k_plus_one": len(PENALTIES.names())}
    assert n_allowed == few[head] if head in few else n_allowed > len(PENALTIES.names())


ALLOWED = sorted(
    {
        parts
        for parts in itertools.product(NAMES, OBJECTIVES.names(), PENALTIES.names(), EVOLUTIONS)
        if reason_against(*parts) is None
        # Two axes at a time: the others at a part of their own, so that each pair is played.
        and (parts[2] == "gradient_penalty" or (parts[3] == "plain" and "non_saturating" in parts))
    }
)


def play(game: Game, n_steps: int = 3, **settings: Any) -> None:
    players = make_players(game, **settings)
    players.temperature = COLD
    random = torch.Generator().manual_seed(0)
    before = [each.weights.detach().clone() for each in (players.generator, players.discriminator)]
    for images, codes in itertools.islice(real_batches(n=BATCH * game.discriminator_steps), n_steps):
        outcome = step(game, players, images, codes, random)
        assert outcome.figures().isfinite().all()
    rescore_best(game, players, images, codes, random)
    rescore_best(game, players, images, codes, random)
    after = [each.weights.detach() for each in (*players.parents, players.discriminator)]
    assert all(weights.isfinite().all() for weights in after)
    assert not any(torch.equal(old, new) for old, new in zip(before, (after[0], after[-1]), strict=True))


@pytest.mark.parametrize("head", sorted({parts[0] for parts in ALLOWED}))
def test_what_is_allowed_plays(head: str) -> None:
    for parts in ALLOWED:
        if parts[0] == head:
            play(game_of(*parts))


@pytest.mark.parametrize("by_mode", [False, True], ids=["alike", "batch_norm"])
@pytest.mark.parametrize(
    "changes",
    [
        {"spectral_norm": True},
        {"feature_matching": 0.5},
        {"discriminator_steps": 3},
        {"mixing": Mixed(rate=0.5)},
        {"head": ConditionalActivation(attributes=((1, 0), (0, 1), (1, 1)))},
    ],
    ids=str,
)
@pytest.mark.parametrize("evolution", EVOLUTIONS)
def test_tricks_play_with_every_evolution(evolution: str, changes: dict[str, Any], by_mode: bool) -> None:
    mutations, acceptance, n_survivors = EVOLUTIONS[evolution]
    game = make_game(mutations or ("hinge",), acceptance, evolution=Evolution(n_survivors=n_survivors), **changes)
    play(game, 2, by_mode=by_mode)


class Narrow(Augmentation):
    """Cuts a column off."""

    def draw(self, n: int, generator: torch.Generator, n_steps: int = 0) -> Any:
        return lambda images: images[..., 1:]


@pytest.mark.parametrize("mixing", [{}, {"mixing": Mixed(rate=0.5)}], ids=["apart", "mixed"])
def test_an_augmentation_that_changes_the_shape_is_refused(mixing: dict[str, Any]) -> None:
    game = game_of("auxiliary_classifier", "hinge", "none", "plain", augmentation=Narrow(), **mixing)
    batch = Batch(torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64), Narrow().draw(4, torch.Generator()))
    told = r"^the augmentation makes images of shape \(4, 1, 8, 7\) of those of shape \(4, 1, 8, 8\): let it keep the"
    with pytest.raises(InputError, match=told):
        game.judge_both(nn.Identity(), batch, batch, 0.5 if mixing else 0.0)


def test_a_single_class_needs_no_head() -> None:
    game = make_game(("hinge",), head=HEADS.get("none")(), class_counts=np.array([7]))
    players = make_players(game)
    random = torch.Generator().manual_seed(0)
    images, codes = next(real_batches())
    assert step(game, players, images, codes * 0, random).figures().isfinite().all()


def test_a_limited_slope_allows_the_wasserstein_distance() -> None:
    with pytest.raises(InputError, match="is a distance only where the discriminator's slope is limited"):
        make_game(("wasserstein",), objective=OBJECTIVES.get("wasserstein")())
    game = make_game(("wasserstein",), objective=OBJECTIVES.get("wasserstein")(), spectral_norm=True)
    assert list(problems(game)) == []


@pytest.mark.parametrize(
    ("mutations", "twins"),
    [
        (("hinge", "wasserstein"), "'hinge' and 'wasserstein'"),
        (("minimax", "non_saturating", "minimax"), "'minimax' and 'minimax'"),
    ],
)
def test_mutations_that_breed_the_same_are_refused(mutations: tuple[str, ...], twins: str) -> None:
    with pytest.raises(InputError) as caught:
        make_game(mutations)
    assert str(caught.value) == f"mutations {twins} would breed the same offspring: leave one out."


@pytest.mark.parametrize(("objective", "mutation"), [("hinge", "relativistic"), ("relativistic", "hinge")])
def test_both_players_compare_pairs_or_neither(objective: str, mutation: str) -> None:
    with pytest.raises(InputError) as caught:
        make_game((mutation,), objective=OBJECTIVES.get(objective)())
    assert str(caught.value) == (
        f"objective={objective!r} and mutations=({mutation!r},) do not play the same game: both players compare real "
        "with drawn images in pairs, or neither does."
    )


@pytest.mark.parametrize("smoothing", [-0.1, 0.5, True, "x"])
def test_impossible_smoothing_is_refused_for_both_players(smoothing: Any) -> None:
    for objective in (NonSaturating(smoothing=smoothing), LeastSquares(smoothing=smoothing)):
        told = rf"\(smoothing={smoothing!r}\) is impossible: it must be (a number, )?0 or more and"
        with pytest.raises(InputError, match=told):
            objective.check()


class TestMixedJudgement:
    def test_batches_change_places_and_judgements_come_back(self) -> None:
        game = make_game()
        seen: list[tuple[list[float], list[int]]] = []

        class Telling(nn.Module):
            def forward(self, images: torch.Tensor, codes: torch.Tensor) -> Any:
                values = images[:, 0, 0, 0]
                seen.append((values.tolist(), codes.tolist()))
                return Judgement(values, values[:, None] * 10, values[:, None] * 100)

        real = Batch(torch.arange(4.0).view(4, 1, 1, 1), torch.arange(4), lambda images: images)
        drawn = Batch(-torch.arange(4.0).view(4, 1, 1, 1) - 1, torch.arange(4) + 10, lambda images: images)
        for share, cut in ((0.0, 0), (0.2, 1), (0.5, 2)):
            seen.clear()
            of_real, of_drawn = game.judge_both(Telling(), real, drawn, share)
            assert of_real.scores.tolist() == [0, 1, 2, 3]
            assert of_drawn.scores.tolist() == [-1, -2, -3, -4]
            assert of_drawn.features.flatten().tolist() == [-100, -200, -300, -400]
            assert of_real.class_logits.flatten().tolist() == [0, 10, 20, 30]
            (first, first_codes), (second, _) = seen
            assert sum(value < 0 for value in first) == cut == sum(value >= 0 for value in second)
            assert first_codes == [*range(10, 10 + cut), *range(cut, 4)]

    def test_the_share_ramps_by_epochs(self) -> None:
        shares = [Mixed(rate=0.2, start=1).share(epoch) for epoch in range(6)]
        assert shares == pytest.approx([0, 0, 0.2, 0.4, 0.5, 0.5])
        assert [Mixed(rate=0.5).share(epoch) for epoch in range(2)] == [0.5, 0.5]
        with pytest.raises(InputError, match=r"^Mixed\(rate=0\) is impossible: it must be above 0"):
            Mixed(rate=0).check()

    def test_batch_norm_sees_both_kinds_at_once(self) -> None:
        game = make_game(("hinge",), mixing=Mixed(rate=0.5))
        players = make_players(game, by_mode=True)
        sizes: list[int] = []
        norm = next(part for part in players.discriminator.network.modules() if isinstance(part, nn.BatchNorm2d))
        norm.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
        step(game, players, *next(real_batches()), torch.Generator().manual_seed(0))
        assert sizes == [BATCH] * 4  # two for the generator's step, two for the discriminator's
