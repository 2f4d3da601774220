"""Networks in 8 bits, against numpy, torch and the float networks that they were made from."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from asc_edge.engines import load_engine
from asc_edge.errors import ConfigError, EngineError
from asc_edge_train.exporting import (
    TFLITE_SCHEMES,
    ExportError,
    Shipped,
    export_onnx,
    export_tflite,
    module_to_onnx,
    quantise_onnx,
    quantise_tflite,
)
from asc_edge_train.exporting.fine_tuning import fine_tune, fold_batch_norms
from asc_edge_train.exporting.integers import LIMIT, affine, balanced_rows, quantise_rows
from asc_edge_train.exporting.quiet import quietly
from asc_edge_train.exporting.ranges import SeenRanges
from asc_edge_train.models import StreamCnn, build_network
from asc_edge_train.recipe import MemberConfig, TrainingConfig

MELS, FRAMES = 8, 20
# Large enough that weights, not the file's own words, are what is stored.
CRNN: dict[str, Any] = {
    "type": "crnn",
    "filters": [8, 16],
    "kernels": [5, 3],
    "pools": [[2, 2], [2, 2]],
    "gru_size": 32,
    "gru_layers": 2,
    "gru_bidirectional": True,
}
CNN: dict[str, Any] = {"type": "cnn", "filters": [8, 32], "kernels": [5, 5], "pools": [[2, 2], [1, 1]]}
RELU = {**CNN, "activation": "relu", "pools": [[2, 2], [2, 2]]}


def built(config: dict[str, Any], seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return build_network(config, MELS, 3).eval()


def noise(batch: int, seed: int = 0) -> np.ndarray:
    """Pictures that differ as clips do: each has bands and moments of its own."""
    rng = np.random.default_rng(seed)
    bands, moments = rng.random((batch, 1, MELS, 1)) > 0.5, rng.random((batch, 1, 1, FRAMES)) > 0.5
    cells = 0.3 * rng.random((batch, 1, MELS, FRAMES)) + 0.7 * (bands & moments)
    return cells.astype(np.float32)


def answer(data: bytes, batch: np.ndarray, name: str = "network.onnx") -> np.ndarray:
    with quietly():
        engine = load_engine(name, data)
    return engine.run(batch)


def distance(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Root mean square of the difference, over the spread of the right answers among examples."""
    spread = theirs - theirs.mean(axis=0)
    return float(np.sqrt(np.mean((ours - theirs) ** 2) / np.mean(spread**2)))


def types(data: bytes) -> collections.Counter[str]:
    """How many stored numbers there are of each type."""
    values = onnx.load_from_string(data).graph.initializer
    counted: collections.Counter[str] = collections.Counter()
    for value in values:
        array = numpy_helper.to_array(value)
        counted[array.dtype.name] += array.size
    return counted


# ---- codes


# Catches: one scale for all rows, the scale of another axis, codes of 128, a division by a row of zeros.
@pytest.mark.parametrize("axis", [0, 1])
def test_rows_are_within_half_a_step(axis: int) -> None:
    rng = np.random.default_rng(2)
    weights = rng.standard_normal((6, 5, 3)).astype(np.float32)
    weights *= np.array([1e-3, 1.0, 50.0, 2.0, 7.0, 0.1], np.float32)[:, None, None]
    np.moveaxis(weights, axis, 0)[2] = 0.0
    codes, scale = quantise_rows(weights, axis)
    shape = [1, 1, 1]
    shape[axis] = -1
    assert codes.dtype == np.int8
    assert (np.abs(codes * scale.reshape(shape) - weights) < 0.501 * scale.reshape(shape)).all()
    largest = np.abs(codes.astype(int)).max(axis=tuple(a for a in range(3) if a != axis))
    assert largest.tolist() == [0 if row == 2 else 127 for row in range(len(scale))]


