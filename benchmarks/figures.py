"""Everything that is measured, each thing once a session, and the JSON file that holds it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from . import (
    call_overhead,
    contenders,
    inference,
    instructions,
    latency,
    machine,
    peak,
    real_fft,
    recomputing,
)
from .presets import CHANNELS, PRESETS, clip
from .rounds import FEWER_ROUNDS, ROUNDS, Timing, alternate, ratio

COMMAND = "make performance"
MODES = ("streaming", "clip")
PROMISED_CHANNELS, PROMISED_LENGTH = 4, 5120


class NotMeasuredError(Exception):
    """A figure can't be had here, and why."""


@cache
def arena(
    preset_name: str, channels: int
) -> tuple[dict[str, contenders.Contender], dict[str, Timing], list[str]]:
    """Everyone on one preset, hop by hop and on a clip, in the same rounds; and who is absent.

    Keys are mode and name, as "streaming: asc-edge".
    """
    preset = PRESETS[preset_name]
    present: dict[str, contenders.Contender] = {}
    absent = []
    for mode in MODES:
        field, missing = contenders.field(preset, mode, channels)
        present |= {f"{mode}: {contender.name}": contender for contender in field}
        absent += [f"{mode}: {who.name}: {who.reason}" for who in missing]
    runs = {key: contender.run for key, contender in present.items()}
    return present, alternate(runs, ROUNDS if channels == PROMISED_CHANNELS else FEWER_ROUNDS), absent


def log_mel_ratio(preset_name: str, channels: int, peer: str, own: str) -> float:
    """How many times as long as `own` the fastest contender takes whose key begins with `peer`."""
    present, timings, absent = arena(preset_name, channels)
    peers = [key for key in present if key.startswith(peer)]
    if not peers:
        raise NotMeasuredError("; ".join(line for line in absent if line.startswith(peer)))
    frames = present[own].frames
    return min(ratio(timings[key], timings[own], frames / present[key].frames) for key in peers)


def log_mel_rows(preset_name: str, channels: int) -> list[dict[str, Any]]:
    """One row for each contender."""
    present, timings, _ = arena(preset_name, channels)
    rows = []
    for key, contender in present.items():
        mode = key.split(":")[0]
        frames = contender.frames
        rows.append(
            {
                "preset": preset_name,
                "mode": mode,
                "channels": channels,
                "contender": contender.name,
                "us_per_frame_and_channel": timings[key].least / frames * 1e6,
                "median_us_per_frame_and_channel": timings[key].median / frames * 1e6,
                "times_asc_edge": ratio(
                    timings[key],
                    timings[f"{mode}: asc-edge"],
                    present[f"{mode}: asc-edge"].frames / frames,
                ),
                "worst_difference_to_float64_db": contender.check(clip(channels), PRESETS[preset_name]),
                "tolerance_db": contender.tolerance_db,
                "mean_removed": contender.remove_mean,
                "note": contender.note,
            }
        )
    return rows


@cache
def fft_arena(length: int) -> tuple[dict[str, real_fft.Transform], dict[str, Timing], dict[str, peak.Chain]]:
    """All transforms of one length and the chains that show the machine's peak, in the same rounds."""
    transforms = {transform.name: transform for transform in real_fft.everyone(length)}
    chains = {f"peak {chain.isa} {chain.kind}": chain for chain in peak.chains(peak.host_isas())}
    runs = {name: transform.run for name, transform in transforms.items()}
    runs |= {name: chain.run for name, chain in chains.items()}
    return transforms, alternate(runs, ROUNDS if length == PROMISED_LENGTH else FEWER_ROUNDS), chains


def fft_ratio(length: int, peer: str, isa: str) -> float:
    """How many times as long as asc-edge on `isa` the `peer` takes for a transform."""
    if isa not in real_fft.own_isas():
        has = ", ".join(real_fft.own_isas()) or "no FFT that can be called by itself"
        raise NotMeasuredError(f"asc-edge has {has} here")
    transforms, timings, _ = fft_arena(length)
    if peer not in transforms:
        raise NotMeasuredError(f"{peer}: not installed")
    return ratio(timings[peer], timings[f"asc-edge {isa}"])


def _peaks(length: int) -> dict[str, dict[str, float]]:
    """Operations a second of each instruction set: "separate" and "fused"."""
    _, timings, chains = fft_arena(length)
    peaks: dict[str, dict[str, float]] = {}
    for name, chain in chains.items():
        kind = "separate" if chain.kind == "mul_add" else "fused"
        of_isa = peaks.setdefault(chain.isa, {})
        of_isa[kind] = max(of_isa.get(kind, 0.0), chain.flops / timings[name].least)
    return peaks


