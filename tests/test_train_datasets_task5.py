"""DCASE 2018 task 5 on miniature trees with the habits and faults of the real lists."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from asc_edge.errors import AudioFileError
from asc_edge_train.clips import DataError, FoldLeakError, assign_folds, check_groups
from asc_edge_train.datasets import load_corpus
from asc_edge_train.labels import build_table
from asc_edge_train.recipe import CorpusConfig, Mapping, load_recipe
from asc_edge_train.sound import clip_samples
from dataset_trees import OFFSETS_LSB, add_line, development, evaluation, write_dcase2018_task5

SECONDS = 0.05
TWO = ("absence", "cooking")


# Catches: the fold that a list trains on taken for the fold it tests, sessions grouped per node, "\r" in a
# session's name, a byte order mark in a file's, the last line lost where it has no end.
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_task5_folds_and_sessions(tmp_path: Path, end: str) -> None:
    write_dcase2018_task5(tmp_path, labels=TWO, seconds=SECONDS, sessions=4, segments=3, end=end)
    for path in tmp_path.rglob("*.txt") if end == "\r\n" else ():
        path.write_bytes("\ufeff".encode() + path.read_bytes())
    clips = development(load_corpus("dcase2018-task5", tmp_path))
    assert len(clips) == 2 * 4 * 2 * 3
    for fold in (1, 2, 3, 4):
        listed = tmp_path / f"DCASE2018-task5-dev/evaluation_setup/fold{fold}_test.txt"
        lines = listed.read_text(encoding="utf-8-sig").split()
        assert {f"audio/{c.path.name}" for c in clips if c.fold == fold} == set(lines)
    session = [c for c in clips if "_ex3_" in c.path.name]
    assert {c.group for c in session} == {"sins:dev:s3"}
    assert {c.path.name.split("_")[0] for c in session} == {"DevNode1", "DevNode2"}
    assert {c.fine for c in clips} == set(TWO)
    check_groups(clips)


# Catches: a channel dropped or its offset lost on the way to the disk, so that tests of offsets test nothing.
def test_task5_tree_has_the_offsets_of_the_real_clip(tmp_path: Path) -> None:
    write_dcase2018_task5(tmp_path, labels=TWO, seconds=0.5, sessions=4, evaluation=False)
    clip = load_corpus("dcase2018-task5", tmp_path)[0]
    samples, rate_hz = soundfile.read(clip.path)
    assert samples.shape == (8000, 4)
    assert rate_hz == 16000
    assert samples.mean(axis=0) * 32768 == pytest.approx(OFFSETS_LSB, abs=60)


# Catches: 4 x n files expected; real session 1 is at node 1 only.
def test_task5_session_missing_from_one_node(tmp_path: Path) -> None:
    write_dcase2018_task5(tmp_path, labels=TWO, seconds=SECONDS, evaluation=False)
    folder = tmp_path / "DCASE2018-task5-dev"
    for path in [folder / "meta.txt", *folder.glob("evaluation_setup/*.txt")]:
        path.write_text("\n".join(line for line in path.read_text().splitlines() if "Node2_ex1_" not in line))
    (folder / "audio" / "DevNode2_ex1_1.wav").unlink()
    clips = load_corpus("dcase2018-task5", tmp_path)
    assert Counter(c.group for c in clips)["sins:dev:s1"] == 1
    assert Counter(c.group for c in clips)["sins:dev:s2"] == 2


# Catches: known and unknown microphones swapped, read from the wrong column, or made up without a map.
@pytest.mark.parametrize("columns", ["number first", "name first", ""])
@pytest.mark.parametrize("name", ["evaluate.txt", "evaluation.txt"])
def test_task5_evaluation_part(tmp_path: Path, columns: str, name: str) -> None:
    write_dcase2018_task5(tmp_path, seconds=SECONDS, map_columns=columns, evaluation_list=name)
    (tmp_path / "DCASE2018-task5-eval" / "meta.txt").unlink()
    clips = evaluation(load_corpus("dcase2018-task5", tmp_path))
    assert len(clips) == 18
    assert {c.fold for c in clips} == {0}
    by_id = {c.clip_id: c for c in clips}
    assert by_id["dcase2018-task5/eval/18"].fine == "working"
    # odd numbers were written at node 2, even ones at node 5
    expected = {"known", "unknown"} if columns else {""}
    assert {c.subset for c in clips} == expected
    if columns:
        assert {c.subset for c in clips if int(c.path.stem) % 2} == {"known"}
    assert by_id["dcase2018-task5/eval/1"].group == by_id["dcase2018-task5/eval/2"].group == "sins:eval:s1"


# Catches: clips with an empty class in the table, which a mapping's default would turn into "other".
def test_task5_evaluation_without_labels(tmp_path: Path) -> None:
    write_dcase2018_task5(tmp_path, labels=TWO, seconds=SECONDS, evaluation_labels=False)
    clips = load_corpus("dcase2018-task5", tmp_path)
    assert not evaluation(clips)
    assert clips.left_out == {"without a label": 4}
    with pytest.raises(DataError, match="without labels"):
        load_corpus("dcase2018-task5", tmp_path / "DCASE2018-task5-eval")
    # labels that come in a list of their own count, though meta.txt has none
    setup = tmp_path / "DCASE2018-task5-eval" / "evaluation_setup"
    (setup / "evaluation.txt").write_text("".join(f"audio/{n}.wav\tcooking\n" for n in range(1, 5)))
    clips = evaluation(load_corpus("dcase2018-task5", tmp_path / "DCASE2018-task5-eval"))
    assert [(c.fine, c.group, c.subset) for c in clips[:2]] == [
        ("cooking", "sins:eval:s1", "known"),
        ("cooking", "sins:eval:s1", "unknown"),
    ]


# Catches: one of the two roots taken for the other.
def test_task5_one_root_alone(tmp_path: Path) -> None:
    write_dcase2018_task5(tmp_path, labels=TWO, seconds=SECONDS)
    assert {c.part for c in load_corpus("dcase2018-task5", tmp_path / "DCASE2018-task5-dev")} == {
        "development"
    }
    assert {c.part for c in load_corpus("dcase2018-task5", tmp_path / "DCASE2018-task5-eval")} == {
        "evaluation"
    }


# Catches: node-held-out figures that were trained on the node, or that a session check makes impossible.
def test_task5_by_node(tmp_path: Path) -> None:
    write_dcase2018_task5(tmp_path, labels=TWO, seconds=SECONDS, nodes=(1, 2, 3, 4))
    clips = development(load_corpus("dcase2018-task5", tmp_path, fold_by="node"))
    assert all(c.path.name.startswith(f"DevNode{c.fold}_") for c in clips)
    check_groups(clips)
    clips = load_corpus("dcase2018-task5", tmp_path, held_out_node=3)
    assert {c.path.name[:8] for c in evaluation(clips)} == {"DevNode3"}
    assert {c.path.name[:8] for c in development(clips)} == {"DevNode1", "DevNode2", "DevNode4"}
    assert {c.fold for c in development(clips)} == {1, 2, 3, 4}
    check_groups(clips)
    for options in ({"held_out_node": 5}, {"held_out_node": 1, "fold_by": "node"}, {"fold_by": "day"}):
        with pytest.raises(DataError):
            load_corpus("dcase2018-task5", tmp_path, **options)


# Catches: a session that is trained on and tested, by two folds' lists or inside one fold's own.
def test_task5_session_in_two_folds_is_refused(tmp_path: Path) -> None:
    write_dcase2018_task5(tmp_path, labels=TWO, seconds=SECONDS, evaluation=False)
    folder = tmp_path / "DCASE2018-task5-dev"
    lists = {n: folder / "evaluation_setup" / f"fold{n}_evaluate.txt" for n in (1, 2)}
    kept = {n: path.read_text() for n, path in lists.items()}
    moved = "audio/DevNode1_ex1_1.wav\tabsence\ts1"
    add_line(lists[2], moved)
    with pytest.raises(FoldLeakError, match="DevNode1_ex1_1"):
        load_corpus("dcase2018-task5", tmp_path)
    lists[1].write_text(kept[1].replace(f"{moved}\n", ""))
    with pytest.raises(FoldLeakError, match=r"trains on .*_ex1_1.* which are one recording"):
        load_corpus("dcase2018-task5", tmp_path)
    for path in folder.glob("evaluation_setup/*_train.txt"):
        path.unlink()
    with pytest.raises(FoldLeakError, match="'sins:dev:s1'"):
        load_corpus("dcase2018-task5", tmp_path)
    lists[2].write_text(kept[2])
    with pytest.raises(DataError, match="no fold's list names DevNode1_ex1_1"):
        load_corpus("dcase2018-task5", tmp_path)


# Catches: a lost file that nobody hears of; a set held in part that can't be used at all.
def test_task5_listed_but_absent(tmp_path: Path) -> None:
    write_dcase2018_task5(tmp_path, labels=TWO, seconds=SECONDS)
    (tmp_path / "DCASE2018-task5-dev" / "audio" / "DevNode2_ex5_1.wav").unlink()
    (tmp_path / "DCASE2018-task5-eval" / "audio" / "4.wav").unlink()
    with pytest.raises(AudioFileError, match="DevNode2_ex5_1"):
        load_corpus("dcase2018-task5", tmp_path)
    clips = load_corpus("dcase2018-task5", tmp_path, missing="skip")
    assert clips.left_out == {"listed but absent": 2}
    assert len(clips) == 16 + 4 - 2
    with pytest.raises(DataError, match="missing is 'ignore'"):
        load_corpus("dcase2018-task5", tmp_path, missing="ignore")


def test_task5_truncated_wav_is_found_when_read(tmp_path: Path) -> None:
    write_dcase2018_task5(tmp_path, labels=TWO, seconds=0.5, evaluation=False)
    path = tmp_path / "DCASE2018-task5-dev" / "audio" / "DevNode1_ex1_1.wav"
    path.write_bytes(path.read_bytes()[:30000])
    clip = next(c for c in load_corpus("dcase2018-task5", tmp_path) if c.path == path)
    with pytest.raises(AudioFileError, match="DevNode1_ex1_1"):
        clip_samples(clip, 16000)


# Catches: KeyErrors and index errors where a list is broken.
@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("meta.txt", "audio/DevNode1_ex1_1.wav\tabsence\n", "row 1"),
        ("meta.txt", "audio/DevNode1_ex1_1.wav\t\ts1\n", "row 1"),
        ("meta.txt", "audio/kitchen.wav\tabsence\ts1\n", "fold1_evaluate.txt: names"),
        ("evaluation_setup/fold1_evaluate.txt", "audio/DevNode9_ex1_1.wav\tabsence\ts1\n", "DevNode9_ex1_1"),
        ("../DCASE2018-task5-eval/evaluation_setup/map.txt", "1.wav\t2.wav\n", "map a number"),
        ("../DCASE2018-task5-eval/evaluation_setup/map.txt", "1.wav\tNode1_ex1_1.wav\n", "2.wav isn't in it"),
    ],
)
def test_task5_broken_lists(tmp_path: Path, name: str, text: str, words: str) -> None:
    write_dcase2018_task5(tmp_path, labels=TWO, seconds=SECONDS)
    (tmp_path / "DCASE2018-task5-dev" / name).resolve().write_text(text)
    with pytest.raises(DataError, match=words):
        load_corpus("dcase2018-task5", tmp_path)


# Catches: an evaluation clip with a fold, or a recording in both parts, getting as far as training.
def test_parts_are_kept_apart(tmp_path: Path) -> None:
    write_dcase2018_task5(tmp_path, labels=TWO, seconds=SECONDS)
    clips = load_corpus("dcase2018-task5", tmp_path)
    check_groups(clips)
    held_out = evaluation(clips)[0]
    with pytest.raises(DataError, match="in fold 2"):
        check_groups([*clips, replace(held_out, fold=2, clip_id="x")])
    with pytest.raises(FoldLeakError, match="evaluation part"):
        check_groups([*clips, replace(held_out, fold=2, part="development", clip_id="x")])
    assert assign_folds(clips, 4, 1) == clips


# Catches: evaluation clips lost, folded, or thinned away on the way from the loader to the table.
def test_table_of_a_recipe_keeps_the_evaluation_part(tmp_path: Path) -> None:
    write_dcase2018_task5(tmp_path / "task5", labels=TWO, seconds=SECONDS)
    (tmp_path / "task5/DCASE2018-task5-dev/audio/DevNode1_ex1_1.wav").unlink()
    corpus = CorpusConfig(layout="dcase2018-task5", folder="task5", options={"missing": "skip"})
    recipe = replace(
        load_recipe("home"),
        corpora=(corpus,),
        labels=TWO,
        mappings={"dcase2018-task5": Mapping(labels={label: label for label in TWO})},
        licences=("non-commercial research",),
    )
    clips = build_table(recipe, tmp_path)
    assert Counter((c.part, c.subset) for c in clips) == {
        ("development", ""): 15,
        ("evaluation", "known"): 2,
        ("evaluation", "unknown"): 2,
    }
    assert {c.label for c in evaluation(clips)} == set(TWO)
    thin = build_table(replace(recipe, clips_per_class_and_fold=1), tmp_path)
    assert Counter((c.part, c.subset) for c in thin) == {
        ("development", ""): 8,
        ("evaluation", "known"): 2,
        ("evaluation", "unknown"): 2,
    }
