"""Augmentation: real images once more, mirrored, moved, turned, scaled and cropped at random."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import affine_grid

from makeweight.augmentations import Affine, look_through
from makeweight.data.arrays import Channels
from makeweight.methods.duplicates import Resampler
from makeweight.ranges import below, check_ranges
from makeweight.sampler import METHODS, Strategy

RANGES = {**Affine.ranges, "crop": below(1)}


@METHODS.register("augmentation")
class Augmented(Resampler):
    """Real images of the class, chosen at random and changed at random.

    Each drawn image is one real image that is rotated, scaled and shifted by small random amounts, cropped and mirrored
    where that is asked for. What lies outside is filled by the nearest pixel of the border. Flat rows are not changed.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As in imbalanced-learn. Values of a dict are final totals.
    degrees : float, default=10
        Largest rotation to either side, 0 to 360.
    scale : float, default=0.1
        Largest relative change of size, 0 or more and below 1.
    shift : float, default=0.1
        Largest shift, as a share of the side, 0 to 1.
    crop : float, default=0
        Largest share of the side that is cut off; what is left is enlarged to the full size. Below 1.
    mirror : bool, default=False
        Whether half of the images are mirrored left to right. Off by default, since letters and digits do not bear it.
    random_state : int, RandomState or None
        Seed.
    channels : "first" or "last", optional
        Where the channels of a 4-D array are, where its shape leaves that open.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits().images, load_digits().target
    >>> sampler = Augmented(degrees=15, random_state=0).fit(X, y)
    >>> sampler.draw(3, range(5)).shape
    (5, 8, 8)
    """

    block_size = 64

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        degrees: float = 10.0,
        scale: float = 0.1,
        shift: float = 0.1,
        crop: float = 0.0,
        mirror: bool = False,
        random_state: Any = None,
        channels: Channels | None = None,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy, random_state=random_state, channels=channels)
        self.degrees = degrees
        self.scale = scale
        self.shift = shift
        self.crop = crop
        self.mirror = mirror

    def _learn(self, *learnt: Any) -> None:
        self._settle()
        super()._learn(*learnt)

    def _restore(self, *kept: Any) -> None:
        self._settle()
        super()._restore(*kept)

    def _settle(self) -> None:
        """Take what images are changed by from the parameters, of which no later one changes what is drawn."""
        check_ranges(RANGES, self.get_params(deep=False))
        self.affine_ = Affine(degrees=self.degrees, scale=self.scale, shift=self.shift, mirror=self.mirror)
        self.crop_ = self.crop

    def _draw_block(self, code: int, block: int, seed: int) -> NDArray[Any]:
        sequence = np.random.SeedSequence((seed, code, block))
        members = np.flatnonzero(self.codes_ == code)
        chosen = np.random.default_rng(sequence).choice(members, self.block_size)
        generator = torch.Generator().manual_seed(int(sequence.generate_state(1)[0]))
        images = torch.from_numpy(self.codec_.encode(self.images_[chosen]))
        changed = self.affine_.draw(len(chosen), generator)(_cropped(images, self.crop_, generator))
        return self.codec_.decode(changed.numpy())


def _cropped(images: Tensor, crop: float, generator: torch.Generator) -> Tensor:
    """Cut a random window of both sides' same share out of each image, and enlarge it to the full size."""
    if not crop or images.shape[2:] == (1, 1):
        return images
    cut, *place = torch.rand(3, len(images), generator=generator)
    cut = cut * crop
    maps = torch.zeros(len(images), 2, 3)
    for axis, where in enumerate(place):
        maps[:, axis, axis] = 1 - cut
        maps[:, axis, 2] = (2 * where - 1) * cut
    grid = affine_grid(maps, list(images.shape), align_corners=False)
    return look_through(images, grid)
