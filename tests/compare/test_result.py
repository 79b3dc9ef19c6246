"""What a gate holds back is no evidence about drawn images."""

import numpy as np

from makeweight.compare.arms import Gated, Shared
from makeweight.compare.result import _held_back, _is_held_back

COUNTS = np.array([80, 20, 40])


def test_less_than_half_of_what_was_asked_for_says_nothing() -> None:
    planned = np.array([[0, 60, 40], [0, 60, 40]])
    drawn = np.array([[0, 30, 19], [0, 0, 0]])
    assert _is_held_back(drawn, planned, None).tolist() == [[False, False, True], [False, True, True]]
    # A training part of three folds holds two thirds of the images, and two thirds as many are asked for.
    assert _is_held_back(drawn, planned, 3).tolist() == [[False, False, False], [False, True, True]]


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
