"""Networks, built from a recipe's ``[members.network]`` table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from asc_edge.errors import ConfigError
from asc_edge_train.models.cnn import EmbeddingCnn
from asc_edge_train.models.cost import multiply_accumulates, parameter_count
from asc_edge_train.models.crnn import Crnn
from asc_edge_train.models.efficientat import EfficientAtMn
from asc_edge_train.models.stream_cnn import StreamCnn
from asc_edge_train.models.weights import find_weights, load_published

__all__ = [
    "Crnn",
    "EfficientAtMn",
    "EmbeddingCnn",
    "StreamCnn",
    "build_network",
    "multiply_accumulates",
    "parameter_count",
]

_NETWORKS: dict[str, Any] = {
    "crnn": Crnn,
    "cnn": EmbeddingCnn,
    "efficientat_mn": EfficientAtMn,
    "stream_cnn": StreamCnn,
}


def build_network(
    config: dict[str, Any],
    mels: int,
    classes: int,
    *,
    weights_folder: Path | None = None,
    pretrained: bool = True,
) -> nn.Module:
    """Network for its member's input, (batch, 1, mels, frames); it answers with logits (batch, classes).

    Parameters
    ----------
    config
        ``type`` and the network's own fields; ``weights`` names a file of published weights to start from.
    weights_folder
        Where that file is looked up unless its path is absolute.
    pretrained
        False leaves ``weights`` alone: for a network that is given a trained state right after.

    Raises
    ------
    ConfigError
        For an unknown type or field, pools that don't fit the picture, or weights that are missing or of
        another network.
    """
    values = dict(config)
    kind = values.pop("type", None)
    weights = values.pop("weights", None)
    if kind not in _NETWORKS:
        raise ConfigError(f"unknown network type {kind!r}: choose one of {', '.join(_NETWORKS)}")
    try:
        network: nn.Module = _NETWORKS[kind](mels=mels, classes=classes, **values)
    except TypeError as error:
        raise ConfigError(f"network {kind}: {error}") from None
    if weights is not None and pretrained:
        load_published(network, find_weights(str(weights), weights_folder))
    return network
