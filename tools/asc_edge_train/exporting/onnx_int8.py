"""ONNX in 8 bits: quantised convolutions, and weights of everything else kept in 8 bits.

Convolutions get ``QuantizeLinear``/``DequantizeLinear`` pairs around them, which onnxruntime turns into
integer kernels. It has none for GRUs, so that their weights are int8 with a ``DequantizeLinear`` in front: a
quarter of the bytes, computed in 32 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from asc_edge.errors import ConfigError
from asc_edge_train.exporting.integers import affine, quantise_rows
from asc_edge_train.exporting.onnx_float import ExportError
from asc_edge_train.exporting.onnx_graph import Graph
from asc_edge_train.exporting.ranges import Ranges, collect_ranges
from asc_edge_train.exporting.sessions import run_onnx

__all__ = ["CALIBRATED", "ONNX_SCHEMES", "PERCENTILES", "quantise_onnx"]

# From the fastest to the most faithful.
ONNX_SCHEMES = ("static", "weight_only")
# Those whose ranges come from examples.
CALIBRATED = ("static",)
# Shares of the values seen that codes are given to, in percent; 100 is the minimum and maximum.
PERCENTILES = (100.0, 99.999, 99.99, 99.9)
# Further down an ELU answers -1, give or take a hundredth: codes are better spent above.
_ELU_FLOOR = -5.0
# A last layer of a few classes stays as it is: it would save less than its DequantizeLinear takes.
_LEAST_WEIGHTS = 1024


def quantise_onnx(
    data: bytes,
    scheme: str = "static",
    examples: np.ndarray | None = None,
    *,
    percentiles: Sequence[float] = PERCENTILES,
) -> bytes:
    """A float network of `module_to_onnx` in 8 bits; it takes and gives float32 as before.

    Parameters
    ----------
    scheme : {"static", "weight_only"}
        Whether convolutions compute with integers, their activations in ranges seen on ``examples``, or only
        keep their weights as integers.
    examples : ndarray (n, ...), float32
        What the network will hear, never clips that it is judged by. Needed by ``"static"``.
    percentiles
        Ranges to try, also with less room below for what an ELU flattens; those whose answers lie nearest to
        the float network's on ``examples`` are taken.

    Raises
    ------
    ConfigError
        For an unknown scheme, or ``"static"`` without examples.
    ExportError
        When what comes out doesn't run, or gives no numbers.
    """
    if scheme not in ONNX_SCHEMES:
        raise ConfigError(f"quantisation {scheme!r}: choose one of {', '.join(ONNX_SCHEMES)}")
    if scheme == "weight_only":
        quantised = _quantise(data, None)
        probe = _probe(data) if examples is None else examples
        _distance(quantised, probe, run_onnx(data, probe))
        return quantised
    if examples is None or not len(examples):
        raise ConfigError("quantisation 'static' needs examples of what the network will hear")
    expected = run_onnx(data, examples)
    graph = Graph(data)
    seen = collect_ranges(graph.tapped, _rounded_values(graph), examples)
    candidates = [
        _quantise(data, _raised(seen.at(percent), graph, floor))
        for percent in percentiles
        for floor in (None, _ELU_FLOOR)
    ]
    distances = [_distance(candidate, examples, expected) for candidate in candidates]
    return candidates[int(np.argmin(distances))]


def _quantise(data: bytes, ranges: Ranges | None) -> bytes:
    """The network with its weights in 8 bits, and with ranges its convolutions, too."""
    graph = Graph(data)
    for node in list(graph.nodes):
        if node.op_type == "Conv" and graph.constant(node.input[1]) is not None:
            _quantise_convolution(graph, node, ranges)
        elif node.op_type in {"GRU", "LSTM", "RNN"}:
            _quantise_recurrent(graph, node)
        elif node.op_type in {"Gemm", "MatMul"}:
            _quantise_matrix(graph, node)
    if ranges is not None:
        for name, (low, high) in ranges.items():
            graph.rounded(name, affine(low, high))
    return graph.serialised()


def _quantise_convolution(graph: Graph, node: Any, ranges: Ranges | None) -> None:
    weights = graph.constant(node.input[1])
    assert weights is not None
    codes, scale = quantise_rows(weights)
    taken = node.input[0]
    graph.dequantised(node, 1, codes, scale, axis=0)
    bias = graph.constant(node.input[2]) if len(node.input) > 2 else None
    if ranges is None or bias is None:
        return
    # An integer convolution adds its bias to its sums, in their units.
    unit = scale.astype(np.float64) * float(affine(*ranges[taken]).scale)
    whole = np.clip(np.round(bias / unit), -(2**31), 2**31 - 1).astype(np.int32)
    graph.dequantised(node, 2, whole, unit.astype(np.float32), axis=0)


def _quantise_recurrent(graph: Graph, node: Any) -> None:
    """Weights W and R, (directions, gates * units, features): a scale for each row of each direction."""
    for place in (1, 2):
        weights = graph.constant(node.input[place])
        if weights is None:
            continue
        rows = weights.reshape(-1, weights.shape[2])
        codes, scale = quantise_rows(rows)
        graph.dequantised(node, place, codes, scale, axis=0)
        graph.reshaped(node, place, weights.shape)


def _quantise_matrix(graph: Graph, node: Any) -> None:
    weights = graph.constant(node.input[1])
    if weights is None or weights.ndim != 2 or weights.size < _LEAST_WEIGHTS:
        return
    turned = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    axis = 0 if turned else 1
    codes, scale = quantise_rows(weights, axis)
    graph.dequantised(node, 1, codes, scale, axis)


def _rounded_values(graph: Graph) -> dict[str, str]:
    """Values that are rounded to 8 bits, and whose range each has: what convolutions take and give."""
    rounded: dict[str, str] = {}
    for node in graph.nodes:
        if node.op_type != "Conv" or graph.constant(node.input[1]) is None:
            continue
        taken, given = node.input[0], node.output[0]
        consumers = graph.consumers(given)
        # Codes from 0 on are a rectifier: it needn't be computed.
        if len(consumers) == 1 and consumers[0].op_type == "Relu":
            given = consumers[0].output[0]
        source = graph.producer(taken)
        pooled = source is not None and source.op_type == "MaxPool" and source.input[0] in rounded
        # A maximum of codes is the code of the maximum, if both are of one range.
        rounded.setdefault(taken, rounded[source.input[0]] if pooled and source is not None else taken)
        if given not in graph.outputs:
            rounded.setdefault(given, given)
    return rounded


def _raised(ranges: Ranges, graph: Graph, floor: float | None) -> Ranges:
    """Ranges that start no lower than ``floor`` where all that takes a value is an ELU."""
    if floor is None:
        return ranges
    raised = dict(ranges)
    for name, (low, high) in ranges.items():
        consumers = graph.consumers(name)
        if consumers and all(node.op_type == "Elu" for node in consumers):
            raised[name] = (max(low, floor), high)
    return raised


def _distance(quantised: bytes, examples: np.ndarray, expected: np.ndarray) -> float:
    """Root mean square of what 8 bits change in the answers.

    Raises
    ------
    ExportError
        When the network doesn't run, or what it answers is no number.
    """
    try:
        answer = run_onnx(quantised, examples)
    except Exception as error:  # onnxruntime's own types share no base but Exception
        reason = " ".join(str(error).split())[:300]
        raise ExportError(f"the 8-bit network doesn't run: {reason}") from None
    if answer.shape != expected.shape or not np.isfinite(answer).all():
        raise ExportError("the 8-bit network doesn't answer with numbers")
    return float(np.sqrt(np.mean((answer - expected) ** 2)))


def _probe(data: bytes) -> np.ndarray:
    """Noise in the shape that a network takes, three rows of 64 steps where it leaves that open."""
    from asc_edge_train.exporting.sessions import onnx_session

    shape = onnx_session(data).get_inputs()[0].shape
    sizes = [3, *(size if isinstance(size, int) else 64 for size in shape[1:])]
    return np.random.default_rng(0).random(sizes, dtype=np.float32)
