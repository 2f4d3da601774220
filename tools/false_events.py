"""How many activities a bundle tells in 24 hours of an empty home: room tone, and what comes in from outside.

python tools/false_events.py ../shared/data
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asc_edge.audio.files import read_audio
from asc_edge.audio.resample import resample
from asc_edge.cli.options import open_bundle
from asc_edge.events import EventRules
from asc_edge.false_events import count_false_events
from asc_edge.pipeline import Decision, Pipeline

# Rooms without anybody, and the street and the weather through their windows; short ones are looped.
SETS = {
    "room tone": ["home_extra/roomtone_long/*", "home_extra/roomtone_short/*"],
    "outside": ["household/street_*", "household/aircon_*", "home_extra/home_noise_mit/*"],
}
SECONDS_EACH = 60.0
# Peak of the loudest, in full scales: a room at night is 40 dB below speech.
PEAK = 0.003


def looped(path: Path, rate_hz: int, seconds: float) -> NDArray[np.float32]:
    """A recording as long as that, quiet, with a converter's noise."""
    samples, file_rate_hz = read_audio(path)
    clip = resample(samples, file_rate_hz, rate_hz)[:, 0]
    count = round(seconds * rate_hz)
    signal = np.resize(clip, count) * (PEAK / max(float(np.abs(clip).max()), 1e-9))
    noise = 3e-5 * np.random.default_rng(0).standard_normal(count)
    return (signal + noise).astype(np.float32)[:, np.newaxis]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--bundle", default="home")
    parser.add_argument("--files", type=int, default=20, help="of each set, at most")
    parser.add_argument("--tau-s", type=float, default=EventRules().tau_s)
    parser.add_argument("--min-duration-s", type=float, default=0.0, help="of every activity")
    parser.add_argument("--unknown-below", type=float, default=0.0)
    args = parser.parse_args()
    bundle = open_bundle(args.bundle)
    rules = EventRules(
        tau_s=args.tau_s,
        min_duration_s=dict.fromkeys(bundle.labels, args.min_duration_s),
        unknown_below=args.unknown_below,
    )
    for name, patterns in SETS.items():
        pipeline, decisions = Pipeline(bundle), list[Decision]()
        files = sorted(path for pattern in patterns for path in args.data.glob(pattern))
        sounds = [path for path in files if path.suffix in (".flac", ".ogg", ".wav")]
        for path in sounds[:: max(1, len(sounds) // args.files)]:
            decisions += pipeline.push(looped(path, bundle.sample_rate_hz, SECONDS_EACH))
        found = count_false_events(decisions, bundle.hop_s, rules, frozenset({"absence", "other", "unknown"}))
        silent = sum(decision.state == "silent" for decision in decisions)
        print(
            f"{name}: {found.count} events in {found.heard_s / 60:.0f} min, {found.per_day:.0f} in 24 h; "
            f"{100 * silent / len(decisions):.0f} % silent; {found.by_activity}"
        )


if __name__ == "__main__":
    main()
