"""Two runs, two systems, many runs: compared on the clips that they share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from asc_edge.errors import AscEdgeError, UsageError
from asc_edge_train.clips import DataError
from asc_edge_train.figures import answers, bootstrap_interval, paired_difference
from asc_edge_train.reporting import ablation_table, compare, comparison_page, comparison_text, load_report
from train_runs import ODD_LABELS, run_arrays, run_report, write_run

LABELS = ["absence", "cooking", "dishwashing"]
RECIPE = {"seed": 1, "labels": LABELS, "members": [{"name": "crnn", "floor_db": -60.0}, {"name": "svm"}]}


def picked(arrays: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: array[rows] for name, array in arrays.items()}


def make(
    folder: Path, arrays: dict[str, np.ndarray], recipe: dict[str, Any] | None = None, **changes: Any
) -> Path:
    return write_run(folder, run_report(arrays, LABELS, **changes), arrays, recipe)


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Run b has clips of its own, lacks some, and lists them backwards; one system is missing in each."""
    a = run_arrays(LABELS, {"crnn": 0.6, "svm": 0.5, "late": 0.7}, evaluation=48)
    b = run_arrays(LABELS, {"crnn": 0.8, "late": 0.85, "new": 0.5}, evaluation=48, seed=5)
    b["clip_ids"][:10] = [f"other{place}" for place in range(10)]
    b = picked(b, np.arange(len(b["truth"]) - 4)[::-1])
    other = {**RECIPE, "members": [{"name": "svm"}, {"name": "crnn", "floor_db": -45.0}], "hop_s": 1.0}
    return make(tmp_path / "a", a, RECIPE), make(tmp_path / "b", b, other)


def arrays_of(run: Path) -> dict[str, np.ndarray]:
    with np.load(run / "predictions.npz") as stored:
        return dict(stored)


def row_of(comparison: dict[str, Any], system: str, part: str) -> dict[str, Any]:
    return next(row for row in comparison["systems"] if (row["system_b"], row["part"]) == (system, part))


# Catches: clips matched by their place, clips of one run only, another part's clips, b minus a turned round,
# clips resampled instead of groups, the other metric's interval.
@pytest.mark.parametrize("part", ["development", "evaluation", "evaluation, unknown"])
def test_comparison_equals_clips_matched_by_hand(runs: tuple[Path, Path], part: str) -> None:
    found = compare(*runs)
    a, b = map(arrays_of, runs)
    where = {clip: place for place, clip in enumerate(b["clip_ids"])}
    pairs = [(place, where[clip]) for place, clip in enumerate(a["clip_ids"]) if clip in where]
    assert found["clips"] == {"a": 208, "b": 204, "shared": len(pairs)}
    keep = {"development": a["part"] == 0, "evaluation": a["part"] == 1}.get(part, a["subset"] == "unknown")
    rows_a, rows_b = np.array([pair for pair in pairs if keep[pair[0]]]).T
    truth, groups = a["truth"][rows_a], a["groups"][rows_a]
    first, second = np.argmax(a["scores:crnn"][rows_a], axis=1), np.argmax(b["scores:crnn"][rows_b], axis=1)
    row = row_of(found, "crnn", part)
    assert row["clips"] == len(truth)
    assert row["groups"] == len(set(groups))
    for metric in ("macro_f1", "accuracy"):
        scores = [
            accuracy_score(truth, one) if metric == "accuracy" else f1_score(truth, one, average="macro")
            for one in (first, second)
        ]
        figures = row["figures"][metric]
        assert [figures["a"], figures["b"]] == pytest.approx(scores)
        assert figures["difference"] == pytest.approx(scores[1] - scores[0])
        oracle = paired_difference(truth, first, second, groups, 3, metric=metric)
        assert (figures["low"], figures["high"], figures["share_below"]) == pytest.approx(
            (oracle.low, oracle.high, oracle.share_below)
        )
        clips = paired_difference(truth, first, second, np.arange(len(truth)), 3, metric=metric)
        intervals = [(one.low, one.high, one.share_below) for one in (oracle, clips)]
        assert intervals[0] != pytest.approx(intervals[1])
    assert row["right_to_wrong"] == np.sum((first == truth) & (second != truth))
    assert row["wrong_to_right"] == np.sum((first != truth) & (second == truth))
    by_label = {one["label"]: one for one in row["per_class"]}
    expected = f1_score(truth, second, average=None) - f1_score(truth, first, average=None)
    assert [by_label[label]["difference"] for label in LABELS] == pytest.approx(expected)
    changes = [abs(one["difference"]) for one in row["per_class"]]
    assert changes == sorted(changes, reverse=True)


