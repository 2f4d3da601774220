"""A system of one image network, small enough to write down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper
from onnx import checker as onnx_checker

from asc_edge import Bundle
from asc_edge.bundle import write_bundle
from asc_edge.frontend import LogMelConfig
from asc_edge.fusion import LateFusion, LinearSvm
from asc_edge.images import ImageSpec

from tiny_system import tiny_manifest

# Deep Spectrum's at 16 kHz, with fewer bands.
CONFIG = LogMelConfig(
    sample_rate_hz=16000,
    window_s=0.032,
    hop_s=0.016,
    mels=32,
    mel_scale="slaney",
    mel_norm="area",
    remove_mean=False,
    full_scale=False,
)
SPEC = ImageSpec(plot_pixels=57, pixels=48, preprocessing="bgr_centred", floor_db=-60.0)
# The network's answer: the mean of each colour in each cell of a grid of so many rows and columns.
GRID = 3


def image_network(pixels: int = SPEC.pixels) -> bytes:
    """(n, 3, pixels, pixels) -> (n, 27): means over a grid of 3 x 3."""
    side = pixels // GRID
    nodes = [
        helper.make_node("AveragePool", ["image"], ["means"], kernel_shape=[side] * 2, strides=[side] * 2),
        helper.make_node("Flatten", ["means"], ["answer"]),
    ]
    taken = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, pixels, pixels])
    given = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["n", 3 * GRID**2])
    graph = helper.make_graph(nodes, "image", [taken], [given])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx_checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def image_svm(features: int = 3 * GRID**2, scale: float = 50.0) -> LinearSvm:
    weights = np.random.default_rng(3).standard_normal((3, features)) / np.sqrt(features)
    return LinearSvm(np.zeros(features), np.full(features, scale), weights, np.array([0.1, -0.1, 0.0]))


def image_fusion() -> LateFusion:
    return LateFusion(LinearSvm(np.zeros(3), np.ones(3), np.eye(3), np.zeros(3)), -np.ones(3), np.zeros(3))


def image_manifest(spec: ImageSpec = SPEC, config: LogMelConfig = CONFIG, **changes: Any) -> dict[str, Any]:
    return tiny_manifest() | {
        "front_ends": {"mel": config.to_dict()},
        "members": [
            {
                "name": "image",
                "kind": "embedding_svm",
                "front_end": "mel",
                "input": "image",
                "floor_db": None,
                "image": spec.to_dict(),
                "network": "image.onnx",
                "svm": "image.npz",
                "outputs": 3,
            }
        ],
        **changes,
    }


def image_files() -> dict[str, bytes]:
    return {
        "image.onnx": image_network(),
        "image.npz": image_svm().to_npz(),
        "fusion.npz": image_fusion().to_npz(),
    }


def image_bundle(
    path: Path,
    spec: ImageSpec = SPEC,
    config: LogMelConfig = CONFIG,
    files: dict[str, bytes] | None = None,
    **changes: Any,
) -> Bundle:
    write_bundle(path, image_manifest(spec, config, **changes), image_files() | (files or {}))
    return Bundle.open(path)