def fft_rows(length: int) -> list[dict[str, Any]]:
    """One row for each transform, with its share of the machine's peak."""
    transforms, timings, _ = fft_arena(length)
    count = real_fft.batch_of(length) * real_fft.CHANNELS
    peaks = _peaks(length)
    # The highest of all: a library that can't use the machine's widest registers is not excused from them.
    highest = max((rate for of_isa in peaks.values() for rate in of_isa.values()), default=float("nan"))
    rows = []
    for name, transform in transforms.items():
        rate = real_fft.nominal_flops(length) * count / timings[name].least
        row: dict[str, Any] = {
            "length": length,
            "transforms_a_call": count,
            "contender": name,
            "form": transform.detail,
            "ns_per_transform": timings[name].least / count * 1e9,
            "nominal_gflops": rate / 1e9,
            "share_of_highest_peak": rate / highest,
        }
        if name.startswith("asc-edge"):
            row |= {
                f"share_of_{kind}_peak_of_isa": rate / value
                for kind, value in peaks[transform.detail].items()
            }
        rows.append(row)
    return rows


@cache
def latency_rows() -> list[dict[str, Any]]:
    """An hour of each preset."""
    return [latency.measure(preset) for preset in PRESETS.values()]


@cache
def instruction_counts() -> dict[str, Any]:
    """Callgrind's counts, or why there are none."""
    try:
        return instructions.measure()
    except instructions.CannotCountError as error:
        raise NotMeasuredError(str(error)) from None


def recomputing_ratio() -> float:
    """How many times as long a decision takes that computes its window anew."""
    try:
        return recomputing.times_as_long()
    except recomputing.NothingKeptError as error:
        raise NotMeasuredError(str(error)) from None


def yamnet_ratio() -> float:
    """How many times as long four inferences of YAMNet take as one decision for four microphones."""
    try:
        return inference.yamnet_ratio()
    except inference.NoYamnetError as error:
        raise NotMeasuredError(str(error)) from None


def everything(ratios: list[dict[str, Any]]) -> dict[str, Any]:
    """All figures, ready for JSON; measures what has not been measured yet."""
    started = time.perf_counter()
    cells = [(preset, channels) for preset in PRESETS for channels in CHANNELS]
    try:
        counts: dict[str, Any] = instruction_counts()
    except NotMeasuredError as error:
        counts = {"not_measured": str(error)}
    result = {
        "command": COMMAND,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine.describe(),
        "ratios": ratios,
        "log_mel": [row for preset, channels in cells for row in log_mel_rows(preset, channels)],
        "absent": sorted({line for preset, channels in cells for line in arena(preset, channels)[2]}),
        "real_fft": [row for length in real_fft.LENGTHS for row in fft_rows(length)],
        "own_fft": real_fft.own_isas() or "can't be called by itself yet",
        "peaks_gflops": {
            isa: {kind: rate / 1e9 for kind, rate in of_isa.items()}
            for isa, of_isa in _peaks(PROMISED_LENGTH).items()
        },
        "latency": latency_rows(),
        "call_overhead": call_overhead.measure(),
        "inference": inference.rows(),
        "recomputing": recomputing.rows(),
        "instructions": counts,
    }
    result["seconds_to_measure_what_no_test_had"] = round(time.perf_counter() - started, 1)
    return result


def commands(result: dict[str, Any]) -> dict[str, Any]:
    """The same with the command beside each section that measures it alone."""
    alone = "python -m pytest benchmarks -m performance -k"
    for section, choice in (
        ("log_mel", "log_mel"),
        ("real_fft", "fft"),
        ("latency", "latency"),
        ("inference", "inference"),
        ("recomputing", "recomputed"),
    ):
        result.setdefault("commands", {})[section] = f"{alone} {choice}"
    result["commands"]["instructions"] = "make instructions"
    return result


def rounded(value: Any) -> Any:
    """Floats to four digits: the rest would only make every run's file differ everywhere."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return value


def write(path: Path, result: dict[str, Any]) -> None:
    """Write the JSON file whole or not at all."""
    text = json.dumps(rounded(commands(result)), indent=2, sort_keys=False) + "\n"
    draft = path.with_suffix(".json.part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
