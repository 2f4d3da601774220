"""From torch to TFLite by litert-torch: fixed shapes, checked against torch with LiteRT."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from asc_edge.errors import EngineError
from asc_edge_train.exporting.onnx_float import ExportError, Shipped
from asc_edge_train.exporting.quiet import quietly
from asc_edge_train.exporting.sessions import run_tflite

__all__ = ["TOLERANCE", "export_tflite", "module_to_tflite"]

TOLERANCE = 1e-4
_CHECKED = 4


def export_tflite(network: nn.Module, kind: str, mels: int, frames: int) -> bytes:
    """TFLite of a member's network: (1, 1, mels, frames) to (1, outputs). See `module_to_tflite`."""
    return module_to_tflite(Shipped(network, kind), (1, mels, frames))


def module_to_tflite(module: nn.Module, shape: Sequence[int]) -> bytes:
    """TFLite of any module of one input and one output, for one example at a time.

    Shapes are fixed, since litert-torch can convert nothing else, and recurrent layers are unrolled over
    their steps. The same module gives the same bytes.

    Parameters
    ----------
    shape
        Of one example, without the batch: (1, mels, frames), say.

    Raises
    ------
    EngineError
        When litert-torch isn't installed.
    ExportError
        When it can't convert the module, or the network answers otherwise than torch, by more than 1e-4 of
        the largest answer.
    """
    convert = _converter()
    # The converter moves what it is given about.
    module = copy.deepcopy(module).to(memory_format=torch.contiguous_format).eval()
    rng = np.random.default_rng(0)
    examples = rng.random((_CHECKED, *shape), dtype=np.float32)
    with torch.inference_mode():
        expected = module(torch.from_numpy(examples)).numpy()
    try:
        with quietly(), tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "network.tflite"
            convert(module, (torch.from_numpy(examples[:1]),)).export(str(path))
            data = path.read_bytes()
    except Exception as error:  # every stage of the converter raises types of its own
        reason = (str(error).splitlines() or [""])[0][:300]
        raise ExportError(f"network can't be converted to TFLite: {type(error).__name__}: {reason}") from None
    worst = float(np.max(np.abs(run_tflite(data, examples) - expected)))
    worst /= max(1.0, float(np.max(np.abs(expected))))
    if not worst <= TOLERANCE:
        raise ExportError(f"network can't be converted to TFLite: answers differ by {worst:.1e}")
    return data


def _converter() -> Any:
    try:
        with quietly():
            import litert_torch
    except ImportError as error:
        raise EngineError(
            f"converting to TFLite needs {error.name or 'litert-torch'}: "
            "pip install 'asc-edge[train-tflite]' (x86-64 only), or leave the tflite variants out: --variants"
        ) from None
    return litert_torch.convert
