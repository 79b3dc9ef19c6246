"""Modified AC-GAN: least squares, and the discriminator learns classes from real images alone."""

from typing import ClassVar, Self

from makeweight.evolution import Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.heads import AuxiliaryClassifier
from makeweight.recipe import WITHOUT_TRICKS, Recipe
from makeweight.sampler import METHODS


@METHODS.register("modified_acgan")
class ModifiedACGAN(GANSampler):
    """Auxiliary-classifier GAN without the discriminator's class loss on drawn images.

    L_D = adversarial + λ·class loss(real), L_G = adversarial + λ·class loss(drawn), with the least-squares loss.

    Parameters are those of `RecipeSampler`.

    Notes
    -----
    Departures: the networks, optimiser and batches of this library's other methods; the paper's are DCGAN's with
    instance normalisation, Adam at 1e-5, batches of 32 and 256 entries of noise. The least-squares losses have a factor
    ½ that the paper's have not, so λ = 0.1 weighs the classes twice as much as there. ``ModifiedACGAN.from_paper()``
    takes the numbers, with half of λ.

    References
    ----------
    Cho and Yoon, 2020, "Conditional Activation GAN: Improved Auxiliary Classifier GAN", sections 2 and 5.
    """

    recipe: ClassVar[Recipe] = Recipe(
        head=AuxiliaryClassifier(weight=0.1, generator_weight=0.1, fakes=False),
        objective="least_squares",
        evolution=Evolution(mutations=("least_squares",)),
    )

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of the paper as far as this library has them."""
        return cls(
            head=AuxiliaryClassifier(weight=0.05, generator_weight=0.05, fakes=False),
            n_epochs=100,
            batch_size=32,
            latent_dim=256,
            learning_rate=1e-5,
            **WITHOUT_TRICKS,
        )
