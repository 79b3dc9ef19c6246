from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from makeweight import ACGAN, AGGAN
from makeweight.balance.options import parse_settings
from makeweight.balance.settings import apply_settings
from makeweight.errors import InputError
from makeweight.evolution import Annealed, Evolution
from makeweight.heads import AuxiliaryClassifier
from makeweight.methods import get_method
from makeweight.objectives import OBJECTIVES


def with_settings(*texts: str) -> AGGAN:
    sampler = AGGAN(random_state=0)
    apply_settings(sampler, parse_settings(texts))
    return sampler


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["objective=hinge"], AGGAN(objective="hinge")),
        (["batch_size=32", "learning_rate=2e-4"], AGGAN(batch_size=32, learning_rate=2e-4)),
        (["betas=0,0.9"], AGGAN(betas=(0, 0.9))),
        (["balanced_batches=false"], AGGAN(balanced_batches=False)),
        (["head.generator_weight=0.3"], AGGAN(head=AuxiliaryClassifier(fakes=False, generator_weight=0.3))),
        (
            ["evolution.mutations=hinge,minimax", "evolution.acceptance=elitist"],
            AGGAN(evolution=Evolution(mutations=("hinge", "minimax"), acceptance="elitist")),
        ),
        (
            ["evolution.fitness=quality,diversity"],
            AGGAN(evolution=Evolution(acceptance=Annealed(), fitness=("quality", "diversity"))),
        ),
        (["evolution.acceptance.cooling=0.999"], AGGAN(evolution=Evolution(acceptance=Annealed(cooling=0.999)))),
    ],
)
def test_what_is_typed_equals_what_python_takes(texts: list[str], expected: AGGAN) -> None:
    assert with_settings(*texts).settings == expected.set_params(random_state=0).settings


@pytest.mark.parametrize("texts", itertools.permutations(["objective=hinge", "evolution.fresh_noise=true"]))
def test_an_order_of_settings_changes_nothing(texts: tuple[str, ...]) -> None:
    sampler = ACGAN()
    apply_settings(sampler, parse_settings(texts))
    evolution = sampler.setting("evolution")
    assert (evolution.fresh_noise, [each.name for each in evolution.parts()[0]]) == (True, ["hinge"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hinge", r"^hinge sets nothing: write --set NAME=VALUE, such as --set objective=hinge\.$"),
        ("=hinge", r"^=hinge sets nothing"),
        ("objective=", r"^objective= sets nothing"),
        ("objektive=hinge", r"setting of aggan.*objektive.*objective"),
        ("n_steps=3", r"setting of aggan.*n_steps"),
        ("device=cuda", r"setting of aggan.*device"),
        ("head.wait=3", r"parameter of AuxiliaryClassifier.*wait.*weight"),
        (
            "batch_size.x=3",
            r"^there is no setting batch_size.x: parameter of int called 'x', nor any other: leave it out",
        ),
        ("evolution.acceptance.warming=3", r"parameter of Annealed.*warming"),
    ],
)
def test_what_is_no_setting_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        with_settings(text)


def test_a_name_set_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"^objective is set twice: give it once\.$"):
        parse_settings(["objective=hinge", "objective=minimax"])


def test_an_unknown_part_is_named_when_it_is_needed() -> None:
    with pytest.raises(InputError, match="hinges"):
        _ = with_settings("objective=hinges").settings


def test_a_part_that_needs_arguments_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"^the networks 'own' cannot be named alone \(.*generator.*give an instance"):
        _ = with_settings("networks=own").settings


def test_every_objective_can_be_typed() -> None:
    for name in OBJECTIVES.names():
        assert with_settings(f"objective={name}").settings["objective"]["name"] == name


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["augmentation.degrees=NaN"], r"^Affine\(degrees=nan\) is impossible: it must be 0 to 360\.$"),
        (["augmentation.degrees=abc"], r"^Affine\(degrees='abc'\) is impossible"),
        (["penalty=r1", "penalty.gamma=abc"], r"^R1\(gamma='abc'\) is impossible: it must be a number, above 0\.$"),
        (["head.weight=-5"], r"^AuxiliaryClassifier\(weight=-5\) is impossible: it must be 0 or more\.$"),
        (["evolution.fresh_noise=no"], r"^Evolution\(fresh_noise='no'\) is impossible: it must be True or False\.$"),
        (["evolution.acceptance.temperature=Infinity"], r"^Annealed\(temperature=inf\) is impossible"),
    ],
)
def test_impossible_values_are_told_in_a_sentence(texts: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        _ = with_settings(*texts).settings


def test_one_term_of_the_fitness() -> None:
    assert [term.name for term in with_settings("evolution.fitness=quality").evolution.terms()] == ["quality"]


@pytest.mark.parametrize("wrong", [{"degrees": math.nan}, {"scale": -3}, {"crop": 1.0}, {"mirror": "no"}])
def test_augmentation_as_a_method_refuses_too(wrong: dict[str, Any]) -> None:
    X, y = np.zeros((6, 8, 8), np.uint8), [0, 0, 0, 0, 1, 1]
    (name,) = wrong
    with pytest.raises(InputError, match=rf"^{name}=.* is impossible: it must be "):
        get_method("augmentation")(**wrong).fit(X, y)
