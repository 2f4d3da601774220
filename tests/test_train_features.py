"""Views of clips, and what is trained on: other speeds, channels, faulty stretches, pieces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from asc_edge.errors import AudioFileError
from asc_edge.frontend import LogMelConfig, log_mel
from asc_edge_train.augment_frames import crop_time
from asc_edge_train.clips import Clip
from asc_edge_train.content import clip_keys
from asc_edge_train.features import make_features, open_features
from asc_edge_train.recipe import Recipe, load_recipe
from asc_edge_train.sound import clip_samples

CONFIG = LogMelConfig(sample_rate_hz=16000, window_s=0.064, hop_s=0.032, mels=32, mel_scale="slaney")


def a_clip(folder: Path, name: str, channels: int = 1, seconds: float = 1.0) -> Clip:
    rng = np.random.default_rng(len(name) + channels)
    samples = 0.3 * rng.standard_normal((round(16000 * seconds), channels)).cumsum(axis=0)
    samples = np.clip(samples / np.abs(samples).max(), -1, 0.99)
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / f"{name}.wav", samples, 16000, subtype="PCM_16")
    return Clip(
        path=folder / f"{name}.wav",
        clip_id=name,
        fine="x",
        group=name,
        corpus="c",
        licence="CC0",
        attribution=name,
        label="x",
        fold=1,
    )


def a_recipe(**fields: object) -> Recipe:
    recipe = load_recipe("folders")
    member = replace(recipe.member("crnn"), front_end="mel32")
    return replace(
        recipe, members=(member,), fusions=(), front_ends={"mel32": CONFIG}, window_s=1.0, **fields
    )


def views_of(recipe: Recipe, clips: list[Clip], cache: Path) -> np.ndarray:
    keys = clip_keys(clips, cache / "content.json")
    features = make_features(recipe, clips, keys, data=cache, cache=cache, seed=1)
    return open_features(features["mel32"])


# Catches: a speed upside down, the pitch kept, the clip itself played at another speed.
def test_speed_variants_are_resampled_clips(tmp_path: Path) -> None:
    clip = a_clip(tmp_path, "walk")
    views = views_of(a_recipe(speed_variants=(0.8, 1.25)), [clip], tmp_path / "cache")
    samples, _ = soundfile.read(clip.path, dtype="float32", always_2d=True)
    np.testing.assert_array_equal(views[0, 0], log_mel(samples, CONFIG)[0])
    slow = soxr.resample(samples, 12800, 16000).astype(np.float32)[:16000]
    fast = np.resize(soxr.resample(samples, 20000, 16000), (16000, 1)).astype(np.float32)
    for view, expected in ((views[1, 0], slow), (views[2, 0], fast)):
        # The stream's end differs by its filter's tail.
        difference = np.abs(view - log_mel(np.ascontiguousarray(expected), CONFIG)[0])[:, :22]
        assert np.median(difference) < 0.01
    assert len(views) == 3


# Catches: channels blended or doubled; a clip of other channels taken silently.
def test_channels_are_views_of_their_own(tmp_path: Path) -> None:
    clips = [a_clip(tmp_path, name, channels=3) for name in ("first", "second")]
    views = views_of(a_recipe(channels="per_channel"), clips, tmp_path / "cache")
    samples, _ = soundfile.read(clips[1].path, dtype="float32", always_2d=True)
    np.testing.assert_array_equal(views[:, 1], log_mel(samples, CONFIG))
    odd = [*clips, a_clip(tmp_path, "odd", channels=2)]
    with pytest.raises(AudioFileError, match=r"odd\.wav: has 2 channels where other clips have 3"):
        views_of(a_recipe(channels="per_channel"), odd, tmp_path / "cache")


# Catches: faulty stretches trained on, sound beside them lost.
def test_faulty_stretches_are_cut_out(tmp_path: Path) -> None:
    clip = a_clip(tmp_path, "hurt")
    whole = clip_samples(clip, 16000)
    cut = clip_samples(replace(clip, faults_s=((0.25, 0.5), (0.9, 3.0))), 16000)
    np.testing.assert_array_equal(cut, np.concatenate([whole[:4000], whole[8000:14400]]))
    with pytest.raises(AudioFileError, match="ends before"):
        clip_samples(replace(clip, faults_s=((0.0, 2.0),)), 16000)


# Catches: caches that are bound to a folder or a date, or kept when piece, speeds or front end changed.
def test_caches_go_by_content(tmp_path: Path) -> None:
    recipe, cache = a_recipe(), tmp_path / "cache"
    views_of(recipe, [a_clip(tmp_path / "here", "same")], cache)
    views_of(recipe, [a_clip(tmp_path / "there", "same")], cache)
    assert len(list(cache.glob("*.npy"))) == 1
    moved = a_clip(tmp_path / "there", "same")
    views_of(recipe, [replace(moved, faults_s=((0.1, 0.2),))], cache)
    views_of(a_recipe(speed_variants=(0.9,)), [moved], cache)
    other = replace(CONFIG, mels=16)
    views_of(replace(recipe, front_ends={"mel32": other}), [moved], cache)
    assert len(list(cache.glob("*.npy"))) == 4


# Catches: pieces of silence, pieces that aren't of the clip, always the same piece.
def test_pieces_are_taken_where_a_clip_is_heard() -> None:
    rng = np.random.default_rng(3)
    frames = np.full((200, 4, 60), -90.0, np.float32) + rng.random((200, 4, 60), dtype=np.float32)
    frames[:, :, 50:54] = -20.0 + rng.random((200, 4, 4), dtype=np.float32)
    pieces = crop_time(frames, 16, 1.0, rng)
    starts = []
    for clip, piece in zip(frames, pieces, strict=True):
        found = [s for s in range(60) if np.array_equal(np.roll(clip, -s, axis=1)[:, :16], piece)]
        assert len(found) == 1
        assert piece.max() > -25.0
        starts += found
    # Every piece that holds one of the four loud frames, and no other.
    assert set(starts) == set(range(35, 54))
    np.testing.assert_array_equal(np.sort(crop_time(frames[:1], 99, 1.0, rng)), np.sort(frames[:1]))
    quiet = frames / 21.7
    assert {piece.max() > -25.0 / 21.7 for piece in crop_time(quiet, 16, 21.7, rng)} == {True}
