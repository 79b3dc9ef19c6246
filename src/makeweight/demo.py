"""The whole way on real images: an imbalanced folder of digits, balanced with AGGAN, and whether that helped.

Run it with ``python -m makeweight.demo --out demo-out``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from makeweight.cli import Commands
from makeweight.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from makeweight.balance.listener import Listener

# Enough for recognisable digits within three minutes on two busy cores.
N_STEPS = 1500
# The same number for every set, so that the larger ones are not trained for longer.
N_CLASSIFIER_STEPS = 600
N_REPEATS = 3
N_MANY = 100
RARE = {"3": 10, "8": 15, "9": 20}
CLEAR = 0.005
PARTS = ("train", "balanced", "duplicates")


@dataclass(frozen=True)
class DemoResult:
    """Recall on untouched test images, by what the classifier learnt from.

    Attributes
    ----------
    classes : list of str
        The digits.
    counts : list of int
        Training images of each before balancing.
    recalls : dict of str to ndarray of shape (n_classes,)
        "imbalanced", "duplicates" and "aggan": recall of each class, 0 to 1.
    samples : Path
        The picture of real and drawn images.
    """

    classes: list[str]
    counts: list[int]
    recalls: dict[str, NDArray[np.float64]]
    samples: Path

    def mean(self, name: str) -> float:
        """Mean recall over the classes."""
        return float(self.recalls[name].mean())


def run_demo(out: str | Path, *, seed: int = 0, n_steps: int = N_STEPS, listener: Listener | None = None) -> DemoResult:
    """Balance an imbalanced folder of scikit-learn's digits, and measure recall before and after.

    Parameters
    ----------
    out : str or Path
        A new folder, or one of an earlier demo.
    seed : int, default=0
        Seed of the choice of images, the training and the classifier.
    n_steps : int
        Steps of AGGAN's training.
    listener : Listener, optional
        Hears about the progress.

    Returns
    -------
    DemoResult

    Raises
    ------
    InputError
        If `out` holds something else.
    """
    from makeweight.balance import balance_folder
    from makeweight.data.named import load_named
    from makeweight.data.source import open_source
    from makeweight.data.subsets import imbalanced_subset

    folder = Path(out)
    _check(folder)
    digits = load_named("digits")
    counts = {name: RARE.get(name, N_MANY) for name in digits.class_names}
    chosen = imbalanced_subset(digits.X_train, digits.y_train, counts, random_state=seed)
    train = folder / "train"
    _write_images(train, chosen.X, chosen.y)
    balance_folder(
        train, folder / "balanced", method="aggan", n_steps=n_steps, seed=seed, overwrite=True, listener=listener
    )
    balance_folder(train, folder / "duplicates", method="duplicates", seed=seed, overwrite=True)
    recalls = {}
    for name, place in (
        ("imbalanced", train),
        ("duplicates", folder / "duplicates" / "images"),
        ("aggan", folder / "balanced" / "images"),
    ):
        source = open_source(place)
        recalls[name] = recall_per_class(source.load(), source.labels, digits.X_test, digits.y_test, seed)
    return DemoResult(list(counts), list(counts.values()), recalls, folder / "balanced" / "samples.png")


def recall_per_class(
    X: NDArray[Any], y: NDArray[Any], X_test: NDArray[Any], y_test: NDArray[Any], seed: int
) -> NDArray[np.float64]:
    """Train a small network a few times, and give the mean of its recall for each class of the test images."""
    import numpy as np
    from sklearn.metrics import recall_score

    from makeweight.classifiers.small_cnn import CNNClassifier

    recalls = []
    for repeat in range(N_REPEATS):
        classifier = CNNClassifier(n_steps=N_CLASSIFIER_STEPS, random_state=seed + repeat).fit(X, y)
        recalls.append(recall_score(y_test, classifier.predict(X_test), average=None, zero_division=0))
    return np.asarray(np.mean(recalls, axis=0), dtype=np.float64)


def verdict(means: Mapping[str, float]) -> str:
    """Say in words whether AGGAN helped, compared with doing nothing and with duplicates.

    Examples
    --------
    >>> verdict({"imbalanced": 0.80, "duplicates": 0.84, "aggan": 0.86})
    'Better than the imbalanced images (+6.0 points of mean recall), better than duplicates (+2.0 points).'
    """
    words = []
    for name, what, unit in (
        ("imbalanced", "the imbalanced images", "points of mean recall"),
        ("duplicates", "duplicates", "points"),
    ):
        gain = means["aggan"] - means[name]
        how = "no clear difference to" if abs(gain) < CLEAR else "better than" if gain > 0 else "worse than"
        words.append(f"{how} {what} ({100 * gain:+.1f} {unit})")
    sentence = ", ".join(words)
    return sentence[0].upper() + sentence[1:] + "."


def print_result(result: DemoResult) -> None:
    """Print recall for each class and the verdict."""
    print("\nRecall on untouched test images, in per cent, by what the classifier learnt from")
    heads = ("imbalanced", "duplicates", "aggan")
    print(f"{'digit':>6} {'train':>6} " + " ".join(f"{head:>10}" for head in heads))
    for place, (name, count) in enumerate(zip(result.classes, result.counts, strict=True)):
        rare = " rare" if name in RARE else ""
        print(f"{name:>6} {count:>6} " + " ".join(f"{100 * result.recalls[h][place]:>10.1f}" for h in heads) + rare)
    print(f"{'mean':>6} {'':>6} " + " ".join(f"{100 * result.mean(h):>10.1f}" for h in heads))
    print(f"\nAGGAN: {verdict({head: result.mean(head) for head in heads})}")
    print(f"One run of AGGAN, means of {N_REPEATS} runs of the classifier: small differences may be chance.")
    print(f"Real and drawn images side by side: {result.samples}")


def _check(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: name a new folder with --out.")
    if names and not names <= set(PARTS):
        raise InputError(f"{folder} holds something else than an earlier demo: name a new folder with --out.")


def _write_images(folder: Path, X: NDArray[np.uint8], y: NDArray[Any]) -> None:
    from PIL import Image

    numbers: dict[str, int] = {}
    for pixels, label in zip(X, y.tolist(), strict=True):
        number = numbers[label] = numbers.get(label, -1) + 1
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / label / f"{number:03d}.png")


app = typer.Typer(
    cls=Commands, rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False, no_args_is_help=False
)


@app.callback(invoke_without_command=True)
def _run(
    out: Annotated[Path, typer.Option(help="A new folder, or one of an earlier demo.")] = Path("demo-out"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything.")] = 0,
) -> None:
    """Balance an imbalanced folder of digits with AGGAN, and print recall before and after."""
    from makeweight.cli.progress import shown_progress

    with shown_progress() as listener:
        result = run_demo(out, seed=seed, listener=listener)
    print_result(result)


if __name__ == "__main__":
    app()
