"""E-GAN: offspring by three objectives, the fittest always survives."""

from typing import ClassVar, Self

from makeweight.evolution import Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.methods.aggan import settings_of_papers
from makeweight.recipe import Recipe
from makeweight.sampler import METHODS


@METHODS.register("egan")
class EGAN(GANSampler):
    """Evolutionary GAN with an auxiliary classifier.

    Parameters are those of `RecipeSampler`.

    Notes
    -----
    As AGGAN's papers use it: one survivor, the class loss in every objective, the settings of AGGAN. AGGAN differs in
    the acceptance rule alone.

    References
    ----------
    Wang et al., 2019, "Evolutionary Generative Adversarial Networks".
    """

    recipe: ClassVar[Recipe] = Recipe(evolution=Evolution(acceptance="always"))

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of AGGAN's papers, which compare it with AGGAN."""
        return cls(**settings_of_papers())