# Catches: rows that sum to zero and whose codes don't, a code moved by more than it must, and rows that never
# summed to zero being bent.
@pytest.mark.parametrize("axis", [0, 2])
def test_rows_that_sum_to_zero_have_codes_that_do(axis: int) -> None:
    rng = np.random.default_rng(3)
    weights = np.moveaxis(rng.standard_normal((8, 5, 5)), 0, axis).astype(np.float32)
    rows = np.moveaxis(weights, axis, 0)
    rows[:6] -= rows[:6].mean(axis=(1, 2), keepdims=True)
    assert balanced_rows(weights, axis).tolist() == [0, 1, 2, 3, 4, 5]
    codes, scale = quantise_rows(weights, axis)
    by_row = np.moveaxis(codes, axis, 0).astype(int)
    plain = np.round(rows / scale[:, None, None])
    assert plain[:6].sum(axis=(1, 2)).any()
    assert not by_row[:6].sum(axis=(1, 2)).any()
    assert np.abs(by_row - rows / scale[:, None, None]).max() < 1.0
    moved = np.abs(by_row - plain).sum(axis=(1, 2))
    np.testing.assert_array_equal(moved[:6], np.abs(plain[:6].sum(axis=(1, 2))))
    assert not moved[6:].any()
    assert (np.abs(by_row).max(axis=(1, 2)) == LIMIT).all()


# Catches: a network that no gain can fool until it is in 8 bits, in either engine.
@pytest.mark.parametrize("ending", ["onnx", "tflite"])
def test_a_gain_changes_nothing_in_8_bits_either(ending: str) -> None:
    torch.manual_seed(4)
    network = StreamCnn(
        mels=MELS,
        classes=3,
        filters=[4, 6],
        kernels=[[3, 3], [3, 2]],
        strides=[[2, 2], [1, 1]],
        pools=[[1, 1], [2, 2]],
        features=8,
    ).eval()
    quieter, louder = noise(4), noise(4) + np.float32(5.0)
    if ending == "onnx":
        data = quantise_onnx(export_onnx(network, "embedding_svm", MELS, FRAMES), "weight_only")
    else:
        data = quantise_tflite(export_tflite(network, "embedding_svm", MELS, FRAMES), "weight_only")
    answers = [answer(data, levels, f"network.{ending}") for levels in (quieter, louder)]
    assert np.ptp(answers[0], axis=0).max() > 0.01
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-4)


# Catches: a zero that isn't one after rounding, values of one sign that lose half their codes.
@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (0.5, 2.0), (-4.0, -1.0), (0.0, 0.0)])
def test_codes_of_a_range(low: float, high: float) -> None:
    codes = affine(low, high)
    values = np.linspace(min(low, 0.0), max(high, 0.0), 1001)
    stored = np.clip(np.round(values / codes.scale) + codes.zero_point, 0, 255)
    np.testing.assert_allclose(
        (stored - codes.zero_point) * codes.scale, values, atol=0.5001 * float(codes.scale)
    )
    assert float(codes.scale) == pytest.approx((max(high, 0.0) - min(low, 0.0)) / 255 or 1.0)


# Catches: a percentile of one tail only, bins counted from the wrong end.
def test_percentiles_of_what_was_seen() -> None:
    values = np.random.default_rng(3).standard_normal(200_000)
    limits = (float(values.min()), float(values.max()))
    counts = np.histogram(values, bins=4096, range=limits)[0]
    seen = SeenRanges({"y": "x"}, {"x": limits}, {"x": counts})
    assert seen.at(100.0)["y"] == limits
    np.testing.assert_allclose(seen.at(99.0)["y"], np.percentile(values, [0.5, 99.5]), atol=0.01)


# ---- ONNX


# Catches: int8 weights that are dequantised into float convolutions, ranges that keep them from being fused.
@pytest.mark.parametrize("config", [CRNN, CNN, RELU], ids=["crnn", "cnn", "relu"])
def test_static_convolutions_compute_with_integers(config: dict[str, Any], tmp_path: Path) -> None:
    data = quantise_onnx(export_onnx(built(config), "embedding_svm", MELS, FRAMES), "static", noise(8))
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    run = collections.Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert run["QLinearConv"] == 2
    assert not run["Conv"] + run["FusedConv"]
    if config is RELU:
        assert not run["Relu"]  # it is in the codes' range
    counted = types(data)
    assert counted["int8"] > 20 * counted["float32"]


# Catches: answers that have nothing to do with the network's, a fixed batch, a file that isn't smaller.
@pytest.mark.parametrize("scheme", ["static", "weight_only"])
@pytest.mark.parametrize("config", [CRNN, CNN, RELU], ids=["crnn", "cnn", "relu"])
def test_onnx_int8_is_small_and_close(config: dict[str, Any], scheme: str) -> None:
    data = export_onnx(built(config), "embedding_svm", MELS, FRAMES)
    quantised = quantise_onnx(data, scheme, noise(32))
    unheard = noise(16, seed=1)
    assert distance(answer(quantised, unheard), answer(data, unheard)) < (0.1 if scheme == "static" else 0.05)
    assert answer(quantised, unheard[:1]).shape == (1, answer(data, unheard).shape[1])
    assert len(quantised) < 0.5 * len(data)
    assert quantise_onnx(data, scheme, noise(32)) == quantised


