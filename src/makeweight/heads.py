"""How a label enters the judgement: the last layers of the discriminator and the losses on labels."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from makeweight.component import Component, Registry
from makeweight.errors import InputError
from makeweight.judges import Discriminator, Judge, Judgement
from makeweight.ranges import SWITCH, Ranges, at_least, whole


def _no_classes(features: Tensor) -> Tensor:
    return features.new_zeros(len(features), 0)


class _Unconditional(Judge):
    """A realness score, linear in the features."""

    def __init__(self, trunk: nn.Module, n_features: int) -> None:
        super().__init__(trunk)
        self.realness = nn.Linear(n_features, 1)

    def answer(self, features: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        return self.realness(features).squeeze(1), _no_classes(features)


class _Concatenated(Judge):
    """A realness score by a hidden layer over one of the features and one of the one-hot label."""

    def __init__(self, trunk: nn.Module, n_features: int, n_classes: int, width: int) -> None:
        super().__init__(trunk)
        self.n_classes = n_classes
        # A layer each, for a label among thousands of features would hardly be heard.
        self.of_image = nn.Sequential(nn.Linear(n_features, width), nn.LeakyReLU(0.2))
        self.of_label = nn.Sequential(nn.Linear(n_classes, width), nn.LeakyReLU(0.2))
        self.joint = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU())
        self.realness = nn.Linear(width, 1)

    def answer(self, features: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        labels = codes.unsqueeze(1) == torch.arange(self.n_classes, device=codes.device)
        sides = [self.of_image(features), self.of_label(labels.to(features.dtype))]
        return self.realness(self.joint(torch.cat(sides, dim=1))).squeeze(1), _no_classes(features)


class _Projecting(Judge):
    """A realness score, linear in the features, with weights of its own for each class."""

    def __init__(self, trunk: nn.Module, n_features: int, n_classes: int) -> None:
        super().__init__(trunk)
        self.realness = nn.Linear(n_features, 1)
        self.of_class = nn.Embedding(n_classes, n_features)
        nn.init.normal_(self.of_class.weight, 0.0, 0.02)

    def answer(self, features: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        projected = (self.of_class(codes) * features).sum(dim=1)
        return self.realness(features).squeeze(1) + projected, _no_classes(features)


class _OneMore(Judge):
    """A softmax over the classes and one more, "drawn", of which realness and classes are two views."""

    def __init__(self, trunk: nn.Module, n_features: int, n_classes: int) -> None:
        super().__init__(trunk)
        self.outputs = nn.Linear(n_features, n_classes + 1)

    def answer(self, features: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.outputs(features).float()
        return logits[:, :-1].logsumexp(dim=1) - logits[:, -1], logits[:, :-1]


class _ByCondition(Judge):
    """A realness score for each condition; those that a class activates count."""

    active: Tensor

    def __init__(self, trunk: nn.Module, n_features: int, active: Tensor) -> None:
        super().__init__(trunk)
        self.conditions = nn.Linear(n_features, int(active.max()) + 1)
        self.register_buffer("active", active, persistent=False)

    def answer(self, features: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.conditions(features).gather(1, self.active[codes])
        return scores.squeeze(1), _no_classes(features)


class Head(Component):
    """How labels are judged; a loss that a head does not have is zero.

    Attributes
    ----------
    conditions : bool
        Whether labels are judged at all, so that the generator learns to draw the class asked for.
    classifies : bool
        Whether there is a class output.
    fakes : bool
        Whether it learns from drawn images, too.
    own_objective : str or None
        The one objective, of both players, with which the head makes sense; None where any will do.
    """

    conditions: ClassVar[bool] = True
    classifies: ClassVar[bool] = False
    fakes: bool = False
    own_objective: ClassVar[str | None] = None

    def build(self, trunk: nn.Module, n_features: int, n_classes: int) -> Judge:
        """Put the output layers on a trunk, using torch's global random state."""
        raise TypeError(f"{type(self).__name__} must say how a discriminator is built")

    def drawn_share(self, n_classes: int) -> float:
        """Share of drawn images in what the discriminator learns from, 0 to 1."""
        return 0.5

    def real_loss(self, judgement: Judgement, codes: Tensor) -> Tensor:
        """Discriminator's loss on the labels of real images."""
        return torch.zeros((), device=codes.device)

    def fake_loss(self, judgement: Judgement, codes: Tensor) -> Tensor:
        """Discriminator's loss on the labels that drawn images were asked to show."""
        return torch.zeros((), device=codes.device)

    def generator_loss(self, judgement: Judgement, codes: Tensor) -> Tensor:
        """Return the generator's loss on the labels that its images were asked to show."""
        return torch.zeros((), device=codes.device)

    def probabilities(self, class_logits: Tensor) -> Tensor:
        """Probability of each class, of shape (batch, n_classes): the softmax of the class output."""
        return class_logits.softmax(1)


