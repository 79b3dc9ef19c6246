"""A balanced folder as a data set of PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from makeweight.balance.manifest import MANIFEST, read_manifest
from makeweight.balance.reading import open_output
from makeweight.data.checks import check_options, modes_problem, refuse
from makeweight.data.images import ImageSpec, OnProgress
from makeweight.data.stores import target_spec
from makeweight.data.wording import counted, shown
from makeweight.errors import InputError


class LabelledImage(NamedTuple):
    """One image of a `BalancedDataset`; batches of these have the same fields.

    Attributes
    ----------
    image : Tensor of shape (c, h, w), or what the transform gives
        float32 in [0, 1].
    code : int
        Place of its class in `BalancedDataset.classes`.
    is_drawn : bool
        Whether it was drawn.
    """

    image: Any
    code: int
    is_drawn: bool


class BalancedDataset(Dataset[LabelledImage]):
    """The images of an output of `balance_folder`, in the order of its manifest.

    Every file is decoded once when the folder is opened, and again whenever its image is asked for; none is held. All
    images come in the mode and the size of the drawn ones, to which originals of other sizes are scaled.

    Parameters
    ----------
    out : str or Path
        The output folder; its manifest says what is real and what is drawn.
    transform : callable, optional
        Called with each image, float32 of shape (c, h, w) in [0, 1].
    resize : int, optional
        Scale all images to this many pixels a side (Lanczos; 1 to 1024).
    mode : "L" or "RGB", optional
        Convert all images to grey or to RGB.
    progress : callable, optional
        Called with the number of files checked and the number of all.

    Attributes
    ----------
    classes : list of str
        The labels, sorted.
    codes : Tensor of shape (n,), int64
        Place of each image's label in `classes`.
    is_drawn : Tensor of shape (n,), bool
        Whether each image was drawn.
    files : list of str
        Path of each image below the folder, as in the manifest.

    Raises
    ------
    InputError
        If the folder has no manifest or no images, a file cannot be read, or nothing was drawn and the mode of the
        originals cannot be learnt as it is.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_digits
    >>> from torch.utils.data import DataLoader, WeightedRandomSampler
    >>> from makeweight.balance import balance_folder
    >>> digits = load_digits()
    >>> some = [place for place in range(300) if digits.target[place] in (0, 1)][:40]
    >>> X, y = digits.images[some].astype("uint8"), digits.target[some]
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.savez(folder / "two.npz", X=X, y=y)
    >>> _ = balance_folder(folder / "two.npz", folder / "out", method="smote", sampling_strategy={"0": 30, "1": 30})
    >>> images = BalancedDataset(folder / "out")
    >>> len(images), images.classes, images[0].image.shape, int(images.is_drawn.sum())
    (60, ['0', '1'], torch.Size([1, 8, 8]), 20)
    >>> sampler = WeightedRandomSampler(images.weights(drawn_share=0.25), len(images))
    >>> batch = next(iter(DataLoader(images, batch_size=16, sampler=sampler)))
    >>> batch.image.shape, batch.code.dtype, batch.is_drawn.dtype
    (torch.Size([16, 1, 8, 8]), torch.int64, torch.bool)
    """

    def __init__(
        self,
        out: str | Path,
        *,
        transform: Callable[[Tensor], Any] | None = None,
        resize: int | None = None,
        mode: str | None = None,
        progress: OnProgress | None = None,
    ) -> None:
        check_options(resize, mode)
        folder = Path(out)
        rows = read_manifest(folder / MANIFEST)
        if not rows:
            raise InputError(f"the manifest of {shown(out)} names no images: give an output of makeweight balance.")

        def form(drawn: ImageSpec) -> ImageSpec:
            if mode is None:
                refuse(modes_problem(shown(out), {drawn.mode: len(rows)}))
            return target_spec(drawn, resize, mode, drawn.dtype if mode is None else "uint8")

        self._name = shown(folder.resolve().name)
        self._source = open_output(folder, rows, form, progress)
        self._top = float(np.iinfo(self._source.spec.dtype).max)
        self.transform = transform
        self.files = self._source.files
        self.classes = self._source.classes
        self.codes = torch.from_numpy(np.searchsorted(self.classes, self._source.labels).astype(np.int64))
        self.is_drawn = torch.tensor([row.origin == "drawn" for row in rows])

    def __len__(self) -> int:
        """Give the number of images."""
        return len(self.files)

    def __repr__(self) -> str:
        """Tell the folder's name, and how many images, classes and drawn images it has."""
        images, classes = counted(len(self), "image"), counted(len(self.classes), "class", "classes")
        return f"<{type(self).__name__} {self._name}: {images}, {classes}, {int(self.is_drawn.sum()):,} drawn>"

    def __getitem__(self, index: int | slice) -> LabelledImage:
        """Read one image.

        Parameters
        ----------
        index : int
            Which one, from −n to n − 1.

        Returns
        -------
        LabelledImage

        Raises
        ------
        IndexError
            If there is none of that number.
        InputError
            For a slice, or if its file has changed since the folder was opened.
        """
        if isinstance(index, slice):
            raise InputError(
                f"{type(self).__name__} gives one image at a time: take torch.utils.data.Subset(images, range(0, 3)) "
                "for several."
            )
        place = range(len(self))[index]
        pixels = self._source.load([place], in_threads=False)[0].astype(np.float32) / self._top
        planes = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
        image = torch.from_numpy(np.ascontiguousarray(planes))
        return LabelledImage(
            image if self.transform is None else self.transform(image),
            int(self.codes[place]),
            bool(self.is_drawn[place]),
        )

    def weights(self, drawn_share: float | None = None) -> Tensor:
        """Give the odds of each image for `torch.utils.data.WeightedRandomSampler`, every class equally likely.

        Parameters
        ----------
        drawn_share : float, optional
            How much of each class is drawn, on average: 0 leaves drawn images out, 1 the real ones. A class that has
            images of one kind alone is made of these. By default all images of a class are equally likely.

        Returns
        -------
        Tensor of shape (n,), float64
            They sum to 1.

        Raises
        ------
        InputError
            If the share is none.
        """
        if drawn_share is not None and not 0 <= drawn_share <= 1:
            raise InputError(f"drawn_share={drawn_share} is impossible: give a share, 0 to 1, or leave it out.")
        weights = torch.zeros(len(self), dtype=torch.float64)
        for code in range(len(self.classes)):
            own = self.codes == code
            parts = [(own & ~self.is_drawn, 1 - (drawn_share or 0)), (own & self.is_drawn, drawn_share or 0)]
            if drawn_share is None or not all(part.any() for part, _ in parts):
                parts = [(own, 1.0)]
            for part, share in parts:
                weights[part] = share / len(self.classes) / int(part.sum())
        return weights
