"""Float networks as ONNX and TFLite, against torch."""

from __future__ import annotations

import builtins
import os
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from asc_edge.engines import load_engine
from asc_edge.errors import EngineError
from asc_edge_train.exporting import (
    ExportError,
    Shipped,
    export_onnx,
    export_tflite,
    module_to_onnx,
    module_to_tflite,
)
from asc_edge_train.exporting.quiet import quietly
from asc_edge_train.models import build_network, efficientat
from asc_edge_train.models.imagenet import image_network
from train_networks import CNN, CRNN

MELS, FRAMES = 8, 20
PLAIN = {**CRNN, "gru_layers": 2, "gru_bidirectional": True, "gru_answer": "last"}
EFFICIENT = {"type": "efficientat_mn", "width": 0.1}


def built(config: dict[str, Any], seed: int = 1) -> nn.Module:
    """A network whose batch norms have seen something, so that folding them changes the weights."""
    torch.manual_seed(seed)
    network = build_network(config, MELS, 3)
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.running_mean.normal_(0.0, 0.2)
        norm.running_var.uniform_(0.5, 2.0)
        nn.init.normal_(norm.weight, 1.0, 0.3)
    return network.eval()


def noise(batch: int, frames: int = FRAMES, mels: int = MELS) -> np.ndarray:
    return np.random.default_rng(batch).random((batch, 1, mels, frames), dtype=np.float32)


def by_torch(module: nn.Module, batch: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return module(torch.from_numpy(batch)).numpy()


@pytest.fixture
def short_efficientat(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published network's kinds of blocks, once each: a stride, gates, a residual, hard swish."""
    rows = efficientat._TRUNK
    monkeypatch.setattr(efficientat, "_TRUNK", (rows[0], rows[3], rows[4], rows[10]))


NETWORKS = [(CRNN, "posterior"), (PLAIN, "posterior"), (CNN, "embedding_svm"), (EFFICIENT, "embedding_svm")]
NAMES = ["crnn", "two bidirectional layers", "cnn", "efficientat"]


# ---- ONNX


# Catches: a fixed batch, a length that was baked in, softmax or head on the wrong side of the cut.
@pytest.mark.usefixtures("short_efficientat")
@pytest.mark.parametrize(("config", "kind"), NETWORKS, ids=NAMES)
def test_onnx_equals_torch_at_any_batch_and_length(config: dict[str, Any], kind: str) -> None:
    network = built(config)
    engine = load_engine("any.onnx", export_onnx(network, kind, MELS, FRAMES))
    for batch, frames in ((1, FRAMES), (5, FRAMES), (2, 2 * FRAMES + 3)):
        expected = by_torch(Shipped(network, kind), noise(batch, frames))
        np.testing.assert_allclose(engine.run(noise(batch, frames)), expected, atol=1e-5, rtol=1e-5)


# Catches: a recurrent layer unrolled over the example's steps, which the newer exporter does.
def test_recurrent_layer_stays_one(tmp_path: Any) -> None:
    model = onnx.load_from_string(export_onnx(built(PLAIN), "posterior", MELS, FRAMES))
    assert [node.op_type for node in model.graph.node].count("GRU") == 2
    assert model.graph.input[0].type.tensor_type.shape.dim[3].dim_param


class Fixed(nn.Module):
    """Takes one length only."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) @ torch.ones(12 * FRAMES, 2)


# Catches: no way out for a module that can't be left open in time.
def test_length_is_fixed_where_it_has_to_be() -> None:
    data = module_to_onnx(Fixed(), (12, FRAMES), input_name="columns", output_name="scores")
    graph = onnx.load_from_string(data).graph
    assert (graph.input[0].name, graph.output[0].name) == ("columns", "scores")
    assert graph.input[0].type.tensor_type.shape.dim[2].dim_value == FRAMES
    batch = np.random.default_rng(0).random((3, 12, FRAMES), dtype=np.float32)
    np.testing.assert_allclose(load_engine("a.onnx", data).run(batch), by_torch(Fixed(), batch), rtol=1e-5)


# Catches: the classifier still on, a pool that only takes ImageNet's size.
def test_image_network_without_its_head() -> None:
    network = image_network("squeezenet1_1", None)
    data = module_to_onnx(network, (3, 64, 64), input_name="image", dynamic_time=False)
    image = np.random.default_rng(1).random((2, 3, 64, 64), dtype=np.float32)
    answer = load_engine("a.onnx", data).run(image)
    assert answer.shape == (2, 512)
    np.testing.assert_allclose(answer, by_torch(network, image), atol=1e-4)


# ---- TFLite


# Catches: another order of axes, gates or directions in the unrolled layer; bytes that change by themselves.
@pytest.mark.usefixtures("short_efficientat")
@pytest.mark.parametrize(("config", "kind"), NETWORKS, ids=NAMES)
def test_tflite_equals_torch(config: dict[str, Any], kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    network = built(config)
    data = export_tflite(network, kind, MELS, FRAMES)
    expected = by_torch(Shipped(network, kind), noise(3))
    if config is CNN:
        assert export_tflite(network, kind, MELS, FRAMES) == data
    assert capfd.readouterr() == ("", "")
    with quietly():
        engine = load_engine("any.tflite", data)
    np.testing.assert_allclose(engine.run(noise(3)), expected, atol=1e-4)
    # The module that was given is the one that it was.
    np.testing.assert_array_equal(by_torch(Shipped(network, kind), noise(3)), expected)


def test_tflite_that_differs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = np.zeros((4, 3), dtype=np.float32)
    monkeypatch.setattr("asc_edge_train.exporting.tflite_float.run_tflite", lambda *_: wrong)
    with pytest.raises(ExportError, match=r"answers differ by \d\.\de[+-]\d\d$"):
        export_tflite(built(CRNN), "posterior", MELS, FRAMES)


class Unconvertible(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.eigvals(x[:, 0, :8, :8]).real


# Catches: pages of the converter's own traceback.
def test_what_cant_be_converted_is_said_in_a_line() -> None:
    with pytest.raises(ExportError, match=r"^network can't be converted to TFLite: [^\n]+$"):
        module_to_tflite(Unconvertible(), (1, MELS, FRAMES))


# Catches: a traceback on machines that litert-torch isn't made for.
def test_missing_converter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **others: Any) -> Any:
        if name.startswith("litert_torch"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(EngineError, match=r"needs litert_torch: pip install 'asc-edge\[train-tflite\]'"):
        export_tflite(built(CNN), "embedding_svm", MELS, FRAMES)


# Catches: a descriptor that stays turned away, or isn't (what C++ writes), and errors that are swallowed.
def test_quietly(capfd: pytest.CaptureFixture[str]) -> None:
    def talk() -> None:
        with quietly():
            print("from Python")
            os.write(2, b"from C\n")
            raise KeyError

    with pytest.raises(KeyError):
        talk()
    print("after")
    assert capfd.readouterr() == ("after\n", "")
