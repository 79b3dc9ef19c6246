import math

import pytest
import torch
from torch import Tensor

from makeweight.errors import InputError
from makeweight.objectives import OBJECTIVES, Objective

# Realness of these scores is 1/2 and 3/4.
SCORES = torch.tensor([0.0, math.log(3)])
BY_HAND = {
    "minimax": {
        "real": (math.log(2) + math.log(4 / 3)) / 2,
        "fake": (math.log(2) + math.log(4)) / 2,
        "generator": (math.log(1 / 2) + math.log(1 / 4)) / 2,
        "mutation": (math.log(1 / 2) + math.log(1 / 4)) / 2,
    },
    "non_saturating": {
        "real": (math.log(2) + math.log(4 / 3)) / 2,
        "fake": (math.log(2) + math.log(4)) / 2,
        "generator": (math.log(2) + math.log(4 / 3)) / 2,
        "mutation": (math.log(2) + math.log(4 / 3)) / 2,
    },
    "least_squares": {
        "real": (1 + (math.log(3) - 1) ** 2) / 4,
        "fake": math.log(3) ** 2 / 4,
        "generator": (1 + (math.log(3) - 1) ** 2) / 4,
        "mutation": (1 / 4 + 1 / 16) / 2,
    },
}
LOSSES = ("real", "fake", "generator", "mutation")


def loss_of(objective: Objective, kind: str, scores: Tensor) -> Tensor:
    return {
        "real": objective.real_loss,
        "fake": objective.fake_loss,
        "generator": objective.generator_loss,
        "mutation": objective.mutation_loss,
    }[kind](scores)


def test_every_objective_has_its_numbers() -> None:
    assert OBJECTIVES.names() == sorted(BY_HAND)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_losses_by_hand(name: str, kind: str) -> None:
    loss = loss_of(OBJECTIVES.get(name)(), kind, SCORES)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(BY_HAND[name][kind], rel=1e-6)


@pytest.mark.parametrize("kind", ["generator", "mutation"])
@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_generators_are_pulled_towards_realness(name: str, kind: str) -> None:
    scores = torch.tensor([-3.0, 0.0, 0.5], requires_grad=True)
    (gradient,) = torch.autograd.grad(loss_of(OBJECTIVES.get(name)(), kind, scores), scores)
    assert (gradient < 0).all()


@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_discriminators_push_real_up_and_drawn_down(name: str) -> None:
    scores = torch.tensor([-0.5, 0.2, 0.9], requires_grad=True)
    objective = OBJECTIVES.get(name)()
    (real,) = torch.autograd.grad(objective.real_loss(scores), scores)
    (fake,) = torch.autograd.grad(objective.fake_loss(scores + 1), scores)
    assert (real < 0).all()
    assert (fake > 0).all()


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_extreme_scores_overflow_nothing(name: str, kind: str) -> None:
    scores = torch.tensor([-1e4, 1e4], requires_grad=True)
    loss = loss_of(OBJECTIVES.get(name)(), kind, scores)
    (gradient,) = torch.autograd.grad(loss, scores)
    assert loss.isfinite()
    assert gradient.isfinite().all()


def test_gradients_tell_the_mutations_apart() -> None:
    """At a score of 0 the slopes are −σ = −1/2, −(1 − σ) = −1/2 and 2(σ − 1)σ(1 − σ) = −1/4; at −4 they part ways."""
    slopes = {}
    for name in BY_HAND:
        scores = torch.tensor([-4.0], requires_grad=True)
        (slope,) = torch.autograd.grad(OBJECTIVES.get(name)().mutation_loss(scores), scores)
        slopes[name] = slope.item()
    realness = 1 / (1 + math.exp(4))
    assert slopes["minimax"] == pytest.approx(-realness, rel=1e-5)
    assert slopes["non_saturating"] == pytest.approx(-(1 - realness), rel=1e-5)
    assert slopes["least_squares"] == pytest.approx(-2 * (1 - realness) ** 2 * realness, rel=1e-5)


def test_least_squares_alone_pulls_scores_to_one_but_as_a_mutation_realness() -> None:
    scores = torch.tensor([1.0])
    least_squares = OBJECTIVES.get("least_squares")()
    assert least_squares.generator_loss(scores).item() == 0
    assert least_squares.mutation_loss(scores).item() == pytest.approx((1 / (1 + math.e**-1) - 1) ** 2, rel=1e-6)


def test_an_objective_must_say_how_a_generator_is_judged() -> None:
    with pytest.raises(TypeError, match="^Objective must say how a generator is judged$"):
        Objective().generator_loss(SCORES)


def test_unknown_names_are_told_with_the_choices() -> None:
    with pytest.raises(InputError) as caught:
        OBJECTIVES.get("minmax")
    assert str(caught.value) == (
        "there is no objective called 'minmax': choose from least_squares, minimax, non_saturating; "
        "did you mean 'minimax'?"
    )
    with pytest.raises(InputError) as caught:
        OBJECTIVES.get("hinge_of_a_door")
    assert str(caught.value) == (
        "there is no objective called 'hinge_of_a_door': choose from least_squares, minimax, non_saturating."
    )


def test_instances_are_taken_as_clones() -> None:
    given = OBJECTIVES.get("minimax")()
    taken = OBJECTIVES.resolve(given)
    assert type(taken) is type(given)
    assert taken is not given
    assert type(OBJECTIVES.resolve("minimax")) is type(given)


def test_what_is_no_objective_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        OBJECTIVES.resolve(3)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "3 is no objective: give a name (least_squares, minimax, non_saturating) or an instance."
    )


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="^objective 'minimax' is registered twice$"):
        OBJECTIVES.register("minimax")(Objective)
