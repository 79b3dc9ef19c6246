"""Deferred re-weighting: class-balanced weights in the last fifth of the training."""

from typing import ClassVar

from makeweight.classifiers.recipe import CLASSIFIERS, ClassifierRecipe
from makeweight.classifiers.small_cnn import CNNClassifier


@CLASSIFIERS.register("deferred")
class DeferredClassifier(CNNClassifier):
    """Plain cross-entropy first, class-balanced weights with β of 0.9999 in the last fifth of the training.

    Parameters are those of `CNNClassifier`; ``class_weight=Deferred(weight=..., start=...)`` sets which weights, and
    from when.

    Notes
    -----
    The step size falls as everywhere here, in place of the paper's steps. The paper joins the schedule with its margin
    loss, too, which is not built.

    References
    ----------
    Cao et al., 2019, "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss".
    """

    recipe: ClassVar[ClassifierRecipe] = ClassifierRecipe(class_weight="deferred")
