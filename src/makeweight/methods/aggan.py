"""AGGAN: offspring by three objectives; a worse one survives with a probability that cools."""

from typing import Any, ClassVar, Self

from makeweight.evolution import Annealed, Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.heads import AuxiliaryClassifier
from makeweight.recipe import WITHOUT_TRICKS, Recipe
from makeweight.sampler import METHODS


def settings_of_papers() -> dict[str, Any]:
    """Give the settings of AGGAN's papers and, where they are silent, of the public 28×28 code.

    The papers compare AGGAN with other GANs, E-GAN and ACGAN among them, under the same settings.
    """
    return {
        "networks": "published_28",
        "head": AuxiliaryClassifier(),
        "n_epochs": 50,
        "batch_size": 50,
        "latent_dim": 100,
        "learning_rate": 2e-4,
        "betas": (0.5, 0.999),
        **WITHOUT_TRICKS,
    }


@METHODS.register("aggan")
class AGGAN(GANSampler):
    """Annealing genetic GAN: offspring compete, and a worse one than the parent survives with a chance that cools.

    Each step breeds one offspring of the generator by each of three objectives and scores them by quality and
    diversity. The fittest replaces its parent if it is fitter, or else with probability
    exp((F_best − F_parent)/T), where T cools.

    Parameters are those of `RecipeSampler`.

    Notes
    -----
    Departures from the paper, all of which ``AGGAN.from_paper()`` undoes as far as the paper or its public code say:
    networks without batch norm and dropout in the discriminator, which learns classes from real images alone; a small
    weight of the class loss in the generator's; random affine changes of all images before they are judged; a larger
    learning rate, which falls over the second half; a moving average of the generator that draws. Everywhere, the sign
    in Algorithm 1's exponent is mended.

    References
    ----------
    Hao et al., 2020, "Annealing Genetic GAN for Minority Oversampling", Algorithm 1 in its journal version, "Annealing
    Genetic GAN for Imbalanced Web Data Learning".
    """

    recipe: ClassVar[Recipe] = Recipe(evolution=Evolution(acceptance=Annealed()))

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of the papers and, where they are silent, of the public 28×28 code."""
        return cls(**settings_of_papers())
