"""What a page may show of the sound: the frames that the networks see, coarsened, each one once."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asc_edge.bundle import Bundle, write_bundle
from asc_edge.frontend import LogMelConfig, log_mel, mel_filter_bank
from asc_edge.glimpse import Glimpse, band_centres_hz
from asc_edge.monitor import Monitor
from asc_edge.pipeline import Pipeline
from test_monitor import Recorder, ScriptedSource

from tiny_system import CONFIG, band_noise, tiny_files, tiny_manifest

RATE = 16000


class Viewer(Recorder):
    """A sink that is shown the sound, too."""

    def __init__(self) -> None:
        super().__init__()
        self.glimpses: list[Glimpse] = []

    def glimpse(self, glimpse: Glimpse) -> None:
        self.glimpses.append(glimpse)


def _scene(seconds: float) -> np.ndarray:
    return np.stack([band_noise("mid", seconds), 0.1 * band_noise("high", seconds, seed=1)], axis=1)


def _watched(bundle: Bundle, samples: np.ndarray, block: int = 700) -> Viewer:
    viewer = Viewer()
    blocks = [samples[start : start + block] for start in range(0, len(samples), block)]
    Monitor(ScriptedSource(blocks), Pipeline(bundle, channels=2), [viewer, Recorder()]).run()
    return viewer


def _levels_bundle(path: Path) -> Bundle:
    """The tiny system with networks that are fed levels, so that frames lie in a ring of their own."""
    manifest = tiny_manifest()
    manifest["schema"] = 2
    manifest["members"] = [{**member, "input": "level"} for member in manifest["members"]]
    write_bundle(path, manifest, tiny_files())
    return Bundle.open(path)


@pytest.mark.parametrize("kept", ["picture", "level"])
def test_each_frame_is_shown_once_and_is_the_front_ends(kept: str, tiny_bundle: Path, tmp_path: Path) -> None:
    # Catches frames that are shown twice or never, swapped axes, and pictures that lost their absolute level.
    bundle = Bundle.open(tiny_bundle) if kept == "picture" else _levels_bundle(tmp_path / "level.ascb")
    samples = _scene(4.0)
    glimpses = _watched(bundle, samples).glimpses
    shown = np.concatenate([glimpse.cells_db for glimpse in glimpses], axis=2)
    frames = log_mel(samples, CONFIG)
    # Blocks of three frames of 32 ms each, from the first window's end on backwards.
    first = CONFIG.frames(RATE) % 3
    count = shown.shape[2]
    blocks = frames[:, :, : 3 * count].reshape(2, CONFIG.mels, count, 3).max(axis=3)
    assert first == 0
    np.testing.assert_allclose(shown, blocks, atol=1e-3)
    assert count >= len(frames[0, 0]) // 3 - 5
    assert glimpses[0].column_s == pytest.approx(0.096)
    assert shown.dtype == np.float32


def test_columns_lie_where_they_were_heard(tiny_bundle: Path) -> None:
    # Catches a picture that drifts against the clock of the decisions.
    viewer = _watched(Bundle.open(tiny_bundle), _scene(6.0))
    glimpses = viewer.glimpses
    for glimpse, decision in zip(glimpses, viewer.decisions, strict=True):
        assert 0.0 <= glimpse.t_s - decision.t_s < 700 / RATE
    ends = [glimpse.end_s for glimpse in glimpses]
    for glimpse, before, end in zip(glimpses[1:], ends[:-1], ends[1:], strict=True):
        assert end - before == pytest.approx(glimpse.cells_db.shape[2] * glimpse.column_s, abs=CONFIG.hop_s)
        assert 0.0 <= glimpse.t_s - end < glimpse.column_s


def test_an_emptied_window_starts_a_new_picture(tiny_bundle: Path) -> None:
    # Catches a count of frames that goes below zero after a long gap, and shows old frames again.
    pipeline = Pipeline(Bundle.open(tiny_bundle), channels=2)
    pipeline.push(_scene(2.0).astype(np.float32))
    assert pipeline.glimpse().cells_db.shape[2] > 0
    pipeline.skip(2 * RATE)
    assert pipeline.glimpse().cells_db.shape[2] == 0
    pipeline.push(_scene(1.0).astype(np.float32))
    glimpse = pipeline.glimpse()
    assert (glimpse.t_s, glimpse.cells_db.shape) == (5.0, (2, 30, CONFIG.frames(RATE) // 3))


def test_levels_and_health_are_those_of_the_array(tiny_bundle: Path) -> None:
    samples = _scene(2.0)
    samples[:, 1] = 0.25
    glimpse = _watched(Bundle.open(tiny_bundle), samples).glimpses[-1]
    power = float(np.mean((samples[RATE:, 0] - samples[RATE:, 0].mean()) ** 2))
    assert glimpse.status == ("ok", "dead")
    assert glimpse.level_db[0] == pytest.approx(10 * np.log10(2 * power), abs=0.1)
    assert glimpse.level_db[1] == -160.0


def test_bands_are_named_by_their_centre() -> None:
    # Catches an axis that is off by half of the bank, and NaN where a narrow band has no bin.
    config = replace(LogMelConfig(), mels=40, window_s=0.025, hop_s=0.01, fft_samples=512)
    centres = band_centres_hz(config)
    bins_hz = np.arange(257) * RATE / 512
    peaks = bins_hz[mel_filter_bank(config).argmax(axis=1)]
    np.testing.assert_allclose(centres[5:], peaks[5:], rtol=0.06)
    narrow = band_centres_hz(replace(config, mels=128))
    assert np.isfinite(narrow).all()
    assert (np.diff(narrow) > -1e-6).all()


def test_many_bands_are_joined(tmp_path: Path) -> None:
    pipeline = Pipeline(Bundle.open(Path(__file__).parent.parent / "python/asc_edge/bundles/home.ascb"))
    pipeline.push(band_noise("mid", 5.0)[:, np.newaxis])
    start = time.perf_counter()
    glimpse = pipeline.glimpse()
    assert time.perf_counter() - start < 0.5
    assert glimpse.cells_db.shape == (1, 64, 49)
    assert len(glimpse.bands_hz) == 64
    loudest = glimpse.bands_hz[int(glimpse.cells_db.mean(axis=2)[0].argmax())]
    assert 900 < loudest < 2600
