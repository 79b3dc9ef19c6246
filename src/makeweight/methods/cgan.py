"""cGAN: the discriminator is told the label, and judges image and label together."""

from typing import ClassVar, Self

from makeweight.evolution import Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.methods.aggan import settings_of_papers
from makeweight.recipe import Recipe
from makeweight.sampler import METHODS


@METHODS.register("cgan")
class CGAN(GANSampler):
    """Conditional GAN: the one-hot label is concatenated to what either network sees.

    There is no class output, and so no `classifier_`.

    Parameters are those of `RecipeSampler`.

    Notes
    -----
    Departures: convolutions in place of the paper's fully connected layers, and rectifiers in place of maxout. As
    there, label and image have a hidden layer each before the one that joins them.

    References
    ----------
    Mirza and Osindero, 2014, "Conditional Generative Adversarial Nets", eq. 2 and section 4.1.
    """

    recipe: ClassVar[Recipe] = Recipe(
        head="concatenated",
        evolution=Evolution(mutations=("non_saturating",)),
    )

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of AGGAN's papers, since this paper's are for another kind of network."""
        return cls(**settings_of_papers() | {"head": None})
