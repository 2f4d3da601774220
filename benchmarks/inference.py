"""Decisions of whole bundles for four microphones, beside as many inferences of YAMNet, in the same rounds.

A bundle's time covers everything that a hop costs: the front end of the new samples, the networks, the
fusion. YAMNet's covers one inference on 0.975 s for each microphone, by LiteRT, its own front end included.
Which bundles: those that ASC_EDGE_BUNDLES names (paths, set apart by colons), else the built-in one. YAMNet's
weights are looked for in ASC_EDGE_WEIGHTS, else beside the repository.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asc_edge import Bundle, Pipeline, log_mel
from asc_edge.bench import noise
from asc_edge.manifest import MemberSpec

from .rounds import ROUNDS, Timing, alternate, ratio

CHANNELS = 4
YAMNET = "4 x YAMNet (LiteRT)"
YAMNET_SAMPLES = 15600
SINE_WAVE = 495
TOLERANCE = 1e-4


class NoYamnetError(Exception):
    """YAMNet can't take part, and why."""


@dataclass(frozen=True)
class Runner:
    """``run()`` makes one decision for all microphones, or one inference for each."""

    name: str
    run: Callable[[], object]
    facts: dict[str, Any]


def bundle_paths() -> list[Path]:
    """The bundles to be measured."""
    named = os.environ.get("ASC_EDGE_BUNDLES", "")
    paths = [Path(name) for name in named.split(os.pathsep) if name]
    return paths or [Path(str(files("asc_edge") / "bundles" / "home.ascb"))]


def decider(path: Path) -> Runner:
    """A bundle on a stream, hop by hop, whose first decision has been checked against `expected`."""
    bundle = Bundle.open(path)
    rate, hop = bundle.sample_rate_hz, round(bundle.hop_s * bundle.sample_rate_hz)
    window = round(bundle.window_s * rate)
    sound = noise(CHANNELS, rate, (window + 16 * hop) / rate)
    pipeline = Pipeline(bundle, channels=CHANNELS)
    (first,) = pipeline.push(sound[:window])
    worst = np.abs(np.array(list(first.posterior.values())) - expected(bundle, sound[:window])).max()
    assert worst <= TOLERANCE, f"{path.name}: a posterior is off by {worst:.2g}"
    position = 0

    def run() -> None:
        nonlocal position
        position = window + (position + hop - window) % (16 * hop) if position else window
        (decision,) = pipeline.push(sound[position : position + hop])
        assert decision.state == "ok"

    facts = {
        "bundle": f"{bundle.name} {bundle.version}",
        "bytes": path.stat().st_size,
        "engines": sorted({engine.runtime for engine in pipeline.engines.values()}),
        "cached": [report.member for report in pipeline.streams if report.cached],
        "worst_difference_to_oracle": float(worst),
    }
    return Runner(path.name, run, facts)


def expected(bundle: Bundle, window: NDArray[np.float32]) -> NDArray[np.float64]:
    """Posteriors of one window by the engines' plain interfaces and numpy, one microphone after the other."""
    rows = []
    for member in bundle.members:
        cells = log_mel(window, bundle.front_ends[member.front_end])
        answers = np.concatenate([_infer(bundle, member, channel) for channel in cells])
        if member.svm is not None:
            answers = _decision_values(_arrays(bundle.read(member.svm)), answers)
        rows.append(answers.mean(axis=0))
    fusion = _arrays(bundle.read(bundle.manifest.fusion))
    values = _decision_values(fusion, np.concatenate(rows)[np.newaxis])[0]
    if len(bundle.labels) == 2:
        positive = 1.0 / (1.0 + np.exp(fusion["platt_a"][0] * values[0] + fusion["platt_b"][0]))
        return np.array([1.0 - positive, positive])
    posteriors = 1.0 / (1.0 + np.exp(fusion["platt_a"] * values + fusion["platt_b"]))
    shares: NDArray[np.float64] = posteriors / posteriors.sum()
    return shares


