"""Loaders, licences, mappings and folds, on generated trees with the traps that real data sets have."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asc_edge.errors import AscEdgeError, AudioFileError, ConfigError
from asc_edge_train.clips import (
    Clip,
    DataError,
    FoldLeakError,
    assign_folds,
    check_groups,
    licence_family,
    merge_straddling_groups,
)
from asc_edge_train.datasets import load_corpus
from asc_edge_train.labels import build_table
from asc_edge_train.recipe import Mapping, load_recipe, parse_recipe
from asc_edge_train.run import recipe_values
from asc_edge_train.scenes import SceneStore
from asc_edge_train.sound import clip_samples
from train_trees import (
    ESC50_FIELDS,
    KITCHEN_FIELDS,
    MANIFEST_FIELDS,
    write_esc50,
    write_home_tree,
    write_kitchen20,
    write_rows,
    write_sound,
)


def clip(name: str, group: str, fold: int = 0, fine: str = "dog") -> Clip:
    return Clip(
        path=Path(name),
        clip_id=name,
        fine=fine,
        group=group,
        fold=fold,
        corpus="test",
        licence="CC0",
        attribution="",
    )


# Catches: a list saved on Windows read with "\r" in its last column, or "\ufefffilename" as its first.
@pytest.mark.parametrize(("end", "encoding"), [("\n", "utf-8"), ("\r\n", "utf-8"), ("\r\n", "utf-8-sig")])
def test_esc50_list_in_any_line_ending(tmp_path: Path, end: str, encoding: str) -> None:
    rows = write_esc50(tmp_path, ("dog", "rain"))
    write_rows(tmp_path / "meta" / "esc50.csv", ESC50_FIELDS, rows, end, encoding)
    clips = load_corpus("esc50", tmp_path)
    assert len(clips) == 16
    assert {c.licence for c in clips} == {"CC0"}
    assert {c.fine for c in clips} == {"dog", "rain"}
    assert {c.fold for c in clips} == {1, 2, 3, 4}


# Catches: official folds taken over although they split a recording.
def test_esc50_recording_in_two_folds_is_moved_to_one(tmp_path: Path) -> None:
    rows = write_esc50(tmp_path, ("dog",))
    for row in rows:
        if row[1] in {2, 3}:
            row[5] = 131943
    rows[2][1] = 3  # three of the four clips in fold 3
    write_rows(tmp_path / "meta" / "esc50.csv", ESC50_FIELDS, rows)
    clips = load_corpus("esc50", tmp_path)
    assert {c.fold for c in clips if c.group == "freesound:131943"} == {3}
    assert {c.fold for c in clips} == {1, 3, 4}
    check_groups(clips)


# Catches: a clip that was lost in copying silently missing from the training.
@pytest.mark.parametrize(("layout", "writer"), [("esc50", write_esc50), ("kitchen20", write_kitchen20)])
def test_listed_but_missing_file_is_named(tmp_path: Path, layout: str, writer: object) -> None:
    rows = writer(tmp_path, ("eat", "book"))  # type: ignore[operator]
    (tmp_path / "audio" / str(rows[3][0])).unlink()
    with pytest.raises(AudioFileError, match=str(rows[3][0])):
        load_corpus(layout, tmp_path)


# Catches: KeyError or AttributeError instead of a line that says what is wrong with the list.
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("filename,fold\na.wav,1\n", "category"),
        ("filename,fold,category,src_file\na.wav,1\n", "line 2"),
        ("filename,fold,category,src_file\n1-100010-A-0.wav,one,dog,1\n", "'one'"),
        ("", "filename"),
    ],
)
def test_broken_list_says_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    write_esc50(tmp_path, ("dog",))
    (tmp_path / "meta" / "esc50.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        load_corpus("esc50", tmp_path)


# Catches: wrong fold or group from the old file names; class names that depend on the numbering.
def test_esc10_old_layout(tmp_path: Path) -> None:
    write_sound(tmp_path / "001 - Dog bark" / "1-100032-A.wav", "dog")
    write_sound(tmp_path / "001 - Dog bark" / "4-100032-B.wav", "dog")
    write_sound(tmp_path / "010 - Fire crackling" / "5-4321-A.wav", "fire")
    (tmp_path / "README.md").write_text("not a class")
    clips = {c.clip_id: c for c in load_corpus("esc10", tmp_path)}
    assert sorted(clips) == [
        "esc10/dog_bark/1-100032-A",
        "esc10/dog_bark/4-100032-B",
        "esc10/fire_crackling/5-4321-A",
    ]
    assert clips["esc10/fire_crackling/5-4321-A"].fold == 5
    assert {c.fold for c in clips.values() if c.group == "freesound:100032"} == {1}
    write_sound(tmp_path / "002 - Rain" / "rain.wav", "rain")
    with pytest.raises(DataError, match=r"rain\.wav"):
        load_corpus("esc10", tmp_path)


# Catches: Kitchen20's own folds (which split recordings) taken over; one person's kitchen in two folds.
def test_kitchen20_groups(tmp_path: Path) -> None:
    rows = write_kitchen20(tmp_path, ("eat", "book"))
    for row, person in zip(rows[:4], ("J", "J2", "M", "econome1.wav"), strict=True):
        row[4:6] = [person, "self_recorded"]
    write_rows(tmp_path / "kitchen20.csv", KITCHEN_FIELDS, rows)
    clips = load_corpus("kitchen20", tmp_path)
    assert {c.fold for c in clips} == {0}
    groups = defaultdict(int)
    for c in clips:
        groups[c.group] += 1
    assert groups["kitchen20:J"] == 2
    assert groups["kitchen20:M"] == 1
    assert groups["kitchen20:econome1.wav"] == 1
    assert groups["freesound:200101"] == 2


# Catches: a take's tail of a few milliseconds as a clip, pieces of one take in several groups.
def test_household_takes_are_cut(tmp_path: Path) -> None:
    write_sound(tmp_path / "vacuuming_0.wav", "vacuum", seconds=12.0)
    write_sound(tmp_path / "aircon_3.wav", "aircon", seconds=13.0)
    write_sound(tmp_path / "street_1.wav", "street", seconds=1.0)
    clips = load_corpus("household", tmp_path)
    assert [c.clip_id.split("/")[1] for c in clips] == [
        "aircon_3@000",
        "aircon_3@001",
        "aircon_3@002",
        "street_1@000",
        "vacuuming_0@000",
        "vacuuming_0@001",
    ]
    assert {c.group for c in clips if c.fine == "vacuuming"} == {"household:vacuuming_0"}
    lengths = [len(clip_samples(c, 16000)) for c in clips]
    assert lengths == [80000, 80000, 48000, 16000, 80000, 80000]


# Catches: rows of another set taken in; pieces of one source, or one speaker's files, split.
def test_manifest_sets(tmp_path: Path) -> None:
    rows = [
        ["speech", "a_0.wav", 1, "src/a", "MIT (repo LICENSE)", ""],
        ["speech", "a_1.wav", 1, "src/a", "MIT (repo LICENSE)", ""],
        ["speech", "tc_7-1-0000.wav", 1, "src/b", "CC-BY-4.0", "speaker 7"],
        ["music", "b_0.wav", 1, "src/c", "CC0", ""],
    ]
    write_rows(tmp_path / "manifest.csv", MANIFEST_FIELDS, rows, "\r\n")
    for row in rows:
        write_sound(tmp_path / str(row[0]) / str(row[1]), "speech")
    clips = load_corpus("manifest", tmp_path / "speech")
    assert [c.group for c in clips] == ["speech:a", "speech:a", "speech:speaker 7"]
    assert {c.fine for c in clips} == {"speech"}


def test_folders(tmp_path: Path) -> None:
    write_sound(tmp_path / "cooking" / "x.wav", "c")
    write_sound(tmp_path / "eating" / "x.wav", "e", rate_hz=44100)
    (tmp_path / "eating" / "notes.txt").write_text("no audio")
    clips = load_corpus("folders", tmp_path)
    assert [(c.fine, c.clip_id) for c in clips] == [
        ("cooking", f"folders/{tmp_path.name}/cooking/x.wav"),
        ("eating", f"folders/{tmp_path.name}/eating/x.wav"),
    ]
    # resampled to the bundle's rate: one second stays one second
    assert [len(clip_samples(c, 16000)) for c in clips] == [16000, 16000]


# Catches: training on the readable half of a file that was cut off.
def test_truncated_wav_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cooking" / "x.wav"
    write_sound(path, "c")
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(AudioFileError, match=r"x\.wav"):
        clip_samples(load_corpus("folders", tmp_path)[0], 16000)


@pytest.mark.parametrize("layout", ["esc50", "esc10", "kitchen20", "household", "manifest", "folders"])
def test_empty_or_missing_folder(tmp_path: Path, layout: str) -> None:
    with pytest.raises(AscEdgeError):
        load_corpus(layout, tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        load_corpus(layout, tmp_path / "nowhere")


# Catches: "CC-BY" found inside "CC-BY-NC", and everything with "MIT" somewhere in it passing for MIT.
@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("CC0", "CC0"),
        ("CC0-1.0 (repo LICENSE)", "CC0"),
        ("CC-BY", "CC-BY"),
        ("CC-BY-4.0 adventurekid.se", "CC-BY"),
        ("CC-BY-NC", "CC-BY-NC"),
        ("CC-BY-SA-3.0 Johan Brodd (jobromedia)", "CC-BY-SA"),
        ("CC-Sampling+", "CC-Sampling+"),
        ("Apache-2.0 (repo LICENSE)", "Apache-2.0"),
        ("MIT (repo LICENSE), recorded by the repo author", "MIT"),
        ("CC-BY-4.0 (AMI corpus, upstream licence; repo MIT)", "CC-BY"),
        ("Public domain (OpenAIR)", "public domain"),
        ("public domain (licenses/*.txt)", "public domain"),
        ("all rights reserved, Smith", "unknown"),
        ("", "unknown"),
    ],
)
def test_licence_family(text: str, family: str) -> None:
    assert licence_family(text) == family


# Catches: a fold split through a recording, which makes every figure too good.
def test_group_in_two_folds_is_refused() -> None:
    clips = [clip("a", "g", 1), clip("b", "h", 2), clip("c", "g", 2)]
    with pytest.raises(FoldLeakError, match="'g'"):
        check_groups(clips)
    with pytest.raises(FoldLeakError, match="'g'"):
        assign_folds(clips, 4, 0)
    check_groups(merge_straddling_groups(clips))


def test_table_faults_are_refused() -> None:
    with pytest.raises(DataError, match="empty"):
        check_groups([])
    with pytest.raises(DataError, match="twice"):
        check_groups([clip("a", "g", 1), clip("a", "g", 1)])
    with pytest.raises(DataError, match="no fold"):
        check_groups([clip("a", "g", 0)])


@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.sampled_from("xyz")), min_size=8, max_size=60),
    folds=st.integers(2, 5),
    seed=st.integers(0, 5),
)
def test_folds_hold_whole_groups_and_are_even(sizes: list[tuple[int, str]], folds: int, seed: int) -> None:
    clips = [
        clip(f"{group}-{number}", f"g{group}", fine=fine)
        for group, (count, fine) in enumerate(sizes)
        for number in range(count)
    ]
    folded = assign_folds(clips, folds, seed)
    check_groups(folded)
    assert folded == assign_folds(clips, folds, seed)
    for fine in "xyz":
        counts = [sum(c.fold == fold and c.fine == fine for c in folded) for fold in range(1, folds + 1)]
        # a greedy split can't be less even than its largest group
        assert max(counts) - min(counts) <= max((count for count, f in sizes if f == fine), default=0)


# Catches: evaluation clips that pull at the folds of the others, or that get one themselves.
def test_evaluation_clips_are_outside_of_folds() -> None:
    clips = [clip(f"{number}", f"g{number}", fine="xy"[number % 2]) for number in range(9)]
    tested = [
        replace(clip(f"t{number}", "t", fine="x"), part="evaluation", clip_id=f"t{number}")
        for number in range(7)
    ]
    folded = assign_folds(clips, 3, 0)
    assert assign_folds([*tested, *clips], 3, 0) == [*tested, *folded]
    assert merge_straddling_groups([*tested, *folded]) == [*tested, *folded]
    with pytest.raises(DataError, match="fold 4"):
        assign_folds([clip("a", "g", 4)], 3, 0)


# Catches: a corpus's recording in fold 2 while the same Freesound recording in another corpus is in fold 3.
def test_fold_follows_a_recording_that_has_one() -> None:
    folded = assign_folds([clip("a", "g", 3), clip("b", "g"), clip("c", "h")], 4, 0)
    assert [c.fold for c in folded][:2] == [3, 3]


def test_home_table(tmp_path: Path) -> None:
    data = write_home_tree(tmp_path)
    rows = write_esc50(data / "esc50", ("dog", "vacuum_cleaner", "keyboard_typing", "pouring_water"), folds=5)
    rows[0][7], rows[2][7] = "CC-BY-NC", "CC-BY"
    write_rows(data / "esc50" / "meta" / "esc50.csv", ESC50_FIELDS, rows)
    clips = build_table(load_recipe("home"), data)
    check_groups(clips)
    by_id = {c.clip_id: c for c in clips}
    # a licence that forbids shipping, a class that is left out, the fold that is nobody's to train on
    assert "esc50/1-100010-A-0" not in by_id
    assert by_id["esc50/2-100020-A-0"].label == "other"
    assert not any(c.fine == "pouring_water" for c in clips)
    assert {c.fold for c in clips} == {1, 2, 3, 4}
    assert by_id["household/vacuuming_0@001"].label == "vacuum_cleaner"
    assert by_id["household/vacuuming_0@001"].fine == "vacuum_cleaner"
    assert {c.label for c in clips if c.corpus == "crowd_phrases"} == {"social_activity"}
    smoke = build_table(load_recipe("home").for_smoke(), data)
    assert set(smoke) < set(clips)


def test_mapping_rules() -> None:
    mapping = Mapping(labels={"hoover": "vacuum_cleaner"}, exclude=["rain"])
    known = ("other", "vacuum_cleaner")
    assert mapping.label_of("hoover", known) == "vacuum_cleaner"
    assert mapping.label_of("vacuum_cleaner", known) == "vacuum_cleaner"
    assert mapping.label_of("dog", known) is None
    assert replace(mapping, default="other").label_of("dog", known) == "other"
    assert replace(mapping, default="other").label_of("rain", known) is None


# Catches: a misspelt field that silently leaves its default in force.
def test_recipe_faults_are_refused(tmp_path: Path) -> None:
    good = recipe_values(load_recipe("home"))
    parse_recipe(good)
    *others, last = good["members"]
    for change, words in (
        ({"colour": "red"}, "colour"),
        ({"labels": ["b", "a"]}, "sorted"),
        ({"members": []}, "no member"),
        ({"mappings": {"esc50": {"default": "nothing"}}}, "nothing"),
        ({"members": [*others, {**last, "front_end": "mel7"}]}, "mel7"),
        ({"members": [*others, {**last, "kind": "posterior"}]}, "kind and target"),
        (
            {"members": [*others, {**last, "training": {"epochs": 1, "sample_per_epoch": 2}}]},
            "sample_per",
        ),
    ):
        with pytest.raises(ConfigError, match=words):
            parse_recipe({**good, **change})
    (tmp_path / "bad.toml").write_text("name = [")
    for name in ("nope", str(tmp_path / "bad.toml"), str(tmp_path / "none.toml")):
        with pytest.raises(ConfigError):
            load_recipe(name)


# Catches: a change to the real corpora, mappings or folds that leaks, or leaves a fold without a label.
@pytest.mark.parametrize("name", ["home", "esc10"])
def test_real_table(shared_data: Path, tmp_path: Path, name: str) -> None:
    recipe = load_recipe(name)
    clips = build_table(recipe, shared_data, scenes=SceneStore(tmp_path))
    check_groups(clips)
    assert {(c.label, c.fold) for c in clips} == {(label, f) for label in recipe.labels for f in (1, 2, 3, 4)}
    assert {licence_family(c.licence) for c in clips} <= set(recipe.licences)
