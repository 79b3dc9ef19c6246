from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import makeweight.loop as loop
import makeweight.train as training
from makeweight.errors import InputError
from makeweight.evolution import Annealed
from makeweight.game import StepOutcome, step
from makeweight.health import Watch
from makeweight.progress import StepReport
from makeweight.rules import Game, Players
from makeweight.schedule import Schedule, balanced_steps
from makeweight.train import Training

from .playing import N_CLASSES, RECIPES, THREE, make_game, make_players, real_batches


def test_reports_come_at_their_steps_and_miss_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU figures are read every twentieth step, and at the end; the window is that of every step all the same."""
    game = make_game(THREE, Annealed())
    each = play(game, schedule(45))
    monkeypatch.setattr(loop, "report_every", lambda device: 20)
    some = play(game, schedule(45))
    assert [report.step for report in some] == [20, 40, 45]

    def figures(report: StepReport) -> tuple[Any, ...]:
        return report.step, report.discriminator_loss, report.generator_loss, report.acceptance_rate, report.wins

    assert [figures(report) for report in some] == [figures(each[i - 1]) for i in (20, 40, 45)]


def test_a_broken_training_is_named_by_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaking(*arguments: Any) -> StepOutcome:
        outcome = step(*arguments)
        broken = arguments[1].n_steps == 7
        return replace(outcome, generator_loss=outcome.generator_loss / 0) if broken else outcome

    monkeypatch.setattr(training, "step", breaking)
    monkeypatch.setattr(loop, "report_every", lambda device: 20)
    with pytest.raises(InputError, match=r"^the training broke down, .*: a loss was inf at step 7\. Try a smaller "):
        play(make_game(), schedule(45))


def test_steps_that_cannot_be_replayed_are_taken_as_they_are_and_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    class Refusing:
        refused: str | None = None

        def __init__(self, game: Game, players: Players, random: torch.Generator) -> None:
            self.own = game, players, random

        @staticmethod
        def fits(game: Game) -> bool:
            return True

        def __call__(self, *batch: Tensor) -> StepOutcome:
            game, players, random = self.own
            taken.append(players.n_steps)
            self.refused = "not permitted" if players.n_steps == 2 else None
            return step(game, players, *batch, random)

    expected = play(make_game(THREE, Annealed()), schedule(5))
    monkeypatch.setattr(training, "Replay", Refusing)
    told = play(make_game(THREE, Annealed()), schedule(5))
    assert taken == [0, 1, 2]
    assert [report.generator_loss for report in told] == [report.generator_loss for report in expected]
    notes = [report.notes for report in told]
    assert notes == [(), (), ("steps are launched part by part, which takes longer: not permitted.",), (), ()]


def schedule(n_steps: int | None = 5, **changes: Any) -> Schedule:
    settings: dict[str, Any] = {
        "budget": None,
        "steps_per_epoch": 2,
        "learning_rate": 0.1,
        "decay": 0.5,
        "best_every": 0,
    }
    return Schedule(n_steps=n_steps, **{**settings, **changes})


def test_settled_schedules_stay() -> None:
    assert schedule(7).settle(0, 0.0) == 7
    assert schedule(7).settle(3, 99.0) == 7


@pytest.mark.parametrize(
    ("decay", "n_done", "seconds", "n_steps"),
    [
        (0.5, 30, 4.99, None),  # half of ten seconds is not over
        (0.5, 30, 5.0, 60),  # as many more
        (0.5, 1, 20.0, 1),  # one slow step, after which no time is left
        (0.5, 3, 7.5, 4),
        (0.2, 80, 7.9, None),
        (0.2, 80, 8.0, 100),
        (0.0, 80, 9.99, None),  # no falling part: the end of the budget is the end
        (0.0, 80, 10.0, 80),
        (0.75, 10, 2.5, 40),
        (0.75, 9, 2.5, None),  # too few steps to go by
        (0.75, 9, 5.0, 18),
    ],
)
def test_budget_is_settled_when_the_rate_begins_to_fall(
    decay: float, n_done: int, seconds: float, n_steps: int | None
) -> None:
    assert schedule(None, budget=10.0, decay=decay).settle(n_done, seconds) == n_steps


def test_budget_with_a_rate_that_falls_from_the_start_plays_at_least_a_step_and_not_for_longer() -> None:
    falling = schedule(None, budget=10.0, decay=1.0)
    assert falling.settle(0, 99.0) is None
    assert falling.settle(1, 99.0) == 1
    assert falling.settle(1, 1.0) is None
    assert falling.settle(10, 1.0) == 100


def test_steps_of_classifiers_by_default() -> None:
    """Twenty epochs of three classes of 1,600: 20·⌈4800/64⌉."""
    assert balanced_steps(np.array([1600, 3, 9]), 64, 1000) == 1500
    assert balanced_steps(np.array([1600, 3, 9]), 64, 1000, 1200) == 1200
    assert balanced_steps(np.array([40, 3, 9]), 64, 1000) == 1000


def test_rate_falls_linearly_over_the_last_share() -> None:
    rates = [schedule(10, decay=0.4).rate(done, 10) for done in range(11)]
    assert rates == pytest.approx([0.1] * 7 + [0.075, 0.05, 0.025, 0.0])


def test_rate_stays_without_decay_and_while_the_length_is_open() -> None:
    assert schedule(10, decay=0.0).rate(9, 10) == 0.1
    assert schedule(None, budget=1.0).rate(9, None) == 0.1


def start(game: Game, plan: Schedule, players: Players, **options: Any) -> Training:
    watch = Watch(game, np.zeros(N_CLASSES), range(N_CLASSES), seed=0)
    return Training(game, players, plan, torch.Generator().manual_seed(0), watch, **options)


def play(game: Game, plan: Schedule, players: Players | None = None, **options: Any) -> list[StepReport]:
    told: list[StepReport] = []
    players = players or make_players(game)
    start(game, plan, players, callback=told.append, **options).run(real_batches())
    return told


def test_temperature_cools_each_step() -> None:
    game = make_game(THREE, Annealed(temperature=8.0, cooling=0.5))
    assert [report.temperature for report in play(game, schedule(5))] == [4.0, 2.0, 1.0, 0.5, 0.25]


def test_temperature_cools_each_epoch() -> None:
    game = make_game(THREE, Annealed(temperature=8.0, cooling=0.5, per="epoch"))
    assert [report.temperature for report in play(game, schedule(5))] == [8.0, 4.0, 4.0, 2.0, 2.0]


def test_temperature_goes_on_where_it_was() -> None:
    game = make_game(THREE, Annealed(temperature=8.0, cooling=0.5, per="epoch"))
    players = make_players(game)
    assert [report.temperature for report in play(game, schedule(3), players)] == [8.0, 4.0, 4.0]
    assert [report.temperature for report in play(game, schedule(3), players)] == [2.0, 2.0, 1.0]
    assert players.n_steps == 6


def test_first_step_is_accepted_at_the_starting_temperature() -> None:
    """Cooling comes after the step: the first chance is taken at T₀."""

    class Listening(Annealed):
        def chance(self, best: Tensor, parent: Tensor, temperature: float | None) -> Tensor:
            asked.append(temperature)
            return super().chance(best, parent, temperature)

    asked: list[float | None] = []
    play(make_game(THREE, Listening(temperature=8.0, cooling=0.5)), schedule(3))
    assert asked == [8.0, 4.0, 2.0]


def test_reports() -> None:
    game = make_game(THREE, Annealed())
    told = play(game, schedule(5))
    assert [report.step for report in told] == [1, 2, 3, 4, 5]
    assert {report.n_steps for report in told} == {5}
    assert told[-1].seconds_left == 0
    assert all(report.steps_per_second == pytest.approx(report.step / report.seconds) for report in told)
    for report in told:
        assert list(report.wins) == list(THREE)
        assert sum(report.wins.values()) == pytest.approx(1)
        assert report.acceptance_rate is not None
        assert (report.acceptance_rate * report.step) % 1 == pytest.approx(0)
        assert math.isfinite(report.discriminator_loss)
        assert math.isfinite(report.generator_loss)


def test_losses_of_a_report_are_means_over_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[float] = []
    shipped = training.step

    def listen(*arguments: Any) -> Any:
        outcome = shipped(*arguments)
        found.append(outcome.discriminator_loss.item())
        return outcome

    monkeypatch.setattr(training, "step", listen)
    monkeypatch.setattr(loop, "REPORT_WINDOW", 3)
    told = play(make_game(), schedule(5))
    assert told[1].discriminator_loss == pytest.approx(sum(found[:2]) / 2)
    assert told[4].discriminator_loss == pytest.approx(sum(found[2:]) / 3)


@pytest.mark.parametrize("recipe", ["acgan", "egan"])
def test_rules_without_refusal_report_no_acceptance(recipe: str) -> None:
    mutations, acceptance = RECIPES[recipe]
    (report,) = play(make_game(mutations, acceptance), schedule(1))
    assert report.acceptance_rate is None
    assert report.temperature is None
    assert list(report.wins) == list(mutations)


def test_history_holds_every_hundredth_and_the_last() -> None:
    game = make_game(("non_saturating",))
    few = start(game, schedule(5), make_players(game)).run(real_batches()).history
    assert [report["step"] for report in few] == [1, 2, 3, 4, 5]
    many = start(game, schedule(205), make_players(game)).run(real_batches()).history
    assert [report["step"] for report in many] == [*range(2, 205, 2), 205]


def test_both_players_follow_the_rate() -> None:
    game = make_game()
    players = make_players(game)
    rates: list[tuple[float, float]] = []

    def listen(report: StepReport) -> None:
        rates.append((players.generator.learning_rate, players.discriminator.learning_rate))

    start(game, schedule(4), players, callback=listen).run(real_batches())
    assert rates == [(0.1, 0.1), (0.1, 0.1), (0.1, 0.1), (0.05, 0.05)]


def test_average_follows_the_survivor() -> None:
    game = make_game(THREE, Annealed())
    players = make_players(game, average=True)
    assert players.average is not None
    expected = [value.detach().clone() for value in players.average.module.parameters()]

    def follow(report: StepReport) -> None:
        keep = min(0.9, (1 + report.step) / (10 + report.step))
        for value, now in zip(expected, players.generator.parameters, strict=True):
            value.copy_(keep * value + (1 - keep) * now.detach())

    start(game, schedule(4), players, callback=follow).run(real_batches())
    for mine, value in zip(players.average.module.parameters(), expected, strict=True):
        torch.testing.assert_close(mine.detach(), value)


def test_best_is_rescored_at_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    at: list[int] = []
    shipped = training.rescore_best

    def listen(game: Game, players: Players, *rest: Any) -> None:
        at.append(players.n_steps)
        shipped(game, players, *rest)

    monkeypatch.setattr(training, "rescore_best", listen)
    play(make_game(THREE, Annealed()), schedule(7, best_every=3))
    assert at == [3, 6]


def test_budget_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second a step and ten seconds: settled after five, and the rate falls over the other five."""
    clock = itertools.count()
    monkeypatch.setattr(loop.time, "perf_counter", lambda: float(next(clock)))
    game = make_game(("non_saturating",))
    players = make_players(game)
    rates: list[float] = []
    told: list[StepReport] = []

    def listen(report: StepReport) -> None:
        told.append(report)
        rates.append(players.generator.learning_rate)

    start(game, schedule(None, budget=10.0), players, callback=listen).run(real_batches())
    assert [report.step for report in told] == list(range(1, 11))
    assert {report.n_steps for report in told} == {10}
    assert [report.seconds_left for report in told] == pytest.approx([10 - n for n in range(1, 11)])
    assert rates == pytest.approx([0.1] * 6 + [0.08, 0.06, 0.04, 0.02])


def test_an_interrupt_passes_through() -> None:
    def interrupt(report: StepReport) -> None:
        raise KeyboardInterrupt

    game = make_game(("non_saturating",))
    with pytest.raises(KeyboardInterrupt):
        start(game, schedule(3), make_players(game), callback=interrupt).run(real_batches())
