"""The settings of the front ends: what is refused, what survives a manifest, and what the presets say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asc_edge import _core, presets
from asc_edge import bundle as bundle_module
from asc_edge.bundle import Bundle, write_bundle
from asc_edge.errors import BundleError, ConfigError
from asc_edge.frontend import LogMelConfig, log_mel, mel_filter_bank

from tiny_system import CONFIG, tiny_files, tiny_manifest

PRESETS = [value for value in vars(presets).values() if isinstance(value, LogMelConfig)]
NATURAL: dict[str, Any] = {"level": "natural_log"}


@pytest.mark.parametrize(
    ("name", "value", "others"),
    [
        ("fft_samples", 5119, {}),
        ("fft_samples", 0, {}),
        ("fft_samples", 8192.0, {}),
        ("fft_samples", True, {}),
        ("fft_samples", 1 << 30, {}),
        ("window_shape", "hamming", {}),
        ("window_shape", None, {}),
        ("remove_mean", 1, {}),
        ("remove_mean", None, {}),
        ("preemphasis", -0.1, {}),
        ("preemphasis", 1.01, {}),
        ("preemphasis", float("nan"), {}),
        ("preemphasis", True, {}),
        ("centred", "yes", {}),
        ("spectrum", "energy", {}),
        ("spectrum", ["power"], {}),
        ("full_scale", 0, {}),
        ("level", "log", {}),
        ("log_offset", 0.0, NATURAL),
        ("log_offset", -1.0, NATURAL),
        ("log_offset", float("inf"), NATURAL),
        ("log_offset", 1e-3, {}),
        ("shift", float("nan"), {}),
        ("shift", 1e7, {}),
        ("shift", "4.5", {}),
        ("scale", 0.0, {}),
        ("scale", -1.0, {}),
        ("scale", float("inf"), {}),
        ("mel_norm", "area", {"mel_scale": "kaldi"}),
        ("mel_norm", "area", {"mel_scale": "gammatone"}),
        ("mels", 1024, {"mel_scale": "gammatone", "fft_samples": 1 << 18}),
    ],
)
def test_values_that_cannot_work_are_refused_by_name(
    name: str, value: object, others: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        LogMelConfig(**{**others, name: value})
    assert "\n" not in str(caught.value)


# A setting that is lost on the way, or comes back as another type.
@pytest.mark.parametrize("config", PRESETS)
def test_presets_survive_json(config: LogMelConfig) -> None:
    assert LogMelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert len(PRESETS) == 5


# A default that changes the meaning of bundles written before there was a choice.
def test_manifests_without_the_newer_names_mean_the_same(rng: np.random.Generator) -> None:
    old_names = ("sample_rate_hz", "window_s", "hop_s", "mels", "mel_scale", "mel_norm", "fmin_hz", "fmax_hz")
    old = {name: LogMelConfig().to_dict()[name] for name in old_names}
    said_out = {
        "fft_samples": 5120,
        "window_shape": "hann",
        "remove_mean": True,
        "preemphasis": 0,
        "centred": False,
        "spectrum": "power",
        "full_scale": True,
        "level": "db",
        "shift": 0,
        "scale": 1,
    }
    assert set(old) | set(said_out) | {"log_offset"} == set(LogMelConfig().to_dict())
    assert LogMelConfig.from_dict(old) == LogMelConfig()
    samples = rng.standard_normal(9000).astype(np.float32)
    np.testing.assert_array_equal(
        log_mel(samples, LogMelConfig.from_dict(old)),
        log_mel(samples, LogMelConfig.from_dict({**old, **said_out})),
    )


# Two spellings of one front end that would be computed twice.
def test_equal_settings_are_equal() -> None:
    assert LogMelConfig(preemphasis=0, scale=1, shift=np.float32(0)) == LogMelConfig()  # type: ignore[arg-type]
    assert hash(replace(presets.YAMNET, fft_samples=np.int64(512))) == hash(presets.YAMNET)  # type: ignore[arg-type]


FAMILY: list[dict[str, Any]] = [
    {"fft_samples": 2048, "window_shape": "hann_symmetric"},
    {"remove_mean": False, "preemphasis": 0.97, "full_scale": False},
    {"mel_scale": "kaldi", "spectrum": "magnitude"},
    {"mel_scale": "gammatone", "fmin_hz": 50.0, "shift": 3.0},
]


# A front end that is stored but not computed again as it was: its golden vectors must agree.
@pytest.mark.parametrize("changes", FAMILY)
def test_a_bundle_carries_any_front_end_that_draws_pictures(changes: dict[str, Any], tmp_path: Path) -> None:
    config = replace(CONFIG, **changes)
    manifest = {**tiny_manifest(), "front_ends": {"mel30": config.to_dict()}}
    write_bundle(tmp_path / "x.ascb", manifest, tiny_files())
    assert Bundle.open(tmp_path / "x.ascb").front_ends["mel30"] == config


# A picture of cells in another unit, or of a window that never gets full, found out only while listening.
@pytest.mark.parametrize("changes", [NATURAL, {"centred": True}, {"scale": 0.5}])
def test_a_bundle_whose_pictures_cannot_be_drawn_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    manifest = {**tiny_manifest(), "front_ends": {"mel30": replace(CONFIG, **changes).to_dict()}}
    with pytest.raises(BundleError, match=r"'bands'.*'mel30'.*input frames") as caught:
        write_bundle(tmp_path / "x.ascb", manifest, tiny_files())
    assert "\n" not in str(caught.value)


# A tolerance of 1e-3 in whatever unit the cells have: a fifth of a natural logarithm is 22 dB.
@pytest.mark.parametrize("config", [LogMelConfig(), LogMelConfig(spectrum="magnitude"), *PRESETS])
def test_golden_vectors_are_compared_in_db(config: LogMelConfig, tmp_path: Path) -> None:
    name, tolerance_db = "front", bundle_module.GOLDEN_TOLERANCE_DB
    golden = bundle_module._golden_vectors(config)
    files = {bundle_module._golden_name(name): golden}
    bundle_module._check_golden(name, config, files, tmp_path)
    for factor, refused in ((0.5, False), (2.0, True)):
        moved = replace(
            config, shift=config.shift + factor * tolerance_db / config.db_per_unit / config.scale
        )
        if refused:
            with pytest.raises(BundleError, match="differs here by"):
                bundle_module._check_golden(name, moved, files, tmp_path)
        else:
            bundle_module._check_golden(name, moved, files, tmp_path)


# A unit that is off: ten times the amplitude is 20 dB, whatever the cells are.
@pytest.mark.parametrize("config", [LogMelConfig(), LogMelConfig(scale=0.01, shift=80.0), *PRESETS])
def test_db_per_unit_is_what_ten_times_the_amplitude_shows(
    config: LogMelConfig, rng: np.random.Generator
) -> None:
    noise = rng.standard_normal(config.sample_rate_hz // 2).astype(np.float32)
    louder_db = (log_mel(1000 * noise, config) - log_mel(100 * noise, config)) * config.db_per_unit
    heard = mel_filter_bank(config).any(axis=1)
    np.testing.assert_allclose(louder_db[:, heard], 20.0, rtol=0, atol=0.01)


# The numbers that the networks' papers and code give for their input.
def test_presets_give_what_their_networks_take() -> None:
    assert presets.EFFICIENTAT_MN.frames(320_000) == presets.EFFICIENTAT_MN_16K.frames(160_000) == 1000
    assert (presets.EFFICIENTAT_MN.window_samples, presets.EFFICIENTAT_MN.hop_samples) == (800, 320)
    assert presets.YAMNET.frames(15_600) == 96
    assert (presets.YAMNET.window_samples, presets.YAMNET.hop_samples) == (400, 160)
    for config in (presets.ATT_CRNN_MEL, presets.ATT_CRNN_GAMMATONE):
        assert (config.window_samples, config.hop_samples, config.mels) == (1102, 551, 64)


# Tables that the compiled core would build out of nonsense, were it not for the wrapper.
@pytest.mark.parametrize(
    "changes",
    [
        {"fft_length": 511},
        {"preemphasis": -0.5},
        {"preemphasis": float("nan")},
        {"scale": 0.0},
        {"shift": float("inf")},
        {"level": _core.LevelKind.natural_log, "log_offset": 0.0},
        {"level": _core.LevelKind.natural_log, "log_offset": float("nan")},
        {"mel_scale": _core.MelScale.kaldi, "mel_norm": _core.MelNorm.area},
    ],
)
def test_the_core_refuses_settings_too(changes: dict[str, Any]) -> None:
    settings = LogMelConfig(window_s=0.032)._stream_settings()
    with pytest.raises(ValueError, match=r"transform|pre-emphasis|scale|offset|area"):
        _core.LogMelPlan(**{**settings, **changes})


# A bundle whose window is a prime of six digits, which would take minutes to open.
def test_a_length_with_a_huge_prime_factor_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"262139 samples.*choose a window of \d+") as refused:
        LogMelConfig(sample_rate_hz=100_000, window_s=2.62139)
    assert "\n" not in str(refused.value)
    with pytest.raises(ConfigError, match="fft_samples"):
        LogMelConfig(sample_rate_hz=1000, window_s=1.0, fft_samples=8209)
    assert LogMelConfig(sample_rate_hz=1000, window_s=4.093).window_samples == 4093
    assert (
        LogMelConfig(sample_rate_hz=100_000, window_s=2.62139, fft_samples=1 << 18).window_samples == 262139
    )
