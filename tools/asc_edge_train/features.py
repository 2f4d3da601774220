"""Log-mel frames in dB of every clip and view of it, by the device's own front end, kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asc_edge.errors import AudioFileError
from asc_edge.frontend import LogMelConfig, log_mel, picture
from asc_edge.window import level
from asc_edge_train.arrays import ArrayResponse
from asc_edge_train.clips import Clip
from asc_edge_train.parallel import SERIAL, Parallel
from asc_edge_train.recipe import Recipe, RoomConfig, fingerprint
from asc_edge_train.rooms import clip_seed, load_rooms, room_variant
from asc_edge_train.rows import cached_rows
from asc_edge_train.sound import clip_samples, played, window_samples

__all__ = ["Features", "make_features", "network_input", "open_features", "pictures"]

# Raised when the arithmetic in here changes, so that old caches are made again.
_VERSION = 2


@dataclass(frozen=True)
class Features:
    """Cached frames of one front end.

    Attributes
    ----------
    path : Path
        Array (clips, views, mels, frames), float32, dB (or whatever the front end's level is).
    plain_views : int
        The first views are the clip itself: one, or one per channel. Answers are the mean over these. Views
        behind them (the clip in other rooms) are for training only.
    key : str
        What the frames depend on.
    """

    path: Path
    plain_views: int
    key: str


def pictures(frames_db: np.ndarray, floor_db: float) -> np.ndarray:
    """Network input (n, 1, mels, frames) in [0, 1] of un-normalised frames (n, mels, frames) in dB.

    The device's own scaling: every clip takes the place of a channel.
    """
    return picture(np.ascontiguousarray(frames_db, dtype=np.float32), floor_db)[:, None]


def network_input(frames: np.ndarray, floor_db: float | None, kind: str = "picture") -> np.ndarray:
    """What a network is fed, (n, 1, mels, frames) float32, by the device's own arithmetic.

    Parameters
    ----------
    frames : ndarray of shape (n, mels, frames)
    floor_db : float or None
        None for bare frames: networks of other authors scale by fixed figures, as their front end does.
    kind : {"picture", "frames", "level"}
        Pictures below each clip's maximum, bare frames, or levels above an absolute floor.
    """
    cells = np.ascontiguousarray(frames, dtype=np.float32)
    if floor_db is None or kind == "frames":
        return cells[:, None]
    return level(cells, floor_db)[:, None] if kind == "level" else pictures(cells, floor_db)


@dataclass(frozen=True)
class _Views:
    """Computes the views of a few clips; pickled to workers."""

    config: LogMelConfig
    window_s: float
    channels: str
    plain_views: int
    speeds: tuple[float, ...]
    rooms: list[np.ndarray | ArrayResponse]
    room_config: RoomConfig
    seed: int

    def __call__(self, clips: Sequence[Clip]) -> np.ndarray:
        return np.stack([self._views(clip) for clip in clips])

    def _views(self, clip: Clip) -> np.ndarray:
        rate = self.config.sample_rate_hz
        samples = clip_samples(clip, rate, self.channels)
        if samples.shape[1] != self.plain_views:
            raise AudioFileError(
                f"{clip.path}: has {samples.shape[1]} channels where other clips have {self.plain_views}"
            )
        dry = window_samples(samples, rate, self.window_s)
        views = list(log_mel(dry, self.config))
        for speed in self.speeds:
            faster = played(samples[:, :1], speed, rate)
            views.append(log_mel(window_samples(faster, rate, self.window_s), self.config)[0])
        for variant in range(1, 1 + self.room_config.count):
            rng = np.random.default_rng(clip_seed(self.seed, clip.clip_id, variant))
            one = dry if self.plain_views == 1 else dry[:, [int(rng.integers(self.plain_views))]]
            wet = room_variant(np.ascontiguousarray(one), self.rooms, self.room_config, rng, rate)
            views.append(log_mel(wet, self.config)[0])
        return np.stack(views)


def make_features(
    recipe: Recipe,
    clips: Sequence[Clip],
    keys: Sequence[str],
    *,
    data: Path,
    cache: Path,
    seed: int,
    parallel: Parallel = SERIAL,
    progress: Callable[[int], None] = lambda clips: None,
) -> dict[str, Features]:
    """Frames of all clips for every front end that a trained member uses.

    Parameters
    ----------
    keys : sequence of str
        What each clip holds (`content.clip_keys`).
    data : Path
        Where the recipe's room responses lie.
    cache : Path
        Folder of the caches. Their names say what they depend on, so that runs can share it.
    """
    rooms: dict[int, list[np.ndarray | ArrayResponse]] = {}
    used = sorted({member.front_end for member in recipe.members if member.trained})
    plain = clip_samples(clips[0], 0, recipe.channels).shape[1]
    features = {}
    for name in used:
        config = recipe.front_ends[name]
        rate = config.sample_rate_hz
        if recipe.room_variants.count and rate not in rooms:
            rooms[rate] = load_rooms(
                recipe.room_variants,
                data,
                rate,
                simulated=recipe.room_variants.simulated,
                arrays=recipe.room_variants.arrays,
                seed=seed,
                cache=cache,
            )
        views = _Views(
            config=config,
            window_s=recipe.window_s,
            channels=recipe.channels,
            plain_views=plain,
            speeds=recipe.speed_variants,
            rooms=rooms.get(rate, []),
            room_config=recipe.room_variants,
            seed=seed,
        )
        # Rooms are drawn by seed and clip; a plain view depends on neither.
        drawn = (seed, [clip.clip_id for clip in clips]) if recipe.room_variants.count else ()
        variants = recipe.room_variants.described() if recipe.room_variants.count else {}
        key = fingerprint(
            _VERSION,
            list(keys),
            config.to_dict(),
            recipe.window_s,
            recipe.channels,
            recipe.speed_variants,
            variants,
            drawn,
        )
        path = cache / f"frames-{name}-{key[:16]}.npy"
        cached_rows(path, key, list(clips), views, parallel=parallel, progress=progress)
        features[name] = Features(path, plain, key)
    return features


def open_features(features: Features) -> np.ndarray:
    """Frames (views, clips, mels, frames), mapped read-only so that worker processes share them."""
    return np.load(features.path, mmap_mode="r", allow_pickle=False).swapaxes(0, 1)
