"""What simulated scenes are made of: real pieces whose licence allows it, each in one fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asc_edge_train.clips import Clip, DataError, Source, assign_folds, licence_family
from asc_edge_train.datasets import load_corpus
from asc_edge_train.recipe import Recipe

__all__ = ["KINDS", "Pieces", "gather_pieces", "source_of", "strictest"]

# Sets of each kind, beside one manifest.
KINDS = {
    "voice": ("librispeech_251spk", "crowd_phrases", "vendor_speech"),
    "music": ("music_cc",),
    "film": ("tv_film",),
    "room_tone": ("roomtone_short", "roomtone_long"),
    "ambience": ("ambience_cc",),
    "loudspeaker": ("rir_devices",),
    "room": ("rir_rooms_misc",),
}
# What has the words in its name is one source: takes of one room, and copies of one film.
_SAME_SOURCE = {
    "rostock_seminar": "rostock_seminar",
    "-35-10": "webaudio_35-10",
    "w3c_bbb": "big_buck_bunny",
    "bower-me_video": "big_buck_bunny",
}
# Of these, nothing is heard in an empty flat, or it is no loudspeaker.
_UNFIT = {"ambience": ("coffee_shop", "fireplace"), "loudspeaker": ("_microphones_",)}
# From what asks for nothing to what asks for a name.
_STRICTNESS = ("public domain", "CC0", "own recordings", "MIT", "Apache-2.0", "CC-BY")

Pieces = dict[str, dict[int, list[Clip]]]


def gather_pieces(
    recipe: Recipe, data: Path, clips: Sequence[Clip]
) -> tuple[Pieces, dict[str, Counter[str]]]:
    """Pieces by kind and fold, and how many of each set were left out, and why.

    Parameters
    ----------
    clips : sequence of Clip
        The recipe's own, with folds: a piece of the same recording stands in the same fold.

    Raises
    ------
    DataError, AudioFileError
    """
    homes = {_recording(clip): clip for clip in clips if clip.part == "development"}
    folds = {clip.group: clip.fold for clip in homes.values()}
    tested = {clip.group for clip in clips if clip.part == "evaluation"}
    left_out: dict[str, Counter[str]] = {}
    found: list[Clip] = []
    groups: dict[str, str] = {}
    for kind, sets in KINDS.items():
        for name in sets:
            count: Counter[str] = Counter()
            for piece in load_corpus("manifest", data / recipe.scenes.folder / name):
                if any(word in piece.clip_id for word in _UNFIT.get(kind, ())):
                    count["not fit for scenes"] += 1
                    continue
                if recipe.licences and licence_family(piece.licence) not in recipe.licences:
                    count["licence not allowed in scenes"] += 1
                    continue
                group = piece.group
                if group not in folds:
                    known = homes.get(_recording(piece))
                    group = known.group if known else groups.setdefault(_recording(piece), _group(piece))
                if group not in tested:
                    found.append(replace(piece, fine=kind, group=group, fold=folds.get(group, 0)))
            left_out[name] = count
    pieces: Pieces = {kind: {fold: [] for fold in range(1, recipe.folds + 1)} for kind in KINDS}
    for piece in assign_folds(found, recipe.folds, recipe.seed):
        pieces[piece.fine][piece.fold].append(piece)
    for kind, least in (("voice", recipe.scenes.voices[0]), ("room_tone", 1), ("loudspeaker", 1)):
        for fold, there in pieces[kind].items():
            if len({piece.group for piece in there}) < least:
                raise DataError(
                    f"{data / recipe.scenes.folder}: scenes need {least} or more of {kind} in every fold, "
                    f"and fold {fold} has {len(there)}"
                )
    return pieces, left_out


def source_of(piece: Clip) -> Source:
    return Source(piece.corpus, piece.group, piece.attribution, piece.licence)


def strictest(licences: Sequence[str]) -> str:
    """Family of the licence that asks for most, of families that may be put together."""
    families = {licence_family(licence) for licence in licences}
    unranked = sorted(families - set(_STRICTNESS))
    return unranked[0] if unranked else max(families, key=_STRICTNESS.index)


def _recording(clip: Clip) -> str:
    """The recording that a piece was cut from: room tone and a phrase may come from the same one."""
    return clip.attribution.partition(" @")[0]


def _group(piece: Clip) -> str:
    same = next((name for words, name in _SAME_SOURCE.items() if words in piece.clip_id), None)
    return f"{piece.corpus}:{same}" if same else piece.group
