"""What is in a set of array recordings: which clips, in which rooms, and a line of its list."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asc_edge_train.arrays import ArrayConfig
from asc_edge_train.clips import Clip

__all__ = ["ArrayRow", "Scene", "choose_clips", "plan_scenes"]


@dataclass(frozen=True)
class Scene:
    """A clip and where it is heard: ``place`` numbers the room among those of its kind."""

    clip: Clip
    number: int
    array: str
    distance_m: float
    rt60_s: float
    place: int

    @property
    def name(self) -> str:
        """Name of the scene's files, before the fault."""
        stem = re.sub(r"[^\w.-]+", "-", self.clip.clip_id).strip("-")
        # Two clips' names may differ in what a file's name can't hold.
        return f"{stem}-{zlib.crc32(self.clip.clip_id.encode()):08x}-{self.number}"


@dataclass(frozen=True)
class ArrayRow:
    """A line of ``array-set.csv``: one recording.

    Attributes
    ----------
    filename, scene, clip_id, corpus, label, group, fold, licence, attribution
        ``scene`` is shared by the twins of a recording; ``group`` is that of the clip in its corpus.
    array, channels, distance_m, rt60_s, room
        ``rt60_s`` is measured in the response.
    snr_db, level_db, clipping_db, sound_db_spl, bits
        As drawn for the scene.
    fault, fault_channel
        The channel counts from 0; -1 without a fault.
    """

    filename: str
    scene: str
    clip_id: str
    corpus: str
    label: str
    group: str
    fold: int
    licence: str
    attribution: str
    array: str
    channels: int
    distance_m: float
    rt60_s: float
    room: str
    snr_db: float
    level_db: float
    clipping_db: float
    sound_db_spl: float
    bits: int
    fault: str
    fault_channel: int


def choose_clips(clips: Sequence[Clip], per_label: int) -> list[Clip]:
    """So many clips of every label and fold, of as many recordings as possible, picked by a hash of names."""
    ordered = sorted(clips, key=lambda clip: zlib.crc32(clip.clip_id.encode()))
    queues: dict[tuple[str, int], list[tuple[int, Clip]]] = defaultdict(list)
    seen: dict[tuple[str, str], int] = defaultdict(int)
    for clip in ordered:
        if clip.part == "development":
            queues[clip.label, clip.fold].append((seen[clip.label, clip.group], clip))
            seen[clip.label, clip.group] += 1
    chosen = [
        clip
        for queue in queues.values()
        for _, clip in sorted(queue, key=lambda turn: turn[0])[:per_label]  # stable: hashes within a turn
    ]
    return sorted(chosen, key=lambda clip: clip.clip_id)


def plan_scenes(clips: Sequence[Clip], config: ArrayConfig, rooms_per_clip: int, seed: int) -> list[Scene]:
    """Every clip's scenes: arrays, distances and reverberation times dealt out evenly by label and fold."""
    cells = [
        (array, distance_m, rt60_s)
        for array in config.arrays
        for distance_m in config.distances_m
        for rt60_s in config.rt60_s
    ]
    decks: dict[tuple[str, int], list[int]] = defaultdict(list)
    scenes = []
    for clip in sorted(clips, key=lambda clip: clip.clip_id):
        deck = decks[clip.label, clip.fold]
        for number in range(rooms_per_clip):
            if not deck:
                rng = np.random.default_rng([seed, zlib.crc32(clip.label.encode()), clip.fold])
                deck.extend(rng.permutation(len(cells)).tolist())
            # Every fold has rooms of its own.
            scenes.append(Scene(clip, number, *cells[deck.pop()], place=clip.fold))
    return scenes
