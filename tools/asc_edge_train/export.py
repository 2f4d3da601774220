"""From trained networks to ONNX: checked against torch, with onnxruntime, before anything ships."""

from __future__ import annotations

import io
import logging
import warnings

import numpy as np
import torch
from torch import nn

from asc_edge.errors import AscEdgeError

__all__ = ["ExportError", "Shipped", "export_onnx"]

TOLERANCE = 1e-5
_OPSET = 17


class ExportError(AscEdgeError):
    """A network came out of the exporter with other answers than it went in with."""


class Shipped(nn.Module):
    """A member's network as it ships: pictures in, posteriors or embeddings out."""

    def __init__(self, network: nn.Module, kind: str) -> None:
        super().__init__()
        self.network = network
        self.kind = kind

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        if self.kind == "posterior":
            return torch.softmax(self.network(picture), dim=1)
        return self.network.embed(picture)  # type: ignore[operator]


def export_onnx(network: nn.Module, kind: str, mels: int, frames: int, exporter: str = "any") -> bytes:
    """ONNX of a network: input ``picture`` (batch, 1, mels, frames), output ``answer``, any batch.

    torch's newer exporter is used where it works, the older one otherwise.

    Raises
    ------
    ExportError
        When neither exporter's network answers as torch does, to 1e-5.
    """
    shipped = Shipped(network, kind).to(memory_format=torch.contiguous_format).eval()
    rng = np.random.default_rng(0)
    example = torch.from_numpy(rng.random((2, 1, mels, frames), dtype=np.float32))
    complaints = []
    for name, function in (("new", _export_new), ("old", _export_old)):
        if exporter not in {"any", name}:
            continue
        try:
            data = function(shipped, example)
            worst = max(_difference(shipped, data, mels, frames, batch) for batch in (1, 3))
        except Exception as error:  # each exporter raises types of its own, and the other may still do
            complaints.append(f"{name} exporter: {type(error).__name__}: {str(error).splitlines()[:1]}")
            continue
        if worst <= TOLERANCE:
            return data
        complaints.append(f"{name} exporter: answers differ by {worst:.1e}")
    raise ExportError(f"network can't be exported to ONNX: {'; '.join(complaints)}")


def _export_new(network: nn.Module, example: torch.Tensor) -> bytes:
    # Remarks about a package that isn't needed, and about what the exporter does by itself.
    for name in ("onnxscript", "torch.onnx._internal.exporter._registration"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=["picture"],
            output_names=["answer"],
            dynamic_shapes={"picture": {0: torch.export.Dim("batch", min=1, max=4096)}},
            opset_version=18,
            verbose=False,
        )
    if program is None:
        raise ExportError("the exporter gave nothing back")
    return _without_notes(program.model_proto)


def _export_old(network: nn.Module, example: torch.Tensor) -> bytes:
    import onnx

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            input_names=["picture"],
            output_names=["answer"],
            dynamic_axes={"picture": {0: "batch"}, "answer": {0: "batch"}},
            opset_version=_OPSET,
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
def _difference(network: nn.Module, data: bytes, mels: int, frames: int, batch: int) -> float:
    import onnxruntime

    rng = np.random.default_rng(batch)
    picture = rng.random((batch, 1, mels, frames), dtype=np.float32)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    if [value.name for value in session.get_inputs()] != ["picture"]:
        raise ExportError("the network's input is not named picture")
    answer = session.run(None, {"picture": picture})[0]
    expected = network(torch.from_numpy(picture)).numpy()
    return float(np.max(np.abs(answer - expected)) / max(1.0, float(np.max(np.abs(expected)))))
