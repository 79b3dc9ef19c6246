import re

import matplotlib
import numpy as np
import pytest

from makeweight.report.plots import PAGE_COLOURS, class_bars, intervals, learning_curves, scatter

HISTORY = [{"step": n, "discriminator_loss": 2.0 * n, "generator_loss": 1.0} for n in (1, 2, 3)]


def test_drawings_take_the_colours_of_the_page() -> None:
    (drawing,) = class_bars(["boot", "clog"], [10, 2], [0, 8])
    assert "currentColor" in drawing.svg
    assert "var(--series-0)" in drawing.svg
    assert "var(--series-1)" in drawing.svg
    assert not re.search("|".join(PAGE_COLOURS), drawing.svg)
    assert "<metadata" not in drawing.svg
    assert "<style" not in drawing.svg
    assert drawing.alt == "Bars of the number of images of each class. boot: 10 real, 0 drawn; clog: 2 real, 8 drawn."


def test_names_within_a_drawing_are_of_what_it_refers_to() -> None:
    for drawing in [*class_bars(["a", "b"], [1, 2], [2, 1]), *learning_curves("GAN", [HISTORY])]:
        names = set(re.findall(r'id="([^"]+)"', drawing.svg))
        used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', drawing.svg))
        assert {one or two for one, two in used} <= names
        assert not [name for name in names if "_" in name]


def test_too_many_classes_are_not_drawn() -> None:
    assert class_bars(range(41), [1] * 41, [0] * 41) == []
    assert class_bars([], [], []) == []


def test_curves_are_those_of_what_the_history_holds() -> None:
    assert [each.caption for each in learning_curves("GAN", [HISTORY])] == ["GAN: losses."]
    annealed = [{**row, "temperature": 1.0, "acceptance_rate": 0.5, "wins": {"a": 0.2, "b": 0.8}} for row in HISTORY]
    captions = [each.caption for each in learning_curves("GAN", [annealed, annealed])]
    assert [caption.partition(".")[0] for caption in captions] == [
        "GAN: losses",
        "GAN: temperature",
        "GAN: acceptance rate",
        "GAN: share of wins by objective",
    ]
    assert captions[0].endswith("2 runs, a line each.")
    alt = learning_curves("GAN", [HISTORY])[0].alt
    assert alt == "GAN: losses over the training steps: discriminator from 2 to 6, generator from 1 to 1."


@pytest.mark.parametrize("history", [[], HISTORY[:1]])
def test_a_training_without_a_course_has_no_curves(history: list[dict[str, float]]) -> None:
    assert learning_curves("GAN", [history]) == []


def test_intervals_say_their_figures() -> None:
    (drawing,) = intervals("Gain", [("SMOTE", 0.012, -0.004, 0.03)], "caption")
    assert drawing.alt == "Gain, with 95 % intervals. SMOTE: +1.2, -0.4 to 3.0."
    assert intervals("Gain", [], "caption") == []


def test_points_are_one_small_picture_within_a_drawing() -> None:
    points = np.random.default_rng(0).normal(size=(500, 2))
    codes = np.arange(500) % 12
    limits = points.min(axis=0), points.max(axis=0)
    layers = [(points, codes, style) for style in ("cloud", "dot", "cross")]
    drawing = scatter("t", layers, [f"class {n}" for n in range(12)], range(10), limits, "alt")
    assert 'href="data:image/png;base64,' in drawing.svg
    assert len(drawing.svg) < 300_000
    assert "class 3" in drawing.svg
    assert "class 11" not in drawing.svg


def test_settings_of_matplotlib_are_left_alone() -> None:
    before = dict(matplotlib.rcParams)
    class_bars(["a"], [1], [1])
    assert dict(matplotlib.rcParams) == before


def test_names_in_any_script_raise_no_warning() -> None:
    assert "靴" in class_bars(["靴", "$x$"], [1, 2], [0, 0])[0].svg


def test_steps_are_marked_at_whole_numbers() -> None:
    history = [{"step": n, "discriminator_loss": 1.0 * n, "generator_loss": 1.0} for n in range(1, 20)]
    (drawing,) = learning_curves("GAN", [history])
    told = re.findall(r">(\d+)</text>", drawing.svg)
    steps = [int(each) for each in told[: told.index(max(told, key=int)) + 1]]
    assert steps == list(range(steps[0], steps[-1] + 1, steps[1] - steps[0]))


def test_a_few_images_are_marked_at_whole_numbers() -> None:
    (drawing,) = class_bars(["a", "b"], [1, 2], [1, 0])
    told = [int(each) for each in re.findall(r">(\d+)</text>", drawing.svg)]
    assert told == [0, 1, 2]
