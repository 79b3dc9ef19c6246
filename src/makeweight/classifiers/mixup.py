"""mixup: the small CNN on blends of two images."""

from typing import ClassVar

from makeweight.classifiers.recipe import CLASSIFIERS, ClassifierRecipe
from makeweight.classifiers.small_cnn import CNNClassifier


@CLASSIFIERS.register("mixup")
class MixupClassifier(CNNClassifier):
    """The small CNN on blends of two images, whose losses are blended alike.

    Parameters are those of `CNNClassifier`; ``risk=Mixup(alpha=...)`` sets how far images are blended.

    References
    ----------
    Zhang et al., 2018, "mixup: Beyond Empirical Risk Minimization".
    """

    recipe: ClassVar[ClassifierRecipe] = ClassifierRecipe(risk="mixup")
