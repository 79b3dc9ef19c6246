"""Verdicts on made-up answers: an arm's recall of the rare class is set, everything else is alike."""

import numpy as np
import pytest
from numpy.typing import NDArray

from makeweight.compare.arms import Arm, Filled, FilledAugmented, all_arms
from makeweight.compare.statistics import Sample, paired_differences
from makeweight.compare.verdict import Evidence, Verdict, give_verdicts

N_SEEDS = 5


def evidence(
    n_rare: int,
    recalls: dict[str, float],
    *,
    boots_drawn: float = 0.9,
    boots_plain: float = 0.9,
    f1_loss: float = 0.0,
    seeds_spread: float = 0.0,
    n_seeds: int = N_SEEDS,
) -> Evidence:
    """Four hundred boots and some clogs; an arm finds the images that every weaker arm finds, and more.

    Of boots, all arms find as many, but those that draw `boots_drawn`, and others that are not in PLAIN `boots_plain`.
    """
    arms: list[Arm] = [arm for arm in all_arms(["aggan"], fills=[0.25, 1.0], shares=[]) if arm.title in recalls]
    true = np.repeat([0, 1], [400, n_rare])
    ease = np.concatenate([(np.arange(400) + 0.5) / 400, (np.arange(n_rare) + 0.5) / n_rare])
    random = np.random.default_rng(0)
    found = []
    for arm in arms:
        spread = random.normal(0, seeds_spread, (n_seeds, 1))
        boots = boots_drawn if arm.draws else 0.9 if arm.title in PLAIN else boots_plain
        limit = np.where(true == 1, recalls[arm.title] + spread, boots)
        noise = random.normal(0, 0.02, (n_seeds, len(true)))
        found.append(ease + noise < limit)
    correct: NDArray[np.bool_] = np.stack(found)
    rival = next(place for place, arm in enumerate(arms) if arm.title == "augmentation")
    sample = Sample(true, 2, np.arange(len(true)))
    recall = np.stack([[right[:, true == code].mean() for code in (0, 1)] for right in correct])
    recall = np.column_stack([recall, recall.mean(axis=1)])
    f1 = recall - np.array([[f1_loss if arm.draws else 0.0] for arm in arms])
    drawn = np.array([[False, arm.draws] for arm in arms])
    return Evidence(arms, ["boot", "clog"], drawn, paired_differences(correct, correct[rival], sample), recall, f1)


def of_clog(verdicts: list[Verdict]) -> Verdict:
    overall, clog = verdicts
    assert (overall.label, clog.label) == (None, "clog")
    return clog


PLAIN = {"nothing": 0.5, "augmentation": 0.7}
AUGMENTED, BARE = FilledAugmented(method="aggan", fill=0.25).title, Filled(method="aggan", fill=1.0).title


def test_use() -> None:
    found = give_verdicts(evidence(400, {**PLAIN, AUGMENTED: 0.8, BARE: 0.6}))
    clog = of_clog(found)
    assert clog.answer == "use"
    assert clog.sentence == (
        f"use AGGAN with augmentation at fill 0.25 for clog (+{clog.gain * 100:.1f} recall, "
        f"95 % interval {clog.low * 100:.1f} to {clog.high * 100:.1f})"
    )
    assert 0.08 < clog.gain < 0.12
    assert 0.03 < clog.low < clog.gain < clog.high < 0.17
    assert clog.p_value <= 0.05
    assert found[0].sentence.startswith("overall: use AGGAN with augmentation at fill 0.25 (+")
    assert "mean recall" in found[0].sentence


def test_do_not_use() -> None:
    clog = of_clog(give_verdicts(evidence(400, {**PLAIN, AUGMENTED: 0.66, BARE: 0.5})))
    assert clog.answer == "do not use"
    assert clog.sentence.startswith(
        "for clog no drawn images beat augmentation by 2.0 points: do not use them (best: AGGAN with "
    )
    assert clog.high < 0.02


def test_cannot_tell_and_how_many_images_it_takes() -> None:
    """The number that is asked for is about enough: with as many images, the same gain is recognised."""
    recalls = {**PLAIN, AUGMENTED: 0.76}
    clog = of_clog(give_verdicts(evidence(40, recalls)))
    assert clog.answer == "cannot tell"
    assert clog.more_images is not None
    assert clog.sentence.startswith(f"for clog: cannot tell, about {clog.more_images:,} more test images are needed")
    assert clog.low < 0 < clog.high
    assert of_clog(give_verdicts(evidence(40 + 2 * clog.more_images, recalls))).answer == "use"