# Catches: a crash, or silence, about a system that one run hasn't.
def test_systems_of_one_run_only_are_named(runs: tuple[Path, Path]) -> None:
    found = compare(*runs)
    assert (found["only_a"], found["only_b"]) == (["svm"], ["new"])
    assert {row["system_a"] for row in found["systems"]} == {"crnn", "late"}
    lines = comparison_text(found)
    assert "only in a: svm" in lines
    assert "only in b: new" in lines
    assert any("194 clips of both" in line for line in lines)
    assert all("\n" not in line for line in lines)


# Catches: a clip that one run trained on compared with the other's evaluation part.
def test_clip_that_changed_its_part_is_not_shared(tmp_path: Path) -> None:
    arrays = run_arrays(LABELS, {"crnn": 0.6, "late": 0.7}, evaluation=24)
    moved = {**arrays, "part": arrays["part"].copy()}
    moved["part"][:4] = 1
    found = compare(make(tmp_path / "a", arrays), make(tmp_path / "b", moved))
    assert found["clips"] == {"a": 184, "b": 184, "shared": 180}
    assert row_of(found, "crnn", "development")["clips"] == 156


# Catches: clips without an answer left out for one system, or counted as the first label.
def test_no_answer_is_wrong(tmp_path: Path) -> None:
    arrays = run_arrays(LABELS, {"crnn": 0.9, "late": 0.9}, evaluation=24)
    a = make(tmp_path / "a", arrays)
    quiet = {
        **arrays,
        "scores:crnn": arrays["scores:crnn"].copy(),
        "scores:late": arrays["scores:late"].copy(),
    }
    quiet["scores:crnn"][:32] = np.nan
    quiet["scores:late"][quiet["part"] == 1] = np.nan
    found = compare(a, make(tmp_path / "b", quiet))
    row = row_of(found, "crnn", "development")
    right = np.argmax(arrays["scores:crnn"][:32], axis=1) == arrays["truth"][:32]
    assert row["no_answer"] == {"a": 0, "b": 32}
    assert row["right_to_wrong"] == np.sum(right)
    assert row["figures"]["accuracy"]["difference"] == pytest.approx(-np.sum(right) / 160)
    assert [one["part"] for one in found["systems"] if one["system_b"] == "late"] == ["development"]


# Catches: macro-F1 pooled where both runs' protocol is the mean of the folds.
def test_fold_average_of_both(tmp_path: Path) -> None:
    arrays = run_arrays(LABELS, {"crnn": 0.6, "late": 0.7})
    a, b = (make(tmp_path / name, arrays, fold_average=True) for name in "ab")
    predicted, folds = answers(arrays["scores:crnn"]), arrays["folds"]
    by_fold = [
        f1_score(arrays["truth"][folds == fold], predicted[folds == fold], average="macro")
        for fold in (1, 2, 3, 4)
    ]
    figures = row_of(compare(a, b), "crnn", "development")["figures"]["macro_f1"]
    assert figures["a"] == pytest.approx(np.mean(by_fold))
    refolded = make(tmp_path / "c", {**arrays, "folds": folds[::-1]}, fold_average=True)
    found = compare(a, refolded)
    pooled = f1_score(arrays["truth"], predicted, average="macro")
    assert row_of(found, "crnn", "development")["figures"]["macro_f1"]["a"] == pytest.approx(pooled)
    assert any("fold their clips differently" in note for note in found["notes"])


