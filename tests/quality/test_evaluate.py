"""Planted cases that must be caught, and fresh images that must pass."""

import json

import numpy as np
import pytest
import torch

from makeweight import InputError
from makeweight.classifiers.small_cnn import CNNClassifier
from makeweight.quality import METRICS, CrossFit, QualityReport, evaluate_images

QUICK = CNNClassifier(n_steps=5, device="cpu")


def judge(digits, crossfit: CrossFit, X_drawn, y_drawn, *, test: bool = False, n_resamples: int = 8) -> QualityReport:
    X_test, y_test = (digits.X_test, digits.y_test) if test else (None, None)
    return evaluate_images(
        digits.X, digits.y, X_drawn, y_drawn, X_test=X_test, y_test=y_test, crossfit=crossfit, n_resamples=n_resamples
    )


def of(report: QualityReport, label: int):
    (found,) = [each for each in report.classes if each.label == label]
    return found


def near(X: np.ndarray, spread: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, spread, X.shape)
    return (X + noise).round().clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def fresh(digits, crossfit: CrossFit) -> QualityReport:
    return judge(digits, crossfit, *digits.fresh(1, 3, 8, 9), test=True, n_resamples=20)


def test_fresh_images_give_no_warning_and_reach_the_references(fresh: QualityReport) -> None:
    assert fresh.warnings == ()
    assert not fresh.copies_alarm
    assert [each.label for each in fresh.classes] == [1, 3, 8, 9]
    for each in (of(fresh, 1), of(fresh, 8), fresh.overall):
        for name, figure in each.figures.items():
            if figure.value is not None and name not in ("nearest_pixels", "ssim"):
                slack = 0.12 if name in ("accuracy", "confidence") else 0.02
                assert figure.low - slack <= figure.reference <= figure.high + slack, (each.label, name)
        assert each.figures["nearest_pixels"].value == pytest.approx(each.figures["nearest_pixels"].reference, rel=0.2)
    assert not fresh.leak.split_leaks
    assert not fresh.leak.copied
    assert not fresh.leak.too_near


def test_a_class_of_one_image_is_refused_where_it_must_be(fresh: QualityReport) -> None:
    nine = of(fresh, 9)
    assert (nine.n_real, nine.n_drawn) == (1, 40)
    assert nine.figures["accuracy"].value > 0.1
    assert nine.figures["accuracy"].reference is None
    assert nine.figures["ssim"].reference is None
    assert nine.figures["kernel"].refused.startswith("0 images a side")
    assert not nine.collapsed


def test_copies_are_caught_and_do_as_well_as_their_originals(digits, crossfit: CrossFit) -> None:
    rows = np.flatnonzero(np.isin(digits.y, (8, 9)))
    report = judge(digits, crossfit, digits.X[rows], digits.y[rows])
    assert report.copies_alarm
    assert [(copy.index, copy.of, copy.kind) for copy in report.copies] == [
        (index, of, "identical") for index, of in enumerate(rows.tolist())
    ]
    assert report.warnings[0] == "41 of 41 drawn images copy real ones"
    accuracy = of(report, 8).figures["accuracy"]
    assert accuracy.value == pytest.approx(accuracy.reference)
    assert of(report, 8).figures["nearest_pixels"].value == 0
    assert of(report, 9).figures["accuracy"].refused.startswith("no classifier learnt this class")
    assert of(report, 9).n_copies == {"identical": 1, "near": 0, "suspect": 0}


def test_copies_with_noise_are_caught(digits, crossfit: CrossFit) -> None:
    rows = np.flatnonzero(digits.y == 3).repeat(3)
    report = judge(digits, crossfit, near(digits.X[rows], 6), digits.y[rows])
    assert report.copies_alarm
    assert [copy.of for copy in report.copies] == rows.tolist()
    assert of(report, 3).n_copies["near"] > 20


