import math

import pytest
import torch
from torch import Tensor, nn

from makeweight.errors import InputError
from makeweight.heads import AuxiliaryClassifier, ConcatenatedLabel, Head
from makeweight.judges import Judgement
from makeweight.opposed import OpposedClassifier
from makeweight.penalties import (
    PENALTIES,
    R1,
    R1R2,
    R2,
    Free,
    GradientPenalty,
    LeCam,
    LipschitzPenalty,
    Penalty,
    Shown,
    WeightClipping,
)


class Slanted(nn.Module):
    """Scores of slope (2, −1) at every real image of two pixels, and code times as much."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([2.0, -1.0]))

    def forward(self, images: Tensor, codes: Tensor) -> Judgement:
        scores = codes * (images.flatten(1) @ self.weight)
        return Judgement(scores, scores[:, None], images)


class Curved(nn.Module):
    """Score |x|² / 2, whose slope at x is x."""

    def forward(self, images: Tensor, codes: Tensor) -> Judgement:
        scores = images.square().sum(dim=(1, 2, 3)) / 2
        return Judgement(scores, scores[:, None], images)


def shown(real: list[list[float]], drawn: list[list[float]], between: list[float] | None = None) -> Shown:
    images = [torch.tensor(each).view(-1, 1, 1, 2) for each in (real, drawn)]
    n = len(real)
    codes = torch.ones(n, dtype=torch.long)
    return Shown(images[0], codes, images[1], 3 * codes, torch.tensor(between or []))


PAIR = shown([[1.0, 0.5]] * 3, [[0.0, 0.0]] * 3)


def test_none_is_never_taken() -> None:
    assert PENALTIES.get("none") is Free
    assert Free().every == 0
    assert not Free().limits
    with pytest.raises(TypeError, match="^Penalty must say what it costs$"):
        Penalty().loss(Slanted(), PAIR)


class TestZeroCentred:
    def test_by_hand(self) -> None:
        """Squared slopes are 5 on real images and 9·5 on drawn ones, which were asked for class 3."""
        judge = Slanted()
        costs = {part: part(gamma=0.1, every=1).loss(judge, PAIR) for part in (R1, R2, R1R2)}
        expected = {R1: 0.05 * 5, R2: 0.05 * 45, R1R2: 0.05 * 50}
        for part, cost in costs.items():
            assert cost.item() == pytest.approx(expected[part], rel=1e-6)
        (gradient,) = torch.autograd.grad(costs[R1], judge.parameters())
        torch.testing.assert_close(gradient, 0.1 * judge.weight.detach())

    def test_rarer_penalties_weigh_more(self) -> None:
        cost = R1(gamma=0.1, every=8).loss(Slanted(), PAIR)
        assert cost.item() == pytest.approx(8 * 0.05 * 5, rel=1e-6)


class TestBetween:
    """Slopes are the points themselves: halfway between (0, 0) and (0, 4), and a quarter of the way to (0, 2)."""

    SHOWN = shown([[0.0, 4.0], [0.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]], [0.5, 0.25])

    def test_gradient_penalty_by_hand(self) -> None:
        cost = GradientPenalty(weight=10.0).loss(Curved(), self.SHOWN)
        assert cost.item() == pytest.approx(10 * ((2 - 1) ** 2 + (0.5 - 1) ** 2) / 2, rel=1e-5)

    def test_lipschitz_penalty_by_hand(self) -> None:
        cost = LipschitzPenalty(weight=10.0, every=2).loss(Curved(), self.SHOWN)
        assert cost.item() == pytest.approx(2 * 10 * (2 - 1) ** 2 / 2, rel=1e-5)

    def test_points_are_judged_under_the_class_of_the_real_image(self) -> None:
        """Slopes are √5 under the real images' class 1; under class 3, which was asked for, they would be 3·√5."""
        pair = shown([[1.0, 0.5]] * 2, [[0.0, 0.0]] * 2, [0.0, 0.5])
        assert GradientPenalty().loss(Slanted(), pair).item() == pytest.approx(10 * (5**0.5 - 1) ** 2, rel=1e-5)

    def test_a_flat_judge_costs_no_number_that_is_none(self) -> None:
        judge = Slanted()
        nn.init.zeros_(judge.weight)
        cost = GradientPenalty().loss(judge, self.SHOWN)
        (gradient,) = torch.autograd.grad(cost, judge.weight)
        assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("head", "spared"),
    [(AuxiliaryClassifier(), "classes."), (OpposedClassifier(), "classifier."), (ConcatenatedLabel(), "nothing")],
    ids=lambda each: getattr(each, "name", each),
)
def test_clipping_spares_what_answers_classes_alone(head: Head, spared: str) -> None:
    judge = head.build(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), n_features=3, n_classes=2)
    for parameter in judge.parameters():
        nn.init.constant_(parameter, -3.0)
    WeightClipping(limit=0.5).bound(judge)
    for name, parameter in judge.named_parameters():
        assert (parameter == (-3.0 if name.startswith(spared) else -0.5)).all(), name
    assert any(name.startswith(spared) for name, _ in judge.named_parameters()) is (spared != "nothing")


class TestLeCam:
    def test_by_hand(self) -> None:
        """Scores 2 for real and 0 for drawn images; averages move halfway from 0."""
        judge, penalty = Slanted(), LeCam(weight=0.3, decay=0.5)
        penalty.prepare(judge)
        first = penalty.loss(judge, shown([[1.0, 0.0]], [[0.0, 0.0]]))
        assert (judge.real_average.item(), judge.drawn_average.item()) == (1.0, 0.0)
        assert first.item() == pytest.approx(0.3 * ((2 - 0) ** 2 + (0 - 1) ** 2), rel=1e-6)
        penalty.loss(judge, shown([[1.0, 0.0]], [[0.0, 0.0]]))
        assert judge.real_average.item() == 1.5

    def test_rarer_penalties_weigh_more(self) -> None:
        """Scores of 2 and 0 against averages that stay at 0.02 and 0."""
        judge, penalty = Slanted(), LeCam(weight=0.3, decay=0.99, every=4)
        penalty.prepare(judge)
        cost = penalty.loss(judge, shown([[1.0, 0.0]], [[0.0, 0.0]]))
        assert cost.item() == pytest.approx(4 * 0.3 * (2**2 + 0.02**2), rel=1e-5)

    def test_averages_are_saved_with_the_discriminator(self) -> None:
        judge = Slanted()
        LeCam().prepare(judge)
        assert {"real_average", "drawn_average"} <= judge.state_dict().keys()


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (R1(gamma=0.0), r"R1\(gamma=0.0\) is impossible: it must be above 0\."),
        (R1R2(every=0), r"R1R2\(every=0\) is impossible: it must be a whole number, 1 to 2,147,483,647\."),
        (GradientPenalty(weight=-1.0), r"GradientPenalty\(weight=-1.0\)"),
        (WeightClipping(limit=math.inf), r"WeightClipping\(limit=inf\)"),
        (LeCam(weight=0), r"LeCam\(weight=0\)"),
        (LeCam(decay=1.0), r"LeCam\(decay=1.0\) is impossible: it must be 0 or more and below 1."),
    ],
    ids=str,
)
def test_impossible_parameters_are_refused(penalty: Penalty, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        penalty.check()
