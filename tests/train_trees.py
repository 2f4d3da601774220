"""Small data sets in the layouts that the trainer reads, made of synthetic sounds."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 16000

ESC50_FIELDS = ("filename", "fold", "target", "category", "esc10", "src_file", "take", "licence")
KITCHEN_FIELDS = ("filename", "fold", "target", "category", "recordist", "source", "group")
MANIFEST_FIELDS = ("set", "filename", "seconds", "source", "licence", "note")


def tone(name: str, kind: str, seconds: float, rate_hz: int) -> np.ndarray:
    """A tone whose pitch belongs to its kind, under noise of its own name's."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    pitch_hz = 150.0 * 2 ** (zlib.crc32(kind.encode()) % 40 / 8)
    beat = 0.6 + 0.4 * np.sin(2 * np.pi * rng.uniform(1, 3) * time_s)
    return 0.4 * beat * np.sin(2 * np.pi * pitch_hz * time_s) + 0.01 * rng.standard_normal(len(time_s))


def write_sound(path: Path, kind: str, seconds: float = 1.0, rate_hz: int = RATE_HZ) -> None:
    """A tone whose pitch belongs to its kind, under noise of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(path.name, kind, seconds, rate_hz), rate_hz, subtype="PCM_16")


def write_rows(
    path: Path,
    fields: Sequence[str],
    rows: Sequence[Sequence[object]],
    end: str = "\n",
    encoding: str = "utf-8",
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=encoding) as stream:
        writer = csv.writer(stream, lineterminator=end)
        writer.writerow(fields)
        writer.writerows(rows)


def write_esc50(
    root: Path, categories: Sequence[str], folds: int = 4, per_fold: int = 2
) -> list[list[object]]:
    """ESC-50's current layout; returns the rows of its list."""
    rows: list[list[object]] = []
    for target, category in enumerate(categories):
        for fold in range(1, folds + 1):
            for number in range(per_fold):
                source = 100000 + 1000 * target + 10 * fold + number
                name = f"{fold}-{source}-A-{target}.wav"
                write_sound(root / "audio" / name, category)
                rows.append([name, fold, target, category, False, source, "A", "CC0"])
    write_rows(root / "meta" / "esc50.csv", ESC50_FIELDS, rows)
    return rows


def write_kitchen20(root: Path, categories: Sequence[str], per_class: int = 8) -> list[list[object]]:
    """Kitchen20's layout, with its own folds, which split the first two clips of every class."""
    rows: list[list[object]] = []
    for target, category in enumerate(categories):
        for number in range(per_class):
            source = 200000 + 100 * target + max(number, 1)
            name = f"{number % 5}-{source}-{'AB'[number == 1]}-{target}.wav"
            write_sound(root / "audio" / name, category)
            rows.append([name, number % 5 + 1, target, category, "", "freesound", source])
    write_rows(root / "kitchen20.csv", KITCHEN_FIELDS, rows)
    return rows


def write_home_tree(root: Path) -> Path:
    """Everything that the recipe ``home`` asks for, in miniature."""
    esc50 = ("dog", "vacuum_cleaner", "keyboard_typing", "laughing", "drinking_sipping", "pouring_water")
    write_esc50(root / "esc50", esc50)
    write_kitchen20(root / "kitchen20", ("frying-pan", "clean-dishes", "eat", "book"))
    write_sound(root / "household" / "vacuuming_0.wav", "vacuum_cleaner", seconds=12.0)
    write_sound(root / "household" / "street_0.wav", "street", seconds=6.0)
    rows: list[list[object]] = []
    for name in ("librispeech_251spk", "crowd_phrases", "vendor_speech"):
        for number in range(4):
            write_sound(root / "home_extra" / name / f"{name}_{number}.wav", "speech")
            rows.append(
                [
                    name,
                    f"{name}_{number}.wav",
                    1.0,
                    f"somewhere/{name}/{number}",
                    "CC-BY-4.0",
                    f"speaker {number}",
                ]
            )
    rows += _scene_sets(root / "home_extra")
    write_rows(root / "home_extra" / "manifest.csv", MANIFEST_FIELDS, rows)
    return root


# Set, pieces, sources, seconds and licence of what scenes are made of.
_SCENE_SETS = (
    ("rir_rooms_misc", 2, 2, 0.1, "CC0-1.0"),
    ("rir_devices", 8, 8, 0.02, "CC-BY-4.0"),
    ("music_cc", 8, 4, 5.0, "CC-BY-3.0"),
    ("tv_film", 2, 1, 5.0, "CC-BY-3.0"),
    ("roomtone_short", 8, 8, 0.8, "Apache-2.0"),
    ("roomtone_long", 2, 2, 6.0, "CC0-1.0"),
    ("ambience_cc", 8, 4, 5.0, "public domain"),
    ("speech_commands_noise", 1, 1, 1.0, "CC-BY-4.0"),
    ("home_noise_mit", 1, 1, 1.0, "MIT (repo LICENSE)"),
)
# Sets of which every source is a class.
_NAMED = {"speech_commands_noise": "chaeyoun_running_tap", "home_noise_mit": "felixche_wind"}


def _scene_sets(root: Path) -> list[list[object]]:
    rows: list[list[object]] = []
    for name, pieces, sources, seconds, licence in _SCENE_SETS:
        for number in range(pieces):
            source = _NAMED.get(name, f"{name}_{number % sources}x")
            file = f"{source}_{number // sources}.wav"
            rng = np.random.default_rng(zlib.crc32(file.encode()))
            (root / name).mkdir(parents=True, exist_ok=True)
            length = round(seconds * RATE_HZ)
            sound = 0.1 * rng.standard_normal(length) * np.exp(-np.arange(length) / length)
            soundfile.write(root / name / file, sound, RATE_HZ, subtype="PCM_16")
            rows.append([name, file, seconds, f"maker/{name}/{source}", licence, ""])
    return rows