def rounded_in_torch(network: nn.Module) -> nn.Module:
    """The same network with the weights that codes stand for, by numpy alone."""

    def rounded(weight: torch.Tensor) -> torch.Tensor:
        rows = weight.detach().numpy()
        scale = np.abs(rows.reshape(len(rows), -1)).max(axis=1) / 127
        scale = scale.reshape(-1, *[1] * (rows.ndim - 1))
        return torch.from_numpy(np.round(rows / scale) * scale)

    for name, parameter in network.named_parameters():
        if name.startswith("gru.weight") or (parameter.ndim == 4):
            parameter.data = rounded(parameter).float()
    return network


# Catches: rows of one gate, direction or layer scaled by another's, W and R swapped, a transposed matrix.
@pytest.mark.parametrize("exporter", ["old", "new"])
def test_weight_only_is_the_network_of_rounded_weights(exporter: str) -> None:
    network = built(CRNN)
    data = quantise_onnx(export_onnx(network, "posterior", MELS, FRAMES, exporter), "weight_only")
    with torch.inference_mode():
        expected = Shipped(rounded_in_torch(network), "posterior")(torch.from_numpy(noise(5))).numpy()
    np.testing.assert_allclose(answer(data, noise(5)), expected, atol=2e-6)
    recurrent = [node for node in onnx.load_from_string(data).graph.node if node.op_type == "GRU"]
    assert len(recurrent) == 2
    assert types(data)["int8"] > 0.95 * sum(p.numel() for n, p in network.named_parameters() if "weight" in n)


# Catches: columns scaled as rows, a matrix that stays as it is.
def test_matrices_are_rounded_by_output() -> None:
    torch.manual_seed(3)
    network = nn.Sequential(nn.Flatten(), nn.Linear(MELS * FRAMES, 32), nn.ReLU(), nn.Linear(32, 2)).eval()
    with torch.no_grad():
        network[1].weight[3] *= 100.0
    data = module_to_onnx(network, (1, MELS, FRAMES))
    quantised = quantise_onnx(data, "weight_only", noise(4))
    codes = [numpy_helper.to_array(v) for v in onnx.load_from_string(quantised).graph.initializer]
    assert sum(value.size for value in codes if value.dtype == np.int8 and value.ndim == 2) == 32 * 160
    assert distance(answer(quantised, noise(16)), answer(data, noise(16))) < 0.02


# Catches: always the first range, or the narrowest.
def test_the_closest_range_is_taken() -> None:
    data = export_onnx(built(CNN), "embedding_svm", MELS, FRAMES)
    best = quantise_onnx(data, "static", noise(16), percentiles=(100.0,))
    assert quantise_onnx(data, "static", noise(16), percentiles=(60.0, 100.0, 30.0)) == best
    assert quantise_onnx(data, "static", noise(16), percentiles=(60.0,)) != best


# Catches: calibration that looks at something else than the examples.
def test_ranges_come_from_the_examples() -> None:
    data = export_onnx(built(RELU), "embedding_svm", MELS, FRAMES)
    narrow, wide = (quantise_onnx(data, "static", size * noise(16)) for size in (0.1, 1.0))
    loud = noise(16, seed=1)
    assert distance(answer(narrow, loud), answer(data, loud)) > 5 * distance(
        answer(wide, loud), answer(data, loud)
    )


@pytest.mark.parametrize("quantise", [quantise_onnx, quantise_tflite])
def test_quantisers_are_asked_properly(quantise: Any) -> None:
    with pytest.raises(ConfigError, match="'int4': choose one of"):
        quantise(b"", "int4", noise(1))
    with pytest.raises(ConfigError, match="needs examples"):
        quantise(b"", "static" if quantise is quantise_onnx else "mixed", None)


# ---- fine-tuning


