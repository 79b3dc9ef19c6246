import numpy as np

from makeweight import SMOTE, BorderlineSMOTE


def test_it_begins_at_images_in_danger_alone() -> None:
    """One row of the class lies among seven of another class; the other twelve lie far away, among themselves."""
    random = np.random.default_rng(0)
    others = random.uniform(-1, 1, (7, 2))
    far = np.stack([np.full(12, 100.0), np.arange(12.0)], axis=1)
    X = np.concatenate([others, [[0.0, 0.0]], far])
    y = np.array(["other"] * 7 + ["own"] * 13)
    drawn = BorderlineSMOTE(random_state=0).fit(X, y).draw("own", range(200))
    slopes = drawn[:, 1] / drawn[:, 0]
    assert np.abs(slopes[:, None] - np.arange(5) / 100).min(axis=1).max() < 1e-9
    assert len(np.unique(slopes.round(4))) == 5
    assert np.percentile(drawn[:, 0], [10, 90]).round(-1).tolist() == [10, 90]
    of_smote = SMOTE(random_state=0).fit(X, y).draw("own", range(200))
    assert (of_smote[:, 0] > 99).mean() > 0.8


def test_a_class_without_danger_is_filled_by_smote() -> None:
    random = np.random.default_rng(0)
    X = np.concatenate([random.normal(0, 1, (20, 4)), random.normal(50, 1, (12, 4))])
    y = np.repeat([0, 1], [20, 12])
    mine, of_smote = (method(random_state=0).fit(X, y).draw(1, range(50)) for method in (BorderlineSMOTE, SMOTE))
    assert mine.tobytes() == of_smote.tobytes()
