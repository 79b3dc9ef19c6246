"""Focal loss: images that are answered well already count little."""

from typing import ClassVar

from makeweight.classifiers.recipe import CLASSIFIERS, ClassifierRecipe
from makeweight.classifiers.small_cnn import CNNClassifier


@CLASSIFIERS.register("focal")
class FocalClassifier(CNNClassifier):
    """A sigmoid a class with focal loss: what is answered well already counts little.

    Parameters are those of `CNNClassifier`; ``loss=Focal(gamma=...)`` sets γ.

    References
    ----------
    Lin et al., 2017, "Focal Loss for Dense Object Detection".
    """

    recipe: ClassVar[ClassifierRecipe] = ClassifierRecipe(loss="focal")
