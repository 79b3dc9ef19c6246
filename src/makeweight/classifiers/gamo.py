"""GAMO's classifier: learnt in the game, on real images and on the blends that it finds hard."""

from typing import ClassVar

from makeweight.classifiers.gan_classifier import GANClassifier
from makeweight.classifiers.recipe import CLASSIFIERS
from makeweight.gan_sampler import GANSampler
from makeweight.methods.gamo import GAMO


@CLASSIFIERS.register("gamo")
class GAMOClassifier(GANClassifier):
    """Learn to classify against a generator of blends that lead the classifier astray.

    Parameters
    ----------
    sampler : GANSampler, optional
        The game to play, which is cloned. ``GAMO()`` by default; ``GAMO(start="convex_latent")`` blends latent vectors.

    Attributes
    ----------
    sampler_ : GANSampler
        The fitted game, which draws too.
    classes_ : array of shape (n_classes,)
        Labels in the order of ``predict_proba``.

    References
    ----------
    Mullick et al., 2019, "Generative Adversarial Minority Oversampling", section 3.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> digits = load_digits()
    >>> classifier = GAMOClassifier(sampler=GAMO(n_steps=60, random_state=0))
    >>> classifier.fit(digits.images[:600], digits.target[:600]).predict(digits.images[:3]).shape
    (3,)
    """

    default: ClassVar[type[GANSampler]] = GAMO
