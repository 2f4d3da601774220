"""Whole corpora and recordists held out: the folds, the labels that count, and nothing heard before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asc_edge.errors import ConfigError
from asc_edge_train import leaving_out
from asc_edge_train.clips import Clip, DataError, check_groups
from asc_edge_train.labels import table_labels
from asc_edge_train.leaving_out import _fit_unit
from asc_edge_train.recipe import Mapping, load_recipe, parse_recipe
from asc_edge_train.recipe_checks import check_recipe
from asc_edge_train.run import Run, RunOptions, recipe_values
from asc_edge_train.splits import ONE_LABEL, held_out_figures, make_split, split_recipe
from asc_edge_train.stacking import _inner_folds


def clip(corpus: str, label: str, number: int, group: str = "") -> Clip:
    return Clip(
        path=Path("x.wav"),
        clip_id=f"{corpus}/{label}{number}",
        fine=label,
        label=label,
        group=group or f"{corpus}:{label}{number // 2}",
        corpus=corpus,
        licence="CC0",
        attribution="",
        fold=number % 4 + 1,
    )


def table() -> list[Clip]:
    clips = [clip("A", label, n) for label in ("cooking", "other", "working") for n in range(8)]
    clips += [clip("B", label, n) for label in ("cooking", "other", "social") for n in range(8)]
    clips += [clip(speech, "social", n) for speech in ("S1", "S2") for n in range(4)]
    clips += [clip("B", "cooking", 100 + n, "kitchen20:J") for n in range(25)]
    return clips + [clip("B", "other", 200 + n, "kitchen20:short.wav") for n in range(4)]


# Catches: corpora that are split, and sets of speech that are held out one by one with a single label each.
def test_corpora_are_held_out_whole() -> None:
    clips = table()
    split = make_split(clips, "corpus", folds=4, seed=1)
    assert split.names == ("A", "B", ONE_LABEL)
    for number, name in enumerate(split.names, start=1):
        held = {one.corpus for one, fold in zip(clips, split.folds, strict=True) if fold == number}
        assert held == ({name} if name != ONE_LABEL else {"S1", "S2"})
    with pytest.raises(DataError, match="only 1"):
        make_split([one for one in clips if one.corpus == "A"], "corpus", folds=4, seed=1)


# Catches: a person in two folds, four clips as a fold of their own, clips of nobody in no fold.
def test_recordists_are_held_out_whole() -> None:
    clips = table()
    split = make_split(clips, "recordist", folds=4, seed=1)
    assert split.names[0] == "Kitchen20 J"
    assert len(split.names) == 5
    by_j = {fold for one, fold in zip(clips, split.folds, strict=True) if one.group == "kitchen20:J"}
    assert by_j == {1}
    assert set(split.folds) == {1, 2, 3, 4, 5}
    check_groups([replace(one, fold=int(fold)) for one, fold in zip(clips, split.folds, strict=True)])


# Catches: networks asked for a label that they never heard, and a bundle shipped from such a run.
def test_a_recipe_of_corpora() -> None:
    labels = ("cooking", "other", "social", "working")
    mapping = Mapping(labels={"typing": "working", "laughing": "social"}, default="other", exclude=["rain"])
    plain = replace(load_recipe("home"), labels=labels, mappings={"esc50": mapping})
    assert split_recipe(plain, table()) == (plain, table(), {})
    recipe, clips, left_out = split_recipe(replace(plain, split="corpus"), table())
    assert recipe.labels == ("cooking", "other", "social")
    assert left_out == {"working": "8 clips: of one corpus alone"}
    assert (recipe.folds, recipe.ship) == (3, "")
    assert "1 A, 2 B" in recipe.protocol
    assert table_labels(recipe, clips) == recipe.labels
    check_groups(clips)
    # A corpus that had nothing else is no fold.
    lonely = [*table(), clip("C", "eating", 1), clip("C", "eating_alone", 2)]
    wide = replace(plain, split="corpus", labels=("cooking", "eating", "other", "social", "working"))
    assert {one.fold for one in split_recipe(wide, lonely)[1]} == {1, 2, 3}
    assert split_recipe(wide, lonely)[0].folds == 3
    # What the run keeps of its recipe can be read again.
    assert recipe.mappings["esc50"].exclude == ["rain", "typing"]
    assert parse_recipe(recipe_values(recipe)).labels == recipe.labels
    with pytest.raises(ConfigError, match="split is folds"):
        check_recipe(replace(plain, split="moon"))


# Catches: labels that training lacks counted as failures, or labels that the corpus lacks as F1 of 0.
def test_only_labels_that_can_be_told_count() -> None:
    labels = ["a", "b", "c", "d"]
    truth = np.array([0, 0, 1, 1, 2, 0, 1, 3])
    predicted = np.array([0, 3, 1, 1, 0, 0, 1, 3])
    test = np.array([1, 1, 1, 1, 1, 0, 0, 0], dtype=bool)
    figures = held_out_figures(truth, predicted, np.arange(8), test, labels)
    assert figures["labels"] == ["a", "b"]
    assert (figures["clips"], figures["impossible"]) == (4, 1)
    # Label a: 1 of 2 right, the other is answered d; the clip of c, answered a, counts nowhere.
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 1.0) / 2)
    alone = held_out_figures(truth, predicted, np.zeros(8), test, labels)
    assert alone["macro_f1_interval"] is None


# Catches: held-out clips in the choice of C or in the SVM; answers of the wrong label where one is lacking.
def test_held_out_clips_are_never_heard() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 2, 3], 40)
    embedding = rng.normal(size=(120, 8)) + 4.0 * np.eye(8)[truth]
    test = np.arange(120) % 3 == 0
    usual = np.arange(120) % 4 + 1
    rest: tuple[Any, ...] = (usual, test, (1e-3, 1e-2), "balanced", "macro_f1")
    c, found = _fit_unit((embedding, truth, *rest))
    assert np.mean(found == truth[test]) > 0.9
    lied = np.where(test, 2, truth)
    loud = np.where(test[:, None], 100.0 * rng.normal(size=embedding.shape), embedding)
    assert _fit_unit((embedding, lied, *rest))[1].tolist() == found.tolist()
    assert _fit_unit((loud, truth, *rest))[0] == c


# Catches: inner folds without a label, whose SVMs would have a column too few; others where none is lacking.
def test_inner_folds_hold_every_label() -> None:
    truth, folds = np.repeat([0, 1, 0, 1], 40), np.repeat([1, 2, 3, 1], 40)
    assert _inner_folds(truth, folds) is folds
    alone = np.repeat([1, 2, 1, 2], [3, 2, 40, 3])
    truth = np.repeat([0, 1, 0, 1], [3, 2, 40, 3])
    found = _inner_folds(truth, alone)
    assert all(len(np.unique(found[truth == label])) == 2 for label in (0, 1))


# Catches: what is fitted again though it is kept, another baseline than folds by recording, units mixed up.
def test_what_is_fitted_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [one for one in table() if one.label != "working"]
    labels = ("cooking", "other", "social")
    truth = np.array([labels.index(one.label) for one in clips])
    embedding = np.random.default_rng(0).normal(size=(len(clips), 6)) + 3.0 * np.eye(6)[truth]
    recipe = replace(load_recipe("home"), labels=labels)
    options = RunOptions(data=tmp_path, out=tmp_path)
    run = Run(recipe, options, 1, clips, [], {}, [])
    split = make_split(clips, "corpus", folds=4, seed=1)

    def figures(names: tuple[str, ...], units: np.ndarray) -> dict[str, Any]:
        return leaving_out._member_figures(
            run, "m", embedding, "key", names=names, units=units, grid=(1e-3,), progress=lambda _: None
        )

    first = figures(split.names, split.folds)
    assert [row["held_out"] for row in first["units"]] == list(split.names)
    assert [row["clips"] for row in first["units"]] == [16, 53, 8]
    usual = np.array([one.fold for one in clips])
    assert figures(tuple("1234"), usual)["all"]["macro_f1"] == first["all"]["by_recording"]["macro_f1"]
    monkeypatch.setattr(leaving_out, "_fit_unit", lambda piece: pytest.fail("fitted again"))
    assert figures(split.names, split.folds) == first


# Catches: a command that trains networks, or that refuses its own recipe's members.
def test_leave_out_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from asc_edge_train.cli import main

    data = tmp_path / "data"
    data.mkdir()
    command = ["leave-out", "home", "--data", str(data), "--out", str(tmp_path / "out"), "--member", "stream"]
    assert main(command) == 2
    assert "frozen members are yamnet, mn04" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
