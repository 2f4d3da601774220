"""Engines against numpy: the same network as ONNX and as TFLite gives what the arithmetic says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from asc_edge.engines import load_engine
from asc_edge.errors import EngineError

from tiny_system import CONFIG, network

FRAMES = 6


def tflite_linear(weights: NDArray[np.float32], shape: tuple[int, ...]) -> bytes:
    """One fully connected layer as TFLite: flattens its input and multiplies by (outputs, inputs)."""
    tensors, buffers = [], [schema.BufferT()]
    for name, dimensions, data in [
        ("picture", shape, None),
        ("weights", weights.shape, weights),
        ("output", (1, len(weights)), None),
    ]:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, list(dimensions), schema.TensorType.FLOAT32
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.astype("<f4").tobytes(), dtype=np.uint8)
            tensor.buffer = len(buffers)
            buffers.append(buffer)
        tensors.append(tensor)
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = [0, 1, -1], [2]
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = tensors, [0], [2], [operator]
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_onnx_engine_scores_a_batch(rng: np.random.Generator) -> None:
    weights = rng.standard_normal((CONFIG.mels, 4)).astype(np.float32)
    pictures = rng.random((3, 1, CONFIG.mels, FRAMES)).astype(np.float32)
    output = load_engine("linear.onnx", network(weights, softmax=False)).run(pictures)
    np.testing.assert_allclose(output, pictures.mean(axis=(1, 3)) @ weights, rtol=1e-5)


def test_litert_engine_scores_a_batch_channel_by_channel(rng: np.random.Generator) -> None:
    weights = rng.standard_normal((4, 5 * FRAMES)).astype(np.float32)
    pictures = rng.random((3, 1, 5, FRAMES)).astype(np.float32)
    engine = load_engine("linear.tflite", tflite_linear(weights, (1, 1, 5, FRAMES)))
    first = engine.run(pictures)
    np.testing.assert_allclose(first, pictures.reshape(3, -1) @ weights.T, rtol=1e-5, atol=1e-6)
    # The interpreter's own output buffer is used again: an earlier answer must not change with the next.
    kept = first.copy()
    engine.run(pictures[::-1])
    np.testing.assert_array_equal(first, kept)
    with pytest.raises(EngineError, match="takes pictures of shape"):
        engine.run(np.zeros((1, 1, 5, FRAMES + 1), np.float32))


def test_litert_engine_refuses_what_is_no_network(rng: np.random.Generator) -> None:
    with pytest.raises(EngineError, match="LiteRT refuses it"):
        load_engine("x.tflite", b"nothing of the kind")
    flat = tflite_linear(rng.standard_normal((2, 5)).astype(np.float32), (1, 5))
    with pytest.raises(EngineError, match="one picture input"):
        load_engine("x.tflite", flat)


@pytest.mark.parametrize(
    ("file_name", "absent", "hint"),
    [
        ("x.onnx", ["onnxruntime"], "pip install onnxruntime"),
        ("x.tflite", ["ai_edge_litert.interpreter", "tflite_runtime"], "asc-edge\\[tflite\\]"),
    ],
)
def test_a_missing_engine_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, file_name: str, absent: list[str], hint: str
) -> None:
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EngineError, match=hint):
        load_engine(file_name, b"")


def test_the_old_runtime_serves_where_it_is_what_is_installed(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """tflite_runtime.interpreter has the same Interpreter; the living one stands in for it."""
    import types

    from ai_edge_litert.interpreter import Interpreter

    old = types.ModuleType("tflite_runtime.interpreter")
    old.Interpreter = Interpreter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", types.ModuleType("tflite_runtime"))
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", old)
    weights = rng.standard_normal((4, 10)).astype(np.float32)
    engine = load_engine("linear.tflite", tflite_linear(weights, (1, 1, 5, 2)))
    picture = rng.random((1, 1, 5, 2)).astype(np.float32)
    np.testing.assert_allclose(engine.run(picture)[0], weights @ picture.ravel(), rtol=1e-5)


# Catches ONNX Runtime's telemetry, on by default since 1.29: it leaves an identifier and a queue of events in
# the home folder, and sends them.
def test_nothing_is_noted_down_for_the_engines_makers(tmp_path: Path) -> None:
    places = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
    # What else would keep it from being sent: that this is a test.
    kept = {name: text for name, text in os.environ.items() if name not in ("CI", "ORT_RUNNING_UNIT_TESTS")}
    kept.pop("ORT_DISABLE_TELEMETRY", None)
    command = [sys.executable, "-m", "asc_edge.cli", "bundle", "verify", "home"]
    env = {**kept, **dict.fromkeys(places, str(tmp_path))}
    subprocess.run(command, check=True, capture_output=True, env=env)
    assert list(tmp_path.rglob("*")) == []