def test_where_seeds_differ_more_seeds_are_asked_for() -> None:
    clog = of_clog(give_verdicts(evidence(3000, {**PLAIN, AUGMENTED: 0.73}, seeds_spread=0.05)))
    assert clog.answer == "cannot tell"
    assert clog.more_images is None
    assert clog.more_seeds is not None
    assert f"about {clog.more_seeds} more seed" in clog.sentence


def test_where_both_are_short_both_are_asked_for() -> None:
    found = give_verdicts(evidence(15, {**PLAIN, AUGMENTED: 0.71}, seeds_spread=0.1))
    clog = of_clog(found)
    assert clog.answer == "cannot tell"
    assert clog.more_images is not None
    assert clog.more_seeds is not None
    assert f"about {clog.more_images:,} more test images and {clog.more_seeds} more seeds are needed" in clog.sentence


@pytest.mark.parametrize(
    ("recall", "spread", "n_seeds", "more_images", "more_seeds"),
    [(0.715, 0.02, 3, 1300, 33), (0.705, 0.002, 3, 1600, None)],
)
def test_no_heap_of_images_is_asked_for_where_a_seed_would_do(
    recall: float, spread: float, n_seeds: int, more_images: int, more_seeds: int | None
) -> None:
    """Where seeds differ both are asked for; where they hardly differ, images alone are the better way."""
    clog = of_clog(give_verdicts(evidence(60, {**PLAIN, AUGMENTED: recall}, seeds_spread=spread, n_seeds=n_seeds)))
    assert (clog.answer, clog.more_images, clog.more_seeds) == ("cannot tell", more_images, more_seeds)


def test_what_stands_in_the_way_is_told_where_it_cannot_be_told() -> None:
    recalls = {**PLAIN, AUGMENTED: 0.76}
    alone = of_clog(give_verdicts(evidence(40, recalls)))
    assert (alone.answer, "so far" in alone.sentence) == ("cannot tell", False)
    clog = of_clog(give_verdicts(evidence(40, {**recalls, "class weights": 0.85})))
    assert clog.answer == "cannot tell"
    assert clog.more_images is not None
    assert clog.sentence.endswith("; so far the arm 'class weights' finds as many without drawn images)")


def test_an_arm_that_holds_no_drawn_image_is_no_candidate() -> None:
    """All that the gate rejected leaves an arm that equals augmentation, whose doubt must not keep a question open."""
    made = evidence(400, {**PLAIN, AUGMENTED: 0.5, BARE: 0.7}, boots_drawn=0.7)
    place = next(place for place, arm in enumerate(made.arms) if arm.title == BARE)
    made.drawn[place] = False
    assert place not in made.candidates(1)
    assert place not in made.candidates(2)
    assert give_verdicts(made)[0].answer == "do not use"


def test_recall_that_is_paid_for_with_precision_is_no_use() -> None:
    clog = of_clog(give_verdicts(evidence(400, {**PLAIN, AUGMENTED: 0.8}, f1_loss=0.2)))
    assert clog.answer == "do not use"
    assert "but its precision falls by more, F1 −" in clog.sentence


def test_recall_that_other_classes_pay_for_is_no_use() -> None:
    """As many clogs as before, more or less, and far fewer boots."""
    for recall, words in (
        (0.73, "may find more (+"),
        (0.68, "no drawn images beat augmentation: do not use them (best: "),
    ):
        made = evidence(60, {**PLAIN, AUGMENTED: recall}, seeds_spread=0.02, boots_drawn=0.7)
        clog = of_clog(give_verdicts(made, worthwhile=0.01))
        assert clog.answer == "do not use"
        assert words in clog.sentence
        assert "other classes lose more, mean recall −" in clog.sentence


def test_a_plain_arm_that_is_as_good_is_preferred() -> None:
    clog = of_clog(give_verdicts(evidence(400, {**PLAIN, "class weights": 0.85, AUGMENTED: 0.8})))
    assert clog.answer == "do not use"
    assert "but the arm 'class weights' finds as many without drawn images" in clog.sentence


