"""Networks, built from a recipe's ``[members.network]`` table."""

from __future__ import annotations

from typing import Any

from torch import nn

from asc_edge.errors import ConfigError
from asc_edge_train.models.cnn import EmbeddingCnn
from asc_edge_train.models.cost import multiply_accumulates, parameter_count
from asc_edge_train.models.crnn import Crnn

__all__ = ["Crnn", "EmbeddingCnn", "build_network", "multiply_accumulates", "parameter_count"]

_NETWORKS: dict[str, Any] = {"crnn": Crnn, "cnn": EmbeddingCnn}


def build_network(config: dict[str, Any], mels: int, classes: int) -> nn.Module:
    """Network for pictures of shape (batch, 1, mels, frames); it answers with logits (batch, classes).

    Raises
    ------
    ConfigError
        For an unknown type or field, or pools that don't fit the picture.
    """
    values = dict(config)
    kind = values.pop("type", None)
    if kind not in _NETWORKS:
        raise ConfigError(f"unknown network type {kind!r}: choose one of {', '.join(_NETWORKS)}")
    try:
        network: nn.Module = _NETWORKS[kind](mels=mels, classes=classes, **values)
    except TypeError as error:
        raise ConfigError(f"network {kind}: {error}") from None
    return network
