"""Plans with made-up costs: a classifier takes 1 s, AGGAN 100 s, SMOTE nothing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from makeweight.compare.arms import Arm, all_arms
from makeweight.compare.plan import Plan, fit_into
from makeweight.compare.splits import Split
from makeweight.errors import InputError

ARMS = all_arms(["aggan", "smote"], fills=[1.0], shares=[0.5])


class MadeUp:
    def of_method(self, method: str, splits: Sequence[Split]) -> float:
        return {"aggan": 100.0}.get(method, 0.0) * len(splits)

    def of_arm(self, arm: Arm, splits: Sequence[Split]) -> float:
        return 0.0 if arm.itself else float(len(splits))


def plan(budget: float, n_jobs: int = 1) -> Plan:
    def splits_of(n_seeds: int) -> list[Split]:
        return [Split(seed, 0, np.arange(1), np.arange(1)) for seed in range(n_seeds)]

    costs: Any = MadeUp()
    return fit_into(budget, costs, ARMS, splits_of, 5, n_jobs)


def test_everything_fits() -> None:
    assert len(ARMS) == 7 + 2 * 6 + 1
    found = plan(5 * (19 + 100))
    assert (len(found.arms), found.n_seeds, found.seconds, found.left_out) == (20, 5, 595.0, [])


def test_a_method_that_does_not_fit_is_named_once() -> None:
    found = plan(5 * 18)
    assert {arm.method for arm in found.arms if arm.draws} == {"smote"}
    assert [(each.what, each.seconds) for each in found.left_out] == [("all arms of AGGAN", 530.0)]
    assert plan(5 * 60, n_jobs=2).left_out == []


def test_no_method_learns_for_its_class_output_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """All else is done, and there is room for AGGAN's learning, but for none of its classifiers."""
    costs = {"aggan": 1.0}
    monkeypatch.setattr(
        MadeUp,
        "of_arm",
        lambda self, arm, splits: 0.0 if arm.itself else costs.get(arm.method or "", 0.0) * len(splits),
    )
    assert {arm.method for arm in plan(5 * 100 + 2).arms if arm.method} == {"smote"}
    assert "AGGAN's class output" in [arm.title for arm in plan(5 * 101).arms]


def test_class_outputs_need_no_arm_before_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ARMS", all_arms(["aggan", "smote"], fills=[1.0], shares=[]))
    assert plan(1e9).left_out == []


def test_the_important_arms_are_kept() -> None:
    found = plan(5 * 4)
    assert [arm.name for arm in found.arms] == ["nothing", "augmentation", "shared", "mixup"]
    assert "SMOTE at fill 1" in [each.what for each in found.left_out]


def test_seeds_are_given_up_only_for_a_drawn_arm() -> None:
    found = plan(6)
    assert found.n_seeds == 2
    assert found.left_out[0].what == "3 seeds"
    assert any(arm.draws for arm in found.arms)


def test_too_little_time() -> None:
    with pytest.raises(InputError, match=r"^--budget is too short: the least .* takes about 6 s; give more time"):
        plan(5)