def test_a_collapsed_class_is_caught(digits, crossfit: CrossFit) -> None:
    X_drawn, y_drawn = digits.fresh(3, 8)
    X_drawn = X_drawn.copy()
    X_drawn[y_drawn == 8] = near(X_drawn[y_drawn == 8][:1].repeat(40, axis=0), 12)
    report = judge(digits, crossfit, X_drawn, y_drawn)
    assert (of(report, 3).collapsed, of(report, 8).collapsed) == (False, True)
    (warning,) = [warning for warning in report.warnings if "collapsed" in warning]
    assert warning.startswith("8 has collapsed: pairs of drawn images have SSIM 0.9")
    recall = of(report, 8).figures["recall"]
    assert recall.high < recall.reference


def test_swapped_labels_are_caught(digits, crossfit: CrossFit) -> None:
    X_drawn, y_drawn = digits.fresh(0, 1, 6)
    swapped = np.where(y_drawn == 0, 6, np.where(y_drawn == 6, 0, y_drawn))
    report = judge(digits, crossfit, X_drawn, swapped)
    for label, other in ((0, 6), (6, 0)):
        assert of(report, label).figures["accuracy"].value < 0.1
        assert of(report, label).taken_for == other
    assert len(report.warnings) == 2
    assert report.warnings[0].startswith("0: ")
    assert report.warnings[0].endswith("most others are taken for 6")
    assert of(report, 1).taken_for == 1


def test_noise_lies_off_the_real_images(digits, crossfit: CrossFit) -> None:
    X_drawn = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    figures = of(judge(digits, crossfit, X_drawn, np.full(40, 1)), 1).figures
    assert figures["precision"].value < 0.2
    assert figures["kernel"].low > figures["kernel"].reference
    assert figures["nearest_pixels"].low > 2 * figures["nearest_pixels"].reference
    assert figures["ssim"].value < 0.1


def test_a_leaking_test_set_is_caught(digits, crossfit: CrossFit) -> None:
    rows = np.flatnonzero(np.isin(digits.y_test, (1, 8)))
    report = judge(digits, crossfit, near(digits.X_test[rows], 10), digits.y_test[rows], test=True)
    assert report.leak.copied
    assert report.leak.too_near
    assert not report.copies_alarm
    assert any("copy test images" in warning for warning in report.warnings)
    assert any("nearer to the test set than chance has it" in warning for warning in report.warnings)


def test_the_report_is_json_and_names_the_extractor(fresh: QualityReport) -> None:
    data = json.loads(json.dumps(fresh.as_dict(), allow_nan=False))
    assert data["titles"]["frechet"] == f"Fréchet distance [cnn {data['extractor_hash'][:8]}]"
    assert data["titles"]["accuracy"] == "accuracy"
    assert list(data["classes"][0]["figures"]) == list(METRICS)
    assert data["settings"]["image_shape"] == [1, 8, 8]
    assert data["leak"]["n_test"] == 500


def test_equal_seeds_give_equal_reports(digits) -> None:
    X_drawn, y_drawn = digits.fresh(1)
    one, two, other = (
        evaluate_images(
            digits.X, digits.y, X_drawn, y_drawn, classifier=QUICK, n_folds=2, n_resamples=2, random_state=seed
        )
        for seed in (1, 1, 2)
    )
    assert one.as_dict() == two.as_dict()
    assert one.extractor_hash != other.extractor_hash


def test_an_extractor_of_the_users_own(digits, crossfit: CrossFit) -> None:
    def pixels(images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)

    X_drawn, y_drawn = digits.fresh(1)
    report = evaluate_images(
        digits.X, digits.y, X_drawn, y_drawn, crossfit=crossfit, extractor=pixels, n_resamples=12, n_components=8
    )
    assert report.title("frechet") == f"Fréchet distance [pixels {report.extractor_hash[:8]}]"
    figure = of(report, 1).figures["frechet"]
    assert figure.low < 1.3 * figure.reference
    assert figure.high > 0.7 * figure.reference


