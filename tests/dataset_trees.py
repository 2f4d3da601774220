"""The published corpora in miniature: every class, short clips, and the habits of the real sets' lists.

Each ``write_<layout>`` fills a folder that ``load_corpus`` reads. Sounds are those of ``train_trees``: a tone
whose pitch belongs to the class, so that a network can learn them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import soundfile

from asc_edge_train.clips import Clip
from train_trees import tone, write_rows, write_sound

TASK5_LABELS = (
    "absence",
    "cooking",
    "dishwashing",
    "eating",
    "other",
    "social_activity",
    "vacuum_cleaner",
    "watching_tv",
    "working",
)
TUT2017_LABELS = (
    "beach",
    "bus",
    "cafe/restaurant",
    "car",
    "city_center",
    "forest_path",
    "grocery_store",
    "home",
    "library",
    "metro_station",
    "office",
    "park",
    "residential_area",
    "train",
    "tram",
)
TAU2019_LABELS = (
    "airport",
    "bus",
    "metro",
    "metro_station",
    "park",
    "public_square",
    "shopping_mall",
    "street_pedestrian",
    "street_traffic",
    "tram",
)
ESC10_OLD_LABELS = (
    "Dog bark",
    "Rain",
    "Sea waves",
    "Baby cry",
    "Clock tick",
    "Person sneeze",
    "Helicopter",
    "Chainsaw",
    "Rooster",
    "Fire crackling",
)
URBANSOUND8K_LABELS = (
    "air_conditioner",
    "car_horn",
    "children_playing",
    "dog_bark",
    "drilling",
    "engine_idling",
    "gun_shot",
    "jackhammer",
    "siren",
    "street_music",
)
GTZAN_LABELS = (
    "blues",
    "classical",
    "country",
    "disco",
    "hiphop",
    "jazz",
    "metal",
    "pop",
    "reggae",
    "rock",
)
LITIS_LABELS = (
    "avion",
    "bus",
    "busystreet",
    "cafe",
    "car",
    "hall",
    "hallgare",
    "kidgame",
    "market",
    "metro-paris",
    "metro-rouen",
    "poolhall",
    "quietstreet",
    "restaurant",
    "ruepietonne",
    "shop",
    "train-ter",
    "train-tgv",
    "tubestation",
)

# Offsets of the four microphones of a node, in 16-bit steps: as large as those of a real clip.
OFFSETS_LSB = (-13, 2242, 963, 2227)


def development(clips: list[Clip]) -> list[Clip]:
    return [clip for clip in clips if clip.part == "development"]


def evaluation(clips: list[Clip]) -> list[Clip]:
    return [clip for clip in clips if clip.part == "evaluation"]


def add_line(path: Path, line: str) -> None:
    path.write_text(f"{path.read_text().rstrip()}\n{line}\n")


def write_lines(path: Path, rows: Iterable[Sequence[object]], end: str = "\n", last_end: bool = True) -> None:
    """A tab-separated list without a header; the last line may lack its end, as in the real task-5 lists."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = end.join("\t".join(str(cell) for cell in row) for row in rows)
    path.write_text(text + (end if last_end else ""), encoding="utf-8", newline="")


