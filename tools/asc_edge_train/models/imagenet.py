"""ImageNet networks as extractors of embeddings: torchvision's definitions, local weights or random ones.

CRNN + Deep Spectrum + late fusion, section on deep spectrum features: VGG16 and VGG19 at ``fc2``, ResNet50
and DenseNet121 at ``avg_pool``, each trained on ImageNet and with random weights. SqueezeNet 1.1, the mean
of its last maps, is our addition.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from asc_edge.errors import ConfigError
from asc_edge_train.models.keras_files import KERAS_SUFFIXES, convolution_kernel, read_layers
from asc_edge_train.models.torchvision_shim import torchvision_models
from asc_edge_train.models.weights import load_state, read_state

__all__ = ["IMAGE_NETWORKS", "INITIALISERS", "bare_network", "image_network"]

INITIALISERS = ("keras", "torch")


class ImageNetwork(NamedTuple):
    """A network of torchvision and how to make it answer with an embedding.

    Attributes
    ----------
    outputs : int
        Length of the embedding.
    file : str
        Name under which the weights are published.
    behead : callable
        Takes what comes after the embedding off the network.
    """

    outputs: int
    file: str
    behead: Callable[[Any], None]


def _behead_vgg(network: Any) -> None:
    # fc1, fc2 and their ReLUs: Keras's layer "fc2" is after its activation.
    network.classifier = network.classifier[:5]


def _behead_resnet(network: Any) -> None:
    network.fc = nn.Identity()


def _behead_densenet(network: Any) -> None:
    network.classifier = nn.Identity()


def _behead_squeezenet(network: Any) -> None:
    network.classifier = nn.AdaptiveAvgPool2d(1)


IMAGE_NETWORKS = {
    "vgg16": ImageNetwork(4096, "vgg16-397923af.pth", _behead_vgg),
    "vgg19": ImageNetwork(4096, "vgg19-dcbb9e9d.pth", _behead_vgg),
    "resnet50": ImageNetwork(2048, "resnet50-0676ba61.pth", _behead_resnet),
    "densenet121": ImageNetwork(1024, "densenet121-a639ec97.pth", _behead_densenet),
    "squeezenet1_1": ImageNetwork(
        512,
        "squeezenet_imagenet_notop/squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5",
        _behead_squeezenet,
    ),
}


def image_network(name: str, path: Path | None, *, seed: int = 0, initialiser: str = "keras") -> nn.Module:
    """Network for images (batch, 3, 224, 224) that answers with embeddings (batch, outputs).

    Parameters
    ----------
    path
        State dict as torchvision publishes it, or for SqueezeNet also Keras's HDF5 file; None for random
        weights.
    seed, initialiser
        Of random weights: ``"keras"`` is what the paper's toolkit had (Glorot uniform, biases 0), ``"torch"``
        torchvision's own.

    Raises
    ------
    ConfigError
        When the file is damaged or of another network.
    EngineError
        When torchvision, or h5py for an HDF5 file, is not installed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _whole_network(name)
        if path is None and initialiser == "keras":
            network.apply(_keras_defaults)
    if path is not None and path.suffix in KERAS_SUFFIXES:
        if name != "squeezenet1_1":
            raise ConfigError(
                f"{path}: of {name}, give torchvision's state dict ({IMAGE_NETWORKS[name].file})"
            )
        _load_keras_squeezenet(network, path)
    elif path is not None:
        load_state(network, _new_names(read_state(path)), path)
    IMAGE_NETWORKS[name].behead(network)
    return network.eval()


def bare_network(name: str) -> nn.Module:
    """The network up to its embedding, with whatever weights torch starts it with."""
    network = _whole_network(name)
    IMAGE_NETWORKS[name].behead(network)
    return network


def _whole_network(name: str) -> nn.Module:
    network: nn.Module = getattr(torchvision_models(), name)(weights=None)
    return network


def _keras_defaults(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _new_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """DenseNet's published file is from before its layers were renamed, ``norm.1`` to ``norm1``."""
    old = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")
    return {old.sub(r"\1\2.", name): value for name, value in state.items()}


def _load_keras_squeezenet(network: nn.Module, path: Path) -> None:
    """Keras's SqueezeNet without its top: a kernel and a bias in every layer."""
    layers = read_layers(path)
    # The top isn't in the file, and isn't part of the embedding.
    state = {name: value for name, value in network.state_dict().items() if name.startswith("classifier.")}
    for ours, theirs in _squeezenet_layers():
        for value in layers.get(theirs, {}).values():
            if value.ndim == 4:
                state[f"{ours}.weight"] = convolution_kernel(value)
            else:
                state[f"{ours}.bias"] = torch.from_numpy(value)
    load_state(network, state, path)


def _squeezenet_layers() -> list[tuple[str, str]]:
    """Names of the layers, ours and Keras's. torchvision counts pools and activations too."""
    pairs = [("features.0", "conv1")]
    for fire, place in zip(range(2, 10), (3, 4, 6, 7, 9, 10, 11, 12), strict=True):
        pairs += [(f"features.{place}.{n}", f"fire{fire}/{n}") for n in ("squeeze", "expand1x1", "expand3x3")]
    return [(ours, theirs.replace("/squeeze", "/squeeze1x1")) for ours, theirs in pairs]
