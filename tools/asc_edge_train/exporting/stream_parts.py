"""The two parts of a network that is computed as the sound comes in, as files beside the whole one.

ONNX parts are cut out of the whole network's own file, so that they are the same network in 8 bits as well:
codes are per tensor and per channel, and know nothing of lengths. TFLite fixes every length when a network is
converted. Its parts are converted by themselves, and would be quantised by themselves: in 8 bits they would
be another network than the one that passed the gate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from asc_edge.manifest import StreamSpec
from asc_edge_train.exporting.onnx_float import ExportError
from asc_edge_train.exporting.sessions import run_onnx, run_tflite
from asc_edge_train.exporting.tflite_float import module_to_tflite
from asc_edge_train.models.stream_cnn import StreamCnn, StreamHead, StreamTrunk

__all__ = ["StreamParts", "make_stream_parts"]

# What the device promises of kept columns.
_TOLERANCE = 1e-4
_CHECKED = 2


@dataclass(frozen=True)
class StreamParts:
    """Trunk and head as files, and how they fit together: see `asc_edge.manifest.StreamSpec`."""

    trunk: bytes
    head: bytes
    chunk_frames: int
    context_frames: int
    stride_frames: int
    columns: int

    def spec(self, trunk: str, head: str) -> StreamSpec:
        """What the manifest says of them, under these names."""
        sizes = (self.chunk_frames, self.context_frames, self.stride_frames, self.columns)
        return StreamSpec(trunk, head, *sizes)


def make_stream_parts(
    whole: bytes,
    network: nn.Module,
    kind: str,
    *,
    mels: int,
    frames: int,
    hop_frames: float,
    ending: str,
    precision: str = "float32",
) -> StreamParts | None:
    """Trunk and head of a network that has them, or None for one that can only be computed whole.

    Those are networks that aren't made for it, and TFLite in 8 bits.

    Parameters
    ----------
    whole : bytes
        The exported network that the parts must answer like.
    network : nn.Module
        What it was exported from.
    frames : int
        Of a window.
    hop_frames : float
        Between decisions: a chunk is as long as what is new then, to the nearest whole number of columns.
    ending : {"onnx", "tflite"}

    Raises
    ------
    ExportError
        When the parts answer otherwise than the whole, by more than 1e-4 of the largest answer.
    """
    if not isinstance(network, StreamCnn) or (ending == "tflite" and precision != "float32"):
        return None
    columns, stride, context = network.columns_of(frames), network.stride_frames, network.context_frames
    chunk_frames = min(columns, max(1, round(hop_frames / stride))) * stride + context
    if ending == "onnx":
        trunk, head = _cut_onnx(whole, (network.features, columns), chunk_frames)
    else:
        shipped = network.for_device()
        trunk = module_to_tflite(StreamTrunk(shipped), (1, mels, chunk_frames))
        head = module_to_tflite(StreamHead(shipped, kind), (network.features, columns))
    parts = StreamParts(trunk, head, chunk_frames, context, stride, columns)
    _check(parts, whole, (1, mels, frames), ending)
    return parts


def _cut_onnx(whole: bytes, columns: tuple[int, int], chunk_frames: int) -> tuple[bytes, bytes]:
    """Cut a network where its columns are: the first tensor of that shape."""
    import onnx

    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(whole))
    shapes = {value.name: value.type.tensor_type.shape.dim for value in model.graph.value_info}
    named = [
        name
        for node in model.graph.node
        for name in node.output
        if name in shapes and tuple(size.dim_value for size in shapes[name])[1:] == columns
    ]
    if not named:
        raise ExportError("network can't be computed in parts: its file has no columns to cut it at")
    _count_in_columns(model.graph, named[0])
    extractor = onnx.utils.Extractor(model)
    trunk = extractor.extract_model([model.graph.input[0].name], [named[0]])
    head = extractor.extract_model([named[0]], [model.graph.output[0].name])
    _shorten(trunk, chunk_frames)
    for part in (trunk, head):
        del part.graph.value_info[:]
        onnx.checker.check_model(part)
    return trunk.SerializeToString(deterministic=True), head.SerializeToString(deterministic=True)


def _count_in_columns(graph: Any, columns: str) -> None:
    """Let a recurrent layer of the head take the batch's size from the columns instead of the window.

    Both have it in front. A head whose graph needs anything else of the window isn't one, and won't be cut.
    """
    for node in graph.node:
        ends = {attribute.name: attribute.i for attribute in node.attribute}
        if (
            node.op_type == "Shape"
            and ends == {"start": 0, "end": 1}
            and node.input[0] == graph.input[0].name
        ):
            node.input[0] = columns


def _shorten(trunk: Any, chunk_frames: int) -> None:
    """Make a whole window's trunk one of a chunk, which has no frames left over at its start."""
    graph = trunk.graph
    for node in [node for node in graph.node if node.op_type == "Slice"]:
        for other in graph.node:
            for place, name in enumerate(other.input):
                if name == node.output[0]:
                    other.input[place] = node.input[0]
        graph.node.remove(node)
    graph.input[0].type.tensor_type.shape.dim[3].dim_value = chunk_frames
    graph.output[0].type.tensor_type.shape.dim[2].dim_param = "columns"


def _check(parts: StreamParts, whole: bytes, shape: tuple[int, int, int], ending: str) -> None:
    """Compute windows chunk by chunk, as a stream does, and hold the answers against the whole network's."""
    run = run_onnx if ending == "onnx" else run_tflite
    frames, chunk, stride = shape[2], parts.chunk_frames, parts.stride_frames
    levels = np.random.default_rng(0).random((_CHECKED, *shape), dtype=np.float32) - np.float32(2.0)
    chunk_columns = (chunk - parts.context_frames) // stride
    columns = np.zeros((_CHECKED, 0, 0), np.float32)
    for later in range(parts.columns - chunk_columns, -1, -1):
        stop = frames - later * stride
        newest = run(parts.trunk, levels[..., stop - chunk : stop])
        columns = np.concatenate([columns, newest[:, :, -1:]], axis=2) if columns.size else newest
    expected = run(whole, levels)
    worst = float(np.max(np.abs(run(parts.head, columns) - expected)))
    worst /= max(1.0, float(np.max(np.abs(expected))))
    if not worst <= _TOLERANCE:
        raise ExportError(f"network can't be computed in parts: answers differ by {worst:.1e}")