def write_channels(path: Path, kind: str, seconds: float, rate_hz: int, channels: int) -> None:
    """A class's tone on several microphones, each with noise and an offset of its own; 16 bit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = tone(path.name, kind, seconds, rate_hz)
    rng = np.random.default_rng(zlib.crc32(path.stem.encode()))
    samples = 0.5 * source[:, None] + 0.02 * rng.standard_normal((len(source), channels))
    samples += np.resize(OFFSETS_LSB, channels) / 32768
    soundfile.write(path, samples, rate_hz, subtype="PCM_16")


def write_dcase2018_task5(
    root: Path,
    *,
    labels: Sequence[str] = TASK5_LABELS,
    seconds: float = 0.5,
    nodes: Sequence[int] = (1, 2),
    sessions: int = 4,
    segments: int = 1,
    evaluation: bool = True,
    evaluation_labels: bool = True,
    map_columns: str = "number first",
    evaluation_list: str = "evaluate.txt",
    end: str = "\n",
) -> None:
    """Task 5: 4 channels at 16 kHz; ``sessions`` per class, the n-th of them in fold n (1 to 4 in turn).

    The evaluation part has one session per class, at nodes 2 and 5 (known and unknown microphones).

    Parameters
    ----------
    map_columns : {"number first", "name first", ""}
        Order of ``map.txt``'s columns; empty for no map.
    """
    folder = root / "DCASE2018-task5-dev"
    rows: list[tuple[str, str, str, int]] = []
    for index in range(len(labels) * sessions):
        label, session = labels[index // sessions], index + 1
        for node in nodes:
            for segment in range(1, segments + 1):
                name = f"audio/DevNode{node}_ex{session}_{segment}.wav"
                write_channels(folder / name, label, seconds, 16000, 4)
                rows.append((name, label, f"s{session}", index % sessions % 4 + 1))
    rows.sort()
    write_lines(folder / "meta.txt", [row[:3] for row in rows], end, last_end=False)
    for fold in range(1, 5):
        setup = folder / "evaluation_setup"
        write_lines(setup / f"fold{fold}_train.txt", [row[:3] for row in rows if row[3] != fold], end)
        write_lines(setup / f"fold{fold}_evaluate.txt", [row[:3] for row in rows if row[3] == fold], end)
        write_lines(setup / f"fold{fold}_test.txt", [row[:1] for row in rows if row[3] == fold], end)
    if evaluation:
        _write_task5_evaluation(
            root,
            labels,
            seconds,
            labelled=evaluation_labels,
            columns=map_columns,
            name=evaluation_list,
            end=end,
        )


def _write_task5_evaluation(
    root: Path, labels: Sequence[str], seconds: float, *, labelled: bool, columns: str, name: str, end: str
) -> None:
    folder = root / "DCASE2018-task5-eval"
    rows, mapped = [], []
    for session, label in enumerate(labels, start=1):
        for node in (2, 5):
            number = len(rows) + 1
            write_channels(folder / "audio" / f"{number}.wav", label, seconds, 16000, 4)
            rows.append((f"audio/{number}.wav", label, f"s{session}"))
            pair = (f"audio/{number}.wav", f"audio/EvalNode{node}_ex{session}_1.wav")
            mapped.append(pair if columns == "number first" else pair[::-1])
    width = 3 if labelled else 1
    setup = folder / "evaluation_setup"
    write_lines(folder / "meta.txt", [row[:width] for row in rows], end, last_end=False)
    write_lines(setup / "test.txt", [row[:1] for row in rows], end)
    if labelled:
        write_lines(setup / name, rows, end)
    if columns:
        write_lines(setup / "map.txt", mapped, end)


def write_dcase2017_task1(
    root: Path,
    *,
    labels: Sequence[str] = TUT2017_LABELS,
    seconds: float = 0.5,
    per_location: int = 1,
    rate_hz: int = 44100,
    evaluation: bool = True,
    faults: bool = True,
    end: str = "\n",
) -> None:
    """TUT Acoustic Scenes 2017: stereo, one location per class and fold; one faulty stretch per fold."""
    folder = root / "TUT-acoustic-scenes-2017-development"
    rows: list[tuple[str, str, str, int]] = []
    for index in range(4 * len(labels)):
        label, location = labels[index // 4], f"b{index:03d}"
        for piece in range(per_location):
            name = f"audio/{location}_{10 * piece}_{10 * piece + 10}.wav"
            write_channels(folder / name, label, seconds, rate_hz, 2)
            rows.append((name, label, location, index % 4 + 1))
    write_lines(folder / "meta.txt", [row[:3] for row in rows], end)
    for fold in range(1, 5):
        setup = folder / "evaluation_setup"
        write_lines(setup / f"fold{fold}_train.txt", [row[:2] for row in rows if row[3] != fold], end)
        write_lines(setup / f"fold{fold}_evaluate.txt", [row[:2] for row in rows if row[3] == fold], end)
        write_lines(setup / f"fold{fold}_test.txt", [row[:1] for row in rows if row[3] == fold], end)
    if faults:
        stretch = (f"{0.2 * seconds:f}", f"{0.4 * seconds:f}", "error")
        write_lines(folder / "error.txt", [(rows[n * per_location][0], *stretch) for n in range(4)], end)
    if evaluation:
        folder = root / "TUT-acoustic-scenes-2017-evaluation"
        tested = [(f"audio/{n + 1}.wav", label) for n, label in enumerate(labels)]
        for name, label in tested:
            write_channels(folder / name, label, seconds, rate_hz, 2)
        origins = [(name, f"audio/c{n:03d}_0_10.wav") for n, (name, _) in enumerate(tested)]
        write_lines(folder / "evaluation_setup" / "evaluate.txt", tested, end)
        write_lines(folder / "evaluation_setup" / "test.txt", [row[:1] for row in tested], end)
        write_lines(folder / "evaluation_setup" / "map.txt", origins, end)


def write_dcase2019_task1a(
    root: Path,
    *,
    labels: Sequence[str] = TAU2019_LABELS,
    seconds: float = 0.5,
    cities: Sequence[str] = ("barcelona", "helsinki", "lisbon", "lyon"),
    rate_hz: int = 48000,
    end: str = "\n",
) -> None:
    """TAU Urban Acoustic Scenes 2019: stereo.

    Per class a location for training in every city, one for testing in the first city and one in Milan, and
    one in Milan that is in neither list.
    """
    folder = root / "TAU-urban-acoustic-scenes-2019-development"
    places = [*[(city, "train") for city in cities], (cities[0], "test"), ("milan", "test"), ("milan", "")]
    rows: list[tuple[str, str, str, str]] = []
    for number, (label, (city, use)) in enumerate((label, place) for label in labels for place in places):
        name = f"audio/{label}-{city}-{number}-{number}-a.wav"
        write_channels(folder / name, label, seconds, rate_hz, 2)
        rows.append((name, label, f"{city}-{number}", use))
    header = ("filename", "scene_label", "identifier", "source_label")
    write_lines(folder / "meta.csv", [header, *[(*row[:3], "a") for row in rows]], end)
    setup = folder / "evaluation_setup"
    for use, lists in (("train", {"train": 2}), ("test", {"test": 1, "evaluate": 2})):
        for name, width in lists.items():
            listed = [row[:width] for row in rows if row[3] == use]
            write_lines(setup / f"fold1_{name}.csv", [header[:width], *listed], end)


def write_old_esc(
    root: Path,
    labels: Sequence[str],
    *,
    first: int = 1,
    seconds: float = 0.5,
    per_fold: int = 1,
    folds: int = 5,
) -> None:
    """ESC's old layout: ``001 - Dog bark/1-100032-A.wav``; ESC-50's begins at 101."""
    for index, label in enumerate(labels):
        for fold in range(1, folds + 1):
            for number in range(per_fold):
                source = 300000 + 1000 * index + 10 * fold + number
                name = f"{first + index:03d} - {label}/{fold}-{source}-A.wav"
                write_sound(root / name, label, seconds, 44100)


def write_esc10(root: Path, *, seconds: float = 0.5, per_fold: int = 1, folds: int = 5) -> None:
    write_old_esc(root, ESC10_OLD_LABELS, seconds=seconds, per_fold=per_fold, folds=folds)


def write_urbansound8k(
    root: Path, *, labels: Sequence[str] = URBANSOUND8K_LABELS, seconds: float = 0.5, folds: int = 10
) -> list[list[object]]:
    """UrbanSound8K: one clip per class and fold; rates and channels vary. Returns the rows of its list."""
    rows: list[list[object]] = []
    for target, label in enumerate(labels):
        for fold in range(1, folds + 1):
            source = 400000 + 100 * target + fold
            name = f"{source}-{target}-0-0.wav"
            rate_hz = (44100, 48000, 22050)[(target + fold) % 3]
            write_channels(
                root / "audio" / f"fold{fold}" / name, label, seconds, rate_hz, 1 + (target + fold) % 2
            )
            rows.append([name, source, 0.0, seconds, 1, fold, target, label])
    fields = ("slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class")
    write_rows(root / "metadata" / "UrbanSound8K.csv", fields, rows)
    return rows


def write_gtzan(
    root: Path,
    *,
    labels: Sequence[str] = GTZAN_LABELS,
    seconds: float = 0.5,
    per_class: int = 4,
    mirror: bool = False,
    lists: bool = False,
) -> None:
    """GTZAN: ``genres/blues/blues.00000.au``, or the mirror's wav files, with its unreadable one.

    With ``lists``, the fault-filtered ones: the last of a class is tested, the one before it is in none.
    """
    place = root / ("Data/genres_original" if mirror else "genres")
    split: dict[str, list[tuple[str]]] = {"train": [], "valid": [], "test": []}
    for label in labels:
        for number in range(per_class):
            name = f"{label}/{label}.{number:05d}"
            write_sound(place / f"{name}.{'wav' if mirror else 'au'}", label, seconds, 22050)
            use = {0: "train", per_class - 1: "test", per_class - 2: ""}.get(number, "valid")
            if use:
                split[use].append((f"{name}.wav",))
    if mirror:
        (place / "jazz" / "jazz.00054.wav").write_bytes(b"not a RIFF header")
    for use, names in split.items() if lists else ():
        write_lines(root / f"{use}_filtered.txt", names)


def write_litis_rouen(
    root: Path,
    *,
    labels: Sequence[str] = LITIS_LABELS,
    seconds: float = 0.5,
    per_class: int = 5,
    splits: int = 20,
) -> None:
    """LITIS Rouen: every split tests one example per class, in turn."""
    files = [(f"{label}{number}.wav", label) for label in labels for number in range(1, per_class + 1)]
    for name, label in files:
        write_sound(root / "data_rouen" / name, label, seconds, 22050)
    relation = "".join(f"{name} {number}\n" for number, (name, _) in enumerate(files, start=1))
    (root / "relation_wav_examples.txt").write_text(relation)
    learn, test = [], []
    for split in range(splits):
        chosen = [n % per_class == split % per_class for n in range(len(files))]
        learn.append("   ".join(f"{n + 1:.7e}" for n in range(len(files)) if not chosen[n]))
        test.append("   ".join(f"{n + 1:.7e}" for n in range(len(files)) if chosen[n]))
    (root / "fold3026-matrices_Learn.txt").write_text("\n".join(learn))
    (root / "fold3026-matrices_Test.txt").write_text("\n".join(test))


def write_folders(
    root: Path, *, labels: Sequence[str], groups: Sequence[str] = ("day1", "day2"), seconds: float = 0.5
) -> None:
    """A person's own recordings: ``<label>/<group>/x.wav``."""
    for label in labels:
        for group in groups:
            write_sound(root / label / group / f"{label}-{group}.wav", label, seconds)
