"""A system small enough to write down: it tells low, mid and high noise bands apart without any training."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from asc_edge.bundle import write_bundle
from asc_edge.frontend import LogMelConfig
from asc_edge.fusion import LateFusion, LinearSvm

LABELS = ("low", "mid", "high")
CONFIG = LogMelConfig(sample_rate_hz=16000, window_s=0.064, hop_s=0.032, mels=30)
BANDS_HZ = {"low": (100.0, 500.0), "mid": (1000.0, 2500.0), "high": (4500.0, 7500.0)}


def band_templates() -> NDArray[np.float32]:
    """(mels, labels): which third of the mel bands speaks for which label."""
    return np.kron(np.eye(3, dtype=np.float32), np.full((CONFIG.mels // 3, 1), 0.1, dtype=np.float32))


def network(weights: NDArray[np.float32], *, softmax: bool) -> bytes:
    """Mean over frames, then one matrix, then softmax where asked: (n, 1, mels, frames) -> (n, outputs)."""
    nodes = [
        helper.make_node("ReduceMean", ["picture"], ["bands"], axes=[1, 3], keepdims=0),
        helper.make_node("MatMul", ["bands", "weights"], ["scores" if softmax else "output"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["scores"], ["output"], axis=-1))
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 1, CONFIG.mels, "frames"])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", weights.shape[1]])
    initializer = numpy_helper.from_array(weights.astype(np.float32), "weights")
    graph = helper.make_graph(nodes, "tiny", [picture], [output], [initializer])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    buffer = io.BytesIO()
    onnx.save_model(model, buffer)
    return buffer.getvalue()


def tiny_manifest() -> dict[str, object]:
    return {
        "name": "tiny",
        "version": "1",
        "labels": list(LABELS),
        "labels_not_covered": ["absence"],
        "sample_rate_hz": 16000,
        "window_s": 1.0,
        "hop_s": 0.5,
        "silence_db": -90.0,
        "front_ends": {"mel30": CONFIG.to_dict()},
        "members": [
            {
                "name": "bands",
                "kind": "posterior",
                "front_end": "mel30",
                "floor_db": -60.0,
                "network": "bands.onnx",
                "outputs": 3,
            },
            {
                "name": "embedding",
                "kind": "embedding_svm",
                "front_end": "mel30",
                "floor_db": -80.0,
                "network": "embedding.onnx",
                "svm": "embedding.npz",
                "outputs": 3,
            },
        ],
        "fusion": "fusion.npz",
        "accuracy": {},
        "training": {"data": "none: written down by hand"},
    }


def tiny_files() -> dict[str, bytes]:
    templates = band_templates()
    mels = CONFIG.mels
    svm = LinearSvm(np.zeros(mels), np.ones(mels), templates.T.astype(np.float64), np.full(3, -0.5))
    # Each label's decision value adds what both members say of it.
    stacked = np.hstack([np.eye(3), np.eye(3)])
    fusion = LateFusion(
        LinearSvm(np.zeros(6), np.ones(6), stacked, np.full(3, -0.5)), np.full(3, -6.0), np.zeros(3)
    )
    return {
        "bands.onnx": network(20.0 * templates, softmax=True),
        "embedding.onnx": network(np.eye(mels, dtype=np.float32), softmax=False),
        "embedding.npz": svm.to_npz(),
        "fusion.npz": fusion.to_npz(),
    }


def write_tiny_bundle(path: Path) -> None:
    write_bundle(path, tiny_manifest(), tiny_files())


def band_noise(label: str, seconds: float, seed: int = 0, rate: int = 16000) -> NDArray[np.float32]:
    """Noise in the label's band, shape (samples,), peak 0.5."""
    low, high = BANDS_HZ[label]
    count = round(seconds * rate)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    frequencies = np.fft.rfftfreq(count, 1 / rate)
    spectrum[(frequencies < low) | (frequencies > high)] = 0.0
    signal = np.fft.irfft(spectrum, count)
    return (0.5 * signal / np.abs(signal).max()).astype(np.float32)
