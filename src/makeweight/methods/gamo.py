"""GAMO: images of a class are blended so that a classifier is led astray and a discriminator is not."""

from typing import ClassVar, Self

from makeweight.evolution import Evolution
from makeweight.gan_sampler import GANSampler
from makeweight.opposed import OpposedClassifier
from makeweight.recipe import Recipe
from makeweight.sampler import METHODS
from makeweight.starts import ConvexStart

MOST = 1_000_000  # images of a class: all of them


@METHODS.register("gamo")
class GAMO(GANSampler):
    """Generative adversarial minority over-sampling.

    A drawn image is a convex combination of the real images of its class. What a network learns is the weights: the
    discriminator, which is told the class, is to take the blend for real, and the classifier is not to see its class.
    The classifier learns from real and drawn images, and is `classifier_`.

    Parameters are those of `RecipeSampler`.

    Notes
    -----
    Departures: the weights of a blend depart from random ones by a limited factor (`tilt` of `ConvexStart`), for
    without that limit every noise gave the same blend after a few hundred steps. At most 300 images of a class are
    blended; ``GAMO.from_paper()`` blends all of them, without a limit of the tilt, but still from random ones. The
    largest class is never asked for while training, so that what is drawn of it are random blends. Drawn and real
    images count alike for the classifier, where the paper's sums weigh them by how many are missing in all.
    ``GAMO(start="convex_latent")`` blends latent vectors of an autoencoder and decodes them; the discriminator and the
    classifier see the decoded images, where the paper's see features.

    References
    ----------
    Mullick et al., 2019, "Generative Adversarial Minority Oversampling", section 3.
    """

    recipe: ClassVar[Recipe] = Recipe(
        start="convex",
        prior="missing",
        head=OpposedClassifier(),
        objective="least_squares",
        evolution=Evolution(mutations=("least_squares",)),
        balanced_batches=False,
        average_decay=0.0,
        best_every=0,
        draws="last",
    )

    @classmethod
    def from_paper(cls) -> Self:
        """Return a sampler with the settings of the paper as far as this library has them."""
        return cls(
            start=ConvexStart(tilt=None, most_images=MOST),
            n_steps=25_000,
            batch_size=32,
            latent_dim=100,
            learning_rate=2e-4,
            augmentation="none",
            learning_rate_decay=0.0,
        )
