"""A bundle whose network comes in two parts, written down layer by layer: two convolutions and pooling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from asc_edge.bundle import Bundle, write_bundle
from asc_edge.frontend import LogMelConfig
from asc_edge.fusion import LateFusion, LinearSvm

CONFIG = LogMelConfig(sample_rate_hz=16000, window_s=0.04, hop_s=0.02, mels=8)
LABELS = ("a", "b", "c")
FLOOR_DB = -90.0
WINDOW_S = 1.2
FRAMES = 59
# Kernels of 7 and 2 frames, 3 frames between columns: a column sees 7 + 3 frames.
STRIDE, CONTEXT = 3, 7
COLUMNS, LEFT_OVER = 17, 1
FEATURES = 6
HOP_S, HOP_COLUMNS = 0.3, 5
STREAM: dict[str, Any] = {
    "trunk": "trunk.onnx",
    "head": "head.onnx",
    "chunk_frames": HOP_COLUMNS * STRIDE + CONTEXT,
    "context_frames": CONTEXT,
    "stride_frames": STRIDE,
    "columns": COLUMNS,
}

_TRUNK = (
    helper.make_node("Conv", ["x", "first"], ["u"], kernel_shape=[CONFIG.mels, 7], strides=[1, STRIDE]),
    helper.make_node("Tanh", ["u"], ["v"]),
    helper.make_node("Conv", ["v", "second"], ["w"], kernel_shape=[1, 2]),
    helper.make_node("Tanh", ["w"], ["t"]),
    helper.make_node("Squeeze", ["t", "rows"], ["columns"]),
)
_HEAD = (
    helper.make_node("ReduceMean", ["columns"], ["mean"], axes=[2], keepdims=0),
    helper.make_node("ReduceMax", ["columns"], ["max"], axes=[2], keepdims=0),
    helper.make_node("Concat", ["mean", "max"], ["both"], axis=1),
    helper.make_node("MatMul", ["both", "last"], ["scores"]),
    helper.make_node("Softmax", ["scores"], ["output"], axis=-1),
)
_CUT = (helper.make_node("Slice", ["window", "start", "stop", "axis"], ["x"]),)


def _weights() -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(3)
    first = rng.standard_normal((FEATURES, 1, CONFIG.mels, 7)) / 6
    # Level doesn't matter, so that tanh is nowhere flat.
    first -= first.mean(axis=(1, 2, 3), keepdims=True)
    return {
        "first": first.astype(np.float32),
        "second": (rng.standard_normal((FEATURES, FEATURES, 1, 2)) / 2).astype(np.float32),
        "last": (4 * rng.standard_normal((2 * FEATURES, len(LABELS)))).astype(np.float32),
        "rows": np.array([2], np.int64),
        "start": np.array([LEFT_OVER], np.int64),
        "stop": np.array([1 << 30], np.int64),
        "axis": np.array([3], np.int64),
    }


def _model(nodes: tuple[Any, ...], takes: tuple[Any, ...], gives: tuple[Any, ...]) -> bytes:
    first, last = nodes[0].input[0], nodes[-1].output[0]
    named = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        list(nodes),
        "stream",
        [helper.make_tensor_value_info(first, TensorProto.FLOAT, ["n", *takes])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, ["n", *gives])],
        [numpy_helper.from_array(array, name) for name, array in _weights().items() if name in named],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def stream_manifest() -> dict[str, Any]:
    return {
        "name": "stream",
        "version": "1",
        "labels": list(LABELS),
        "labels_not_covered": [],
        "sample_rate_hz": 16000,
        "window_s": WINDOW_S,
        "hop_s": HOP_S,
        "silence_db": -70.0,
        "front_ends": {"mel8": CONFIG.to_dict()},
        "members": [
            {
                "name": "stream",
                "kind": "posterior",
                "front_end": "mel8",
                "input": "level",
                "floor_db": FLOOR_DB,
                "network": "network.onnx",
                "outputs": len(LABELS),
                "stream": dict(STREAM),
            }
        ],
        "fusion": "fusion.npz",
    }


def stream_files() -> dict[str, bytes]:
    labels = len(LABELS)
    svm = LinearSvm(np.zeros(labels), np.ones(labels), np.eye(labels), np.full(labels, -0.3))
    mels = CONFIG.mels
    return {
        "network.onnx": _model((*_CUT, *_TRUNK, *_HEAD), (1, mels, FRAMES), (labels,)),
        "trunk.onnx": _model(_TRUNK, (1, mels, "frames"), (FEATURES, "columns")),
        "head.onnx": _model(_HEAD, (FEATURES, "columns"), (labels,)),
        "fusion.npz": LateFusion(svm, np.full(labels, -6.0), np.zeros(labels)).to_npz(),
    }


def stream_bundle(path: Path, **changes: Any) -> Bundle:
    """The bundle, with fields of its one member changed."""
    manifest = stream_manifest()
    manifest["members"][0].update(changes)
    write_bundle(path, manifest, stream_files())
    return Bundle.open(path)


def lively_noise(rng: np.random.Generator, samples: int, channels: int) -> NDArray[np.float32]:
    """Noise whose colour and level change all the time: no two columns are alike."""
    noise = rng.standard_normal((samples, channels))
    coloured = noise + np.roll(noise, 1, axis=0) * np.sin(np.arange(samples) / 3000.0)[:, np.newaxis]
    swell = np.exp(1.5 * np.sin(np.arange(samples) / 1700.0 + rng.uniform(0, 6)))[:, np.newaxis]
    return np.asarray(0.02 * coloured * swell, np.float32)
