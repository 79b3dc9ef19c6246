import numpy as np
import pytest

from makeweight.data import named
from makeweight.data.subsets import (
    PAPER_COUNTS,
    PAPER_PAIRS,
    PAPER_RATIOS,
    exponential_counts,
    imbalanced_subset,
    step_counts,
    two_class_subset,
)
from makeweight.errors import InputError

LABELS = np.array(["cat", "dog", "owl"])
Y = LABELS[np.random.default_rng(0).permutation(np.repeat([0, 1, 2], 100))]
X = np.arange(300, dtype=np.uint16).reshape(300, 1, 1) * np.ones((1, 2, 3), np.uint16)


def counted(y: np.ndarray) -> dict[object, int]:
    return dict(zip(*(part.tolist() for part in np.unique(y, return_counts=True)), strict=True))


class TestByCounts:
    def test_mapping_leaves_other_classes_out(self) -> None:
        subset = imbalanced_subset(X, Y, {"owl": 7, "cat": 100}, random_state=0)
        assert counted(subset.y) == {"cat": 100, "owl": 7}

    def test_images_labels_and_indices_belong_together(self) -> None:
        subset = imbalanced_subset(X, Y, {"owl": 7, "cat": 10}, random_state=0)
        np.testing.assert_array_equal(subset.X, X[subset.indices])
        np.testing.assert_array_equal(subset.y, Y[subset.indices])
        assert (np.diff(subset.indices) > 0).all()
        assert subset.X.dtype == X.dtype

    def test_sequence_follows_sorted_labels(self) -> None:
        assert counted(imbalanced_subset(X, Y, [3, 2, 1], random_state=0).y) == {"cat": 3, "dog": 2, "owl": 1}

    def test_sequence_follows_classes(self) -> None:
        subset = imbalanced_subset(X, Y, (3, 2, 1), classes=["owl", "cat", "dog"], random_state=0)
        assert counted(subset.y) == {"owl": 3, "cat": 2, "dog": 1}

    def test_labels_may_be_numbers_and_images_lists(self) -> None:
        subset = imbalanced_subset([[1], [2], [3]], [1, 0, 1], {1: np.int64(1), 0: 1}, random_state=0)
        assert counted(subset.y) == {0: 1, 1: 1}

    def test_seed_decides(self) -> None:
        first, again, other = (imbalanced_subset(X, Y, [50, 50, 50], random_state=seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first.indices, again.indices)
        assert first.indices.tolist() != other.indices.tolist()

    def test_smaller_subset_is_part_of_the_larger(self) -> None:
        large = imbalanced_subset(X, Y, {"cat": 60, "dog": 50, "owl": 40}, random_state=3)
        small = imbalanced_subset(X, Y, {"dog": 50, "owl": 4}, random_state=3)
        assert set(small.indices) <= set(large.indices)

    def test_random_state_may_be_a_generator_and_global_state_stays(self) -> None:
        state = np.random.get_state()[1].copy()
        first = imbalanced_subset(X, Y, [5, 5, 5], random_state=np.random.RandomState(4))
        second = imbalanced_subset(X, Y, [5, 5, 5], random_state=4)
        np.testing.assert_array_equal(first.indices, second.indices)
        np.testing.assert_array_equal(state, np.random.get_state()[1])


class TestByRatio:
    def test_long_tail(self) -> None:
        subset = imbalanced_subset(X, Y, imbalance_ratio=100, random_state=0)
        assert counted(subset.y) == {"cat": 100, "dog": 10, "owl": 1}

    def test_step(self) -> None:
        subset = imbalanced_subset(X, Y, imbalance_ratio=20, profile="step", random_state=0)
        assert counted(subset.y) == {"cat": 100, "dog": 5, "owl": 5}

    def test_follows_classes(self) -> None:
        subset = imbalanced_subset(X, Y, imbalance_ratio=50, classes=["owl", "cat"], random_state=0)
        assert counted(subset.y) == {"owl": 100, "cat": 2}

    def test_counts_by_hand(self) -> None:
        assert exponential_counts(5000, 10, 100) == [5000, 2997, 1797, 1077, 646, 387, 232, 139, 83, 50]
        assert exponential_counts(10, 1, 5) == [10]
        assert exponential_counts(10, 3, 1000)[-1] == 1
        assert step_counts(100, 4, 50) == [100, 100, 2, 2]
        assert step_counts(100, 2, 1) == [100, 100]


class TestTwoClasses:
    @pytest.mark.parametrize(("ratio", "n_minority"), [(1, 100), (10, 10), (100, 1), (1000, 1)])
    def test_counts(self, ratio: int, n_minority: int) -> None:
        subset = two_class_subset(X, Y, "owl", "cat", n_majority=100, imbalance_ratio=ratio, random_state=0)
        assert counted(subset.y) == {"owl": 100, "cat": n_minority}

    def test_same_class_twice(self) -> None:
        with pytest.raises(InputError, match="majority and minority are the same class, owl: name two"):
            two_class_subset(X, Y, "owl", "owl", n_majority=9, imbalance_ratio=3, random_state=0)

    @pytest.mark.parametrize("ratio", [0.5, 0, float("nan"), float("inf")])
    def test_ratio_below_one(self, ratio: float) -> None:
        with pytest.raises(InputError, match=f"at least 1: it is {ratio}"):
            two_class_subset(X, Y, "owl", "cat", n_majority=9, imbalance_ratio=ratio, random_state=0)


class TestRefused:
    def test_more_than_there_is(self) -> None:
        with pytest.raises(InputError, match="more images than there are: 101 of cat where there are 100, 400 of owl"):
            imbalanced_subset(X, Y, [101, 100, 400], random_state=0)

    def test_unknown_label(self) -> None:
        with pytest.raises(InputError, match="no images labelled cow: the labels are cat, dog, owl"):
            imbalanced_subset(X, Y, {"cow": 3}, random_state=0)

    def test_counts_of_another_length(self) -> None:
        with pytest.raises(InputError, match=r"2 counts for 3 classes \(cat, dog, owl\)"):
            imbalanced_subset(X, Y, [1, 2], random_state=0)

    @pytest.mark.parametrize("count", [0, -1, 2.5, "3"])
    def test_count_that_is_none(self, count: object) -> None:
        with pytest.raises(InputError, match="count of at least 1: it is .* for cat"):
            imbalanced_subset(X, Y, {"cat": count}, random_state=0)

    @pytest.mark.parametrize("request_", [{}, {"counts": [1, 1, 1], "imbalance_ratio": 2}])
    def test_both_or_neither(self, request_: dict[str, object]) -> None:
        with pytest.raises(InputError, match="give one of the two"):
            imbalanced_subset(X, Y, **request_, random_state=0)

    def test_labels_of_another_length(self) -> None:
        with pytest.raises(InputError, match=r"300 images and labels of shape \(299,\)"):
            imbalanced_subset(X, Y[:-1], [1, 1, 1], random_state=0)

    def test_unknown_profile(self) -> None:
        with pytest.raises(InputError, match="no profile called linear: take one of exponential, step"):
            imbalanced_subset(X, Y, imbalance_ratio=2, profile="linear", random_state=0)

    def test_largest_class_is_unknown(self) -> None:
        with pytest.raises(InputError, match="no image of the first class, cow"):
            imbalanced_subset(X, Y, imbalance_ratio=2, classes=["cow", "cat"], random_state=0)

    def test_empty_mapping(self) -> None:
        with pytest.raises(InputError, match="at least one class"):
            imbalanced_subset(X, Y, {}, random_state=0)


class TestPaperProtocols:
    def test_counts_fall_and_fit_the_classes(self) -> None:
        for name, counts in PAPER_COUNTS.items():
            assert list(counts) == sorted(counts, reverse=True)
            assert len(counts) == (5 if name in ("celeba", "lsun") else 10)

    def test_totals(self) -> None:
        assert {name: sum(counts) for name, counts in PAPER_COUNTS.items()} == {
            "mnist": 9000,
            "fashion-mnist": 9000,
            "cifar10": 10280,
            "svhn": 10280,
            "celeba": 17700,
            "lsun": 17700,
        }

    def test_pairs_are_classes_of_their_sets(self) -> None:
        assert set(PAPER_PAIRS) | set(PAPER_COUNTS) <= set(named.names())
        for name, counts in PAPER_COUNTS.items():
            assert len(counts) == len(named.KNOWN_SETS[name].class_names)
        for name in PAPER_PAIRS:
            assert set(PAPER_PAIRS[name]) <= set(named.KNOWN_SETS[name].class_names)
        assert PAPER_RATIOS == (10, 50, 100)
