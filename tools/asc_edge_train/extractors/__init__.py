"""Frozen networks of other authors as extractors of embeddings, built from a recipe's ``extractor`` table.

CRNN + Deep Spectrum + late fusion, sections on deep spectrum, openl3 and PANN features.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from asc_edge.errors import ConfigError
from asc_edge_train.extractors.base import Extractor
from asc_edge_train.extractors.deep_spectrum import DeepSpectrumExtractor
from asc_edge_train.extractors.efficientat import EfficientAtExtractor
from asc_edge_train.extractors.openl3 import OpenL3Extractor
from asc_edge_train.extractors.panns import PannExtractor
from asc_edge_train.extractors.yamnet import YamnetExtractor

__all__ = ["EXTRACTORS", "Extractor", "build_extractor"]

EXTRACTORS: dict[str, Callable[[dict[str, Any], Path], Extractor]] = {
    "yamnet": YamnetExtractor,
    "efficientat_mn04": EfficientAtExtractor,
    "panns_cnn14": PannExtractor,
    "openl3": OpenL3Extractor,
    "deep_spectrum": DeepSpectrumExtractor,
}


def build_extractor(config: dict[str, Any], weights: Path) -> Extractor:
    """Extractor of a recipe's table; the network itself is loaded when the first clip comes.

    Parameters
    ----------
    config
        ``type``, and that extractor's options. An option ``weights`` is the name of a file, absolute or below
        ``weights``, or ``"random"`` for seeded random initialisation where the extractor has that.
    weights
        Folder of published weights.

    Raises
    ------
    ConfigError
        For an unknown type or option, a value that can't work, or a missing weights file.
    """
    options = dict(config)
    kind = options.pop("type", None)
    if kind not in EXTRACTORS:
        raise ConfigError(f"unknown extractor type {kind!r}: choose one of {', '.join(EXTRACTORS)}")
    return EXTRACTORS[kind](options, weights)