# Catches: batch norms folded into the wrong convolution, a network that was given and comes back changed.
@pytest.mark.parametrize("config", [CRNN, CNN], ids=["crnn", "cnn"])
def test_folded_network_answers_the_same(config: dict[str, Any]) -> None:
    network = built(config)
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.running_mean.normal_(0.0, 0.2)
        norm.running_var.uniform_(0.5, 2.0)
    folded = fold_batch_norms(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.inference_mode():
        batch = torch.from_numpy(noise(3))
        torch.testing.assert_close(folded(batch), network(batch), atol=1e-5, rtol=1e-5)


# Catches: gradients that the rounding stops, ranges or codes of another kind than the quantiser's, a loss
# that rises, noise that isn't seeded.
@pytest.mark.parametrize("kind", ["posterior", "embedding_svm"])
def test_fine_tuned_network_loses_less(kind: str) -> None:
    network = built(CNN)
    with torch.no_grad():  # one loud weight in each row: the others are left with few codes
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight[:, 0, 0, 0] = 8.0 * module.weight.abs().amax(dim=(1, 2, 3))
    member = MemberConfig(name="cnn", kind=kind, training=TrainingConfig(epochs=1, learning_rate=0.003))
    heard, unheard = noise(96), noise(64, seed=1)

    def batches(rng: np.random.Generator) -> list[np.ndarray]:
        return np.array_split(heard[rng.permutation(96)], 6)

    tuned = fine_tune(network, member, heard[:32], batches, [1], epochs=12)
    again = fine_tune(network, member, heard[:32], batches, [1], epochs=12)
    torch.testing.assert_close(tuned.state_dict(), again.state_dict(), rtol=0, atol=0)
    expected = answer(export_onnx(network, kind, MELS, FRAMES, "old"), unheard)
    lost = []
    for one in (network, tuned):
        data = export_onnx(one, kind, MELS, FRAMES, "old")
        data = quantise_onnx(data, "static", heard[:32], percentiles=(100.0,))
        lost.append(distance(answer(data, unheard), expected))
    assert lost[1] < 0.8 * lost[0]


# ---- TFLite


@pytest.fixture(scope="module")
def float_tflite() -> dict[str, bytes]:
    networks = {"crnn": CRNN, "cnn": CNN}
    return {
        name: export_tflite(built(config), "embedding_svm", MELS, FRAMES) for name, config in networks.items()
    }


def operations(data: bytes) -> dict[str, set[tuple[str, ...]]]:
    """Types of what each kind of operation takes: activations, weights."""
    from ai_edge_litert.interpreter import Interpreter

    with quietly():
        interpreter = Interpreter(model_content=data)
        interpreter.allocate_tensors()
        kinds = {each["index"]: each["dtype"].__name__ for each in interpreter.get_tensor_details()}
        steps = interpreter._get_ops_details()
    found: dict[str, set[tuple[str, ...]]] = {}
    for step in steps:
        taken = tuple(kinds.get(int(index), "none") for index in step["inputs"][:2])
        found.setdefault(step["op_name"], set()).add(taken)
    return found


# Catches: a scheme that leaves an operation in float, doors of int8 that the engine doesn't know, answers
# that have nothing to do with the network's, remarks and progress bars of the library.
@pytest.mark.parametrize("scheme", TFLITE_SCHEMES)
@pytest.mark.parametrize("name", ["crnn", "cnn"])
def test_tflite_int8(
    float_tflite: dict[str, bytes], name: str, scheme: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data = float_tflite[name]
    quantised = quantise_tflite(data, scheme, noise(16))
    assert capfd.readouterr() == ("", "")
    assert quantise_tflite(data, scheme, noise(16)) == quantised
    steps = operations(quantised)
    weights = {"mixed": "int8", "full": "int8"}.get(scheme, "float32")
    assert steps["CONV_2D"] == {(weights, "int8" if scheme != "weight_only" else "float32")}
    if name == "crnn":
        integers = {"full": ("int8", "int8"), "weight_only": ("float32", "float32")}
        assert integers.get(scheme, ("float32", "int8")) in steps["FULLY_CONNECTED"]
    unheard = noise(8, seed=1)
    close = distance(answer(quantised, unheard, "network.tflite"), answer(data, unheard, "network.tflite"))
    assert close < (0.3 if scheme == "full" else 0.12)
    if name == "cnn":
        assert len(quantised) < 0.6 * len(data)


def test_missing_quantiser_is_named(float_tflite: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ai_edge_quantizer.quantizer", None)
    with pytest.raises(EngineError, match=r"pip install 'asc-edge\[train-tflite\]'"):
        quantise_tflite(float_tflite["cnn"], "dynamic")


def test_what_cant_be_quantised_is_said_in_a_line() -> None:
    with pytest.raises(ExportError, match=r"^the network can't be quantised \(dynamic\): [^\n]+$"):
        quantise_tflite(b"no network", "dynamic")
