"""LSGAN: squared distances of the scores from 0 and 1, with a class head."""

from typing import ClassVar, Self

from makeweight.evolution import Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.methods.aggan import settings_of_papers
from makeweight.recipe import Recipe
from makeweight.sampler import METHODS


@METHODS.register("lsgan")
class LSGAN(GANSampler):
    """Least-squares GAN with an auxiliary classifier.

    Parameters are those of `RecipeSampler`.

    Notes
    -----
    As AGGAN's papers use it: with a class head, and otherwise with the settings of AGGAN. The paper's own LSGAN has
    no labels, or concatenates them.

    References
    ----------
    Mao et al., 2017, "Least Squares Generative Adversarial Networks", eq. 9.
    """

    recipe: ClassVar[Recipe] = Recipe(objective="least_squares", evolution=Evolution(mutations=("least_squares",)))

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of AGGAN's papers, which compare it with AGGAN."""
        return cls(**settings_of_papers())
