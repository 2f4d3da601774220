"""How right a bundle stays when one of four microphones fails: real clips, as an array that is simulated.

python tools/array_faults.py ../shared/data
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asc_edge.audio.files import read_audio
from asc_edge.audio.resample import resample
from asc_edge.bundle import Bundle
from asc_edge.cli.options import open_bundle
from asc_edge.pipeline import Pipeline, classify_clip

CLIPS = 100
SEED = 20240229
RECIPE = Path(__file__).parent / "asc_edge_train/recipes/parts/domestic.toml"
Array = NDArray[np.float64]


def dead(array: Array, _rng: np.random.Generator) -> None:
    array[:, 1] = 0.0


def clipped(array: Array, _rng: np.random.Generator) -> None:
    array[:, 1] = np.clip(array[:, 1] * 40 / max(array[:, 1].std(), 1e-9), -1.0, 1.0)


def offset(array: Array, _rng: np.random.Generator) -> None:
    array[:, 1] = np.minimum(array[:, 1] + 0.6, 0.99)


def quiet(array: Array, _rng: np.random.Generator) -> None:
    array[:, 1] *= 0.03


def noise(array: Array, rng: np.random.Generator) -> None:
    array[:, 1] = array[:, 0].std() * rng.standard_normal(len(array))


def copied(array: Array, _rng: np.random.Generator) -> None:
    array[:, 1] = array[:, 0]


FAULTS: dict[str, Callable[[Array, np.random.Generator], None]] = {
    fault.__name__: fault for fault in (dead, clipped, offset, quiet, noise, copied)
}


def labelled_clips(data: Path, count: int) -> list[tuple[Path, str]]:
    """Every so many-th clip of Kitchen20, and the activity that the recipe takes it for."""
    with RECIPE.open("rb") as file:
        labels = tomllib.load(file)["mappings"]["kitchen20"]["labels"]
    lines = (data / "kitchen20/kitchen20.csv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split(",") for line in lines]
    chosen = [rows[round(k * (len(rows) - 1) / (count - 1))] for k in range(count)]
    return [(data / "kitchen20/audio" / row[0], labels[row[3]]) for row in chosen]


def four_microphones(clip: NDArray[np.floating], rng: np.random.Generator) -> Array:
    """A clip at four microphones: delays of centimetres, gains of a decibel, DC and noise of their own."""
    signal = 0.1 * clip.astype(np.float64) / max(float(np.abs(clip).max()), 1e-9)
    channels = np.stack([np.roll(signal, 2 * channel) for channel in range(4)], axis=1)
    gains = 10.0 ** (rng.uniform(-1.0, 1.0, 4) / 20.0)
    return channels * gains + rng.uniform(-0.05, 0.05, 4) + 1e-4 * rng.standard_normal(channels.shape)


def measure(bundle: Bundle, data: Path, faults: list[str], count: int = CLIPS) -> dict[str, float]:
    """Share of clips that are decided rightly, in percent: ``"healthy"``, and by fault of one microphone."""
    pipeline = Pipeline(bundle, channels=4)
    right = dict.fromkeys(["healthy", *faults], 0)
    for path, label in labelled_clips(data, count):
        samples, rate_hz = read_audio(path)
        clip = resample(samples, rate_hz, bundle.sample_rate_hz)[:, 0]
        rng = np.random.default_rng(SEED)
        healthy = four_microphones(clip, rng)
        for name in right:
            array = healthy.copy()
            if name != "healthy":
                FAULTS[name](array, rng)
            converted = np.clip(np.round(array * 32768.0), -32768, 32767).astype(np.int16)
            right[name] += classify_clip(pipeline, converted).top == label
    return {name: 100.0 * hits / count for name, hits in right.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--bundle", default="home")
    parser.add_argument("--clips", type=int, default=CLIPS)
    args = parser.parse_args()
    for name, percent in measure(open_bundle(args.bundle), args.data, list(FAULTS), args.clips).items():
        print(f"{name:8}  {percent:5.1f} %")


if __name__ == "__main__":
    main()
