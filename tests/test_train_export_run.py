"""A finished run becomes four bundles: judged on held-out clips, refused where worse, resumable."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from asc_edge.bundle import Bundle
from asc_edge.errors import UsageError
from asc_edge.pipeline import Pipeline
from asc_edge_train.bundling import shipped_tasks
from asc_edge_train.cli import main
from asc_edge_train.exporting import pieces as pieces_module
from asc_edge_train.exporting.budget import BUDGETS, Budget
from asc_edge_train.exporting.choosing import Choice, Step, choose_schemes
from asc_edge_train.exporting.gate import Judgement, judge
from asc_edge_train.exporting.judging import FoldJudge
from asc_edge_train.exporting.pieces import Piece, calibration_rows, calibration_windows, make_piece
from asc_edge_train.exporting.variants import VARIANTS, ladder, parse_variants
from asc_edge_train.features import open_features, pictures
from asc_edge_train.networks import load_answers, load_network
from asc_edge_train.reopen import open_run
from asc_edge_train.sound import clip_samples, window_samples
from asc_edge_train.stages import FusedRun, fuse_run
from tiny_recipe import LABELS, write_tiny_run

NAMES = {
    "onnx": "tiny.ascb",
    "onnx-int8": "tiny-int8.ascb",
    "tflite": "tiny-tflite.ascb",
    "tflite-int8": "tiny-tflite-int8.ascb",
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Data, and the folder of a finished run."""
    return write_tiny_run(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def fused(places: tuple[Path, Path]) -> FusedRun:
    data, run = places
    return fuse_run(open_run(run, data, quiet=True))


def export(places: tuple[Path, Path], *more: str) -> int:
    data, run = places
    return main(["export", str(run), "--data", str(data), "--jobs", "1", "--quiet", *more])


@pytest.fixture(scope="module")
def exported(places: tuple[Path, Path]) -> Path:
    """Folder of the four bundles."""
    # Of 48 clips, one that changes sides is more than the gate lets pass.
    assert export(places, "--allow-worse") == 0
    return places[1] / "export"


def fold_judge(fused: FusedRun) -> FoldJudge:
    run = fused.run
    system = run.recipe.fusions[0]
    by_fold = [shipped_tasks(run, fused.members, fused.fusions[system.name], fold) for fold in (1, 2)]
    tasks = {name: [one[name] for one in by_fold] for name in system.members}
    return FoldJudge(run, system, fused.members, fused.fusions[system.name], tasks)


def some_task(fused: FusedRun, name: str = "cnn_svm", fold: int = 1) -> Any:
    return next(task for task in fused.run.tasks_of(name) if task.fold == fold)


# ---- the gate


# Catches: a change of the wrong sign, F1 of one class for the mean's, agreement with the truth.
def test_judgement() -> None:
    rng = np.random.default_rng(1)
    truth, folds = rng.integers(3, size=400), rng.integers(1, 5, size=400)
    reference, scores = rng.random((400, 3)), rng.random((400, 3))
    reference[np.arange(400), truth] += 1.0
    found = judge(truth, folds, reference, scores, LABELS)
    before, after = reference.argmax(1), scores.argmax(1)
    expected = f1_score(truth, after, average=None) - f1_score(truth, before, average=None)
    assert list(found.per_class_change.values()) == pytest.approx(expected.tolist())
    assert found.macro_f1_change == pytest.approx(expected.mean())
    assert found.macro_f1 == pytest.approx(f1_score(truth, after, average="macro"))
    assert found.argmax_agreement == pytest.approx(np.mean(before == after))


# Catches: a gate that is open a crack too far, that punishes gains, or is shut by rounding.
@pytest.mark.parametrize(
    ("change", "agreement", "passed"),
    [(-0.005, 0.99, True), (-0.0051, 1.0, False), (0.2, 0.99, True), (0.0, 0.9899, False)],
)
def test_gate(change: float, agreement: float, passed: bool) -> None:
    assert Judgement(0.8, 0.8, agreement, change, {}).passed is passed


# Catches: an SVM or fusion that heard the fold, a fold's answers in another order, another C.
def test_trained_networks_are_judged_as_the_run_scored_them(fused: FusedRun) -> None:
    judge_ = fold_judge(fused)
    scores = {}
    for name in ("crnn", "cnn_svm"):
        answers = {
            task.fold: load_answers(task)["answers"][task.held_out]
            for task in (some_task(fused, name, fold) for fold in (1, 2))
        }
        scores[name] = judge_.member_scores(name, answers)
        np.testing.assert_allclose(scores[name], fused.members[name].scores, atol=1e-9)
    found = judge_.judge_fused(scores)
    report = json.loads((fused.run.options.out / "report.json").read_text())
    row = next(row for row in report["systems"] if row["name"] == "late fusion")
    assert found.macro_f1 == row["development"]["macro_f1"]
    assert (found.argmax_agreement, found.macro_f1_change) == (1.0, 0.0)
    # Half of the clips with somebody else's answers.
    scores["crnn"][::2] = scores["crnn"][::2, ::-1]
    scores["cnn_svm"][::2] = -scores["cnn_svm"][::2]
    assert not judge_.judge_fused(scores).passed


# ---- calibration


# Catches: ranges that come from the clips by which they are judged.
def test_calibration_never_hears_the_held_out_fold(
    fused: FusedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = some_task(fused)
    assert set(calibration_rows(task)) <= set(task.rows)
    assert not set(calibration_rows(task)) & set(task.held_out)
    piece = Piece(task, "onnx", "static", tmp_path / "plain")
    make_piece(piece)
    frames = np.array(open_features(task.features))
    expected = pictures(frames[0, calibration_rows(task)], -60.0)
    np.testing.assert_array_equal(calibration_windows(task), expected)
    frames[:, task.held_out] = -np.abs(
        np.random.default_rng(0).standard_normal(frames[:, task.held_out].shape)
    )
    monkeypatch.setattr(pieces_module, "open_features", lambda features: frames)
    other = Piece(task, "onnx", "static", tmp_path / "spoiled")
    make_piece(other)
    assert other.path.read_bytes() == piece.path.read_bytes()
    assert not np.allclose(other.answers(), piece.answers())


# ---- choosing


class PaperJudge:
    """Judges by a table: how many answers of a scheme agree."""

    def __init__(self, agreement: dict[str, float]) -> None:
        self.agreement = agreement

    def member_scores(self, name: str, answers: Any) -> np.ndarray:
        return np.array([answers[1]])

    def judge_member(self, name: str, scores: np.ndarray) -> Judgement:
        return Judgement(0.9, 0.9, float(scores[0]), 0.0, {})

    def judge_fused(self, scores: dict[str, np.ndarray]) -> Judgement:
        return Judgement(0.9, 0.9, min(float(one[0]) for one in scores.values()), 0.0, {})


class PaperPiece:
    def __init__(self, agreement: float) -> None:
        self.agreement = agreement

    def answers(self) -> Any:
        return self.agreement


class PaperTask:
    fold = 1

    def __init__(self, name: str) -> None:
        self.name = name


# Catches: both members slowed down for one's sake, a ladder climbed on after the gate, the worst way chosen.
@pytest.mark.parametrize(
    ("agreement", "chosen", "tried"),
    [
        ({"static": 0.995, "weight_only": 1.0}, {"a": "static", "b": "static"}, 1),
        ({"static": 0.98, "weight_only": 1.0}, {"a": "static", "b": "weight_only"}, 2),
        ({"static": 0.97, "weight_only": 0.975}, {"a": "static", "b": "weight_only"}, 3),
    ],
)
def test_ladder(agreement: dict[str, float], chosen: dict[str, str], tried: int) -> None:
    table = {("a", "static"): 0.992, ("a", "weight_only"): 0.96}
    table |= {("b", scheme): value for scheme, value in agreement.items()}
    asked: list[Any] = []

    def piece_of(task: Any, ending: str, scheme: str) -> Any:
        return PaperPiece(table[task.name, scheme])

    choice = choose_schemes(
        {VARIANTS["onnx-int8"]: ("static", "weight_only")},
        {"a": [PaperTask("a")], "b": [PaperTask("b")]},  # type: ignore[list-item]
        PaperJudge({}),  # type: ignore[arg-type]
        piece_of=piece_of,
        make_pieces=asked.extend,
    )[0]
    assert choice.chosen.schemes == chosen
    assert len(choice.steps) == tried
    assert len(asked) == tried + 1


def test_ladders_start_where_they_are_told_to() -> None:
    assert ladder(VARIANTS["tflite"]) == ("float",)
    assert ladder(VARIANTS["tflite-int8"], "dynamic") == ("dynamic", "weight_only")
    assert ladder(VARIANTS["tflite-int8"], "full") == ("full", "mixed", "dynamic", "weight_only")
    steps = [Step({}, Judgement(0.9, 0.9, value, 0.0, {}), {}) for value in (0.5, 0.7, 0.7)]
    assert Choice(VARIANTS["onnx-int8"], steps).chosen is steps[1]
    assert [variant.name for variant in parse_variants(" tflite, onnx")] == ["onnx", "tflite"]
    with pytest.raises(UsageError, match="--variants onnx,int4: choose from onnx, onnx-int8"):
        parse_variants("onnx,int4")


# ---- bundles


# Catches: networks of a fold instead of all clips', another order of members, 8 bits that are called float.
@pytest.mark.parametrize("variant", NAMES)
def test_bundle_answers_as_torch_does(exported: Path, fused: FusedRun, variant: str) -> None:
    bundle = Bundle.open(exported / NAMES[variant])
    precision, ending = VARIANTS[variant].precision, VARIANTS[variant].ending
    assert {member.precision for member in bundle.members} == {precision}
    assert {Path(member.network).suffix for member in bundle.members} == {f".{ending}"}
    run, final = fused.run, shipped_tasks(fused.run, fused.members, fused.fusions["late fusion"])
    frames = open_features(run.features["mel16"])[0]
    for number in range(0, len(run.clips), 7):
        picture = torch.from_numpy(pictures(frames[number : number + 1], -60.0))
        with torch.inference_mode():
            posterior = torch.softmax(load_network(final["crnn"], 16)(picture), 1).numpy()
            embedding = load_network(final["cnn_svm"], 16).embed(picture).numpy().astype(np.float64)
        svm = fused.members["cnn_svm"].svm
        assert svm is not None
        stacked = np.concatenate([posterior, svm.decision_function(embedding)], axis=1)
        expected = fused.fusions["late fusion"].fusion.predict_proba(stacked.astype(np.float64))[0]
        samples = window_samples(clip_samples(run.clips[number], 16000), 16000, 1.0)
        decision = Pipeline(bundle).push(np.ascontiguousarray(samples))[0]
        ours = [decision.posterior[label] for label in LABELS]
        np.testing.assert_allclose(ours, expected, atol=1e-4 if precision == "float32" else 0.2)


# Catches: sizes of another file, a row that was judged on other clips, variants missing from a card.
def test_model_cards(exported: Path, fused: FusedRun) -> None:
    cards = [Bundle.open(exported / name).manifest.raw["card"] for name in NAMES.values()]
    assert all(card == cards[0] for card in cards)
    rows = {row["variant"]: row for row in cards[0]["variants"]}
    assert list(rows) == list(NAMES)
    assert [row["bytes"] for row in rows.values()] == [
        (exported / name).stat().st_size for name in NAMES.values()
    ]
    report = json.loads((fused.run.options.out / "report.json").read_text())
    figures = next(row for row in report["systems"] if row["name"] == "late fusion")["development"]
    card = cards[0]["figures"]
    assert (card["macro_f1"], card["accuracy"]) == (figures["macro_f1"], figures["accuracy"])
    assert card["confusion"]["counts"] == figures["confusion"]
    assert [row["clips"] for row in card["by_fold"]] == [24, 24]
    for name in ("onnx", "tflite"):
        assert (rows[name]["argmax_agreement"], rows[name]["macro_f1_change"]) == (1.0, 0.0)
    assert all(row["latency_ms"] > 0 for row in rows.values())
    assert cards[0]["data"] == {"clips": 48, "groups": 48, "corpora": {"ESC-50": 48}, "licences": {"CC0": 48}}
    assert cards[0]["limits"][:2] == [
        "Nothing here was ever heard.",
        "Never heard, and so never answered: absence.",
    ]


# Catches: a page of another export, a variant without its line, a label's change under another label.
def test_the_page_shows_every_variant(exported: Path) -> None:
    rows = Bundle.open(exported / "tiny.ascb").manifest.raw["card"]["variants"]
    page = (exported / "tiny-variants.md").read_text().splitlines()
    assert any(line.startswith("    asc-edge-train export ") for line in page)
    for row in rows:
        fused, by_label = (line for line in page if line.startswith(f"| {row['variant']} |"))
        assert fused.split(" | ")[1:5:3] == [f"{row['bytes'] / 1000:.0f}", f"{100 * row['macro_f1']:.1f}"]
        changes = [float(cell.replace("−", "-")) for cell in by_label.strip("| ").split(" | ")[1:]]
        assert changes == [round(100 * change, 1) for change in row["per_class_change"].values()]


# Catches: work that is done twice, other bytes the second time, a lost piece that isn't made again.
def test_export_resumes(
    exported: Path, places: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    lost = exported / "networks" / "cnn_svm-fold1-static.onnx"
    content = lost.read_bytes()
    lost.unlink()
    before = {path: path.stat().st_mtime_ns for path in (exported / "networks").iterdir()}
    bundles = {name: (exported / name).read_bytes() for name in NAMES.values()}
    assert export(places, "--allow-worse", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["bundles"]) == list(NAMES)
    after = {path: path.stat().st_mtime_ns for path in (exported / "networks").iterdir()}
    changed = {path.name for path in after if before.get(path) != after[path]}
    assert changed <= {f"{lost.name}{end}" for end in ("", ".stamp", ".npz", ".npz.stamp")}
    assert lost.read_bytes() == content
    assert {name: (exported / name).read_bytes() for name in NAMES.values()} == bundles


def spoil(monkeypatch: pytest.MonkeyPatch) -> None:
    """8-bit networks of another network: their weights are those of a stranger."""
    real: Callable[..., bytes] = pieces_module.quantise_onnx

    def spoiled(data: bytes, *others: Any) -> bytes:
        import onnx
        from onnx import numpy_helper

        model = onnx.load_from_string(data)
        for value in model.graph.initializer:
            array = numpy_helper.to_array(value)
            if array.ndim > 1:
                value.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array[::-1]), value.name))
        return real(model.SerializeToString(), *others)

    monkeypatch.setattr(pieces_module, "quantise_onnx", spoiled)