def test_a_plain_arm_that_other_classes_pay_for_does_not_stand_in_the_way() -> None:
    recalls = {**PLAIN, "class weights": 0.85, AUGMENTED: 0.8}
    assert of_clog(give_verdicts(evidence(400, recalls, boots_plain=0.6))).answer == "use"


def test_a_class_output_is_neither_recommended_nor_in_the_way() -> None:
    recalls = {**PLAIN, "AGGAN's class output": 0.85, AUGMENTED: 0.8}
    overall, clog = give_verdicts(evidence(400, recalls))
    assert (overall.arm, overall.answer, clog.arm, clog.answer) == (AUGMENTED, "use", AUGMENTED, "use")
    recalls[AUGMENTED] = 0.6
    overall, clog = give_verdicts(evidence(400, recalls))
    assert (overall.answer, clog.answer) == ("do not use", "do not use")


def test_without_drawn_images_there_is_nothing_to_judge() -> None:
    assert give_verdicts(evidence(400, PLAIN)) == []


@pytest.mark.parametrize("worthwhile", [0.001, 0.2])
def test_worthwhile_decides_what_is_ruled_out(worthwhile: float) -> None:
    clog = of_clog(give_verdicts(evidence(400, {**PLAIN, AUGMENTED: 0.7}), worthwhile=worthwhile))
    assert clog.answer == ("do not use" if worthwhile == 0.2 else "cannot tell")


def test_equal_arms_are_recommended_no_more_often_than_promised() -> None:
    """200 comparisons in which no arm differs from augmentation but by chance, by image and by seed."""
    random = np.random.default_rng(4)
    arms = [arm for arm in all_arms(["aggan", "smote"], fills=[0.25, 1.0], shares=[]) if arm.draws or not arm.priority]
    true = np.repeat([0, 1], 80)
    drawn = np.array([[False, arm.draws] for arm in arms])
    rival = next(place for place, arm in enumerate(arms) if arm.name == "augmentation")
    n_used = 0
    for seed in range(200):
        ease = random.normal(1, 1.5, 160) + random.normal(0, 0.5, (len(arms), 1, 160))
        by_seed = random.normal(0, 0.1, (len(arms), 4, 2))[:, :, true]
        correct = ease + by_seed + random.logistic(size=(len(arms), 4, 160)) > 0
        found = paired_differences(correct, correct[rival], Sample(true, 2, np.arange(160)), n_draws=300, seed=seed)
        recall = np.stack([correct[:, :, :80].mean(axis=(1, 2)), correct[:, :, 80:].mean(axis=(1, 2))], axis=1)
        recall = np.column_stack([recall, recall.mean(axis=1)])
        verdicts = give_verdicts(Evidence(arms, ["boot", "clog"], drawn, found, recall, recall))
        n_used += any(verdict.answer == "use" for verdict in verdicts)
    assert n_used <= 16, "5 % of 200 and two standard errors"


def test_a_loss_of_f1_that_would_be_told_as_nothing_is_none() -> None:
    found = evidence(400, {**PLAIN, AUGMENTED: 0.8})
    found.f1[-1] = found.f1[found.rival] - 4e-4
    assert of_clog(give_verdicts(found)).answer == "use"
    found.f1[-1] -= 4e-4
    assert of_clog(give_verdicts(found)).answer == "do not use"


def test_an_arm_that_gains_nothing_does_not_pay_with_precision() -> None:
    clog = of_clog(give_verdicts(evidence(20, {**PLAIN, AUGMENTED: 0.69}, f1_loss=0.3, n_seeds=2)))
    assert clog.answer == "cannot tell"
    assert clog.gain <= 0
    assert "so far its precision falls too, F1 −" in clog.sentence
    assert "cannot tell, since 2 seeds say too little: give five (best: " in clog.sentence
    assert (clog.more_images, clog.more_seeds) == (None, None)


def test_wild_numbers_are_not_told() -> None:
    verdict = give_verdicts(evidence(400, {**PLAIN, AUGMENTED: 0.701}, n_seeds=5), worthwhile=0.0005)[0]
    assert verdict.answer == "cannot tell"
    assert "cannot tell, far more" in verdict.sentence
