"""CA-GAN: one realness score for each condition, and no class loss."""

from typing import ClassVar, Self

from makeweight.evolution import Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.recipe import WITHOUT_TRICKS, Recipe
from makeweight.sampler import METHODS


@METHODS.register("ca_gan")
class CAGAN(GANSampler):
    """Conditional activation GAN: an image is judged by the realness score of the class that it is said to show.

    Several binary attributes at once, with their complements, are conditions by
    ``head=ConditionalActivation(attributes=...)``, a row of attributes for each class. There is no class output, and so
    no `classifier_`.

    Parameters are those of `RecipeSampler`.

    Notes
    -----
    Departures: the networks, optimiser and batches of this library's other methods, as for modified AC-GAN. The
    generator is given the class, not its row of attributes. Mixed batches are off, for they change nothing where the
    discriminator has no batch norm; ``mixed_batches=Mixed()`` switches them on.

    References
    ----------
    Cho and Yoon, 2020, "Conditional Activation GAN: Improved Auxiliary Classifier GAN", eq. 17 to 20.
    """

    recipe: ClassVar[Recipe] = Recipe(
        head="conditional_activation",
        objective="least_squares",
        evolution=Evolution(mutations=("least_squares",)),
    )

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of the paper as far as this library has them."""
        return cls(
            n_epochs=100,
            batch_size=32,
            latent_dim=256,
            learning_rate=1e-5,
            **WITHOUT_TRICKS,
        )
