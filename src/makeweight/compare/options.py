"""How to compare: methods, seeds, fills, lengths of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import joblib

from makeweight.compare.arms import ARMS, FILLS, SHARES, Arm, all_arms
from makeweight.compare.classifier import MixedClassifier
from makeweight.compare.verdict import WORTHWHILE
from makeweight.data.wording import counted, no_such
from makeweight.devices import fabric_for
from makeweight.errors import InputError
from makeweight.methods import get_method
from makeweight.report.features import check_projection

MOST_SEEDS = 1000


@dataclass(frozen=True)
class Options:
    """How to compare.

    Attributes
    ----------
    methods : sequence of str, optional
        Methods that draw; by default all of the registry.
    n_seeds : int, default=5
        Seeds, 2 to 1,000: with one, chance cannot be told from difference.
    fills : sequence of float
        How far rare classes are filled, as shares of the largest class; above 0, at most 1.
    shares : sequence of float
        Shares of drawn images in the part of a batch that a class has; above 0, below 1.
    kinds : sequence of str, optional
        Names of the arms beside `nothing` and `augmentation`, such as "shared" or "mixup"; by default all.
    n_steps : int, optional
        Steps of every arm's classifier; by default 20 epochs of balanced classes, at least 1,000.
    gan_steps : int, optional
        Steps of the methods that learn; by default what their recipes say.
    budget : float, optional
        Seconds to spend, more or less; what does not fit is left out and named.
    n_jobs : int, default=1
        Runs side by side, each in a process with one thread; −1 takes all cores.
    worthwhile : float, default=0.02
        The smallest gain of recall that would be worth it.
    device : str, default="auto"
        Where to compute.
    precision : "32-true" or "bf16-mixed", optional
        Precision in which methods learn; by default that of the device.
    classifier : MixedClassifier, optional
        The classifier that all arms share; its batches, augmentation, risk, loss, class weights and seed
        are the arms' own.
    projection : {"tsne", "umap"}
        How the feature map of the report is laid out.
    """

    methods: Sequence[str] | None = None
    n_seeds: int = 5
    fills: Sequence[float] = FILLS
    shares: Sequence[float] = SHARES
    kinds: Sequence[str] | None = None
    n_steps: int | None = None
    gan_steps: int | None = None
    budget: float | None = None
    n_jobs: int = 1
    worthwhile: float = WORTHWHILE
    device: str = "auto"
    precision: str | None = None
    classifier: MixedClassifier | None = None
    projection: str = "tsne"

    def check(self) -> None:
        """Refuse what cannot be compared."""
        if isinstance(self.methods, str):
            raise InputError(f"methods={self.methods!r} is one text: give a list, such as [{self.methods!r}].")
        come_along = {arm.name for arm in all_arms([])}
        for method in self.methods or ():
            if method not in come_along:
                get_method(method)
        if self.methods is not None and not self._drawing():
            raise InputError(
                "no method that draws is given: name one, such as aggan; what draws nothing is always run."
            )
        known = [arm.name for arm in ARMS if arm.compared]
        for kind in self.kinds or ():
            if kind not in known:
                raise InputError(no_such("arm", kind, known))
        if self.n_seeds < 2:
            raise InputError(
                f"{counted(self.n_seeds, 'seed')} cannot tell chance from difference: give 2 or more, 5 are usual."
            )
        if self.n_seeds > MOST_SEEDS:
            raise InputError(f"{self.n_seeds:,} seeds are more than {MOST_SEEDS:,}: give fewer, 5 are usual.")
        if not self.fills or not all(0 < fill <= 1 for fill in self.fills):
            raise InputError(f"fills are shares of the largest class, above 0 and at most 1: not {list(self.fills)}.")
        if not all(0 < share < 1 for share in self.shares):
            raise InputError(f"shares of drawn images lie above 0 and below 1: not {list(self.shares)}.")
        if not 0 < self.worthwhile < 1:
            raise InputError(
                f"a worthwhile gain of recall is above 0 and below 100 points: not {100 * self.worthwhile:g}."
            )
        if self.n_jobs < 1 and self.n_jobs != -1:
            raise InputError(f"{self.n_jobs} jobs are impossible: give 1 or more, or -1 for all cores.")
        if self.classifier is not None and type(self.classifier) is not MixedClassifier:
            raise InputError(
                f"classifier={type(self.classifier).__name__} is impossible: give a MixedClassifier, with networks, "
                "batch_size and the like as they shall be."
            )
        check_projection(self.projection)
        fabric_for(self.device, self.precision)
        for name, steps in (("n_steps", self.n_steps), ("gan_steps", self.gan_steps)):
            if steps is not None and steps < 1:
                raise InputError(f"{name}={steps} is impossible: give 1 step or more.")

    def arms(self) -> list[Arm]:
        """Give the arms, in the order of importance."""
        arms = all_arms(self._drawing(), sorted(set(self.fills)), sorted(set(self.shares)))
        return [arm for arm in arms if self.kinds is None or not arm.priority or arm.name in self.kinds]

    def jobs(self) -> int:
        """Give the number of runs side by side."""
        return joblib.cpu_count() if self.n_jobs == -1 else self.n_jobs

    def _drawing(self) -> list[str] | None:
        return (
            None if self.methods is None else [name for name in dict.fromkeys(self.methods) if name not in ARMS.names()]
        )
