import numpy as np
import pytest

from makeweight.compare.inputs import gather
from makeweight.compare.splits import Images, leaks, make_splits, near_copies
from makeweight.errors import InputError


def made(n: int = 24, groups: list[object] | None = None, seed: int = 0) -> Images:
    X = np.random.default_rng(seed).integers(0, 256, (n, 9, 8), dtype=np.uint8)
    return gather(X, np.array(["a", "b", "b"] * (n // 3)), groups=groups)


def test_folds_are_stratified_and_shuffled_by_seed() -> None:
    images = made()
    splits = make_splits(images, [0, 1], 4)
    assert len(splits) == 8
    for seed in (0, 1):
        tested = np.concatenate([split.test for split in splits if split.seed == seed])
        assert sorted(tested.tolist()) == list(range(24))
    for split in splits:
        assert np.bincount(images.codes[split.test]).tolist() == [2, 4]
        assert not set(split.train) & set(split.test)
    assert splits[0].test.tolist() != splits[4].test.tolist()


def test_groups_are_never_parted() -> None:
    groups: list[object] = [None] * 12 + [place // 4 for place in range(12)]
    images = made(groups=groups)
    for split in make_splits(images, range(3), 3):
        held = {groups[place] for place in split.test.tolist()} - {None}
        assert not held & {groups[place] for place in split.train.tolist()}


def test_a_test_set_is_the_same_for_every_seed() -> None:
    X, y = np.zeros((6, 8, 8)), np.array(["a", "b"] * 3)
    images = gather(X, y, X + 1, y)
    splits = make_splits(images, [0, 5], None)
    assert [(split.seed, split.train.tolist(), split.test.tolist()) for split in splits] == [
        (seed, list(range(6)), list(range(6, 12))) for seed in (0, 5)
    ]
    assert images.class_counts.tolist() == [3, 3]
    assert images.codes[images.tested].tolist() == [0, 1] * 3


def test_impossible_folds() -> None:
    with pytest.raises(InputError, match=r"^folds=9 is .* \('a' has 8\): give at most 8 folds, or test images"):
        make_splits(made(), [0], 9)
    with pytest.raises(InputError, match="folds=1 is impossible"):
        make_splits(made(), [0], 1)
    groups: list[object] = ["all" if place % 3 == 0 else None for place in range(24)]
    with pytest.raises(InputError, match="all images of class 'a' fall into one fold, since groups"):
        make_splits(made(groups=groups), [0], 2)


@pytest.mark.parametrize("shape", [(40, 35), (8, 8), (20, 33, 3), (64,)])
def test_near_copies(shape: tuple[int, ...]) -> None:
    """Equal, one grey level apart, and quite different."""
    random = np.random.default_rng(0)
    X = random.integers(0, 255, (6, *shape), dtype=np.uint8)
    X[3], X[4] = X[0], X[1] + 1
    X[5] = X[2] // 2
    assert near_copies(X, np.array([0, 1, 2]), np.array([3, 4, 5])) == [(0, 3), (1, 4)]


@pytest.mark.parametrize("dtype", ["int8", "int16", "float16", "uint8", "bool"])
def test_near_copies_of_any_type(dtype: str) -> None:
    """Over the whole range of the type, whose width int8, int16 and float16 do not hold."""
    limits = {"float16": (-6e4, 6e4), "bool": (0, 1)}.get(dtype)
    low, high = limits or (np.iinfo(dtype).min, np.iinfo(dtype).max)
    X = np.random.default_rng(0).integers(0, 2, (4, 8, 8)) * (high - low) + low
    X[3] = X[0]
    assert near_copies(X.astype(dtype), np.array([0, 1]), np.array([2, 3])) == [(0, 3)]


def test_leaks_between_folds_are_only_those_that_cross() -> None:
    images = made()
    images.X[20] = images.X[0]
    apart = make_splits(images, range(2), 4)
    (sentence,) = leaks(images, apart)
    assert sentence.startswith("2 test images are near-copies of training images (0 and 20), so recall is flattered")
    assert "--groups" in sentence
    together: list[object] = ["twins" if place in (0, 20) else None for place in range(24)]
    grouped = made(groups=together)
    grouped.X[20] = grouped.X[0]
    assert leaks(grouped, make_splits(grouped, range(2), 4)) == []


@pytest.mark.parametrize("n_equal", [5, 11, 20])
def test_all_near_copies_count(n_equal: int) -> None:
    images = made()
    images.X[:n_equal] = images.X[0]
    (sentence,) = leaks(images, make_splits(images, range(2), 4))
    assert sentence.startswith(f"{n_equal} test images are near-copies of training images (0 and ")


def test_a_near_copy_across_folds_is_found_among_many_within() -> None:
    """Twelve images of one track are alike, and one of another track is, too."""
    groups: list[object] = ["track" if place < 12 else None for place in range(24)]
    images = made(groups=groups)
    images.X[:12] = images.X[0]
    images.X[20] = images.X[0]
    (sentence,) = leaks(images, make_splits(images, range(2), 2))
    assert sentence.startswith("13 test images are near-copies of training images (0 and 20, 1 and 20, 2 and 20")


def test_groups_on_both_sides_are_named() -> None:
    random = np.random.default_rng(0)
    X, y = random.integers(0, 256, (4, 9, 8)), np.array(["a", "b"] * 2)
    images = gather(X, y, X[::-1] // 3, y, groups=["p1", "p2", "p3", None], groups_test=["p3", "p4", None, None])
    (sentence,) = leaks(images, make_splits(images, [0], None), [f"image {place}" for place in range(8)])
    assert sentence.startswith("1 group lies both in the training and in the test part")