# Catches: a variant shipped unjudged, an error without its figures, others that aren't written, a silent
# --allow-worse, a bundle of before that is taken for the refused one.
def test_spoiled_variant_is_refused(
    exported: Path,
    places: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = (places[0], tmp_path / "run")
    shutil.copytree(places[1], copy[1])
    for path in (copy[1] / "export" / "networks").glob("*-[sw]*.onnx*"):
        path.unlink()
    spoil(monkeypatch)
    assert export(copy, "--variants", "onnx,onnx-int8", "--fine-tune") == 1
    captured = capsys.readouterr()
    error = captured.err.strip().splitlines()[-1]
    assert "onnx-int8 (" in error
    assert "is refused: macro-F1 " in error
    assert "--allow-worse" in error
    assert "static-tuned" in captured.out
    assert "gave way" in captured.out
    assert not (copy[1] / "export" / NAMES["onnx-int8"]).exists()
    plain = Bundle.open(copy[1] / "export" / NAMES["onnx"]).manifest.raw["card"]
    assert [row["variant"] for row in plain["variants"]] == ["onnx"]

    assert export(copy, "--variants", "onnx,onnx-int8", "--allow-worse", "--out", str(tmp_path / "out")) == 0
    card = Bundle.open(tmp_path / "out" / NAMES["onnx-int8"]).manifest.raw["card"]
    assert card["variants"][1]["passed"] is False
    assert len(card["variants"][1]["gave_way"]) >= 1
    assert card["limits"][-1] == "onnx-int8 failed the accuracy gate and was shipped all the same."


# ---- errors


# Catches: tracebacks, training that starts by itself, a run of other recordings.
def test_what_cant_be_exported(
    places: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = places
    assert export((data, tmp_path)) == 2
    assert "finish the run with asc-edge-train run first" in capsys.readouterr().err
    assert export((tmp_path / "nowhere", run)) == 2
    assert "no such folder; say with --data" in capsys.readouterr().err
    assert export(places, "--variants", "int8") == 2
    assert export(places, "--jobs", "0") == 2
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("export"))
    (tmp_path / "run" / "networks" / "crnn-fold2.pt").unlink()
    capsys.readouterr()
    assert export((data, tmp_path / "run")) == 2
    assert "network crnn-fold2 isn't there" in capsys.readouterr().err
    recipe = json.loads((run / "recipe.json").read_text())
    (tmp_path / "run" / "recipe.json").write_text(json.dumps({**recipe, "ship": ""}))
    assert export((data, tmp_path / "run")) == 2
    assert "ships nothing" in capsys.readouterr().err


# Catches: a budget that is asked for and never held against anything, and bundles of what is over it.
def test_what_is_over_the_budget_is_refused(
    places: tuple[Path, Path],
    exported: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert exported.is_dir()
    line = ["--variants", "onnx", "--budget", "dcase"]
    assert export(places, *line, "--out", str(tmp_path / "fits")) == 0
    assert (tmp_path / "fits" / NAMES["onnx"]).exists()
    monkeypatch.setitem(BUDGETS, "dcase", Budget(weight_bytes=100, operations_per_s=30e6))
    assert export(places, *line, "--out", str(tmp_path / "over")) == 1
    assert "onnx is over the budget dcase" in capsys.readouterr().err
    assert not (tmp_path / "over" / NAMES["onnx"]).exists()
