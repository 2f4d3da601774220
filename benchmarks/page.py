"""``docs/performance.md`` from ``docs/performance.json``: nothing on the page that is not in the file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import picture
from .presets import CHANNELS, PRESETS

MODE_WORDS = {"streaming": "hop by hop", "clip": "whole clip of 10 s"}


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def number(value: float | None, digits: int = 3) -> str:
    """`value` with so many digits that count, and no exponent."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 10**digits else f"{value:#.{digits}g}".rstrip(".")


def ratio_table(result: dict[str, Any]) -> str:
    """What was promised, what was measured, and whether it holds."""
    rows = []
    for row in result["ratios"]:
        word = "at most" if row["at_most"] else "at least"
        promised = "" if row["only_information"] else f"{word} {row['bound']:g}"
        rows.append((row["name"], promised, number(row["measured"]), _mark(row)))
    return table(("ratio", "promised", "measured", "holds"), rows)


def _mark(row: dict[str, Any]) -> str:
    if row["holds"] is None:
        return f"not measured: {row['why_not']}"
    if row["only_information"]:
        return "for information"
    return "yes" if row["holds"] else "**no**"


def _machine(result: dict[str, Any]) -> str:
    about = result["machine"]
    chip = about["processor"]
    kind = f"{chip['cores']} cores{', virtual' if chip['virtual'] else ''}"
    lines = {
        "processor": f"{chip['model']} (family/model/stepping {chip['family_model_stepping']}), {kind}",
        "instruction sets": f"{', '.join(chip['simd'])}; asc-edge uses {about['asc_edge_isa']}",
        "caches": ", ".join(chip["caches"]),
        "system": f"{about['system']}, Python {about['python']}, {about['compiler']}",
        "libraries": ", ".join(f"{name} {version}" for name, version in about["libraries"].items()),
        "FFTW": ", ".join(f"{name}: {text}" for name, text in about["fftw"].items()) or "not installed",
        "threads": "one, and one core, for everything",
        "date": f"{result['date']}, load average at the end {about['load_average'][0]}",
        "command": f"`{result['command']}`",
    }
    return table(("", ""), lines.items())


def _log_mel(result: dict[str, Any], preset: str, mode: str) -> str:
    rows = [row for row in result["log_mel"] if row["preset"] == preset and row["mode"] == mode]
    names = sorted(
        {row["contender"] for row in rows},
        key=lambda name: min(row["us_per_frame_and_channel"] for row in rows if row["contender"] == name),
    )
    cells = {(row["contender"], row["channels"]): row for row in rows}
    lines = []
    for name in names:
        found = [cells.get((name, channels)) for channels in CHANNELS]
        times = [number(row and row["us_per_frame_and_channel"]) for row in found]
        ratios = [number(row and row["times_asc_edge"]) for row in found]
        worst = max(row["worst_difference_to_float64_db"] for row in found if row)
        shown = f"**{name}**" if name == "asc-edge" else name
        lines.append((shown, *ratios, *times, f"{worst:.0e}"))
    head = ["contender", *(f"x asc-edge, {n} ch" for n in CHANNELS), *(f"us, {n} ch" for n in CHANNELS)]
    return f"### {preset} s, {MODE_WORDS[mode]}\n\n{table([*head, 'off by at most, dB'], lines)}\n"


def _notes(result: dict[str, Any]) -> str:
    notes = []
    for row in result["log_mel"]:
        if row["contender"] == "numpy + scipy" and row["channels"] == picture.CHANNELS:
            words = f"{row['preset']} s, {MODE_WORDS[row['mode']]}"
            notes.append(f"- Fastest form of numpy + scipy, {words}: {row['note']}.")
    notes += [f"- Absent: {line}." for line in result["absent"]]
    return "\n".join(notes)


def _fft(result: dict[str, Any]) -> str:
    rows = []
    for row in result["real_fft"]:
        shares = [row.get(f"share_of_{kind}_peak_of_isa") for kind in ("separate", "fused")]
        rows.append(
            (
                row["length"],
                f"{row['contender']} ({row['form']})",
                number(row["ns_per_transform"]),
                number(row["nominal_gflops"]),
                f"{row['share_of_highest_peak']:.0%}",
                *("" if share is None else f"{share:.0%}" for share in shares),
            )
        )
    head = (
        "length",
        "contender",
        "ns",
        "Gflop/s",
        "of the highest peak",
        "of its own, separate",
        "of its own, fused",
    )
    missing = "" if isinstance(result["own_fft"], list) else f"\n\nasc-edge's own {result['own_fft']}."
    return table(head, rows) + missing


def _latency(result: dict[str, Any]) -> str:
    rows, overhead = result["latency"], result["call_overhead"]
    lines = []
    keys = ("median_us", "p99_us", "p99_9_us", "max_us", "p99_over_median")
    for row in rows:
        runs = [("least of the runs", row["least_of_runs"])]
        runs += [(f"run {index}", run) for index, run in enumerate(row["raw"], 1)]
        lines += [
            (row["preset"], row["hops"], name, *(number(run[key]) for key in keys)) for name, run in runs
        ]
    head = ("preset", "hops", "", "median us", "p99 us", "p99.9 us", "max us", "p99 / median")
    return f"""## Latency of one hop

{rows[0]["channels"]} channels; {rows[0]["audio"]}. Ordinary priority,
wall clock. The hour runs {rows[0]["runs"]} times and for each hop the least counts: what the code needs comes
back in every run, what the machine did to it doesn't. The raw runs stand beside it.

    {result["commands"]["latency"]}

{table(head, lines)}

A push of nothing takes {number(overhead["LogMelStream_push_us"])} us through `LogMelStream.push`, of
which {number(overhead["core_push_us"])} us are the compiled core's call.
"""


def _inference(result: dict[str, Any]) -> str:
    """Decisions beside YAMNet; nothing in figures that are older than these."""
    if "inference" not in result:
        return ""
    rows = [
        (
            f"**{row['contender']}**" if row.get("bundle") else row["contender"],
            number(row["bytes"] / 1e3),
            ", ".join(row.get("engines", ["LiteRT"])),
            number(row["least_ms"]),
            number(row["median_ms"]),
            number(row["yamnet_over_this"]),
        )
        for row in result["inference"]
    ]
    head = ("contender", "kB", "engine", "least ms", "median ms", "times as fast as YAMNet")
    return f"""
## Decisions for four microphones

A bundle's time is that of a whole hop of 1 s on a stream, front end included, for all four microphones;
YAMNet's that of one inference on 0.975 s for each of them. One thread, in turns. Each bundle's posteriors
were first compared with the engines' plain interfaces and numpy, one microphone after the other. Measured is
what `ASC_EDGE_BUNDLES` names (here the four variants of an export), else the built-in bundle; YAMNet's
weights lie in the folder that `ASC_EDGE_WEIGHTS` names.

    {result["commands"]["inference"]}

{table(head, rows)}
"""


def _recomputing(result: dict[str, Any]) -> str:
    """What keeping columns saves; nothing in figures that are older than these."""
    if "recomputing" not in result:
        return ""
    rows = [
        (
            row["bundle"],
            *(number(row[key]) for key in ("kept_least_ms", "kept_median_ms")),
            *(number(row[key]) for key in ("anew_least_ms", "anew_median_ms")),
            number(row["times_as_long"]),
            f"{row['worst_difference']:.0e}",
        )
        if "why_not" not in row
        else (row["bundle"], "", "", "", "", row["why_not"], "")
        for row in result["recomputing"]
    ]
    head = ("bundle", "kept: least ms", "median ms", "anew: least ms", "median ms", "times as long", "apart")
    return f"""
## Decisions that keep what they computed

The same bundles, hop by hop for four microphones: networks that keep their columns of earlier hops
(docs/streaming.md) beside the same ones computing the whole window anew, in turns. Times are those of the
decision, from cells to posteriors, by the wall clock; "apart" is the largest difference between posteriors.

    {result["commands"]["recomputing"]}

{table(head, rows)}
"""


def _instructions(result: dict[str, Any]) -> str:
    counted = result["instructions"]
    if "counts" not in counted:
        return f"Not counted: {counted['not_measured']}."
    rows = [
        (row["isa"], row["preset"], row["channels"], row["instructions_per_hop"]) for row in counted["counts"]
    ]
    head = ("instruction set", "preset", "channels", "instructions a hop")
    return f"{counted['compiler']}.\n\n{table(head, rows)}"


def _peaks(result: dict[str, Any]) -> str:
    rows = [
        (isa, number(kinds.get("separate")), number(kinds.get("fused")))
        for isa, kinds in result["peaks_gflops"].items()
    ]
    return table(("instruction set", "separate, Gflop/s", "fused, Gflop/s"), rows)


def _method(result: dict[str, Any]) -> str:
    return f"""## How it was measured

- In each of many rounds every contender runs for a few milliseconds of processor time, in an order that
  changes. A ratio is taken twice: between the least times of all rounds, and as the median of the ratios
  within each round. The smaller one is printed. Disturbances only ever add time, so the least time is
  what the code itself needs; neighbours in a round share the clock, so the ratio within it is free of the
  clock's moods. No single lucky or unlucky round decides. Latency alone is taken by the wall clock.
- Before a time counts, the contender's cells are compared with the same definition computed in double
  precision. Some libraries don't take a frame's mean off, or leave decibels to the user; they are let off
  that work, and compared with the definition without it.
- Each contender gets its samples in the memory layout that it likes best, except hop by hop, where all
  get what a sound card's callback gets: a float32 array of shape (hop, channels).
- numpy + scipy is the fastest of all forms in `benchmarks/numpy_scipy.py`: frames in rows or columns; mel
  by a sparse matrix, a dense one or `np.add.reduceat`; mean taken off the samples or off the bins; 16, 64
  or 256 frames at a time.
- librosa computes its mel bank on every call of `melspectrogram`; "bank kept" is the same by parts
  without that. The promise is held against the faster one.
- kaldi-native-fbank reads a list faster than an array at some lengths; it gets what it reads faster.

{_notes(result)}
"""


def _fft_section(result: dict[str, Any]) -> str:
    return f"""## Real FFT, four channels at a time

All transform the same float32 samples, as many quadruples a call as stay in the second-level cache. FFTW
has the best of three layouts for each planning effort. Flops are the customary 2.5 N log2 N, whatever an
algorithm really does. A share of the peak says, independently of the clock: of the operations that the
core could have finished in that time if nothing had to be loaded, stored or waited for, so many were
(nominal) operations of the transform.

    {result["commands"]["real_fft"]}

{_fft(result)}

The peaks, from chains of operations on registers (`benchmarks/peak.cpp`): "separate" are multiplications
and additions that are never fused, as this project's, whose results must not depend on the compiler or
the machine; "fused" are fused multiply-adds, with additions beside them where that is faster.

{_peaks(result)}
"""


def page(result: dict[str, Any], picture_name: str) -> str:
    """The whole page."""
    of_picture = [row for row in result["log_mel"] if row["channels"] == picture.CHANNELS]
    own = {(row["preset"], row["mode"]): row for row in of_picture if row["contender"] == "asc-edge"}
    alt = "Dots on a logarithmic scale, microseconds per frame and channel. " + " ".join(
        f"asc-edge, {preset} s, {MODE_WORDS[mode]}: {number(row['us_per_frame_and_channel'])} us."
        for (preset, mode), row in own.items()
    )
    log_mel = "\n".join(_log_mel(result, preset, mode) for preset in PRESETS for mode in MODE_WORDS)
    return f"""# Performance

Ratios are what counts here: both sides of each were measured in the same run, in turns, on one thread.
Times are information about one machine.

{_machine(result)}

## Promises

{ratio_table(result)}

![{alt}]({picture_name})

{_method(result)}
## Log-mel frames

Ratios to asc-edge, and microseconds per frame and channel, for 1, 4 and 8 channels.

    {result["commands"]["log_mel"]}

{log_mel}
{_fft_section(result)}
{_latency(result)}{_inference(result)}{_recomputing(result)}
## Instructions of one hop

Counted by callgrind, which repeats exactly; `make instructions` fails when one rises by more than 2 %.
Valgrind translates no AVX-512.

    {result["commands"]["instructions"]}

{_instructions(result)}
"""


def draw(path: Path) -> None:
    """Write the page and the picture beside the JSON file."""
    result = json.loads(path.read_text(encoding="utf-8"))
    target = path.with_suffix(".svg")
    picture.draw(result["log_mel"], target)
    path.with_suffix(".md").write_text(page(result, target.name), encoding="utf-8")


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
