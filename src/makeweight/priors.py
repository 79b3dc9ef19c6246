"""Which labels and which noise the fakes are drawn from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from makeweight.component import Component, Registry


class Request(NamedTuple):
    """What a generator is asked to draw: noise of shape (batch, latent_dim) and codes of shape (batch,)."""

    noise: Tensor
    codes: Tensor


class Prior(Component):
    """Labels while training. Noise is standard normal, in training and in drawing."""

    def draw(self, n: int, latent_dim: int, class_counts: NDArray[np.int64], generator: torch.Generator) -> Request:
        """Draw a request for `n` images from `generator`, on the processor."""
        noise = torch.randn(n, latent_dim, generator=generator)
        return Request(noise, self.codes(n, class_counts, generator))

    def codes(self, n: int, class_counts: NDArray[np.int64], generator: torch.Generator) -> Tensor:
        """Draw `n` class codes."""
        raise TypeError(f"{type(self).__name__} must say which labels are asked for")


PRIORS: Registry[Prior] = Registry("prior", Prior)


@PRIORS.register("uniform")
class Uniform(Prior):
    """Every class is asked for equally often."""

    def codes(self, n: int, class_counts: NDArray[np.int64], generator: torch.Generator) -> Tensor:
        """Draw codes with equal chances."""
        return torch.randint(len(class_counts), (n,), generator=generator)


@PRIORS.register("empirical")
class Empirical(Prior):
    """Classes are asked for as often as the data have them."""

    def codes(self, n: int, class_counts: NDArray[np.int64], generator: torch.Generator) -> Tensor:
        """Draw codes with chances in proportion to `class_counts`."""
        return torch.multinomial(torch.as_tensor(class_counts, dtype=torch.float32), n, True, generator=generator)


def row_noise(seed: int, code: int, rows: NDArray[np.int64], latent_dim: int) -> Tensor:
    """Noise of numbered rows, each a function of seed, class code and row alone.

    A counter-based generator (Philox) makes any row reachable without its neighbours.

    Parameters
    ----------
    seed : int
        Seed of the drawing, 0 to 2**63 - 1.
    code : int
        Class code.
    rows : array of int of shape (n,)
        Row numbers, at least 0.
    latent_dim : int
        Entries a row.

    Returns
    -------
    Tensor of shape (n, latent_dim)
        Standard normal noise, float32.

    Examples
    --------
    >>> import numpy as np
    >>> many = row_noise(7, 2, np.arange(5), latent_dim=3)
    >>> bool((row_noise(7, 2, np.array([4]), latent_dim=3)[0] == many[4]).all())
    True
    """
    streams = (np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, int(row), code])) for row in rows)
    noise = [stream.standard_normal(latent_dim, dtype=np.float32) for stream in streams]
    return torch.from_numpy(np.stack(noise))
