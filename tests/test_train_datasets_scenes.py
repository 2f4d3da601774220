"""Loaders of the published corpora, on miniature trees with the habits and faults of the real ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from asc_edge.errors import AudioFileError
from asc_edge_train.clips import DataError, FoldLeakError, assign_folds, check_groups, licence_family
from asc_edge_train.datasets import LAYOUTS, guess_layout, load_corpus
from asc_edge_train.sound import clip_samples
from dataset_trees import (
    LITIS_LABELS,
    TUT2017_LABELS,
    add_line,
    development,
    evaluation,
    write_dcase2017_task1,
    write_dcase2018_task5,
    write_dcase2019_task1a,
    write_esc10,
    write_folders,
    write_gtzan,
    write_litis_rouen,
    write_old_esc,
    write_urbansound8k,
)
from train_trees import ESC50_FIELDS, write_esc50, write_rows

SECONDS = 0.05


# Catches: a scene with a slash cut at it, faults at the wrong file or ignored, a location in two folds.
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_tut2017(tmp_path: Path, end: str) -> None:
    write_dcase2017_task1(tmp_path, seconds=SECONDS, per_location=2, rate_hz=8000, end=end)
    clips = load_corpus("dcase2017-task1", tmp_path)
    assert {c.fine for c in clips} == set(TUT2017_LABELS)
    assert "cafe/restaurant" in {c.fine for c in evaluation(clips)}
    by_id = {c.clip_id: c for c in clips}
    assert by_id["dcase2017-task1/dev/b000_0_10"].faults_s == ((0.01, 0.02),)
    assert sum(bool(c.faults_s) for c in clips) == 4
    assert by_id["dcase2017-task1/dev/b005_10_20"].group == "tut2017:b005"
    assert by_id["dcase2017-task1/dev/b005_10_20"].fold == 2
    assert by_id["dcase2017-task1/eval/1"].group == "tut2017:c000"
    assert len(evaluation(clips)) == 15
    assert {c.subset for c in clips} == {""}
    alone = load_corpus("dcase2017-task1", tmp_path / "TUT-acoustic-scenes-2017-evaluation")
    assert alone == evaluation(clips)
    alone = load_corpus("dcase2017-task1", tmp_path / "TUT-acoustic-scenes-2017-development")
    assert alone == development(clips)


# Catches: a location that was trained on in the evaluation part; faults that are silently not applied.
def test_tut2017_faults_of_its_lists(tmp_path: Path) -> None:
    write_dcase2017_task1(tmp_path, labels=("beach", "bus"), seconds=SECONDS, rate_hz=8000)
    setup = tmp_path / "TUT-acoustic-scenes-2017-evaluation" / "evaluation_setup"
    kept = (setup / "map.txt").read_text()
    (setup / "map.txt").write_text(kept.replace("c000", "b003"))
    with pytest.raises(FoldLeakError, match="'tut2017:b003'"):
        load_corpus("dcase2017-task1", tmp_path)
    (setup / "map.txt").write_text(kept)
    errors = tmp_path / "TUT-acoustic-scenes-2017-development" / "error.txt"
    for text, words in (
        ("audio/b000_0_10.wav\t2.5\t1.5\terror\n", "onset"),
        ("audio/b000_0_10.wav\tone\ttwo\terror\n", "onset"),
        ("audio/z9_0_10.wav\t1.0\t2.0\terror\n", "no file of this set"),
    ):
        errors.write_text(text)
        with pytest.raises(DataError, match=words):
            load_corpus("dcase2017-task1", tmp_path)
    errors.unlink()
    (setup / "evaluate.txt").unlink()
    clips = load_corpus("dcase2017-task1", tmp_path)
    assert not evaluation(clips)
    assert clips.left_out == {"without a label": 2}


# Catches: seen and unseen cities swapped, the unused Milan files trained on, folds that split a city.
def test_tau2019(tmp_path: Path) -> None:
    write_dcase2019_task1a(tmp_path, seconds=SECONDS, rate_hz=8000)
    clips = load_corpus("dcase2019-task1a", tmp_path)
    assert Counter((c.part, c.subset) for c in clips) == {
        ("development", ""): 40,
        ("evaluation", "seen city"): 10,
        ("evaluation", "unseen city"): 10,
    }
    assert clips.left_out == {"in neither list of fold 1": 10}
    assert all(("-milan-" in c.path.name) == (c.subset == "unseen city") for c in clips)
    assert {c.fold for c in clips} == {0}
    assert clips[0].group == "tau2019:barcelona-0"
    folded = assign_folds(clips, 4, 0)
    check_groups(folded)
    assert {c.fold for c in evaluation(folded)} == {0}
    by_city = assign_folds(load_corpus("dcase2019-task1a", tmp_path, fold_by="city"), 4, 0)
    assert all(
        len({c.fold for c in development(by_city) if f"-{city}-" in c.path.name}) == 1
        for city in ("barcelona", "helsinki", "lisbon", "lyon")
    )


# Catches: a location in both lists, which "by city" would hide; a list that names what meta.csv lacks.
@pytest.mark.parametrize("fold_by", ["location", "city"])
def test_tau2019_leaks(tmp_path: Path, fold_by: str) -> None:
    write_dcase2019_task1a(tmp_path, labels=("bus", "tram"), seconds=SECONDS, rate_hz=8000)
    folder = tmp_path / "TAU-urban-acoustic-scenes-2019-development"
    kept = (folder / "meta.csv").read_text()
    (folder / "meta.csv").write_text(kept.replace("\tbarcelona-4\t", "\tbarcelona-0\t"))
    with pytest.raises(FoldLeakError, match="barcelona-0"):
        load_corpus("dcase2019-task1a", tmp_path, fold_by=fold_by)
    (folder / "meta.csv").write_text(kept)
    training = folder / "evaluation_setup" / "fold1_train.csv"
    listed = training.read_text()
    add_line(training, "audio/bus-oslo-99-99-a.wav\tbus")
    with pytest.raises(DataError, match="bus-oslo-99"):
        load_corpus("dcase2019-task1a", tmp_path)
    training.write_text(listed)
    add_line(training, "audio/bus-barcelona-4-4-a.wav\tbus")
    with pytest.raises(FoldLeakError, match="bus-barcelona-4-4"):
        load_corpus("dcase2019-task1a", tmp_path)


# Catches: ESC-10 named and folded otherwise in its two layouts, so that their bundles can't score each other.
def test_esc10_in_both_layouts(tmp_path: Path) -> None:
    write_esc10(tmp_path / "old", seconds=SECONDS)
    ten = ("dog", "rain", "sea_waves", "crying_baby", "clock_tick", "sneezing", "helicopter")
    ten = (*ten, "chainsaw", "rooster", "crackling_fire")
    rows = write_esc50(tmp_path / "new", (*ten, "door_wood_knock"), folds=5, per_fold=1)
    for row in rows:
        row[4] = row[3] in ten
    write_rows(tmp_path / "new" / "meta" / "esc50.csv", ESC50_FIELDS, rows)
    old, new = load_corpus("esc10", tmp_path / "old"), load_corpus("esc10", tmp_path / "new")
    assert {(c.fine, c.fold) for c in old} == {(c.fine, c.fold) for c in new}
    assert "dog_bark" in {c.fine for c in old}
    assert len({c.fine for c in old}) == 10
    assert len(old) == len(new) == 50
    assert new[0].clip_id.count("-") == old[0].clip_id.count("-") == 2


# Catches: old class names that don't match the current list's; three digits taken for ESC-10's.
def test_esc50_old_layout(tmp_path: Path) -> None:
    write_old_esc(tmp_path, ("Door knock", "Mouse click", "Keyboard typing", "Door - wood creaks"), first=401)
    clips = load_corpus("esc50", tmp_path)
    assert {c.fine for c in clips} == {
        "door_wood_knock",
        "mouse_click",
        "keyboard_typing",
        "door_wood_creaks",
    }
    assert Counter(c.fold for c in clips) == dict.fromkeys(range(1, 6), 4)
    with pytest.raises(DataError, match="no clip"):
        load_corpus("esc10", tmp_path)


def test_urbansound8k(tmp_path: Path) -> None:
    rows = write_urbansound8k(tmp_path / "UrbanSound8K", seconds=SECONDS)
    clips = load_corpus("urbansound8k", tmp_path)
    assert {(c.path.name, c.fold, c.fine) for c in clips} == {(r[0], r[5], r[7]) for r in rows}
    assert {c.group for c in clips} == {f"freesound:{r[1]}" for r in rows}
    assert {clip_samples(c, 16000).shape for c in clips} == {(800, 1)}
    listed = tmp_path / "UrbanSound8K" / "metadata" / "UrbanSound8K.csv"
    listed.write_text(listed.read_text().replace("400001-0-0-0.wav,400001", "400001-0-0-0.wav,400002"))
    with pytest.raises(FoldLeakError, match="freesound:400002"):
        load_corpus("urbansound8k", tmp_path)


# Catches: the mirror's one broken file ending a whole run, or any broken file passing silently.
def test_gtzan_mirror(tmp_path: Path) -> None:
    write_gtzan(tmp_path / "wav", seconds=SECONDS, mirror=True)
    write_gtzan(tmp_path / "au", seconds=SECONDS)
    wav, au = load_corpus("gtzan", tmp_path / "wav"), load_corpus("gtzan", tmp_path / "au")
    assert [c.clip_id for c in wav] == [c.clip_id for c in au]
    assert wav.left_out == {"unreadable jazz.00054.wav, a known fault": 1}
    assert {c.fold for c in au} == {0}
    assert len({c.group for c in au}) == 40
    (tmp_path / "wav/Data/genres_original/jazz/jazz.00001.wav").write_bytes(b"RIFF")
    assert len(load_corpus("gtzan", tmp_path / "wav")) == 40
    # the same folder, given one level deeper
    assert len(load_corpus("gtzan", tmp_path / "au" / "genres")) == 40


# Catches: the filtered lists ignored, or their test list trained on.
def test_gtzan_filtered_lists(tmp_path: Path) -> None:
    write_gtzan(tmp_path, seconds=SECONDS, lists=True)
    clips = load_corpus("gtzan", tmp_path)
    assert {c.path.stem[-5:] for c in evaluation(clips)} == {"00003"}
    assert {c.path.stem[-5:] for c in development(clips)} == {"00000", "00001"}
    assert clips.left_out == {"in no fault-filtered list": 10}
    assert len(development(load_corpus("gtzan", tmp_path, lists="none"))) == 40
    add_line(tmp_path / "test_filtered.txt", "rock/rock.00000.wav")
    with pytest.raises(FoldLeakError, match=r"rock\.00000"):
        load_corpus("gtzan", tmp_path)


# Catches: "busystreet" filed under "bus", "poolhall" under "hall"; numbers printed as floats; a split taken
# for its neighbour.
def test_litis(tmp_path: Path) -> None:
    write_litis_rouen(tmp_path, seconds=SECONDS)
    clips = load_corpus("litis-rouen", tmp_path, split=3)
    assert {c.fine for c in clips} == set(LITIS_LABELS)
    assert all(c.path.stem.rstrip("0123456789") == c.fine for c in clips)
    assert {c.path.stem for c in evaluation(clips)} == {f"{label}3" for label in LITIS_LABELS}
    assert len(development(clips)) == 4 * 19
    assert {c.path.stem for c in evaluation(load_corpus("litis-rouen", tmp_path, split=20))} == {
        f"{label}5" for label in LITIS_LABELS
    }
    for split in (0, 21, True, "one"):
        with pytest.raises(DataError, match="1 to 20"):
            load_corpus("litis-rouen", tmp_path, split=split)


@pytest.mark.parametrize(
    ("name", "text", "error", "words"),
    [
        ("fold3026-matrices_Test.txt", "1.0 2.0", FoldLeakError, "tests on it"),
        ("fold3026-matrices_Learn.txt", "1.5", DataError, "'1.5'"),
        ("fold3026-matrices_Learn.txt", "9999.0", DataError, "9999"),
        ("fold3026-matrices_Learn.txt", "", DataError, "0 splits"),
        ("relation_wav_examples.txt", "avion1.wav\n", DataError, "file and a number"),
    ],
)
def test_litis_broken_lists(tmp_path: Path, name: str, text: str, error: type[Exception], words: str) -> None:
    write_litis_rouen(tmp_path, labels=("avion", "bus"), seconds=SECONDS)
    (tmp_path / name).write_text(text)
    with pytest.raises(error, match=words):
        load_corpus("litis-rouen", tmp_path)


# Catches: two people's "day1" taken for one recording, or one day's clips under two labels for two.
def test_folders_with_groups(tmp_path: Path) -> None:
    for home in ("home1", "home2"):
        write_folders(tmp_path / home, labels=("cooking", "eating"), seconds=SECONDS)
    clips = load_corpus("folders", tmp_path / "home1", licence="own recordings")
    assert {c.group for c in clips} == {"folders:home1:day1", "folders:home1:day2"}
    assert licence_family(clips[0].licence) == "own recordings"
    both = [*clips, *load_corpus("folders", tmp_path / "home2")]
    check_groups(both, folded=False)
    assert len({c.group for c in both}) == 4


# Catches: columns of clips.csv that are read and then ignored.
def test_folders_with_a_list(tmp_path: Path) -> None:
    write_folders(tmp_path, labels=("cooking", "eating"), seconds=SECONDS)
    fields = ("filename", "label", "group", "fold", "part", "subset", "licence", "attribution")
    first = ["cooking/day1/cooking-day1.wav", "stirring", "monday", 2, "", "", "CC-BY-4.0", "by A. Cook"]
    second = ["eating/day2/eating-day2.wav", "eating", "friday", "", "evaluation", "attic", "", ""]
    write_rows(tmp_path / "clips.csv", fields, [first, second], "\r\n", "utf-8-sig")
    one, two = load_corpus("folders", tmp_path)
    assert (one.fine, one.fold, one.part, one.licence) == ("stirring", 2, "development", "CC-BY-4.0")
    assert one.attribution == "by A. Cook"
    assert (two.group, two.fold) == (f"folders:{tmp_path.name}:friday", 0)
    assert (two.part, two.subset, two.licence) == ("evaluation", "attic", "unknown")
    for change, error, words in (
        ({4: "test"}, DataError, "'test'"),
        ({2: "monday"}, FoldLeakError, "monday"),
        ({3: 1}, DataError, "in fold 1"),
        ({0: "lost.wav"}, AudioFileError, "lost.wav"),
        ({1: ""}, DataError, "line 3"),
    ):
        row = [change.get(n, cell) for n, cell in enumerate(second)]
        write_rows(tmp_path / "clips.csv", fields, [first, row])
        with pytest.raises(error, match=words):
            load_corpus("folders", tmp_path)


WRITERS = {
    "dcase2018-task5": write_dcase2018_task5,
    "dcase2017-task1": write_dcase2017_task1,
    "dcase2019-task1a": write_dcase2019_task1a,
    "esc10": write_esc10,
    "urbansound8k": write_urbansound8k,
    "gtzan": write_gtzan,
    "litis-rouen": write_litis_rouen,
}


# Catches: a corpus that only loads with --layout; a loader whose table the rest of the trainer refuses.
@pytest.mark.parametrize("layout", WRITERS)
def test_layout_is_guessed_and_its_table_holds(tmp_path: Path, layout: str) -> None:
    WRITERS[layout](tmp_path, seconds=0.02)  # type: ignore[operator]
    assert guess_layout(tmp_path) == layout
    clips = load_corpus(layout, tmp_path)
    check_groups(assign_folds(clips, 10, 0))
    assert licence_family(clips[0].licence) != "unknown"
    for folder in (path for path in tmp_path.iterdir() if path.is_dir()):
        if layout.startswith("dcase"):
            assert guess_layout(folder) == layout
    with pytest.raises(DataError, match=r"no option 'colour': it takes .*"):
        load_corpus(layout, tmp_path, colour="red")


def test_guess_of_folders_and_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data set found"):
        guess_layout(tmp_path)
    with pytest.raises(DataError, match="no data set found"):
        guess_layout(tmp_path / "nowhere")
    write_folders(tmp_path, labels=("jazz", "cooking"), seconds=SECONDS)
    assert guess_layout(tmp_path) == "folders"
    write_esc50(tmp_path / "x" / "ESC-50-master", ("dog",), folds=1)
    assert guess_layout(tmp_path / "x") == "esc50"
    write_old_esc(tmp_path / "y", ("Dog",), first=101, folds=1)
    assert guess_layout(tmp_path / "y") == "esc50"


# The real sets, with the layouts' own lists as the oracle.
def test_real_esc(shared_data: Path) -> None:
    esc50 = load_corpus("esc50", shared_data / "esc50")
    assert len(esc50) == 1600
    assert Counter(c.fine for c in esc50).keys() == {c.fine for c in esc50 if c.fold == 4}
    old, new = load_corpus("esc10", shared_data / "esc10"), load_corpus("esc10", shared_data / "esc50")
    assert len(old) == len(new) == 320
    assert {c.fine for c in old} == {c.fine for c in new}
    assert len({c.clip_id for c in old} & {c.clip_id for c in new}) > 250
    for name in ("esc50", "esc10", "kitchen20"):
        assert guess_layout(shared_data / name) == name


def test_every_layout_has_a_row_in_the_documentation() -> None:
    text = (Path(__file__).resolve().parent.parent / "docs" / "datasets.md").read_text()
    assert not [layout for layout in LAYOUTS if f"`{layout}`" not in text]
