"""Post-hoc logit adjustment: the plain network, whose answers are corrected for the classes' shares."""

from typing import ClassVar

from makeweight.classifiers.recipe import CLASSIFIERS, ClassifierRecipe
from makeweight.classifiers.small_cnn import CNNClassifier


@CLASSIFIERS.register("post_hoc")
class PostHocClassifier(CNNClassifier):
    """The small CNN, trained as it is; answers are shifted by the logarithm of the classes' shares.

    Parameters are those of `CNNClassifier`; ``loss=PostHoc(tau=...)`` sets the shift's strength.

    References
    ----------
    Menon et al., 2021, "Long-Tail Learning via Logit Adjustment", post-hoc adjustment.
    """

    recipe: ClassVar[ClassifierRecipe] = ClassifierRecipe(loss="post_hoc")
