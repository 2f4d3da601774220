"""Engines against numpy: the same network as ONNX and as TFLite gives what the arithmetic says."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from asc_edge.engines import load_engine
from asc_edge.engines.litert import LiteRtEngine
from asc_edge.errors import EngineError
from tflite_networks import Outside, tflite_linear

from tiny_system import CONFIG, network

FRAMES = 6


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
    with pytest.raises(EngineError, match=r"LiteRT \S+ refuses it"):
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
    assert engine.runtime.startswith("tflite-runtime")


# Catches the old runtime's own way of failing: two screens of numpy's warnings, then a SystemError.
def test_the_old_runtime_under_a_new_numpy_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def must_not_run(*_: object, **__: object) -> None:
        raise AssertionError("it was called all the same")

    package = types.ModuleType("tflite_runtime")
    package.__version__ = "2.14.0"  # type: ignore[attr-defined]
    interpreter = types.ModuleType("tflite_runtime.interpreter")
    interpreter.Interpreter = must_not_run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", package)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", interpreter)
    if np.lib.NumpyVersion(np.__version__) < "2.0.0":
        pytest.skip("numpy 1 is what the old runtime was built for")
    with pytest.raises(
        EngineError, match=r"x.tflite: tflite-runtime 2.14.0 doesn't run with numpy 2"
    ) as error:
        load_engine("x.tflite", b"")
    assert "asc-edge[tflite]" in str(error.value)
    assert "numpy<2" in str(error.value)


# Catches whole numbers fed as they are, scales mixed up between input and output, and a wrapped-around int8.
def test_a_fully_quantised_network_takes_and_gives_real_numbers(rng: np.random.Generator) -> None:
    into, out = Outside(1 / 255, -128), Outside(0.05, 7)
    weights = (rng.integers(-60, 60, (4, 5 * FRAMES)) / 64).astype(np.float32)
    data = tflite_linear(weights, (1, 1, 5, FRAMES), quantised=(into, out))
    engine = load_engine("int8.tflite", data, takes=(1, 5, FRAMES), gives=(4,))
    pictures = rng.random((3, 1, 5, FRAMES)).astype(np.float32)
    # Beyond the range that the scale was chosen for: the nearest number there is, as in a too loud frame.
    pictures[0, 0, 0] = 1.5
    answer = engine.run(pictures)
    assert answer.dtype == np.float32
    stored = np.clip(np.rint(pictures * 255), 0, 255) / 255
    expected = np.clip(stored.reshape(3, -1) @ weights.T, 0.05 * (-128 - 7), 0.05 * (127 - 7))
    np.testing.assert_allclose(answer, expected, atol=0.051)
    steps = answer / np.float32(0.05)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-4)


# Catches rows mixed up by a resize, an answer that is the engine's own buffer, and a batch that stays stuck.
@pytest.mark.parametrize("open_batch", [False, True])
def test_litert_answers_for_any_number_of_channels(open_batch: bool, rng: np.random.Generator) -> None:
    weights = rng.standard_normal((4, 5 * FRAMES)).astype(np.float32)
    data = tflite_linear(weights, (1, 1, 5, FRAMES), open_batch=open_batch)
    engine = load_engine("linear.tflite", data, takes=(1, 5, FRAMES), gives=(4,), channels=4)
    for channels in (4, 3, 1, 4):
        pictures = rng.random((channels, 1, 5, FRAMES)).astype(np.float32)
        answer = engine.run(pictures)
        kept = answer.copy()
        engine.run(np.zeros_like(pictures))
        np.testing.assert_array_equal(answer, kept)
        np.testing.assert_allclose(answer, pictures.reshape(channels, -1) @ weights.T, rtol=1e-5, atol=1e-6)


def test_an_open_batch_takes_all_channels_in_one_call(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    weights = rng.standard_normal((2, 5 * FRAMES)).astype(np.float32)
    calls = {}
    for open_batch in (False, True):
        data = tflite_linear(weights, (1, 1, 5, FRAMES), open_batch=open_batch)
        engine = load_engine("linear.tflite", data)
        assert isinstance(engine, LiteRtEngine)
        invoke, calls[open_batch] = engine._invoke, []

        def counted(stored, invoke=invoke, seen=calls[open_batch]):  # type: ignore[no-untyped-def]
            seen.append(len(stored))
            return invoke(stored)

        monkeypatch.setattr(engine, "_invoke", counted)
        engine.run(rng.random((4, 1, 5, FRAMES)).astype(np.float32))
    assert calls == {False: [1, 1, 1, 1], True: [4]}


def onnx_fixed(outputs: int) -> bytes:
    """A network for pictures of exactly (1, 30, 6), with shapes that are all declared."""
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 1, CONFIG.mels, FRAMES])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", outputs])
    weights = numpy_helper.from_array(np.zeros((CONFIG.mels * FRAMES, outputs), np.float32), "weights")
    nodes = [
        helper.make_node("Flatten", ["picture"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["output"]),
    ]
    graph = helper.make_graph(nodes, "fixed", [picture], [output], [weights])
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


NETWORKS = {
    "x.onnx": onnx_fixed(3),
    "x.tflite": tflite_linear(np.zeros((3, CONFIG.mels * FRAMES), np.float32), (1, 1, CONFIG.mels, FRAMES)),
}


# Catches a bundle that is put together wrongly and found out at its first decision, in an engine's words.
@pytest.mark.parametrize("file_name", NETWORKS)
@pytest.mark.parametrize(
    ("takes", "gives", "complaint"),
    [
        ((1, 64, FRAMES), (3,), r"takes windows of shape \(1, 30, 6\), its front end gives \(1, 64, 6\)"),
        ((1, 30, FRAMES + 1), (3,), r"takes windows of shape \(1, 30, 6\), its front end gives \(1, 30, 7\)"),
        ((30, FRAMES), (3,), r"takes windows of shape \(1, 30, 6\), its front end gives \(30, 6\)"),
        ((1, 30, FRAMES), (7,), r"gives \(3\) for each window, its manifest says \(7\)"),
        ((1, 30, FRAMES), (3, 1), r"gives \(3\) for each window, its manifest says \(3, 1\)"),
    ],
)
def test_other_shapes_are_refused_when_it_is_loaded(
    file_name: str, takes: tuple[int, ...], gives: tuple[int, ...], complaint: str
) -> None:
    with pytest.raises(EngineError, match=f"^{file_name}: {complaint}") as error:
        load_engine(file_name, NETWORKS[file_name], takes=takes, gives=gives)
    assert "\n" not in str(error.value)
    engine = load_engine(file_name, NETWORKS[file_name], takes=(1, 30, FRAMES), gives=(3,), channels=2)
    assert (engine.takes, engine.gives) == ((1, 30, FRAMES), (3,))
    assert engine.load_ms > 0.0
    assert engine.warm_up_ms > 0.0


# Catches a check of declarations alone: what an exporter left open shows when the network runs.
def test_an_undeclared_output_is_found_by_running_it() -> None:
    model = onnx.load_from_string(network(np.zeros((CONFIG.mels, 9), np.float32), softmax=False))
    # How many columns are kept stands in a value, not in a shape.
    model.graph.initializer.append(numpy_helper.from_array(np.arange(9) < 4, "kept"))
    model.graph.node[-1].output[0] = "all"
    model.graph.node.append(helper.make_node("Compress", ["all", "kept"], ["output"], axis=1))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "outputs"
    assert load_engine("x.onnx", model.SerializeToString()).gives == (None,)
    with pytest.raises(EngineError, match=r"gives \(4\) for each window, its manifest says \(3\)"):
        load_engine("x.onnx", model.SerializeToString(), takes=(1, CONFIG.mels, FRAMES), gives=(3,))
    open_sizes = load_engine("x.onnx", model.SerializeToString(), takes=(1, CONFIG.mels, 9), gives=(None,))
    assert open_sizes.gives == (4,)


def test_a_network_of_another_type_is_refused() -> None:
    model = onnx.load_from_string(onnx_fixed(3))
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.elem_type = TensorProto.DOUBLE
    weights = numpy_helper.from_array(np.zeros((CONFIG.mels * FRAMES, 3)), "weights")
    model.graph.initializer[0].CopyFrom(weights)
    with pytest.raises(
        EngineError, match=r"takes tensor\(double\) and gives tensor\(double\), not tensor\(float\)"
    ):
        load_engine("x.onnx", model.SerializeToString())


# Catches a complaint of which only the engine's own source lines are left, and one without a remedy.
def test_a_network_for_a_newer_engine_says_so() -> None:
    model = onnx.load_from_string(onnx_fixed(3))
    model.opset_import[0].version = 99
    with pytest.raises(
        EngineError, match=r"^x\.onnx: ONNX Runtime \S+ refuses it: .*opset \d+; upgrade onnxruntime"
    ):
        load_engine("x.onnx", model.SerializeToString())


# Catches LiteRT's own remarks on a user's terminal, a swallowed error, and a lost standard error.
def test_loading_says_nothing_and_leaves_standard_error_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.tflite"
    path.write_bytes(NETWORKS["x.tflite"])
    code = (
        "import os, pathlib, sys\n"
        "from asc_edge.engines import load_engine, litert\n"
        "load_engine('x.tflite', pathlib.Path(sys.argv[1]).read_bytes())\n"
        "with litert._without_remarks():\n"
        "    os.write(2, b'INFO: a remark\\nERROR: a fault\\n')\n"
        "print('as before', file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stderr == "ERROR: a fault\nas before\n"


def test_engines_name_themselves_with_their_version() -> None:
    import onnxruntime

    assert load_engine("x.onnx", NETWORKS["x.onnx"]).runtime == f"ONNX Runtime {onnxruntime.__version__}"
    assert load_engine("x.tflite", NETWORKS["x.tflite"]).runtime == f"LiteRT {version('ai-edge-litert')}"


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
