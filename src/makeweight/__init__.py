"""Add weight to the light side of an imbalanced image set, and check that it helps.

Nothing heavy is loaded before it is used: ``import makeweight`` loads neither torch nor numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from makeweight.balance import BalancedDataset, balance_folder, sample_folder, verify_folder
    from makeweight.classifiers.gamo import GAMOClassifier
    from makeweight.classifiers.gan_classifier import GANClassifier
    from makeweight.classifiers.small_cnn import CNNClassifier
    from makeweight.data.hugging_face import read_hugging_face
    from makeweight.errors import InputError
    from makeweight.evolution import Annealed, Evolution
    from makeweight.methods.acgan import ACGAN
    from makeweight.methods.adasyn import ADASYN
    from makeweight.methods.aggan import AGGAN
    from makeweight.methods.augmentation import Augmented
    from makeweight.methods.bagan import BAGAN
    from makeweight.methods.bagan_gp import BAGANGP
    from makeweight.methods.borderline_smote import BorderlineSMOTE
    from makeweight.methods.ca_gan import CAGAN
    from makeweight.methods.cgan import CGAN
    from makeweight.methods.class_dcgan import ClassDCGAN
    from makeweight.methods.deep_smote import DeepSMOTE
    from makeweight.methods.duplicates import Duplicates
    from makeweight.methods.egan import EGAN
    from makeweight.methods.gamo import GAMO
    from makeweight.methods.lsgan import LSGAN
    from makeweight.methods.modified_acgan import ModifiedACGAN
    from makeweight.methods.projection_gan import ProjectionGAN
    from makeweight.methods.smote import SMOTE
    from makeweight.methods.vae_gan import VAEGAN
    from makeweight.methods.wgan import WGAN
    from makeweight.methods.wgan_gp import WGANGP
    from makeweight.methods.wgan_lp import WGANLP
    from makeweight.networks import OwnNetworks, ResNet
    from makeweight.quality.evaluate import evaluate_images
    from makeweight.quality.folder import evaluate_folder
    from makeweight.sampler import load

    __version__: str

_HOMES = {
    "ACGAN": "methods.acgan",
    "ADASYN": "methods.adasyn",
    "AGGAN": "methods.aggan",
    "Annealed": "evolution",
    "Augmented": "methods.augmentation",
    "BAGAN": "methods.bagan",
    "BAGANGP": "methods.bagan_gp",
    "balance_folder": "balance",
    "BalancedDataset": "balance",
    "BorderlineSMOTE": "methods.borderline_smote",
    "CAGAN": "methods.ca_gan",
    "CGAN": "methods.cgan",
    "ClassDCGAN": "methods.class_dcgan",
    "CNNClassifier": "classifiers.small_cnn",
    "DeepSMOTE": "methods.deep_smote",
    "Duplicates": "methods.duplicates",
    "EGAN": "methods.egan",
    "evaluate_folder": "quality.folder",
    "evaluate_images": "quality.evaluate",
    "Evolution": "evolution",
    "GAMO": "methods.gamo",
    "GAMOClassifier": "classifiers.gamo",
    "GANClassifier": "classifiers.gan_classifier",
    "InputError": "errors",
    "load": "sampler",
    "LSGAN": "methods.lsgan",
    "ModifiedACGAN": "methods.modified_acgan",
    "OwnNetworks": "networks",
    "ProjectionGAN": "methods.projection_gan",
    "read_hugging_face": "data.hugging_face",
    "ResNet": "networks",
    "sample_folder": "balance",
    "SMOTE": "methods.smote",
    "VAEGAN": "methods.vae_gan",
    "verify_folder": "balance",
    "WGAN": "methods.wgan",
    "WGANGP": "methods.wgan_gp",
    "WGANLP": "methods.wgan_lp",
}
__all__ = [
    "ACGAN",
    "ADASYN",
    "AGGAN",
    "BAGAN",
    "BAGANGP",
    "CAGAN",
    "CGAN",
    "EGAN",
    "GAMO",
    "LSGAN",
    "SMOTE",
    "VAEGAN",
    "WGAN",
    "WGANGP",
    "WGANLP",
    "Annealed",
    "Augmented",
    "BalancedDataset",
    "BorderlineSMOTE",
    "CNNClassifier",
    "ClassDCGAN",
    "DeepSMOTE",
    "Duplicates",
    "Evolution",
    "GAMOClassifier",
    "GANClassifier",
    "InputError",
    "ModifiedACGAN",
    "OwnNetworks",
    "ProjectionGAN",
    "ResNet",
    "balance_folder",
    "evaluate_folder",
    "evaluate_images",
    "load",
    "read_hugging_face",
    "sample_folder",
    "verify_folder",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _installed_version()
    elif name in _HOMES:
        value = getattr(importlib.import_module(f"makeweight.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "__version__"})


def _installed_version() -> str:
    """Give the version that was installed, which the build took from git's tag."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("makeweight")
    except PackageNotFoundError:  # a source folder on the path, which nobody has installed
        return "0.0.0+not.installed"
