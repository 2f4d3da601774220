"""How long one push takes, hop by hop, over an hour of audio.

Timed with the scheduler's ordinary priority. A machine that does other things stops a process now and then
for longer than a push takes, so the same hour runs three times: what the code itself needs for a hop comes
back in every run, what the machine did to it doesn't. For each hop the least of the three counts; the raw
runs are reported too.
"""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asc_edge import LogMelStream

from .presets import SAMPLE_RATE_HZ, Preset, blocks, clip

HOUR_S = 3600
RUNS = 3
CHANNELS = 4
CLIPS = 60
PERCENTILES = {"median_us": 50.0, "p99_us": 99.0, "p99_9_us": 99.9, "max_us": 100.0}


@cache
def audio() -> tuple[NDArray[np.float32], str]:
    """A few minutes on four channels, real recordings where there are any, and where they come from."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("ASC_EDGE_DATA", default)) / "esc50" / "audio"
    paths = sorted(folder.rglob("*.flac")) if folder.is_dir() else []
    paths = paths[:: max(1, len(paths) // CLIPS)][:CLIPS]
    if not paths:
        return clip(CHANNELS, 60.0), "noise and tones, 60 s over and over"
    import soundfile

    loaded = [soundfile.read(path, dtype="float32", always_2d=True) for path in paths]
    parts = [samples[:, 0] for samples, rate in loaded if rate == SAMPLE_RATE_HZ]
    line = np.concatenate(parts)
    # Each channel hears the same clips at another time.
    channels = [np.roll(line, shift * len(line) // CHANNELS) for shift in range(CHANNELS)]
    return np.stack(
        channels, axis=1
    ), f"{len(parts)} clips of ESC-50, {len(line) / SAMPLE_RATE_HZ:.0f} s over and over"


def _one_hour(preset: Preset, hops: list[NDArray[np.float32]], count: int) -> NDArray[np.int64]:
    stream = LogMelStream(preset.config(), CHANNELS)
    block = np.empty_like(hops[0])
    # The first window fills up without a frame; an hour counts from its first frame.
    stream.push(hops[-1])
    elapsed = np.empty(count, np.int64)
    clock = time.perf_counter_ns
    for index in range(count):
        # As a sound card's callback: the samples have just been written, always to the same place.
        block[:] = hops[index % len(hops)]
        start = clock()
        frames = stream.push(block)
        elapsed[index] = clock() - start
        assert len(frames) == 1
    return elapsed


def _summary(nanoseconds: NDArray[np.integer[Any]]) -> dict[str, float]:
    found = {name: float(np.percentile(nanoseconds, q)) / 1e3 for name, q in PERCENTILES.items()}
    return {**found, "p99_over_median": found["p99_us"] / found["median_us"]}


def measure(preset: Preset, seconds: float = HOUR_S) -> dict[str, Any]:
    """Microseconds a push of four channels: least of the runs for each hop, and each run by itself."""
    samples, source = audio()
    hops = blocks(samples, preset.hop)
    runs = np.stack([_one_hour(preset, hops, round(seconds / preset.hop_s)) for _ in range(RUNS)])
    return {
        "preset": preset.name,
        "channels": CHANNELS,
        "hops": runs.shape[1],
        "audio": source,
        "runs": RUNS,
        "least_of_runs": _summary(runs.min(axis=0)),
        "raw": [_summary(run) for run in runs],
    }
