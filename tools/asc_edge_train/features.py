"""Features: log-mel frames in dB of every clip and variant, by the device's own front end, kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from asc_edge.frontend import LogMelConfig, log_mel, picture
from asc_edge_train.clips import Clip
from asc_edge_train.recipe import Recipe, fingerprint
from asc_edge_train.rooms import clip_seed, load_rooms, room_variant
from asc_edge_train.sound import clip_samples, window_samples
from asc_edge_train.storage import is_stamped, stamp

__all__ = ["feature_key", "feature_path", "make_features", "network_input", "open_features", "pictures"]

# Raised when the arithmetic in here changes, so that old caches are made again.
_VERSION = 1


def pictures(frames_db: np.ndarray, floor_db: float) -> np.ndarray:
    """Network input (n, 1, mels, frames) in [0, 1] of un-normalised frames (n, mels, frames) in dB.

    The device's own scaling: every clip takes the place of a channel.
    """
    return picture(np.ascontiguousarray(frames_db, dtype=np.float32), floor_db)[:, None]


def network_input(frames: np.ndarray, floor_db: float | None) -> np.ndarray:
    """What a network is fed, (n, 1, mels, frames) float32: pictures, or without a floor the frames themselves.

    Networks of other authors scale by fixed figures, which their front end has done already.
    """
    if floor_db is None:
        return np.ascontiguousarray(frames, dtype=np.float32)[:, None]
    return pictures(frames, floor_db)


def feature_key(recipe: Recipe, clips: list[Clip], seed: int) -> str:
    """What the features depend on: every clip's bytes (by size and time), the front ends and the variants."""
    content = []
    for clip in clips:
        status = clip.path.stat()
        content.append((clip.clip_id, clip.offset_s, clip.duration_s, status.st_size, status.st_mtime_ns))
    front_ends = {name: config.to_dict() for name, config in recipe.front_ends.items()}
    return fingerprint(_VERSION, content, front_ends, recipe.window_s, vars(recipe.room_variants), seed)


def feature_path(folder: Path, front_end: str) -> Path:
    return folder / f"{front_end}.npy"


def make_features(
    recipe: Recipe,
    clips: list[Clip],
    *,
    data: Path,
    folder: Path,
    seed: int,
    progress: Callable[[int], None] = lambda count: None,
) -> str:
    """Write ``<front end>.npy``, float32 dB (1 + variants, clips, mels, frames); variant 0 is the clip.

    Returns the key that the caches depend on; what is there already is not made again.
    """
    key = feature_key(recipe, clips, seed)
    paths = {name: feature_path(folder, name) for name in recipe.front_ends}
    if all(is_stamped(path, key) for path in paths.values()):
        return key
    folder.mkdir(parents=True, exist_ok=True)
    rate = recipe.sample_rate_hz
    variants = recipe.room_variants.count
    rooms = load_rooms(recipe.room_variants, data, rate) if variants else []
    arrays = {
        name: _allocate(paths[name], recipe, config, 1 + variants, len(clips))
        for name, config in recipe.front_ends.items()
    }
    for index, clip in enumerate(clips):
        dry = window_samples(clip_samples(clip, rate), rate, recipe.window_s)
        for variant in range(1 + variants):
            rng = np.random.default_rng(clip_seed(seed, clip.clip_id, variant))
            samples = room_variant(dry, rooms, recipe.room_variants, rng) if variant else dry
            for name, config in recipe.front_ends.items():
                arrays[name][variant, index] = log_mel(samples, config)[0]
        progress(1)
    for name, array in arrays.items():
        array.flush()
        _partial(paths[name]).replace(paths[name])
        stamp(paths[name], key)
    return key


def open_features(folder: Path, front_end: str) -> np.ndarray:
    """The cached frames, mapped into memory read-only so that worker processes share them."""
    return np.load(feature_path(folder, front_end), mmap_mode="r", allow_pickle=False)


def _allocate(path: Path, recipe: Recipe, config: LogMelConfig, variants: int, clips: int) -> np.memmap:
    frames = config.frames(round(recipe.window_s * recipe.sample_rate_hz))
    shape = (variants, clips, config.mels, frames)
    return np.lib.format.open_memmap(_partial(path), mode="w+", dtype=np.float32, shape=shape)


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")