@pytest.mark.parametrize("shape", [(12,), (3, 8, 10), (8, 10, 3)], ids=["rows", "channels first", "channels last"])
def test_other_layouts_with_small_classes(shape: tuple[int, ...]) -> None:
    """Classes of 12, 2 and 1 images, of floats, 16 bits and flat rows: figures or reasons, and no crash."""
    random = np.random.default_rng(0)
    y = np.repeat(["boot", "clog", "sandal"], [12, 2, 1])
    X = random.random((15, *shape)).astype(np.float32) if len(shape) == 1 else random.integers(0, 65536, (15, *shape))
    X = X if len(shape) == 1 else X.astype(np.uint16)
    report = evaluate_images(X, y, X[::-1][:4], y[::-1][:4], classifier=QUICK, n_folds=2, n_resamples=2)
    assert [each.label for each in report.classes] == ["boot", "clog", "sandal"]
    assert [each.n_copies["identical"] for each in report.classes] == [1, 2, 1]
    for each in (*report.classes, report.overall):
        assert all((figure.value is None) == bool(figure.refused) for figure in each.figures.values())
    json.dumps(report.as_dict(), allow_nan=False)


def test_one_drawn_image_and_single_real_ones() -> None:
    X = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    report = evaluate_images(X[:2], [0, 1], X[2:], [1], classifier=QUICK, X_test=X, y_test=[0, 1, 1])
    assert [each.n_drawn for each in report.classes] == [1]
    assert not report.copies_alarm
    assert report.leak.copied


IMAGES, LABELS = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype=np.uint8), [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y": [0] * 6}, "there is one class only"),
        ({"y": [0, 1]}, "there are 6 real images and labels of shape"),
        ({"y": [0, 0, None, 1, 1, 1]}, "the label of image 2 is None"),
        ({"y_drawn": [0, 0, np.nan, 1, 1, 1]}, "the label of image 2 is nan"),
        ({"X_drawn": IMAGES[:0], "y_drawn": []}, "there are no drawn images"),
        ({"X_drawn": IMAGES[:, :7]}, "do not fit what was learnt"),
        ({"X_drawn": IMAGES.astype(float)}, "the drawn images are float64 and the real ones uint8"),
        ({"y_drawn": [0, 0, 0, 1, 1, 2]}, "images of 2 were drawn, and there is no real one"),
        ({"X_test": IMAGES}, "give X_test and y_test"),
        ({"X_test": IMAGES[:0], "y_test": []}, "there are no test images"),
        ({"n_resamples": 1}, "n_resamples of 2 at least"),
        ({"n_folds": 1}, "1 folds leave nothing"),
        ({"n_folds": 2.5}, r"2\.5 folds leave nothing"),
        ({"crossfit": CrossFit()}, "the given crossfit has not been fitted: fit it to X"),
    ],
)
def test_bad_input_is_refused(changes: dict[str, object], words: str) -> None:
    given = {"X": IMAGES, "y": LABELS, "X_drawn": IMAGES, "y_drawn": LABELS, **changes}
    with pytest.raises(InputError, match=words):
        evaluate_images(**given)  # type: ignore[arg-type]


def test_class_weights_go_by_label() -> None:
    labels = np.array(LABELS) + 1
    given = {"X": IMAGES, "y": labels, "X_drawn": IMAGES, "y_drawn": labels, "n_resamples": 2}
    plain, weighted = (
        evaluate_images(
            **given, classifier=CNNClassifier(n_steps=2, random_state=0, class_weight=weights)
        ).extractor_hash
        for weights in (None, {int(labels.max()): 50.0})
    )
    assert plain != weighted
    with pytest.raises(InputError, match="class_weight names the class 0, which has no images"):
        evaluate_images(**given, classifier=CNNClassifier(n_steps=2, class_weight={0: 5.0}))


def test_a_crossfit_of_other_images_is_refused(crossfit: CrossFit) -> None:
    with pytest.raises(InputError, match="fitted to other images"):
        evaluate_images(IMAGES, LABELS, IMAGES, LABELS, crossfit=crossfit)
