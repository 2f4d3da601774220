"""Embeddings of every clip by frozen networks of other authors, kept on disk by content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asc_edge_train.clips import Clip
from asc_edge_train.extractors import Extractor
from asc_edge_train.parallel import SERIAL, Parallel
from asc_edge_train.recipe import fingerprint
from asc_edge_train.rows import cached_rows
from asc_edge_train.sound import clip_samples, native_samples

__all__ = ["embed_clips", "make_embeddings"]

# Raised when the arithmetic in here changes, so that old caches are made again.
_VERSION = 1


@dataclass(frozen=True)
class _Embed:
    """Embeds a few clips; pickled to workers."""

    extractor: Extractor
    channels: str

    def __call__(self, clips: Sequence[Clip]) -> np.ndarray:
        return embed_clips(self.extractor, clips, self.channels)


def embed_clips(extractor: Extractor, clips: Sequence[Clip], channels: str) -> np.ndarray:
    """Embeddings (clips, outputs), float32; the mean over channels where each is listened to by itself."""
    wanted = extractor.sample_rate_hz
    heard = [clip_samples(clip, wanted, channels) for clip in clips]
    columns = [samples[:, channel] for samples in heard for channel in range(samples.shape[1])]
    rates = [wanted or native_samples(clip)[1] for clip in clips] if not wanted else [wanted] * len(clips)
    if len(set(rates)) == 1:
        answers = extractor.extract(columns, rates[0])
    else:
        per_column = [
            rate for rate, samples in zip(rates, heard, strict=True) for _ in range(samples.shape[1])
        ]
        answers = np.concatenate(
            [extractor.extract([column], rate) for column, rate in zip(columns, per_column, strict=True)]
        )
    ends = np.cumsum([samples.shape[1] for samples in heard])
    return np.stack([part.mean(axis=0) for part in np.split(answers, ends[:-1])]).astype(np.float32)


def make_embeddings(
    extractor: Extractor,
    clips: Sequence[Clip],
    keys: Sequence[str],
    *,
    channels: str,
    cache: Path,
    parallel: Parallel = SERIAL,
    progress: Callable[[int], None] = lambda clips: None,
) -> tuple[np.ndarray, str]:
    """Embeddings (clips, outputs) of all clips, mapped from the cache, and the key they depend on."""
    key = fingerprint(_VERSION, list(keys), extractor.key, channels)
    path = cache / f"embedding-{key[:24]}.npy"
    rows = cached_rows(
        path, key, list(clips), _Embed(extractor, channels), parallel=parallel, progress=progress
    )
    return rows, key
