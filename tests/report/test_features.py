from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from makeweight.errors import InputError
from makeweight.methods.smote import SMOTE
from makeweight.report.balance import balance_page
from makeweight.report.features import Cloud, check_projection, choose_rows, feature_map, project


def clouds() -> list[Cloud]:
    """Two classes far apart, three times."""
    codes = np.repeat([0, 1], 10)
    return [
        Cloud((np.random.default_rng(n).normal(size=(20, 4)) + 30 * codes[:, None]).astype(np.float32), codes)
        for n in range(3)
    ]


def test_far_classes_stay_apart_and_the_words_say_so() -> None:
    train, drawn, test = clouds()
    first, second, words = feature_map(train, {"GAN": drawn}, test, ["boot", "clog"])
    assert first.caption == "Training images over test images."  # type: ignore[union-attr]
    assert second.alt.endswith("is of their class: boot 100%, clog 100%.")  # type: ignore[union-attr]
    assert words.text.startswith("By t-SNE: 20 training images (dots), 20 drawn by GAN")  # type: ignore[union-attr]


def test_the_same_features_give_the_same_points() -> None:
    features = clouds()[0].features
    assert project(features).tobytes() == project(features).tobytes()


def test_too_few_images_make_no_map() -> None:
    few = Cloud(np.zeros((3, 2), np.float32), np.zeros(3, np.int64))
    assert feature_map(few, {}, None, ["boot"]) == []


def test_rows_are_shared_out_among_classes() -> None:
    codes = np.array([0] * 90 + [1] * 5 + [2] * 5)
    assert np.bincount(codes[choose_rows(codes, 30)]).tolist() == [10, 5, 5]


def test_projections_that_there_are_not() -> None:
    with pytest.raises(InputError, match="no feature map called 'cubism': choose tsne or umap"):
        check_projection("cubism")
    if find_spec("umap") is None:
        with pytest.raises(InputError, match="UMAP is not installed"):
            check_projection("umap")


def test_what_was_decided_is_told() -> None:
    tried = [{"fill": 0.5, "n_drawn": 20, "recall": 0.8, "behind": 0.0, "error": 0.01}]
    gate = {"label": "clog", "n_judged": 9, "rejected": {"copy": 9}, "reject_rate": 1.0, "real_rejected": None}
    record = {
        "fill": {"tried": tried, "chosen": 0.5, "n_held_out": 40, "n_folds": 3, "n_seeds": 2},
        "gate": [{**gate, "replaced": "cannot pass"}],
    }
    page = balance_page("shoes", Path(), [], SMOTE(), record)
    assert [section.title for section in page.parts][:3] == [
        "Classes",
        "How far classes are filled",
        "What the gate rejected",
    ]
    assert page.answers[0].sentence == "Nothing is drawn: the real images are all there is."
    assert page.parts[2].blocks[0].rows == [["clog", "cannot pass", "9", "9", "100.0", "–"]]  # type: ignore[union-attr]
