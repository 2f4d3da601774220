"""What happens in each simulated scene: which pieces sound when, where and how loud. Nothing is read yet."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asc_edge_train.clips import Clip
from asc_edge_train.recipe import Recipe
from asc_edge_train.scenes_pieces import Pieces
from asc_edge_train.scenes_rooms import SceneRoom, measured_rooms, simulated_rooms

__all__ = ["FINE", "Part", "Scene", "plan_scenes"]

# The fine class of each label.
FINE = {"absence": "absence", "social_activity": "conversation", "watching_tv": "watching_tv"}
# Turns of a conversation, and what lies between two: below 0 they talk at once.
_TURN_S = (0.7, 2.4)
_BETWEEN_S = (-0.6, 0.7)
# How many shots a programme has in a scene, and what is heard in one.
_SHOTS = {1: 0.6, 2: 0.3, 3: 0.1}
_PROGRAMMES = {
    ("voice",): 0.3,
    ("voice", "music"): 0.25,
    ("music",): 0.15,
    ("film",): 0.15,
    ("voice", "film"): 0.15,
}
# Under a voice; and how much quieter a room's own sounds are than what happens in it.
_UNDER_DB = (-20.0, -6.0)
_ROOM_TONE_DB = (-45.0, -12.0)
_AMBIENCE_DB = (-45.0, -18.0)
# Of absence's own room tone: what comes in from outside.
_OUTSIDE_DB = (-25.0, 3.0)


@dataclass(frozen=True)
class Part:
    """One piece in a scene.

    Attributes
    ----------
    start_s, length_s : float
        When it sounds.
    level_db : float
        To the scene's other parts, or to all that happens for room tone and ambience.
    place : int
        Where in the room; -1 for what is all around.
    seed : int
        Of what is drawn about it in rendering.
    """

    kind: str
    piece: Clip
    start_s: float
    length_s: float
    level_db: float
    place: int
    seed: int


@dataclass(frozen=True)
class Scene:
    """A scene of one fold, of this fold's pieces alone.

    Attributes
    ----------
    parts : tuple of Part
        The first is the main one.
    level_db : float
        RMS of the whole, in dB of full scale.
    """

    name: str
    label: str
    fold: int
    parts: tuple[Part, ...]
    room: SceneRoom | None
    loudspeaker: Clip | None
    level_db: float
    seed: tuple[int, ...]

    @property
    def pieces(self) -> list[Clip]:
        """All pieces, each once, the main one first."""
        loudspeaker = [self.loudspeaker] if self.loudspeaker else []
        room = self.room.pieces if self.room else ()
        return list({p.clip_id: p for p in [*(t.piece for t in self.parts), *loudspeaker, *room]}.values())


def plan_scenes(recipe: Recipe, pieces: Pieces, seed: int) -> list[Scene]:
    """Scenes of all labels, spread evenly over the folds; more of them begin with these."""
    rooms = {
        fold: measured_rooms(there) + simulated_rooms(recipe.scenes.rooms, fold, seed)
        for fold, there in pieces["room"].items()
    }
    scenes = []
    for label, count in recipe.scenes.counts.items():
        for number in range(count):
            fold = number % recipe.folds + 1
            drawn = (seed, sorted(FINE).index(label), number)
            there = {kind: of_fold[fold] for kind, of_fold in pieces.items()}
            planner = _Planner(recipe, there, rooms[fold], np.random.default_rng(drawn))
            parts, room, loudspeaker, level_db = getattr(planner, label)()
            name = f"{label}-{number:04d}"
            scenes.append(Scene(name, label, fold, tuple(parts), room, loudspeaker, level_db, drawn))
    return scenes


_Planned = tuple[list[Part], SceneRoom | None, Clip | None, float]


class _Planner:
    """Draws one scene from the pieces and rooms of its fold."""

    def __init__(
        self,
        recipe: Recipe,
        pieces: dict[str, list[Clip]],
        rooms: Sequence[SceneRoom],
        rng: np.random.Generator,
    ) -> None:
        self._config, self._whole_s = recipe.scenes, recipe.window_s
        self._pieces, self._rooms, self._rng = pieces, rooms, rng

    def social_activity(self) -> _Planned:
        rng, low = self._rng, self._config.voices[0]
        voices = self._voices(int(rng.integers(low, self._config.voices[1] + 1)))
        room = self._room(len(voices))
        loudness_db = rng.uniform(-6.0, 0.0, len(voices))
        # As many turns as there are voices must begin within the scene.
        longest_s = min(_TURN_S[1], 0.9 * self._whole_s / len(voices))
        parts: list[Part] = []
        order: list[int] = []
        start_s = -float(rng.uniform(0.0, 0.4)) if len(voices) < 4 else 0.0
        while start_s < self._whole_s - 0.4:
            if not order:
                order = rng.permutation(len(voices)).tolist()
            voice = order.pop()
            length_s = float(rng.uniform(min(_TURN_S[0], longest_s), longest_s))
            level_db = float(loudness_db[voice] + rng.uniform(-2.0, 2.0))
            parts.append(self._part("voice", voices[voice], (start_s, length_s), level_db, voice))
            spread = 1.0 if len(parts) >= len(voices) else 0.0
            start_s += length_s + float(rng.uniform(_BETWEEN_S[0], _BETWEEN_S[1] * spread))
        return [*parts, *self._around()], room, None, float(rng.uniform(*self._config.level_db))

    def watching_tv(self) -> _Planned:
        rng = self._rng
        shots = int(rng.choice(list(_SHOTS), p=list(_SHOTS.values())))
        cuts = [0.0, *sorted(rng.uniform(0.15, 0.85, shots - 1) * self._whole_s), self._whole_s]
        parts: list[Part] = []
        for start_s, end_s in itertools.pairwise(cuts):
            parts += self._shot(float(start_s), float(end_s))
        loudspeaker = self._one("loudspeaker")
        return (
            [*parts, *self._around()],
            self._room(1),
            loudspeaker,
            float(rng.uniform(*self._config.level_db)),
        )

    def absence(self) -> _Planned:
        rng = self._rng
        tones = [self._one("room_tone") for _ in range(1 + int(rng.random() < 0.3))]
        parts = [self._around_part("room_tone", tone, -6.0 * number) for number, tone in enumerate(tones)]
        if self._pieces["ambience"] and rng.random() < 0.6:
            level_db = float(rng.uniform(*_OUTSIDE_DB))
            parts.append(self._around_part("ambience", self._one("ambience"), level_db))
        return parts, None, None, float(rng.uniform(*self._config.quiet_db))

    def _shot(self, start_s: float, end_s: float) -> list[Part]:
        rng = self._rng
        programmes = [kinds for kinds in _PROGRAMMES if all(self._pieces[kind] for kind in kinds)]
        weights = np.array([_PROGRAMMES[kinds] for kinds in programmes])
        kinds = programmes[int(rng.choice(len(programmes), p=weights / weights.sum()))]
        parts: list[Part] = []
        if "voice" in kinds:
            voices = self._voices(1 + int(rng.random() < 0.3))
            now_s, turn = start_s, 0
            while now_s < end_s - 0.3:
                piece = voices[turn % len(voices)]
                length_s = min(float(rng.uniform(1.5, 4.5)), end_s - now_s)
                parts.append(self._part("voice", piece, (now_s, length_s), 0.0, 0))
                now_s, turn = now_s + length_s + float(rng.uniform(0.0, 0.3)), turn + 1
        for kind in kinds[-1:] if kinds != ("voice",) else ():
            level_db = float(rng.uniform(*_UNDER_DB)) if parts else 0.0
            parts.append(self._part(kind, self._one(kind), (start_s, end_s - start_s), level_db, 0))
        return parts

    def _around(self) -> list[Part]:
        """What is heard beside all that happens: the same for every label, so that it tells none."""
        parts = []
        if self._rng.random() < 0.8:
            level_db = float(self._rng.uniform(*_ROOM_TONE_DB))
            parts.append(self._around_part("room_tone", self._one("room_tone"), level_db))
        if self._pieces["ambience"] and self._rng.random() < 0.3:
            level_db = float(self._rng.uniform(*_AMBIENCE_DB))
            parts.append(self._around_part("ambience", self._one("ambience"), level_db))
        return parts

    def _room(self, places: int) -> SceneRoom:
        """A room with places enough: a measured one half of the time, where there is one."""
        fitting = [room for room in self._rooms if room.places >= places]
        measured = [room for room in fitting if room.pieces]
        simulated = [room for room in fitting if not room.pieces]
        use_measured = measured and (not simulated or self._rng.random() < 0.5)
        among = measured if use_measured else simulated
        return among[int(self._rng.integers(len(among)))]

    def _voices(self, count: int) -> list[Clip]:
        """Pieces of so many people, or of all that the fold has."""
        people: dict[str, list[Clip]] = {}
        for piece in self._pieces["voice"]:
            people.setdefault(piece.group, []).append(piece)
        names = sorted(people)
        chosen = self._rng.choice(len(names), min(count, len(names)), replace=False)
        return [people[names[one]][int(self._rng.integers(len(people[names[one]])))] for one in chosen]

    def _one(self, kind: str) -> Clip:
        """A piece of a source: first the source is drawn, then the piece, so that long ones don't prevail."""
        sources: dict[str, list[Clip]] = {}
        for piece in self._pieces[kind]:
            sources.setdefault(piece.group, []).append(piece)
        there = sources[sorted(sources)[int(self._rng.integers(len(sources)))]]
        return there[int(self._rng.integers(len(there)))]

    def _around_part(self, kind: str, piece: Clip, level_db: float) -> Part:
        return self._part(kind, piece, (0.0, self._whole_s), level_db, -1)

    def _part(self, kind: str, piece: Clip, span_s: tuple[float, float], level_db: float, place: int) -> Part:
        """A part from the start of a span for its length, cut at the scene's edges."""
        seed, (start_s, length_s) = int(self._rng.integers(2**32)), span_s
        if start_s < 0.0:
            start_s, length_s = 0.0, max(length_s + start_s, 0.3)
        length_s = min(length_s, math.ceil((self._whole_s - start_s) * 1000) / 1000)
        return Part(kind, piece, start_s, length_s, level_db, place, seed)