def test_two_systems_of_one_run(runs: tuple[Path, Path]) -> None:
    run = runs[0]
    found = compare(run, run, pairs=[("crnn", "late")])
    arrays = arrays_of(run)
    rows = arrays["part"] == 0
    scores = [answers(arrays[f"scores:{name}"])[rows] for name in ("crnn", "late")]
    figures = row_of(found, "late", "development")["figures"]["accuracy"]
    assert [figures["a"], figures["b"]] == [np.mean(one == arrays["truth"][rows]) for one in scores]
    assert found["recipe"] == []
    assert any(line.startswith("CRNN to LATE") for line in comparison_text(found))
    assert "Systems of a compared" in comparison_page(found)
    with pytest.raises(UsageError, match=r"no scores of system 'x'; known are crnn, svm, late"):
        compare(run, run, pairs=[("crnn", "x")])


# Catches: members compared by their place instead of their name, fields of one recipe only left out.
def test_recipes_are_compared_by_name(runs: tuple[Path, Path]) -> None:
    changes = compare(*runs)["recipe"]
    assert changes == [
        {"field": "members[crnn].floor_db", "a": -60.0, "b": -45.0},
        {"field": "hop_s", "a": None, "b": 1.0},
    ]
    assert "  members[crnn].floor_db: -60.0 -> -45.0" in comparison_text(compare(*runs))
    (runs[1] / "recipe.json").unlink()
    assert compare(*runs)["recipe"] is None


def _break(folder: Path, how: str) -> None:
    predictions, text = folder / "predictions.npz", folder / "report.json"
    arrays, report, whole = arrays_of(folder), json.loads(text.read_text()), predictions.read_bytes()
    truth, names = arrays["truth"].copy(), arrays["clip_ids"].copy()
    truth[50] = (truth[50] + 1) % 3
    names[7] = names[8]
    reports = {
        "old report": {"recipe": "home", "members": {}, "fusion": {}},
        "labels": {**report, "labels": ["absence", "cooking", "eating"]},
        "order": {**report, "labels": LABELS[::-1]},
    }
    changes = {
        "truth": {"truth": truth},
        "other clips": {"clip_ids": np.char.add("x", arrays["clip_ids"])},
        "twice": {"clip_ids": names},
        "short": {"scores:crnn": arrays["scores:crnn"][:-1]},
        "outside": {"truth": truth + 1},
    }
    text.write_text(json.dumps(reports.get(how, report)))
    kept = {name: array for name, array in arrays.items() if how != "no groups" or name != "groups"}
    np.savez(predictions, **{**kept, **changes.get(how, {})})  # type: ignore[arg-type]
    if how == "cut off":
        predictions.write_bytes(whole[: len(whole) // 2])
    for gone in {"no report": [text], "no predictions": [predictions]}.get(how, []):
        gone.unlink()


# Catches: tracebacks, and figures about clips or labels that aren't the same.
@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("no report", UsageError, "no such report; finish the run"),
        ("old report", UsageError, "not a report of asc-edge-train run; make it again"),
        ("no predictions", UsageError, "no such predictions; finish the run"),
        ("cut off", DataError, "not readable"),
        ("labels", DataError, r"different labels \(only one has 'dishwashing'\)"),
        ("order", DataError, "different labels"),
        ("truth", DataError, "differ about the labels of shared clips: 1, first clip"),
        ("other clips", DataError, "share no clip"),
        ("twice", DataError, "stands twice"),
        ("short", DataError, "array 'scores:crnn' has shape"),
        ("outside", DataError, "outside the report's 3 labels"),
        ("no groups", DataError, "has no array 'groups'"),
    ],
)
def test_runs_that_cannot_be_compared(
    runs: tuple[Path, Path], how: str, kind: type[AscEdgeError], message: str
) -> None:
    _break(runs[1], how)
    with pytest.raises(kind, match=message) as caught:
        compare(*runs)
    assert str(runs[1]) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folder_that_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(UsageError, match="no such report"):
            load_report(folder)
    (tmp_path / "report.json").write_text("{")
    with pytest.raises(UsageError, match="not a readable report"):
        load_report(tmp_path)


