"""torchvision's networks, beside a PyTorch build that torchvision's own operators don't load into."""

from __future__ import annotations

import importlib
import sys
from functools import lru_cache
from types import ModuleType

import torch

from asc_edge.errors import EngineError

__all__ = ["torchvision_models"]

# The operators that torchvision describes at import; none of its classifiers uses them.
_OPERATORS = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@lru_cache(maxsize=1)
def torchvision_models() -> ModuleType:
    """``torchvision.models``.

    PyPI's torchvision is linked against CUDA; next to a CPU build of PyTorch its compiled part isn't loaded,
    and the import fails on operators that were never defined. Their bare definition is enough for it.

    Raises
    ------
    EngineError
        When torchvision is not installed or doesn't fit the installed PyTorch.
    """
    try:
        return _import()
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise EngineError(f"torchvision doesn't fit this PyTorch: {error}") from None
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    _define_operators()
    return _import()


def _import() -> ModuleType:
    try:
        return importlib.import_module("torchvision.models")
    except ImportError:
        raise EngineError(
            "image networks need torchvision: pip install --no-deps torchvision==0.28.0 pillow"
        ) from None


@lru_cache(maxsize=1)
def _define_operators() -> torch.library.Library:
    # The definitions live as long as this object, so the cache keeps it.
    library = torch.library.Library("torchvision", "DEF")
    for name in _OPERATORS:
        library.define(name + _SIGNATURE)
    return library
