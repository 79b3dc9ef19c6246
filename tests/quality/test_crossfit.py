import numpy as np
import pytest
import torch
from torch import nn

from makeweight import InputError
from makeweight.classifiers.small_cnn import CNNClassifier
from makeweight.data.arrays import ImageCodec
from makeweight.quality import CrossFit
from makeweight.quality.crossfit import deal_folds, extract, hash_of

NONE = np.empty((0, 0, 0, 0), np.float32)


def test_folds_are_even_within_each_class_and_overall() -> None:
    codes = np.repeat([0, 1, 2, 3], [10, 4, 1, 2])
    folds = deal_folds(codes, 3, np.random.default_rng(0))
    for code in range(4):
        counts = np.bincount(folds[codes == code], minlength=3)
        assert counts.max() - counts.min() <= 1
    assert np.bincount(folds).tolist() == [6, 6, 5]
    assert (folds != deal_folds(codes, 3, np.random.default_rng(1))).any()


def test_folds_part_no_group() -> None:
    codes = np.repeat([0, 1, 2], [30, 12, 2])
    groups = np.concatenate([np.arange(30) // 3, np.arange(12) // 4 + 10, [13, 13]])
    folds = deal_folds(codes, 3, np.random.default_rng(0), groups)
    assert all(len(np.unique(folds[groups == group])) == 1 for group in range(14))
    assert np.bincount(folds[codes == 1]).tolist() == [4, 4, 4]
    assert np.bincount(folds).min() >= 12
    assert (folds != deal_folds(codes, 3, np.random.default_rng(1), groups)).any()
    with pytest.raises(InputError, match="^2 groups cannot be dealt into 3 folds: give more, or leave"):
        deal_folds(codes, 3, np.random.default_rng(0), groups % 2)
    with pytest.raises(InputError, match="^classes of at most 1 image cannot be dealt into 2 folds"):
        deal_folds(np.arange(3), 2, np.random.default_rng(0), np.arange(3))
    with pytest.raises(InputError, match="^there are 2 groups for 44 images"):
        deal_folds(codes, 3, np.random.default_rng(0), groups[:2])


def test_a_real_image_is_judged_by_the_classifier_that_has_not_seen_it(crossfit: CrossFit, digits) -> None:
    answers = crossfit.real_probabilities(digits.X)
    for row in (0, 200, 400):
        judge = crossfit.judges_[crossfit.folds_[row]]
        seen = crossfit.folds_ != judge.fold
        assert not seen[row]
        alone = judge.classifier.predict_proba(digits.X[row : row + 1])[0]
        np.testing.assert_allclose(answers[row, judge.known], alone, atol=1e-6)
    # The single nine is learnt by the two classifiers that need not judge it.
    nine = int(np.flatnonzero(digits.y == 9)[0])
    assert np.isnan(answers[nine, 9])
    assert np.isnan(answers[:, 9]).sum() == (crossfit.folds_ == crossfit.folds_[nine]).sum()
    assert np.nanargmax(answers, axis=1)[digits.y == 0].tolist().count(0) > 50


def test_a_copy_is_judged_as_its_original_is(crossfit: CrossFit, digits) -> None:
    rows = np.array([5, 100, 300])
    originals = np.array([5, 100, -1])
    answers = crossfit.drawn_probabilities(digits.X[rows], originals)
    real = crossfit.real_probabilities(digits.X)[rows]
    for place in (0, 1):
        judged = ~np.isnan(answers[:, place, 0])
        assert np.flatnonzero(judged).tolist() == [crossfit.folds_[rows[place]]]
        np.testing.assert_allclose(answers[judged, place][0], real[place], atol=1e-6)
    assert not np.isnan(answers[:, 2, 0]).any()


def test_too_few_images_for_a_classifier() -> None:
    """Of two classes of one image each, no classifier can learn both."""
    X = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    fitted = CrossFit(2, CNNClassifier(n_steps=1)).fit(X, np.array([0, 1, 1]), codec=ImageCodec.learn(X))
    assert sum(judge.classifier is None for judge in fitted.judges_) == 1
    assert np.isnan(fitted.real_probabilities(X)).any()
    with pytest.raises(InputError, match="1 folds leave nothing"):
        CrossFit(1).fit(X, np.array([0, 1, 1]), codec=ImageCodec.learn(X))


def test_features_are_of_images_as_the_classifier_of_a_fold_has_learnt_them(digits) -> None:
    """A single bright image, which one classifier has not seen, changes the range of all others."""
    X = digits.X.astype(np.float64)
    X[7] *= 8
    fitted = CrossFit(2, CNNClassifier(n_steps=2)).fit(X, digits.y, codec=ImageCodec.learn(X))
    for judge in fitted.judges_:
        last = judge.classifier.network_.classes
        logits = last(torch.from_numpy(judge.features(X[:40]))).detach().numpy()
        np.testing.assert_allclose(
            torch.softmax(torch.from_numpy(logits), 1).numpy(),
            judge.classifier.predict_proba(X[:40]),
            atol=1e-6,
        )
    assert len({judge.classifier.codec_.high for judge in fitted.judges_}) == 2


def test_the_default_length_follows_the_largest_class() -> None:
    def n_steps(counts: list[int]) -> int:
        return CrossFit()._default(np.repeat(np.arange(len(counts)), counts)).n_steps

    assert n_steps([20, 5]) == 500
    assert n_steps([1600, 5]) == 20 * 1600 * 2 // 64
    assert n_steps([60_000, 5]) == 5000


def test_equal_seeds_give_equal_answers_and_leave_global_states_alone() -> None:
    X = np.random.default_rng(0).integers(0, 256, (30, 8, 8), dtype=np.uint8)
    codes = np.arange(30) % 2
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    one, two = (
        CrossFit(2, CNNClassifier(n_steps=5), random_state=3).fit(X, codes, codec=ImageCodec.learn(X)) for _ in "ab"
    )
    np.testing.assert_array_equal(one.real_probabilities(X), two.real_probabilities(X))
    first, second = ([judge.classifier.network_.trunk for judge in each.judges_] for each in (one, two))
    assert hash_of(first, NONE) == hash_of(second, NONE)
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()


def test_what_a_user_has_frozen_stays_so() -> None:
    extractor = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 3)).train()
    extractor[1].eval()
    extract(extractor, np.zeros((4, 1, 8, 8), np.float32))
    assert [part.training for part in extractor] == [True, False, True]
    assert extractor.training


def test_extracting_is_done_in_evaluation_mode() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 3))
    images = np.ones((5, 1, 2, 2), np.float32)
    features = extract(module, images)
    assert features.shape == (5, 3)
    assert np.ptp(features, axis=0).max() == 0
    assert module.training


@pytest.mark.parametrize(
    ("extractor", "words"),
    [
        (lambda images: images, r"answers 5 images with shape \(5, 1, 2, 2\)"),
        (lambda images: images[:1].flatten(1), "answers 5 images with shape"),
        (lambda images: images.flatten(1) / 0, "NaN or infinity"),
    ],
)
def test_extractors_that_will_not_do(extractor: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        extract(extractor, np.ones((5, 1, 2, 2), np.float32))  # type: ignore[arg-type]


def test_hashes_tell_extractors_apart() -> None:
    images = np.ones((5, 1, 2, 2), np.float32)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    first = hash_of([linear], images)
    assert first == hash_of([linear], images * 2)
    with torch.no_grad():
        linear[1].weight[0, 0] += 1
    assert first != hash_of([linear], images)

    def double(batch: torch.Tensor) -> torch.Tensor:
        return 2 * batch.flatten(1)

    assert hash_of([double], images) != hash_of([double], 2 * images)
