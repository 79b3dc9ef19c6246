import numpy as np
import pytest

from makeweight import ADASYN, SMOTE


def test_images_near_other_classes_are_drawn_from_more() -> None:
    """Shares of other classes among three neighbours are 1, 1/3, 1/3 and 1/3, so half of all begins at the first row.

    A third of what begins elsewhere goes there, too: in all 2/3, where SMOTE has 1/2.
    """
    others = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0], [1.0, 2.0]])
    own = np.array([[0.0, 0.0], [100.0, 0.0], [101.0, 0.0], [100.0, 1.0]])
    X, y = np.concatenate([others, own]), np.repeat([0, 1], [5, 4])
    shares = []
    for method in (ADASYN, SMOTE):
        drawn = method(random_state=0).fit(X, y).draw(1, range(1024))
        shares.append((drawn[:, 0] < 99.5).mean())
    assert shares[0] == pytest.approx(2 / 3, abs=0.04)
    assert shares[1] == pytest.approx(1 / 2, abs=0.04)


@pytest.mark.parametrize("n_own", [2, 7, 300, 1500])
def test_counts_are_exact_and_each_part_of_a_block_is_mixed(n_own: int) -> None:
    random = np.random.default_rng(0)
    X, y = random.normal(size=(n_own + 2000, 3)), np.repeat([1, 0], [n_own, 2000])
    sampler = ADASYN(random_state=0, sampling_strategy={1: n_own + 1030}).fit(X, y)
    drawn, _ = sampler.sample(sampler.sampling_strategy_)
    assert len(drawn) == 1030
    first = drawn[:100]
    assert np.abs(first.mean(axis=0) - drawn.mean(axis=0)).max() < 0.6
    assert len(np.unique(drawn, axis=0)) > 1000


def test_a_class_among_its_own_is_filled_by_smote() -> None:
    random = np.random.default_rng(0)
    X = np.concatenate([random.normal(0, 1, (20, 4)), random.normal(50, 1, (12, 4))])
    y = np.repeat([0, 1], [20, 12])
    drawn = ADASYN(random_state=0).fit(X, y).draw(1, range(50))
    assert drawn.shape == (50, 4)
    assert drawn.min() > 40
