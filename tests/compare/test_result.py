"""What a gate holds back is no evidence about drawn images, and what makes augmentation a poor measure is told."""

from pathlib import Path

import numpy as np
import pytest

from makeweight.compare.arms import RIVAL, ClassOutput, Gated, Shared, all_arms
from makeweight.compare.result import _doubts, _held_back, _is_held_back
from makeweight.compare.runs import Predictions
from makeweight.compare.statistics import Sample, paired_differences

COUNTS = np.array([80, 20, 40])


def test_less_than_half_of_what_was_asked_for_says_nothing() -> None:
    planned = np.array([[0, 60, 40], [0, 60, 40]])
    drawn = np.array([[0, 30, 19], [0, 0, 0]])
    assert _is_held_back(drawn, planned, None).tolist() == [[False, False, True], [False, True, True]]
    # A training part of three folds holds two thirds of the images, and two thirds as many are asked for.
    assert _is_held_back(drawn, planned, 3).tolist() == [[False, False, False], [False, True, True]]


def test_answers_that_are_kept_are_the_answers(tmp_path: Path) -> None:
    """Near ties, too, have the same most probable class when they are read again."""
    chances = np.random.default_rng(0).normal(0.01, 1e-5, (500, 100)).astype(np.float32).astype(np.float64)
    codes = chances.argmax(axis=1)
    Predictions(np.arange(500), codes, chances).write(tmp_path / "answers.npz")
    again = Predictions.read(tmp_path / "answers.npz")
    assert again.chances.argmax(axis=1).tolist() == again.codes.tolist() == codes.tolist()
    assert again.chances.sum(axis=1) == pytest.approx(1)


def test_it_is_told_of_which_classes() -> None:
    arms = [
        Gated(method="smote", fill=1.0),
        Gated(method="aggan", fill=1.0),
        Shared(method="smote", fill=1.0, share=0.25),
    ]
    planned = np.stack([arm.counts(COUNTS) for arm in arms])
    drawn = planned.copy()
    drawn[0] = 0
    drawn[1, 2] = 3
    told = _held_back(arms, ["a", "b", "c"], drawn, planned, None)
    assert told == [
        "the arm 'SMOTE with augmentation at fill 1, gated' learnt from real images alone: nothing drawn passed the "
        "gate, which judges no class of fewer than 10 images.",
        "the arm 'AGGAN with augmentation at fill 1, gated' says nothing about drawn images of c: the gate let less "
        "than half of what was asked for through.",
    ]


def doubts(recalls: dict[str, float], n_methods: int = 1) -> list[str]:
    """Let arms find so much of 300 images of two classes, every seed other ones; those not named as much as nothing."""
    methods = ["aggan", "acgan", "egan", "lsgan", "wgan", "wgan_gp", "wgan_lp", "vae_gan"][:n_methods]
    arms = [arm for arm in all_arms(methods, fills=[0.5], shares=[]) if not arm.draws]
    true = np.repeat([0, 1], 150)
    random = np.random.default_rng(0)
    ease = random.random((3, len(true)))
    shares = [recalls.get(arm.title, 0.7) for arm in arms]
    correct = np.stack([ease + random.normal(0, 0.1, ease.shape) < share for share in shares])
    rival = next(place for place, arm in enumerate(arms) if arm.name == RIVAL)
    return _doubts(arms, paired_differences(correct, correct[rival], Sample(true, 2, np.arange(len(true)))))


def test_a_class_output_that_surely_beats_augmentation_is_told() -> None:
    (told,) = doubts({"AGGAN's class output": 0.85})
    assert told.startswith('the arm "AGGAN\'s class output" surely beats augmentation, by 1')
    assert told.endswith(" points of mean recall: that is what drawn images have to beat.")
    assert doubts({"AGGAN's class output": 0.6}) == []


def test_the_more_arms_the_surer_one_has_to_be() -> None:
    assert len(doubts({"mixup": 0.737})) == 1
    assert doubts({"mixup": 0.737}, n_methods=8) == []


def test_steps_that_still_help_are_told() -> None:
    (told,) = doubts({"augmentation, half the steps": 0.5})
    assert told.startswith("augmentation still gains ")


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("aggan", [0.5, 0.5]),  # balanced batches
        ("bagan", [0.9, 0.1]),  # images as they come; drawn ones teach no class
        ("gamo", [0.45, 0.55]),  # as they come, and as many drawn ones, of the small class alone
    ],
)
def test_class_outputs_learn_as_their_methods_do(method: str, expected: list[float]) -> None:
    assert ClassOutput(method=method).learnt_prevalence(np.array([90, 10])).tolist() == pytest.approx(expected)
