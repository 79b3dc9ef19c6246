from __future__ import annotations

import pytest

from makeweight import AGGAN
from makeweight.balance.options import parse_settings
from makeweight.balance.settings import apply_settings
from makeweight.errors import InputError
from makeweight.evolution import Annealed, Evolution
from makeweight.heads import AuxiliaryClassifier
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
    assert with_settings(*texts).settings_ == expected.set_params(random_state=0).settings_


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
        ("batch_size.x=3", r"parameter of int.*x"),
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
        _ = with_settings("objective=hinges").settings_


def test_a_part_that_needs_arguments_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"^the networks 'own' cannot be named alone \(.*generator.*give an instance"):
        _ = with_settings("networks=own").settings_


def test_every_objective_can_be_typed() -> None:
    for name in OBJECTIVES.names():
        assert with_settings(f"objective={name}").settings_["objective"]["name"] == name
