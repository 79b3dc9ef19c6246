import math

import pytest
import torch
from torch import Tensor

from makeweight.component import describe, rebuild
from makeweight.errors import InputError
from makeweight.objectives import OBJECTIVES, Objective

# Realness of these scores is 1/2 and 3/4.
SCORES = torch.tensor([0.0, math.log(3)])
LOG3 = math.log(3)
BY_HAND = {
    "hinge": {"real": 1 / 2, "fake": 1 + LOG3 / 2, "generator": -LOG3 / 2, "mutation": -LOG3 / 2},
    "wasserstein": {"real": -LOG3 / 2, "fake": LOG3 / 2, "generator": -LOG3 / 2, "mutation": -LOG3 / 2},
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
SEPARABLE = [objective.name for objective in OBJECTIVES if not objective.paired]


def loss_of(objective: Objective, kind: str, scores: Tensor) -> Tensor:
    return {
        "real": objective.real_loss,
        "fake": objective.fake_loss,
        "generator": objective.generator_loss,
        "mutation": objective.mutation_loss,
    }[kind](scores)


def test_every_objective_has_its_numbers() -> None:
    assert sorted(BY_HAND) == SEPARABLE


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("name", SEPARABLE)
def test_losses_by_hand(name: str, kind: str) -> None:
    loss = loss_of(OBJECTIVES.get(name)(), kind, SCORES)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(BY_HAND[name][kind], rel=1e-6)


@pytest.mark.parametrize("kind", ["generator", "mutation"])
@pytest.mark.parametrize("name", SEPARABLE)
def test_generators_are_pulled_towards_realness(name: str, kind: str) -> None:
    scores = torch.tensor([-3.0, 0.0, 0.5], requires_grad=True)
    (gradient,) = torch.autograd.grad(loss_of(OBJECTIVES.get(name)(), kind, scores), scores)
    assert (gradient < 0).all()


@pytest.mark.parametrize("name", SEPARABLE)
def test_discriminators_push_real_up_and_drawn_down(name: str) -> None:
    scores = torch.tensor([-0.5, 0.2, 0.9], requires_grad=True)
    objective = OBJECTIVES.get(name)()
    (real,) = torch.autograd.grad(objective.real_loss(scores), scores)
    (fake,) = torch.autograd.grad(objective.fake_loss(scores + 1), scores)
    (both,) = torch.autograd.grad(objective.discriminator_loss(scores, scores + 1), scores)
    torch.testing.assert_close(both, real + fake)
    assert (real < 0).all()
    assert (fake > 0).all()


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("name", SEPARABLE)
def test_extreme_scores_overflow_nothing(name: str, kind: str) -> None:
    scores = torch.tensor([-1e4, 1e4], requires_grad=True)
    loss = loss_of(OBJECTIVES.get(name)(), kind, scores)
    (gradient,) = torch.autograd.grad(loss, scores)
    assert loss.isfinite()
    assert gradient.isfinite().all()


def test_gradients_tell_the_mutations_apart() -> None:
    """At a score of 0 the slopes are −σ = −1/2, −(1 − σ) = −1/2 and 2(σ − 1)σ(1 − σ) = −1/4; at −4 they part ways."""
    slopes = {}
    for name in ("minimax", "non_saturating", "least_squares"):
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


@pytest.mark.parametrize("name", ["minimax", "non_saturating"])
def test_one_sided_smoothing_by_hand(name: str) -> None:
    """Target 0.9: −0.9·log σ(s) − 0.1·log(1 − σ(s)) on real images, and nothing else on drawn ones."""
    smooth, plain = OBJECTIVES.get(name)(smoothing=0.1), OBJECTIVES.get(name)()
    realness = [1 / 2, 3 / 4]
    expected = sum(-0.9 * math.log(real) - 0.1 * math.log(1 - real) for real in realness) / 2
    assert smooth.real_loss(SCORES).item() == pytest.approx(expected, rel=1e-6)
    assert smooth.fake_loss(SCORES) == plain.fake_loss(SCORES)
    assert smooth.generator_loss(SCORES) == plain.generator_loss(SCORES)


def test_smoothed_least_squares_pulls_real_scores_to_the_target() -> None:
    smooth = OBJECTIVES.get("least_squares")(smoothing=0.1)
    expected = (0.9**2 + (LOG3 - 0.9) ** 2) / 4
    assert smooth.real_loss(SCORES).item() == pytest.approx(expected, rel=1e-6)
    assert smooth.generator_loss(torch.tensor([1.0])).item() == 0


def test_parameters_of_later_are_described_only_where_they_differ() -> None:
    """Models saved before smoothing keep their hashes."""
    assert describe(OBJECTIVES.get("minimax")()) == {"axis": "objective", "name": "minimax"}
    told = describe(OBJECTIVES.get("minimax")(smoothing=0.1))
    assert told == {"axis": "objective", "name": "minimax", "smoothing": 0.1}
    assert rebuild(told).smoothing == 0.1


class TestRelativistic:
    REAL, FAKE = torch.tensor([0.0, 0.0]), torch.tensor([0.0, math.log(3)])

    def test_by_hand(self) -> None:
        objective = OBJECTIVES.get("relativistic")()
        assert objective.discriminator_loss(self.REAL, self.FAKE).item() == pytest.approx(
            (math.log(2) + math.log(4)) / 2, rel=1e-6
        )
        assert objective.paired_generator_loss(self.FAKE, self.REAL).item() == pytest.approx(
            (math.log(2) + math.log(4 / 3)) / 2, rel=1e-6
        )

    def test_only_differences_count(self) -> None:
        objective = OBJECTIVES.get("relativistic")()
        for loss in (objective.discriminator_loss, objective.paired_generator_loss):
            torch.testing.assert_close(loss(self.REAL + 7, self.FAKE + 7), loss(self.REAL, self.FAKE))

    def test_there_are_no_halves(self) -> None:
        objective = OBJECTIVES.get("relativistic")()
        for loss in (objective.real_loss, objective.fake_loss, objective.generator_loss):
            with pytest.raises(TypeError, match="^pairs of real and drawn images are judged together$"):
                loss(SCORES)

    def test_others_look_at_drawn_images_alone(self) -> None:
        hinge = OBJECTIVES.get("hinge")()
        assert hinge.paired_generator_loss(SCORES, SCORES + 5) == hinge.generator_loss(SCORES)


def test_an_objective_must_say_how_a_generator_is_judged() -> None:
    with pytest.raises(TypeError, match="^Objective must say how a generator is judged$"):
        Objective().generator_loss(SCORES)


def test_unknown_names_are_told_with_the_choices() -> None:
    with pytest.raises(InputError) as caught:
        OBJECTIVES.get("minmax")
    assert str(caught.value) == (
        "there is no objective called 'minmax': choose from hinge, least_squares, minimax, non_saturating, "
        "relativistic, wasserstein; did you mean 'minimax'?"
    )
    with pytest.raises(InputError) as caught:
        OBJECTIVES.get("hinge_of_a_door")
    assert str(caught.value) == (
        "there is no objective called 'hinge_of_a_door': choose from hinge, least_squares, minimax, non_saturating, "
        "relativistic, wasserstein."
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
        "3 is no objective: give a name (hinge, least_squares, minimax, non_saturating, relativistic, wasserstein) "
        "or an instance."
    )


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="^objective 'minimax' is registered twice$"):
        OBJECTIVES.register("minimax")(Objective)
