"""What asc-edge computes on this machine, written to a file for `compare.py` to lay beside another machine's.

    measure.py inputs INPUTS.npz                                  make what all machines will hear
    measure.py run INPUTS.npz ANSWERS.npz [--bundle FILE]...      hear it

Frames and decisions of the built-in bundle are always computed; further bundles, say the same system for
other engines or in 8 bits, each hear the demonstration scene.

The inputs are made once, on one machine: a sine that another C library rounds otherwise would look like a
fault of the front end. Clips are read from their files on every machine, since decoding and resampling belong
to what is compared. Needs the device wing only.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import sys
import unittest.mock
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asc_edge import Bundle, LogMelConfig, LogMelStream, Pipeline, _core, log_mel, presets
from asc_edge.audio.demo import SAMPLE_RATE_HZ as DEMO_RATE_HZ
from asc_edge.audio.demo import DemoSource
from asc_edge.audio.resample import resample
from asc_edge.cli.main import main as asc_edge

ROOT = Path(__file__).resolve().parent.parent.parent
# A real recording of each kind, of those that may be there: other codecs, other sample rates.
CLIPS = ("household/*.ogg", "kitchen20/**/*.flac", "esc50/**/*.flac", "esc50/**/*.wav")
# Emulated, a decision takes seconds; this leaves two or three for every scene.
HOP_S = 5.0
CHUNK = 997

# Long and short windows, both scales and norms, and lengths with the factors 2, 3, 5, 7, 11 and 13.
FRONT_ENDS = {
    "long": LogMelConfig(),
    "short": LogMelConfig(window_s=0.032, hop_s=0.016),
    "slaney": LogMelConfig(window_s=0.064, hop_s=0.02, mels=64, mel_scale="slaney"),
    "area": LogMelConfig(window_s=0.04, hop_s=0.02, mels=40, mel_norm="area", fmax_hz=7600.0),
    "cd": LogMelConfig(sample_rate_hz=44100),
    "odd": LogMelConfig(window_s=1001 / 16000, hop_s=333 / 16000, mels=32),
    "efficientat": presets.EFFICIENTAT_MN,
    "efficientat_16k": presets.EFFICIENTAT_MN_16K,
    "yamnet": presets.YAMNET,
    "att_crnn_mel": presets.ATT_CRNN_MEL,
    "att_crnn_gammatone": presets.ATT_CRNN_GAMMATONE,
}


def make_inputs(path: Path) -> None:
    """Write signals, the demonstration scene and the paths of the clips that are here."""
    rng = np.random.default_rng(20180501)
    time_s = np.arange(3 * 16000) / 16000
    chirp = 0.07 + 0.3 * np.sin(2 * np.pi * (60.0 + 1200.0 * time_s) * time_s)
    # A quiet tone beside a loud one asks for the digits that a careless sum loses.
    tones = 0.9 * np.sin(2 * np.pi * 440.0 * time_s) + 3e-5 * np.sin(2 * np.pi * 5300.0 * time_s)
    impulses = np.zeros(len(time_s))
    impulses[1000::7001] = 0.8
    noise = 0.1 * rng.standard_normal(len(time_s))
    signals = np.stack([chirp, tones, impulses, noise], axis=1).astype(np.float32)
    clipped = np.clip(np.round(signals * 90000.0), -32768, 32767).astype(np.int16)
    scene = np.concatenate(list(DemoSource(realtime=False).blocks()))
    folder = Path(os.environ.get("ASC_EDGE_DATA", ROOT / ".." / "shared" / "data")).resolve()
    clips = [str(min(found)) for pattern in CLIPS if (found := list(folder.glob(pattern)))]
    if not clips:
        print(f"measure: no real recordings in {folder} (set ASC_EDGE_DATA): done without")
    np.savez(path, signals=signals, clipped=clipped, scene=scene, clips=np.array(clips, dtype=str))


def run(inputs: Path, answers: Path, bundles: list[Path]) -> None:
    """Hear the inputs and write frames, decisions and what they were computed with."""
    with np.load(inputs, allow_pickle=False) as arrays:
        signals = {"float32": arrays["signals"], "int16": arrays["clipped"]}
        scene, clips = arrays["scene"], arrays["clips"].tolist()
    result: dict[str, NDArray[np.generic]] = {}
    home = str(files("asc_edge") / "bundles" / "home.ascb")
    # Opening it computes its golden vectors anew, and refuses what lies 1e-3 dB off; here every digit counts.
    bundle = Bundle.open(home)
    result |= _frames(signals)
    result |= _golden(bundle)
    result |= _decisions(bundle, scene, "scene", "posterior")
    further = [Bundle.open(path) for path in bundles]
    for number, other in enumerate(further):
        kind = "int8" if any(member.precision == "int8" for member in other.members) else "float"
        result |= _decisions(other, scene, f"{number}-{other.path.stem}", kind)
    if clips:
        result |= _clips(clips, home)
    result["facts"] = np.array(json.dumps(_facts(bundle, further)))
    np.savez(answers, **result)


def _frames(signals: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    result: dict[str, NDArray[np.generic]] = {}
    for name, config in FRONT_ENDS.items():
        unit = "frames" if config.level == "db" else "cells"
        for kind, samples in signals.items():
            frames = log_mel(samples, config)
            result[f"{unit}/{name}/{kind}"] = frames
            for way, again in _other_ways(samples, config).items():
                result[f"same/{way}/{name}/{kind}"] = np.array(np.array_equal(again, frames))
    return result


def _other_ways(samples: NDArray[np.generic], config: LogMelConfig) -> dict[str, NDArray[np.float32]]:
    """The same frames in ways that must not matter: chunks, single channels, every instruction set."""
    stream = LogMelStream(config, channels=samples.shape[1])
    parts = [stream.push(samples[start : start + CHUNK]) for start in range(0, len(samples), CHUNK)]
    ways = {"chunks": np.concatenate([*parts, stream.finish()]).transpose(1, 2, 0)}
    ways["channels"] = np.concatenate([log_mel(channel.copy(), config) for channel in samples.T])
    for isa in _core.available_isas():
        with unittest.mock.patch.dict(os.environ, ASC_EDGE_ISA=isa):
            ways[isa] = log_mel(samples, config)
    return ways


def _golden(bundle: Bundle) -> dict[str, NDArray[np.generic]]:
    result: dict[str, NDArray[np.generic]] = {}
    for name, config in bundle.front_ends.items():
        with np.load(io.BytesIO(bundle.read(f"golden/{name}.npz")), allow_pickle=False) as arrays:
            frames = log_mel(arrays["samples"], config)
            result[f"frames/golden/{name}"] = frames
            result[f"golden/{name}"] = arrays["frames"]
    return result


def _decisions(
    bundle: Bundle, scene: NDArray[np.int16], name: str, kind: str
) -> dict[str, NDArray[np.generic]]:
    heard = resample(scene, DEMO_RATE_HZ, bundle.sample_rate_hz)
    decisions = Pipeline(bundle, channels=scene.shape[1], hop_s=HOP_S).push(heard)
    rows = [[decision.posterior.get(label, 0.0) for label in bundle.labels] for decision in decisions]
    return {
        f"words/{name}/top": np.array([str(decision.top) for decision in decisions]),
        f"words/{name}/state": np.array([decision.state for decision in decisions]),
        f"words/{name}/channels": np.array([" ".join(decision.channels) for decision in decisions]),
        f"{kind}/{name}": np.array(rows),
    }


def _clips(clips: list[str], home: str) -> dict[str, NDArray[np.generic]]:
    """What the command line says about real recordings, decoded and resampled here."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        code = asc_edge(["classify", "--format", "jsonl", "--bundle", home, *clips])
    if code != 0:
        raise SystemExit(f"measure: error: asc-edge classify ended with {code}")
    answers = [json.loads(line) for line in output.getvalue().splitlines()]
    return {
        "words/clips/top": np.array([str(answer["top"]) for answer in answers]),
        "posterior/clips": np.array([list(answer["posterior"].values()) for answer in answers]),
    }


def _facts(bundle: Bundle, further: list[Bundle]) -> dict[str, str]:
    """What was running, for the head of the comparison."""
    packages = {name: version(name) for name in ("asc-edge", "numpy", "onnxruntime", "soundfile", "soxr")}
    if any(name.endswith(".tflite") for other in further for name in other.file_names):
        packages["ai-edge-litert"] = version("ai-edge-litert")
    return {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "instruction set": f"{_core.isa()} of {' '.join(_core.available_isas())}",
        "bundle": f"{bundle.name} {bundle.version}",
        "bundles": " ".join(f"{other.path.stem}:{other.sha256[:8]}" for other in further),
        **packages,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Write what asc-edge computes on this machine.")
    parser.add_argument("action", choices=("inputs", "run"))
    parser.add_argument("inputs", type=Path)
    parser.add_argument("answers", type=Path, nargs="?")
    parser.add_argument("--bundle", type=Path, action="append", default=[], help="a further bundle to run")
    args = parser.parse_args()
    if args.action == "inputs":
        make_inputs(args.inputs)
    elif args.answers is None:
        parser.error("run needs a file for the answers")
    else:
        run(args.inputs, args.answers, args.bundle)
    return 0


if __name__ == "__main__":
    sys.exit(main())
