"""What a bundle costs on this machine: starting it, deciding, hearing, and its memory.

Each start is one of a process of its own, so that nothing is warm and the memory is the bundle's. Decisions
of several bundles are made in turns in one process, so that whatever else the machine does meets all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asc_edge import machine
from asc_edge.errors import BenchError

if TYPE_CHECKING:
    from asc_edge.audio.samples import Samples
    from asc_edge.bundle import Bundle

__all__ = ["Settings", "measure", "noise"]

# Called with what is being done, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]

# The first few of a run warm caches and clocks.
_UNCOUNTED = 3
_START_TIMEOUT_S = 600.0
_SEED = 20180501


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Attributes
    ----------
    channels : int in 1..16
    hop_s : float > 0, or None
        Seconds between decisions; each bundle's own hop by default.
    decisions : int > 0
        How many are timed for each bundle.
    threads : int > 0
        How many threads an inference may use.
    starts : int >= 0
        How many times each bundle is started in a process of its own; medians are reported.
    realtime : bool
        Let the hop pass between decisions, as a microphone would, instead of deciding back to back.
    """

    channels: int = 4
    hop_s: float | None = None
    decisions: int = 200
    threads: int = 1
    starts: int = 3
    realtime: bool = False


def measure(
    bundles: Sequence[Bundle], settings: Settings, progress: Progress = lambda what, done, total: None
) -> dict[str, Any]:
    """Measure bundles in turns.

    Parameters
    ----------
    bundles : sequence of Bundle
    settings : Settings
    progress : callable

    Returns
    -------
    dict
        ``machine``, ``settings``, ``before`` and ``after`` (see :func:`asc_edge.machine.heat`), and
        ``bundles``, one row for each; times in milliseconds, memory in megabytes, None for what can't be
        known here.

    Raises
    ------
    BenchError
        When a bundle can't be started, or decides nothing.
    EngineError
        When a network can't be run here.
    """
    before = machine.heat()
    starts: list[list[dict[str, Any]]] = [[] for _ in bundles]
    total = settings.starts * len(bundles)
    for turn in range(settings.starts):
        for index, bundle in enumerate(bundles):
            progress("starts", turn * len(bundles) + index, total)
            starts[index].append(_start_in_own_process(bundle, settings))
    steady = _decide_in_turns(bundles, settings, progress)
    return {
        "machine": machine.describe(),
        "settings": asdict(settings),
        "before": before,
        "after": machine.heat(),
        "bundles": [
            {**_facts(bundle), "start": _medians(start), **row}
            for bundle, start, row in zip(bundles, starts, steady, strict=True)
        ],
    }