def blended_with_next(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Blend the logits of each image of a batch with those of the next, the last with those of the first.

    Parameters
    ----------
    logits : tensor of shape (batch, n_classes)
        Class logits.

    Returns
    -------
    blends : tensor of shape (batch, n_classes)
        λ·l + (1 − λ)·l'.
    shares : tensor of shape (batch,)
        λ, spread evenly over (0, 1) in the order of the batch.

    Examples
    --------
    >>> blends, shares = blended_with_next(torch.tensor([[0.0], [4.0]]))
    >>> blends.flatten().tolist(), shares.tolist()
    ([3.0, 3.0], [0.25, 0.75])
    """
    n = len(logits)
    shares = (torch.arange(n, device=logits.device, dtype=torch.float32) + 0.5) / n
    return torch.lerp(logits.roll(-1, 0), logits, shares.to(logits.dtype).unsqueeze(1)), shares


HEADS: Registry[Head] = Registry("head", Head)


@HEADS.register("none")
class Unconditional(Head):
    """Realness alone: for a game with a single class.

    References
    ----------
    Goodfellow et al., 2014, "Generative Adversarial Nets", eq. 1.
    """

    conditions = False

    def build(self, trunk: nn.Module, n_features: int, n_classes: int) -> Judge:
        """Put one linear output on the trunk."""
        return _Unconditional(trunk, n_features)


@HEADS.register("concatenated")
class ConcatenatedLabel(Head):
    """A hidden layer for the features, one for the one-hot label, and one that judges both together.

    Parameters
    ----------
    width : int, default=256
        Units of each hidden layer, at least 1.

    References
    ----------
    Mirza and Osindero, 2014, "Conditional Generative Adversarial Nets", eq. 2 and section 4.1.
    """

    ranges: ClassVar[Ranges] = {"width": whole(1)}

    def __init__(self, *, width: int = 256) -> None:
        self.width = width

    def build(self, trunk: nn.Module, n_features: int, n_classes: int) -> Judge:
        """Put the hidden layers and one linear output on the trunk."""
        return _Concatenated(trunk, n_features, n_classes, self.width)


@HEADS.register("auxiliary_classifier")
class AuxiliaryClassifier(Head):
    """A softmax over classes beside the realness score.

    Parameters
    ----------
    weight : float, default=1.0
        Weight of the discriminator's classification losses, at least 0.
    generator_weight : float, default=1.0
        Weight of the generator's, at least 0. A small one leaves it more room to vary within a class.
    fakes : bool, default=True
        Whether the discriminator, too, learns the classes from drawn images. ``True`` is ACGAN, ``False`` drops the
        term, so that images of a wrong class teach the classifier nothing (modified AC-GAN).
    mixup : bool, default=False
        Whether the discriminator learns the classes of real images from blends of two: λ·φ + (1 − λ)·φ' of their
        features, and their losses alike. It is meant to keep the class output from learning the few images of a rare
        class by heart, and costs nothing.

    Notes
    -----
    The class output is linear, so blends of logits are those of features. Each image of a batch is paired with its
    neighbour, and λ is spread evenly over (0, 1), as Beta(1, 1) is; batches are shuffled, so this needs no chance.

    References
    ----------
    Odena et al., 2017, "Conditional Image Synthesis with Auxiliary Classifier GANs", eq. 2 and 3; Cho and Yoon, 2020,
    "Conditional Activation GAN: Improved Auxiliary Classifier GAN", section 2, for leaving out the fakes' term; Verma
    et al., 2019, "Manifold Mixup: Better Representations by Interpolating Hidden States", section 2, at the last layer.
    """

    classifies = True
    ranges: ClassVar[Ranges] = {
        "weight": at_least(0),
        "generator_weight": at_least(0),
        "fakes": SWITCH,
        "mixup": SWITCH,
    }
    later: ClassVar[dict[str, Any]] = {"mixup": False}

    def __init__(
        self, *, weight: float = 1.0, generator_weight: float = 1.0, fakes: bool = True, mixup: bool = False
    ) -> None:
        self.weight = weight
        self.generator_weight = generator_weight
        self.fakes = fakes
        self.mixup = mixup

    def build(self, trunk: nn.Module, n_features: int, n_classes: int) -> Judge:
        """Put a linear realness output and a linear class output on the trunk."""
        return Discriminator(trunk, n_features, n_classes)

    def real_loss(self, judgement: Judgement, codes: Tensor) -> Tensor:
        """Return the weighted cross-entropy of real images' labels, or that of blends of them."""
        if not self.mixup:
            return self.weight * cross_entropy(judgement.class_logits, codes)
        blends, shares = blended_with_next(judgement.class_logits)
        own, others = (cross_entropy(blends, each, reduction="none") for each in (codes, codes.roll(-1)))
        return self.weight * (shares * own + (1 - shares) * others).mean()

    def fake_loss(self, judgement: Judgement, codes: Tensor) -> Tensor:
        """Return the weighted cross-entropy of drawn images' labels, or zero without `fakes`."""
        if not self.fakes:
            return super().fake_loss(judgement, codes)
        return self.weight * cross_entropy(judgement.class_logits, codes)

    def generator_loss(self, judgement: Judgement, codes: Tensor) -> Tensor:
        """Return the weighted cross-entropy of the labels asked for."""
        return self.generator_weight * cross_entropy(judgement.class_logits, codes)


@HEADS.register("conditional_activation")
class ConditionalActivation(Head):
    """One realness score for each condition; an image is judged under the conditions that it is said to fulfil.

    The scores of the other conditions are left out of both players' losses, which is the inner product with a binary
    vector of conditions. There is no class loss, and so no weight of it.

    Parameters
    ----------
    attributes : tuple of tuples of 0 or 1, optional
        A row of binary attributes for each class, in the order of the sorted labels. An attribute and its complement
        are conditions of their own. By default the classes themselves are the conditions, one of them active.

    Notes
    -----
    A condition's score is never taught on images of other conditions, so that the highest of them says little about the
    class, and there is no class output. Losses are means over the active conditions, where the paper adds them up.

    References
    ----------
    Cho and Yoon, 2020, "Conditional Activation GAN: Improved Auxiliary Classifier GAN", eq. 17 and 18.

    Examples
    --------
    Three classes by two attributes: of the conditions A, not A, B and not B, two are active in each.

    >>> ConditionalActivation(attributes=((1, 0), (0, 1), (1, 1))).active(3).tolist()
    [[0, 3], [1, 2], [0, 2]]
    """

    def __init__(self, *, attributes: tuple[tuple[int, ...], ...] | None = None) -> None:
        self.attributes = attributes

    def active(self, n_classes: int) -> Tensor:
        """Return the numbers of the conditions active in each class, of shape (n_classes, n_active)."""
        if self.attributes is None:
            return torch.arange(n_classes).unsqueeze(1)
        told = isinstance(self.attributes, (tuple, list)) and all(
            isinstance(row, (tuple, list)) for row in self.attributes
        )
        rows = [tuple(row) for row in self.attributes] if told else []
        fits = len(rows) == n_classes and len({len(row) for row in rows}) == 1 and len(rows[0]) > 0
        if not fits or not all(value in (0, 1) for row in rows for value in row) or len(set(rows)) < n_classes:
            raise InputError(
                f"attributes={self.attributes!r} is impossible: give each of the {n_classes} classes a row of 0 and 1, "
                "all of one length and no two alike."
            )
        return torch.tensor([[2 * place + 1 - int(value) for place, value in enumerate(row)] for row in rows])

    def build(self, trunk: nn.Module, n_features: int, n_classes: int) -> Judge:
        """Put a linear output for each condition on the trunk."""
        return _ByCondition(trunk, n_features, self.active(n_classes))


@HEADS.register("k_plus_one")
class KPlusOne(Head):
    """A softmax over the classes and one more for drawn images, in place of an adversarial loss.

    The discriminator answers real images with their class and drawn ones with "drawn"; the generator wants the class
    that it was asked for. With s = log Σ_k exp(l_k) − l_drawn, realness σ(s) is 1 − p(drawn), and the cross-entropies
    over K + 1 fall apart into those of the non-saturating objective on s and those over the K classes. So these losses
    are the latter, and the objective must be that one.

    Parameters
    ----------
    even : bool, default=False
        Whether drawn images count for 1/(K + 1) of the discriminator's loss, as if they were a class, or for one half.
    generator_weight : float, default=1.0
        Weight of the class in the generator's loss, at least 0; 1 is the cross-entropy over K + 1. A small one leaves
        the generator more room to vary within a class.

    References
    ----------
    Mariani et al., 2018, "BAGAN: Data Augmentation with Balancing GAN", section 3.
    """

    classifies = True
    own_objective = "non_saturating"
    ranges: ClassVar[Ranges] = {"even": SWITCH, "generator_weight": at_least(0)}
    later: ClassVar[dict[str, Any]] = {"even": False, "generator_weight": 1.0}

    def __init__(self, *, even: bool = False, generator_weight: float = 1.0) -> None:
        self.even = even
        self.generator_weight = generator_weight

    def drawn_share(self, n_classes: int) -> float:
        """Return 1/(K + 1), or one half."""
        return 1 / (n_classes + 1) if self.even else 0.5

    def build(self, trunk: nn.Module, n_features: int, n_classes: int) -> Judge:
        """Put K + 1 linear outputs on the trunk."""
        return _OneMore(trunk, n_features, n_classes)

    def real_loss(self, judgement: Judgement, codes: Tensor) -> Tensor:
        """Return the cross-entropy of real images' labels, given that they are real."""
        return cross_entropy(judgement.class_logits, codes)

    def generator_loss(self, judgement: Judgement, codes: Tensor) -> Tensor:
        """Return the weighted cross-entropy of the labels asked for, given that the images pass for real."""
        return self.generator_weight * cross_entropy(judgement.class_logits, codes)


@HEADS.register("projection")
class Projection(Head):
    """Realness with weights of its own for each class: s = w·φ + b + v_class·φ.

    References
    ----------
    Miyato and Koyama, 2018, "cGANs with Projection Discriminator", eq. 3.
    """

    def build(self, trunk: nn.Module, n_features: int, n_classes: int) -> Judge:
        """Put a linear output and an embedding of the classes on the trunk."""
        return _Projecting(trunk, n_features, n_classes)