# Catches: labels as markup; a smoke run that isn't called one; a page that leaves out a system or a label.
def test_comparison_page(tmp_path: Path) -> None:
    arrays = run_arrays(ODD_LABELS, {"crnn": 0.6, "late": 0.7})
    a = write_run(tmp_path / "<u>a", run_report(arrays, ODD_LABELS), arrays)
    b = write_run(tmp_path / "b", run_report(arrays, ODD_LABELS, smoke=True), arrays)
    page = comparison_page(compare(a, b))
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "&lt;u&gt;a and b compared" in page
    assert '<p class="notice" role="note">SMOKE RUN: b.' in page
    assert page.count("by label</h2>") == 2
    assert page == comparison_page(compare(a, b))
    assert "SMOKE RUN: b. These figures mean nothing." in comparison_text(compare(a, b))


# Catches: differences to the run above instead of the baseline, to its own clips, of the other system.
def test_ablation_table(runs: tuple[Path, Path], tmp_path: Path) -> None:
    a, b = runs
    worse = arrays_of(a)
    worse["scores:late"] = np.roll(worse["scores:late"], 1, axis=1)
    (tmp_path / "more").mkdir()
    c = make(tmp_path / "more" / "a", worse)
    lines = ablation_table([a, b, c], a, ["late", "svm"])
    own = f"{tmp_path.name}/a"
    assert lines[0] == "| run | LATE: macro-F1 % | difference | SVM: macro-F1 % | difference |"
    figures = row_of(compare(a, b), "late", "development")["figures"]["macro_f1"]
    assert lines[2].startswith(f"| **{own}** | **")
    cells = [cell.strip() for cell in lines[3].strip("|").split("|")]
    assert cells[:2] == ["b", f"{100 * figures['b']:.1f}"]
    assert cells[2].startswith(f"{100 * figures['difference']:+.1f} (")
    assert cells[3:] == ["–", "–"]
    assert lines[4].startswith("| more/a | ")
    assert lines[4].split("|")[3].strip().startswith("−")
    assert lines[4].endswith(f"| {lines[2].split('|')[4].strip(' *')} | 0.0 (0.0 to 0.0) |")
    assert any("b: compared on the 194 clips" in line for line in lines)
    assert ablation_table([b, c], a, ["late", "svm"]) == lines
    assert ablation_table([b], a)[0] == "| run | LATE: macro-F1 % | difference |"
    with pytest.raises(UsageError, match=r"no clip of part 'test'.*known are development, evaluation"):
        ablation_table([b], a, part="test")
    with pytest.raises(UsageError, match="no scores of system 'x'"):
        ablation_table([b], a, ["x"])


# Catches: an interval of the difference that is only the two intervals side by side.
def test_paired_interval_is_the_narrower_one(tmp_path: Path) -> None:
    arrays = run_arrays(LABELS, {"crnn": 0.5}, groups=60)
    better = {**arrays, "scores:crnn": arrays["scores:crnn"].copy()}
    better["scores:crnn"][::9] += 9 * np.eye(3, dtype=np.float32)[arrays["truth"][::9]]
    runs = [make(tmp_path / name, one, fusions=()) for name, one in (("a", arrays), ("b", better))]
    figures = row_of(compare(*runs), "crnn", "development")["figures"]["accuracy"]
    alone = bootstrap_interval(
        arrays["truth"], answers(arrays["scores:crnn"]), arrays["groups"], 3, "accuracy"
    )
    assert 0 < figures["low"] < figures["difference"] < figures["high"]
    assert figures["high"] - figures["low"] < 0.7 * (alone[1] - alone[0])
