from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch

from makeweight.data.arrays import ImageCodec
from makeweight.health import Finding, Watch, real_spreads, spread, weight_norms
from makeweight.rules import Players

from .playing import N_CLASSES, make_game, make_players, real_batches


def watch_of(spreads: list[float]) -> Watch:
    return Watch(make_game(), np.array(spreads), ["bag", "boot", "coat"], seed=0)


def look(players: Players, spreads: list[float] | None = None, norms: list[float] | None = None) -> Finding:
    images, _ = next(real_batches())
    return watch_of(spreads or [0.3] * N_CLASSES).look(players, images, norms or weight_norms(players))


def test_spread_is_the_mean_distance_of_two() -> None:
    images = torch.tensor([[[0.0, 0.0]], [[3.0, 4.0]], [[0.0, 0.0]]])
    assert spread(images) == pytest.approx(2 / 3 * 5 / math.sqrt(2))


def test_real_spreads_are_those_of_encoded_images() -> None:
    X = np.array([[[0, 255]], [[255, 255]], [[7, 7]], [[9, 9]], [[9, 9]]], np.uint8)
    found = real_spreads(X, np.array([0, 0, 1, 2, 2]), ImageCodec.learn(X), 3)
    assert found == pytest.approx([2 / math.sqrt(2), 0, 0])


def test_healthy_players_are_found_lively_and_left_as_they_are() -> None:
    players = make_players(make_game())
    before = copy.deepcopy((players.generator.row, players.discriminator.row))
    assert look(players) == Finding(lively=(0, 1, 2), n_looked=3)
    assert torch.equal(players.generator.row, before[0])
    assert torch.equal(players.discriminator.row, before[1])
    assert players.generator.network.training
    assert players.discriminator.network.get_submodule("trunk").training


def test_classes_without_a_spread_are_not_looked_at() -> None:
    assert look(make_players(make_game()), [0.0, 0.3, 0.0]) == Finding(lively=(1,), n_looked=1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("who", ["generator", "discriminator"])
def test_weights_that_are_no_numbers(who: str, value: float) -> None:
    players = make_players(make_game())
    norms = weight_norms(players)
    getattr(players, who).weights.data[3] = value
    assert look(players, norms=norms) == Finding(f"the {who}'s weights are no numbers any more")


def test_weights_that_explode() -> None:
    players = make_players(make_game())
    norms = weight_norms(players)
    players.discriminator.weights.data.mul_(30)
    assert look(players, norms=norms) == Finding("the discriminator's weights grew 30-fold within 100 steps")


def test_a_batch_of_one_image_again_and_again_is_no_sign_of_anything() -> None:
    players = make_players(make_game())
    images, _ = next(real_batches())
    finding = watch_of([0.3] * N_CLASSES).look(players, images[:1].expand_as(images), weight_norms(players))
    assert finding.broken is None


def test_a_discriminator_that_sees_nothing() -> None:
    players = make_players(make_game())
    first: Any = next(iter(players.discriminator.network.get_submodule("trunk").children()))
    first.weight.data.zero_()
    assert look(players) == Finding("the discriminator answers every image alike")


def test_a_class_whose_images_are_all_alike() -> None:
    players = make_players(make_game())
    generator = players.generator.network

    def deaf(module: Any, inputs: Any) -> Any:
        noise, codes = inputs
        return torch.where((codes == 1).unsqueeze(1), 0.0, noise), codes

    generator.register_forward_pre_hook(deaf)
    assert look(players) == Finding(lively=(0, 2), dull=(1,), n_looked=3)


def test_many_classes_are_looked_at_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("makeweight.health.N_CLASSES", 2)
    players = make_players(make_game())
    seen = []
    for n_steps in (100, 200, 300):
        players.n_steps = n_steps
        seen.append(look(players).lively)
    assert sorted(code for codes in seen for code in codes) == [0, 0, 1, 1, 2, 2]
