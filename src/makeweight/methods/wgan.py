"""WGAN: the Wasserstein distance under clipped weights, with a class head."""

from typing import ClassVar, Self

from makeweight.evolution import Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.heads import AuxiliaryClassifier
from makeweight.methods.aggan import settings_of_papers
from makeweight.penalties import WeightClipping
from makeweight.recipe import Recipe
from makeweight.sampler import METHODS


@METHODS.register("wgan")
class WGAN(GANSampler):
    """Wasserstein GAN with clipped weights and an auxiliary classifier.

    Parameters are those of `RecipeSampler`.

    Notes
    -----
    As AGGAN's papers use it: with a class head, whose own weights are not clipped. Departures: Adam, without momentum,
    in place of RMSProp; a wider limit (the paper's is 0.01); fewer steps of the discriminator (the paper takes five).
    The generator's class loss weighs 1, where the other methods give it 0.1.

    References
    ----------
    Arjovsky et al., 2017, "Wasserstein Generative Adversarial Networks", Algorithm 1.
    """

    recipe: ClassVar[Recipe] = Recipe(
        head=AuxiliaryClassifier(fakes=False),
        objective="wasserstein",
        evolution=Evolution(mutations=("wasserstein",)),
        penalty=WeightClipping(limit=0.02),
        betas=(0.0, 0.9),
        discriminator_steps=2,
    )

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of AGGAN's papers, and WGAN's limit, steps and lack of momentum.

        As in those papers, the discriminator learns classes from drawn images, too.
        """
        return cls(
            **settings_of_papers() | {"betas": (0.0, 0.9)}, penalty=WeightClipping(limit=0.01), discriminator_steps=5
        )