def noise(channels: int, sample_rate_hz: int, seconds: float) -> Samples:
    """Sound no channel of which is silent, clipped or a copy of another; float32, shape (n, channels)."""
    import numpy as np

    rng = np.random.default_rng(_SEED)
    sound = np.empty((round(seconds * sample_rate_hz), channels), np.float32)
    # In pieces, since the memory that this takes is measured along with the bundle's.
    for start in range(0, len(sound), sample_rate_hz // 4):
        piece = sound[start : start + sample_rate_hz // 4]
        common = rng.standard_normal((len(piece), 1), dtype=np.float32)
        piece[:] = rng.standard_normal(piece.shape, dtype=np.float32)
        # Louder and softer by turns: no two windows are alike.
        piece *= 0.5
        piece += common
        piece *= rng.uniform(0.01, 0.06)
    return sound


def _facts(bundle: Bundle) -> dict[str, Any]:
    return {
        "path": str(bundle.path),
        "name": bundle.name,
        "version": bundle.version,
        "sha256": bundle.sha256,
        "bytes": bundle.path.stat().st_size if bundle.path.exists() else None,
        "window_s": bundle.window_s,
    }


class _Listener:
    """One bundle, heard hop by hop, and how long that took."""

    def __init__(self, bundle: Bundle, settings: Settings) -> None:
        from asc_edge.pipeline import Pipeline

        self.pipeline: Pipeline = Pipeline(
            bundle, channels=settings.channels, hop_s=settings.hop_s, threads=settings.threads
        )
        rate = bundle.sample_rate_hz
        self._hop = round(self.pipeline.hop_s * rate)
        window = round(bundle.window_s * rate)
        self.sound = noise(settings.channels, rate, (window + 8 * self._hop) / rate)
        # All of the window but a hop: the next hop brings the first decision.
        self._position = max(0, window - self._hop)
        self.pipeline.push(self.sound[: self._position])
        self.hop_ms: list[float] = []
        self.cpu_ms: list[float] = []
        self.latency_ms: list[float] = []

    def hear(self) -> None:
        """Hear one hop and decide."""
        if self._position + self._hop > len(self.sound):
            self._position = 0
        block = self.sound[self._position : self._position + self._hop]
        self._position += self._hop
        cpu, wall = time.process_time(), time.perf_counter()
        decisions = self.pipeline.push(block)
        self.hop_ms.append(1e3 * (time.perf_counter() - wall))
        self.cpu_ms.append(1e3 * (time.process_time() - cpu))
        if len(decisions) != 1 or decisions[0].state != "ok":
            raise BenchError(f"{self.pipeline.bundle.path}: hears nothing in noise; nothing to measure")
        self.latency_ms.append(decisions[0].latency_ms)

    def row(self, counted: int) -> dict[str, Any]:
        """What the last ``counted`` hops took."""
        hop_ms, cpu_ms, latency_ms = (
            values[-counted:] for values in (self.hop_ms, self.cpu_ms, self.latency_ms)
        )
        outside = sorted(whole - decision for whole, decision in zip(hop_ms, latency_ms, strict=True))
        heard_s = self.pipeline.hop_s * counted
        return {
            "hop_s": self.pipeline.hop_s,
            "engines": sorted({engine.runtime for engine in self.pipeline.engines.values()}),
            "networks": [
                {
                    "file": engine.file_name,
                    "runtime": engine.runtime,
                    "bytes": len(self.pipeline.bundle.read(engine.file_name)),
                }
                for engine in self.pipeline.engines.values()
            ],
            "cached": [asdict(report) for report in self.pipeline.streams],
            "decisions": counted,
            "decision_ms": _percentiles(latency_ms),
            "hop_ms": _percentiles(hop_ms),
            "front_end_ms_per_s": outside[len(outside) // 2] / self.pipeline.hop_s,
            "real_time_factor": sum(hop_ms) / 1e3 / heard_s,
            "cpu_percent_of_one_core": 100 * sum(cpu_ms) / 1e3 / heard_s,
        }


def _decide_in_turns(
    bundles: Sequence[Bundle], settings: Settings, progress: Progress
) -> list[dict[str, Any]]:
    listeners = [_Listener(bundle, settings) for bundle in bundles]
    for number in range(_UNCOUNTED + settings.decisions):
        progress("decisions", max(0, number - _UNCOUNTED), settings.decisions)
        began = time.perf_counter()
        # Nobody always follows the same neighbour.
        for listener in listeners if number % 2 else reversed(listeners):
            listener.hear()
        if settings.realtime:
            hop_s = max(listener.pipeline.hop_s for listener in listeners)
            time.sleep(max(0.0, hop_s - (time.perf_counter() - began)))
    return [listener.row(settings.decisions) for listener in listeners]


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    """The nearest of the values themselves, without anything in between."""
    ordered = sorted(values)
    places = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: ordered[min(len(ordered) - 1, int(place * len(ordered)))] for name, place in places.items()}


def _medians(starts: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    if not starts:
        return None
    medians: dict[str, Any] = {}
    for name in starts[0]:
        values = sorted(start[name] for start in starts if start[name] is not None)
        medians[name] = values[len(values) // 2] if values else None
    return medians


def _start_in_own_process(bundle: Bundle, settings: Settings) -> dict[str, Any]:
    """Figures of one start from nothing."""
    suffixes = sorted({Path(name).suffix for name in bundle.file_names})
    task = json.dumps({"bundle": os.fspath(bundle.path), "suffixes": suffixes, **asdict(settings)})
    command = [sys.executable, "-m", "asc_edge.bench", task]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_START_TIMEOUT_S)
        row: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        reason = said[-1] if said else "it said nothing"
        raise BenchError(f"{bundle.path}: can't be started in a process of its own: {reason}") from None
    return row


def _start(task: dict[str, Any]) -> dict[str, Any]:
    """Start one bundle here, where nothing has been loaded yet, up to its third decision."""
    path, suffixes = task.pop("bundle"), task.pop("suffixes")
    interpreter_mb = machine.resident_mb()
    began = time.perf_counter()
    from asc_edge.bundle import Bundle

    _import_libraries(suffixes)
    libraries_mb, imported = machine.resident_mb(), time.perf_counter()
    bundle = Bundle.open(path)
    open_ms = 1e3 * (time.perf_counter() - imported)
    listener = _Listener(bundle, Settings(**task))
    for _ in range(_UNCOUNTED):
        listener.hear()
    peak_mb = machine.resident_mb(peak=True)
    own_mb = None
    if peak_mb is not None and libraries_mb is not None:
        # A microphone's samples would not be held in advance.
        peak_mb -= listener.sound.nbytes / 1e6
        own_mb = peak_mb - libraries_mb
    engines = listener.pipeline.engines.values()
    load_ms, warm_up_ms = sum(e.load_ms for e in engines), sum(e.warm_up_ms for e in engines)
    return {
        "import_ms": 1e3 * (imported - began),
        "open_ms": open_ms,
        "load_ms": load_ms,
        "warm_up_ms": warm_up_ms,
        "first_decision_ms": listener.hop_ms[0],
        "second_decision_ms": listener.hop_ms[1],
        "open_to_first_decision_ms": open_ms + load_ms + warm_up_ms + listener.hop_ms[0],
        "interpreter_mb": interpreter_mb,
        "libraries_mb": libraries_mb,
        "peak_mb": peak_mb,
        "own_mb": own_mb,
    }


def _import_libraries(suffixes: Sequence[str]) -> None:
    """Bring in everything that decisions need, so that what comes after it is the bundle's own."""
    import asc_edge.pipeline  # noqa: F401

    noise(1, 16000, 0.1)  # numpy's random numbers come in when they are first asked for
    if ".onnx" in suffixes:
        with suppress(ImportError):
            import onnxruntime  # noqa: F401
    if ".tflite" in suffixes:
        with suppress(ImportError):
            import ai_edge_litert.interpreter  # noqa: F401


if __name__ == "__main__":
    print(json.dumps(_start(json.loads(sys.argv[1]))))
