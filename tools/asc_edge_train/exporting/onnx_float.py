"""From torch to ONNX: checked against torch, with onnxruntime, before anything ships."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from asc_edge.errors import AscEdgeError
from asc_edge_train.models.stream_cnn import StreamCnn

__all__ = ["ExportError", "Shipped", "export_onnx", "module_to_onnx"]

TOLERANCE = 1e-5
_OPSETS = {"new": 18, "old": 17}
_MAX_BATCH = 4096
# Another length than the example's, to see that the network takes it; a prime: no pool fits by chance.
_MORE_FRAMES = 29


class ExportError(AscEdgeError):
    """A network came out of an exporter with other answers than it went in with."""


class Shipped(nn.Module):
    """A member's network as it ships: pictures in, posteriors or embeddings out."""

    def __init__(self, network: nn.Module, kind: str) -> None:
        super().__init__()
        self.network = network.for_device() if isinstance(network, StreamCnn) else network
        self.kind = kind

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        if self.kind == "posterior":
            return torch.softmax(self.network(picture), dim=1)
        return self.network.embed(picture)  # type: ignore[operator]


def export_onnx(network: nn.Module, kind: str, mels: int, frames: int, exporter: str = "any") -> bytes:
    """ONNX of a member's network: input ``picture`` (batch, 1, mels, frames), output ``answer``.

    See `module_to_onnx`.
    """
    return module_to_onnx(
        Shipped(network, kind),
        (1, mels, frames),
        # Its columns are counted from the window's end, which makes an open length a matter of remainders.
        dynamic_time=not isinstance(network, StreamCnn),
        exporter=exporter,
    )


def module_to_onnx(
    module: nn.Module,
    shape: Sequence[int],
    *,
    input_name: str = "picture",
    output_name: str = "answer",
    dynamic_time: bool = True,
    exporter: str = "any",
) -> bytes:
    """ONNX of any module of one input and one output, for batches of any size.

    torch's newer exporter is used where it works, the older one otherwise. The newer one writes a recurrent
    layer for one length only, so that the older one goes first there.

    Parameters
    ----------
    shape
        Of one example, without the batch: (channels, rows, columns), say. The last axis is time.
    dynamic_time : bool
        Leave the length of the last axis open, too, where the module allows it.
    exporter : {"any", "new", "old"}

    Raises
    ------
    ExportError
        When no exporter's network answers as torch does, to 1e-5 of the largest answer.
    """
    module = module.to(memory_format=torch.contiguous_format).eval()
    names = [name for name in ("new", "old") if exporter in {"any", name}]
    ways = [(name, True) for name in names] if dynamic_time else []
    if any(isinstance(part, nn.RNNBase) for part in module.modules()):
        ways = [way for way in ways if way[0] == "old"]
    ways += [(name, False) for name in names]
    complaints = []
    for name, open_time in ways:
        try:
            export = _export_new if name == "new" else _export_old
            data = export(module, _example(2, shape), input_name, output_name, open_time)
            lengths = {shape[-1], shape[-1] + _MORE_FRAMES} if open_time else {shape[-1]}
            worst = max(
                _difference(module, data, (*shape[:-1], length), batch)
                for length in sorted(lengths)
                for batch in (1, 3)
            )
        except Exception as error:  # each exporter raises types of its own, and the other may still do
            complaints.append(f"{name} exporter: {type(error).__name__}: {str(error).splitlines()[:1]}")
            continue
        if worst <= TOLERANCE:
            return data
        complaints.append(f"{name} exporter: answers differ by {worst:.1e}")
    raise ExportError(f"network can't be exported to ONNX: {'; '.join(complaints)}")


def _example(batch: int, shape: Sequence[int]) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(batch).random((batch, *shape), dtype=np.float32))


def _export_new(
    module: nn.Module, example: torch.Tensor, input_name: str, output_name: str, open_time: bool
) -> bytes:
    # Remarks about a package that isn't needed, and about what the exporter does by itself.
    for name in ("onnxscript", "torch.onnx._internal.exporter._registration", "torch.export._trace"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    axes: dict[int, Any] = {0: torch.export.Dim("batch", min=1, max=_MAX_BATCH)}
    if open_time:
        axes[example.ndim - 1] = torch.export.Dim("time", min=_least_length(module, example))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            input_names=[input_name],
            output_names=[output_name],
            dynamic_shapes=(axes,),
            opset_version=_OPSETS["new"],
            verbose=False,
        )
    if program is None:
        raise ExportError("the exporter gave nothing back")
    return _without_notes(program.model_proto)


@torch.inference_mode()
def _least_length(module: nn.Module, example: torch.Tensor) -> int:
    """The shortest length, in powers of two below the example's, that the module takes: pools need some."""
    length = int(example.shape[-1])
    while length > 2:
        try:
            module(example[..., : length // 2])
        except RuntimeError:
            break
        length //= 2
    return min(length + 1, int(example.shape[-1]))


def _export_old(
    module: nn.Module, example: torch.Tensor, input_name: str, output_name: str, open_time: bool
) -> bytes:
    import onnx

    axes = {0: "batch", **({example.ndim - 1: "time"} if open_time else {})}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (example,),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            input_names=[input_name],
            output_names=[output_name],
            dynamic_axes={input_name: axes, output_name: {0: "batch"}},
            opset_version=_OPSETS["old"],
        )
    return _without_notes(onnx.load_from_string(buffer.getvalue()))


def _without_notes(model: object) -> bytes:
    """Drop the exporter's notes (source lines, paths of this machine): they don't belong in what ships."""
    import onnx

    assert isinstance(model, onnx.ModelProto)
    onnx.checker.check_model(model)
    model.doc_string = ""
    del model.metadata_props[:]
    graphs = [model.graph, *model.functions]
    for graph in graphs:
        del graph.metadata_props[:]
        del graph.value_info[:]
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
    for value in [*model.graph.initializer, *model.graph.input, *model.graph.output]:
        value.doc_string = ""
        del value.metadata_props[:]
    return model.SerializeToString(deterministic=True)


@torch.inference_mode()
def _difference(module: nn.Module, data: bytes, shape: Sequence[int], batch: int) -> float:
    """How far the file's answers lie from torch's, over the largest answer (or over 1)."""
    from asc_edge_train.exporting.sessions import run_onnx

    example = _example(batch, shape)
    expected = module(example).numpy()
    answer = run_onnx(data, example.numpy())
    return float(np.max(np.abs(answer - expected)) / max(1.0, float(np.max(np.abs(expected)))))
