"""Deep over-sampling: minority images learn towards their neighbours among the features, in random mixtures."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from makeweight.classifiers.risks import RISKS, BatchRisk, Risk, Study
from makeweight.errors import TrainingError
from makeweight.ranges import Ranges, whole, within

BATCH = 512


@RISKS.register("deep_over_sampling")
class DeepOverSampling(Risk):
    """Σ_j w_j‖f(x) − v_j‖² for the features and Σ_j ρ_j·L(g(v_j), y) for the classes, over neighbours v_j of x.

    The neighbours are the nearest ones of the same class; w is drawn anew, evenly on the simplex, whenever x is shown,
    and ρ_j ∝ exp(−w_j‖f(x) − v_j‖²). An image of the largest class has its own features for its only v.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours k of each image, at least 1; fewer where a class has no more. The paper takes 3, 5 or 10.
    n_rounds : int, default=3
        How often features and neighbours are looked up anew, at least 1.
    start : float, default=0.5
        Share of the training before the first round, 0 to 1, in which the plain loss is minimised.

    Notes
    -----
    Draws of w come with the batches: balanced ones show an image of a class of n_c about n_max/n_c times a pass, with
    another w each time, which takes the place of the paper's number r. The features learn from the first sum, the last
    layer from the second; ρ is taken as a number. Features of neighbours are those of the images as they are, x is
    augmented.

    References
    ----------
    Ando and Huang, 2017, "Deep Over-sampling Framework for Classifying Imbalanced Data", section 3.
    """

    ranges: ClassVar[Ranges] = {"n_neighbors": whole(1), "n_rounds": whole(1), "start": within(0, 1)}

    def __init__(self, *, n_neighbors: int = 5, n_rounds: int = 3, start: float = 0.5) -> None:
        self.n_neighbors = n_neighbors
        self.n_rounds = n_rounds
        self.start = start

    def begin(self, study: Study) -> BatchRisk:
        """Give the plain risk of the beginning, followed by the rounds."""
        plain = super().begin(study)
        first = round(self.start * study.n_steps)
        rounds = {first + number * (study.n_steps - first) // self.n_rounds for number in range(self.n_rounds)}
        targets = Targets(study, self.n_neighbors)

        def of_batch(step: int, index: NDArray[np.int64], images: Tensor, codes: Tensor) -> Tensor:
            if step < first:
                return plain(step, index, images, codes)
            if step in rounds:
                targets.look_up()
            features = study.network(images).features.float()
            near, weights = targets.draw(index)
            pull, importance = micro_cluster(features, near, weights)
            logits = study.network.classes(near.flatten(0, 1)).float()
            repeated = codes.repeat_interleave(near.shape[1])
            losses = study.criterion.each(logits, repeated).view(near.shape[:2])
            return pull.mean() + study.criterion.mean(step, (importance * losses).sum(1), codes)

        return of_batch


def micro_cluster(features: Tensor, near: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Pull of each image towards its neighbours, Σ_j w_j‖f − v_j‖², and their importance ρ_j ∝ exp(−w_j‖f − v_j‖²).

    Parameters
    ----------
    features : Tensor of shape (batch, n_features)
        Features f of the images.
    near : Tensor of shape (batch, k, n_features)
        Features v of their neighbours.
    weights : Tensor of shape (batch, k)
        Weights w, which sum to 1 for each image; −1 marks a place without a neighbour.

    Returns
    -------
    pull : Tensor of shape (batch,)
        What the features are to minimise.
    importance : Tensor of shape (batch, k)
        ρ, without gradient; sums to 1 for each image.
    """
    away = weights.clamp_min(0) * (features.unsqueeze(1) - near).square().sum(2)
    importance = (-away.detach()).masked_fill(weights < 0, -torch.inf).softmax(1)
    return away.sum(1), importance


class Targets:
    """Features of all images, and which ones are the targets of which.

    Parameters
    ----------
    study : Study
        Network and images.
    n_neighbors : int
        Neighbours of an image, at most.
    """

    def __init__(self, study: Study, n_neighbors: int) -> None:
        self.study = study
        self.n_neighbors = n_neighbors

    @torch.no_grad()
    def look_up(self) -> None:
        """Take the features as they are now, and find the neighbours.

        Raises
        ------
        TrainingError
            If the features are not finite.
        """
        network, codes = self.study.network, self.study.codes
        network.eval()
        starts = range(0, len(codes), BATCH)
        blocks = [np.arange(start, min(start + BATCH, len(codes))) for start in starts]
        self.features = torch.cat([network(self.study.images(block)).features.float() for block in blocks])
        network.train()
        if not bool(self.features.isfinite().all()):
            raise TrainingError(
                "the features of the classifier are no finite numbers any more: choose a smaller learning_rate."
            )
        near, n_near = neighbours(self.features.cpu().numpy(), codes, self.n_neighbors)
        self.near, self.n_near = torch.from_numpy(near).to(self.study.device), n_near

    def draw(self, index: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Features of the neighbours of images (batch, k, n_features), and fresh weights (batch, k)."""
        lengths = self.study.random.exponential(size=(len(index), self.near.shape[1]))
        there = np.arange(self.near.shape[1]) < self.n_near[index][:, None]
        weights = np.where(there, lengths / (lengths * there).sum(axis=1, keepdims=True), -1.0)
        chosen = self.near[torch.from_numpy(index).to(self.study.device)]
        return self.features[chosen], torch.from_numpy(weights.astype(np.float32)).to(self.study.device)


def neighbours(
    features: NDArray[np.float32], codes: NDArray[np.int64], n_neighbors: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the nearest others of the same class; the largest classes, and images that are alone, get themselves.

    Parameters
    ----------
    features : array of shape (n, n_features)
        Where images are.
    codes : array of int of shape (n,)
        Their classes.
    n_neighbors : int
        Neighbours of an image, at most.

    Returns
    -------
    near : array of int of shape (n, k)
        Indices, nearest first, where k is `n_neighbors`, or less if no class has as many others; places beyond the
        last neighbour hold the image itself.
    n_near : array of int of shape (n,)
        Number of neighbours, at least 1.

    Examples
    --------
    >>> near, n_near = neighbours(np.array([[0.0], [1.0], [5.0], [6.0], [7.5]]), np.array([0, 0, 1, 1, 1]), 1)
    >>> near.ravel().tolist()
    [1, 0, 2, 3, 4]
    """
    counts = np.bincount(codes)
    n_neighbors = max(1, min(n_neighbors, int(counts.max()) - 1))
    near = np.repeat(np.arange(len(codes))[:, None], n_neighbors, axis=1)
    n_near = np.ones(len(codes), dtype=np.int64)
    for code in np.flatnonzero((counts > 1) & (counts < counts.max())):
        own = np.flatnonzero(codes == code)
        n_own = min(n_neighbors, len(own) - 1)
        found = NearestNeighbors(n_neighbors=n_own).fit(features[own]).kneighbors(return_distance=False)
        near[own, :n_own] = own[found]
        n_near[own] = n_own
    return near, n_near
