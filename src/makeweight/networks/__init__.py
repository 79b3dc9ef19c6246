"""What draws and what judges: a generator and a discriminator's trunk for a given image shape.

A generator maps noise (batch, latent_dim) and codes (batch,) to images (batch, c, h, w) in [-1, 1]. A trunk maps such
images to features (batch, n_features).
"""

from makeweight.networks.base import (
    LARGEST_SIDE,
    NETWORKS,
    SMALLEST_SIDE,
    LabelledGenerator,
    NetworkPair,
    Networks,
    Shape,
    check_single,
    size_problem,
)
from makeweight.networks.by_shape import ByShape
from makeweight.networks.dcgan import DCGAN, Published28, initialise
from makeweight.networks.mlp import MLP
from makeweight.networks.own import OwnNetworks
from makeweight.networks.resnet import ClassifierResNet, ResNet

__all__ = [
    "DCGAN",
    "LARGEST_SIDE",
    "MLP",
    "NETWORKS",
    "SMALLEST_SIDE",
    "ByShape",
    "ClassifierResNet",
    "LabelledGenerator",
    "NetworkPair",
    "Networks",
    "OwnNetworks",
    "Published28",
    "ResNet",
    "Shape",
    "check_single",
    "initialise",
    "size_problem",
]
