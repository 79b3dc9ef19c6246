"""ACGAN: one objective, and both players classify."""

from typing import ClassVar, Self

from makeweight.evolution import Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.methods.aggan import settings_of_papers
from makeweight.recipe import Recipe
from makeweight.sampler import METHODS


@METHODS.register("acgan")
class ACGAN(GANSampler):
    """Auxiliary-classifier GAN: a plain gradient step on the non-saturating loss plus the class loss.

    Parameters are those of `RecipeSampler`.

    Notes
    -----
    AGGAN without evolution: the recipes differ in `evolution` alone. By default the discriminator learns the classes
    from real images alone, as modified AC-GAN does; ``head="auxiliary_classifier"`` is the paper's.

    References
    ----------
    Odena et al., 2017, "Conditional Image Synthesis with Auxiliary Classifier GANs".
    """

    recipe: ClassVar[Recipe] = Recipe(evolution=Evolution(mutations=("non_saturating",), acceptance="always"))

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of AGGAN's papers, which compare it with AGGAN."""
        return cls(**settings_of_papers())