def _infer(bundle: Bundle, member: MemberSpec, cells: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a member's network answers for one microphone, from cells of shape (mels, frames)."""
    if member.input == "picture":
        cells = np.clip((cells - cells.max()) / -member.floor_db + 1.0, 0.0, 1.0)
    elif member.input == "level":
        cells = np.maximum(cells, member.floor_db) / 20.0
    given = np.ascontiguousarray(cells[np.newaxis, np.newaxis], dtype=np.float32)
    data = bundle.read(member.network)
    if member.network.endswith(".onnx"):
        import onnxruntime

        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        answer = session.run(None, {session.get_inputs()[0].name: given})[0]
        return np.asarray(answer, dtype=np.float64)
    interpreter = _interpreter(data)
    into, out = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = into["quantization"]
    if into["dtype"] != np.float32:
        limits = np.iinfo(into["dtype"])
        given = np.clip(np.rint(given / scale) + zero_point, limits.min, limits.max).astype(into["dtype"])
    interpreter.set_tensor(into["index"], given)
    interpreter.invoke()
    answer = interpreter.get_tensor(out["index"]).astype(np.float64)
    scale, zero_point = out["quantization"]
    return answer if out["dtype"] == np.float32 else scale * (answer - zero_point)


def _interpreter(data: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def _arrays(data: bytes) -> dict[str, NDArray[np.float64]]:
    import io

    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)


def _decision_values(svm: dict[str, NDArray[np.float64]], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = (rows - svm["mean"]) / svm["scale"] @ svm["weights"].T + svm["bias"]
    return values


def yamnet() -> Runner:
    """YAMNet, once for each microphone.

    Raises
    ------
    NoYamnetError
        When its weights or LiteRT are not there.
    """
    default = Path(__file__).resolve().parents[2] / "shared" / "weights"
    path = Path(os.environ.get("ASC_EDGE_WEIGHTS", default)) / "yamnet_tflite" / "yamnet.tflite"
    try:
        interpreter = _interpreter(path.read_bytes())
    except (OSError, ImportError) as error:
        raise NoYamnetError(f"{YAMNET}: {error} (set ASC_EDGE_WEIGHTS)") from None
    into, out = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    sound = noise(CHANNELS, 16000, YAMNET_SAMPLES / 16000)
    microphones = [np.ascontiguousarray(channel) for channel in sound.T]

    def infer(samples: NDArray[np.float32]) -> NDArray[np.float32]:
        interpreter.set_tensor(into, samples)
        interpreter.invoke()
        scores: NDArray[np.float32] = interpreter.get_tensor(out)
        return scores

    # A network that doesn't compute would be quick, too.
    tone = 0.5 * np.sin(2 * np.pi * 400.0 * np.arange(YAMNET_SAMPLES) / 16000).astype(np.float32)
    assert infer(tone).shape == (1, 521)
    assert int(infer(tone).argmax()) == SINE_WAVE
    return Runner(YAMNET, lambda: [infer(samples) for samples in microphones], {"bytes": path.stat().st_size})


@cache
def arena() -> tuple[dict[str, Runner], dict[str, Timing], list[str]]:
    """Everyone who can take part, timed in turns; and who can't."""
    runners = {f"{number}: {path.name}": decider(path) for number, path in enumerate(bundle_paths())}
    absent = []
    try:
        runners[YAMNET] = yamnet()
    except NoYamnetError as error:
        absent.append(str(error))
    return runners, alternate({name: runner.run for name, runner in runners.items()}, ROUNDS), absent


def rows() -> list[dict[str, Any]]:
    """One row for each contender: milliseconds for four microphones, and how often it goes into YAMNet's."""
    runners, timings, _ = arena()
    return [
        {
            "contender": runner.name,
            "channels": CHANNELS,
            "least_ms": 1e3 * timings[name].least,
            "median_ms": 1e3 * timings[name].median,
            "yamnet_over_this": ratio(timings[YAMNET], timings[name]) if YAMNET in timings else None,
            **runner.facts,
        }
        for name, runner in runners.items()
    ]


def yamnet_ratio() -> float:
    """How many times as long four inferences of YAMNet take as one decision of the first bundle.

    Raises
    ------
    NoYamnetError
    """
    runners, timings, absent = arena()
    if absent:
        raise NoYamnetError("; ".join(absent))
    return ratio(timings[YAMNET], timings[next(iter(runners))])
