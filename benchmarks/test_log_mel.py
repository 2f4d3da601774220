"""Log-mel frames by asc-edge beside numpy + scipy, librosa, kaldi-native-fbank, essentia and torch.

``make bench`` times them one after the other; ``make performance`` in turns, for figures that can be
compared.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from . import figures
from .contenders import field
from .presets import CHANNELS, PRESETS, clip

NAMES = {
    "streaming": ["asc-edge", "numpy + scipy", "kaldi-native-fbank", "essentia", "torch"],
    "clip": [
        "asc-edge",
        "numpy + scipy",
        "librosa melspectrogram",
        "librosa, bank kept",
        "kaldi-native-fbank",
        "essentia",
        "torch",
    ],
}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize(("mode", "name"), [(mode, name) for mode in NAMES for name in NAMES[mode]])
def test_log_mel(benchmark: BenchmarkFixture, mode: str, name: str, channels: int, preset: str) -> None:
    present, absent = field(PRESETS[preset], mode, channels)
    for who in absent:
        if who.name == name:
            pytest.skip(f"{name}: {who.reason}")
    contender = next(who for who in present if who.name == name)
    benchmark.group = f"{preset} s, {channels} channels, {mode}"
    benchmark.pedantic(contender.run, rounds=5, warmup_rounds=1)
    us = None if benchmark.disabled else benchmark.stats.stats.min / contender.frames * 1e6
    benchmark.extra_info["us_per_frame_and_channel"] = us
    contender.check(clip(channels), PRESETS[preset])


# Catches a contender whose picture is another one's, and figures that lack one: both would make a table
# worthless.
@pytest.mark.performance
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("channels", CHANNELS)
def test_log_mel_in_turns(preset: str, channels: int) -> None:
    rows = figures.log_mel_rows(preset, channels)
    assert all(row["worst_difference_to_float64_db"] <= row["tolerance_db"] for row in rows)
    timed = {(row["mode"], row["contender"]) for row in rows}
    _, _, absent = figures.arena(preset, channels)
    left_out = {tuple(line.split(": ")[:2]) for line in absent}
    assert timed | left_out == {(mode, name) for mode in NAMES for name in NAMES[mode]}
