"""Telling known sounds from unknown ones: scores, the threshold, figures, and where the threshold goes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from asc_edge.cli.listen import _event_rules
from asc_edge.config import Config, Given, load_config
from asc_edge.errors import BundleError
from asc_edge.manifest import parse_manifest
from asc_edge.model_card import card_lines
from asc_edge_train.cli import main
from asc_edge_train.rejection import (
    SCORES,
    choose_threshold,
    energy,
    known_score,
    rejection_table,
    shipped_threshold,
)
from asc_edge_train.storage import load_arrays
from stream_system import stream_files, stream_manifest
from train_trees import write_sound

SURE, UNSURE = [0.9, 0.05, 0.05], [0.4, 0.35, 0.25]


# Catches: a score that is high for what is unknown, or that fails on a posterior of 0 or on silence.
@pytest.mark.parametrize("score", SCORES)
def test_scores_are_high_for_what_is_known(score: str) -> None:
    rows = np.array([SURE, UNSURE, [1.0, 0.0, 0.0]])
    values = known_score(rows, score)
    assert values[2] > values[0] > values[1]
    assert np.isfinite(known_score(np.array([[np.nan] * 3, SURE]), score)).all()
    assert energy(np.array([[3.0, -1.0]]))[0] > energy(np.array([[-3.0, -1.0]]))[0]


# Catches: a threshold that fewer known clips reach than it says, or a needlessly low one.
@pytest.mark.parametrize("clips", [1, 19, 20, 100, 1001])
def test_threshold_keeps_its_share(clips: int) -> None:
    scores = np.random.default_rng(clips).permutation(clips) / clips
    threshold = choose_threshold(scores)
    assert np.mean(scores >= threshold) >= 0.95
    assert np.mean(scores > threshold) < 0.95 or clips < 20


# Catches: a swapped area, ties that count whole, an FPR at another recall.
def test_figures_by_hand() -> None:
    known, unknown = np.array([0.9, 0.8, 0.5, 0.4]), np.array([0.5, 0.3])
    table = rejection_table(
        known, unknown, known_groups=list("abcd"), unknown_groups=list("ef"), threshold=0.6
    )
    pairs = [1.0 if k > u else 0.5 * (k == u) for k, u in itertools.product(known, unknown)]
    assert table["auroc"] == pytest.approx(np.mean(pairs))
    assert table["fpr_at_95_recall"] == 0.5
    assert (table["recall"], table["fpr"]) == (0.5, 0.0)
    low, high = table["auroc_interval"]
    assert low <= table["auroc"] <= high
    alone = rejection_table(known, unknown, known_groups=list("abcd"), unknown_groups=list("ee"))
    assert alone["auroc_interval"] is None


# Catches: an interval that draws clips where it says groups: it would be too narrow.
def test_interval_draws_groups() -> None:
    rng = np.random.default_rng(0)
    centre = rng.normal(size=10)
    known = np.repeat(centre, 20) + 0.01 * rng.normal(size=200) + 0.5
    unknown = rng.normal(size=200)

    def width(known_groups: np.ndarray) -> float:
        table = rejection_table(known, unknown, known_groups=known_groups, unknown_groups=np.arange(200))
        return float(np.ptp(table["auroc_interval"]))

    assert width(np.repeat(np.arange(10), 20)) > 2 * width(np.arange(200))


# Catches: a threshold out of decision values, or one that a manifest refuses.
def test_shipped_threshold_is_one_that_a_manifest_takes() -> None:
    rows = np.random.default_rng(0).dirichlet([5.0, 1.0, 1.0], 200)
    threshold = shipped_threshold(rows)
    assert threshold is not None
    assert read_thresholds({"unknown_below": threshold}, labels=3) == threshold
    assert shipped_threshold(rows * 3 - 1) is None
    assert shipped_threshold(np.full((20, 4), 0.25)) is None


def read_thresholds(thresholds: Any, schema: int = 2, labels: int | None = None) -> float | None:
    manifest = {"schema": schema, "files": {name: {"sha256": "0"} for name in stream_files()}}
    manifest |= stream_manifest()
    if labels is not None:
        manifest["labels"] = [f"label{number}" for number in range(labels)]
        manifest["members"][0]["outputs"] = labels
    if thresholds is not ...:
        manifest["thresholds"] = thresholds
    return parse_manifest(json.dumps(manifest).encode(), "x.ascb").unknown_below


# Catches: an old bundle that is no longer read, and one taken at its word that calls everything unknown.
def test_manifest_reads_thresholds_strictly() -> None:
    assert read_thresholds(...) is None
    assert read_thresholds({"unknown_below": 0.6}) == 0.6
    for wrong in (None, [], 0.6, {}, {"unknown_below": 0.6, "more": 1}, {"below": 0.6}):
        with pytest.raises(BundleError, match="thresholds"):
            read_thresholds(wrong)
    for value in (0.0, 1.0, -0.1, 1.5, 0.1, "0.6", True, None):
        with pytest.raises(BundleError, match="unknown_below"):
            read_thresholds({"unknown_below": value})
    with pytest.raises(BundleError, match="schema 1"):
        read_thresholds({"unknown_below": 0.6}, schema=1)


def config(**events: Any) -> Config:
    return load_config(None, {}, {("events", key): Given(value, key) for key, value in events.items()})


# Catches: a bundle's threshold that is ignored, that overrides the configuration, or that stops the device.
def test_listen_takes_the_bundles_threshold_unless_told_otherwise() -> None:
    assert _event_rules(config(), None).unknown_below == 0.0
    assert _event_rules(config(), 0.3).unknown_below == 0.3
    assert _event_rules(config(), 0.52).unknown_below == 0.4  # not above what an activity leaves at
    assert _event_rules(config(unknown_below=0.0), 0.3).unknown_below == 0.0
    assert _event_rules(config(unknown_below=0.2), 0.3).unknown_below == 0.2
    assert _event_rules(config(leave=0.25, tau_s=2.0), 0.3).unknown_below == 0.25


# Catches: a card that hides what a posterior is worth, or that fails on half of it.
def test_card_tells_calibration_and_threshold() -> None:
    card: dict[str, Any] = {
        "calibration": {"ece": 0.0287, "ece_balanced": 0.04},
        "rejection": {"unknown_below": 0.52, "recall": 0.95},
    }
    assert [" ".join(line.split()) for line in card_lines(card)] == [
        "calibrated expected calibration error 2.9 %, every label weighing the same 4.0 %",
        "unknown below a posterior of 52.0 %, which 95.0 % of known clips are not",
    ]
    card["rejection"] |= {"auroc": 0.54, "fpr_at_95_recall": 0.958, "unknown_clips": 312}
    text = " ".join(" ".join(card_lines(card)).split())
    assert "of 312 clips of unknown sounds 95.8 % pass for known at 95 % recall, AUROC 54.0 %" in text
    assert card_lines({"calibration": [], "rejection": {"unknown_below": "x"}}) == []


# Catches: unknown classes that count as wrong answers, or go to the default; figures that are left out.
def test_evaluate_measures_unknown_classes(
    smoke: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label, count in (("cooking", 3), ("working", 2), ("siren", 3)):
        for number in range(count):
            write_sound(tmp_path / "set" / label / f"{number}.wav", f"{label}{number}", seconds=5.0)
    (tmp_path / "map.toml").write_text('default = "other"\nunknown = ["siren"]\n')
    for judge in (smoke, smoke / "home.ascb"):
        command = ["evaluate", str(judge), "--data", str(tmp_path / "set"), "--layout", "folders"]
        assert main([*command, "--map", str(tmp_path / "map.toml"), "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert (result["clips"], result["classes"]) == (5, {"cooking": 3, "working": 2})
        rejection = result["rejection"]
        assert (rejection["known_clips"], rejection["unknown_clips"]) == (5, 3)
        assert rejection["by_class"]["siren"]["clips"] == 3
        assert 0.0 <= result["calibration"]["ece"] <= 1.0
        # A run knows its own threshold; this bundle was shipped with none.
        assert ("threshold" in rejection) == (judge == smoke)
        assert main([*command, "--map", str(tmp_path / "map.toml")]) == 0
        text = capsys.readouterr().out
        assert "expected calibration error" in text
        assert "unknown sounds, by max_posterior: AUROC" in text
        assert "of 3 unknown pass for known" in text
        assert main([*command, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["rejection"] is None


# Catches: a recipe whose bundle lacks the threshold that it asks for, or has one that nobody asked for.
def test_a_recipe_may_ship_a_threshold(smoke: Path) -> None:
    from asc_edge import Bundle
    from asc_edge_train.card import _belief
    from asc_edge_train.recipe import load_recipe

    assert Bundle.open(smoke / "home.ascb").manifest.unknown_below is None
    posteriors = np.random.default_rng(0).dirichlet([5.0, 1.0, 1.0], 40)
    clips = [SimpleNamespace(part="development", label="abc"[n % 3], group=f"g{n // 2}") for n in range(40)]
    for recall in (0.0, 0.95):
        recipe = SimpleNamespace(labels=("a", "b", "c"), unknown_recall=recall)
        run: Any = SimpleNamespace(clips=clips, recipe=recipe)
        fused: Any = SimpleNamespace(posteriors=posteriors)
        assert ("rejection" in _belief(run, fused)) == bool(recall)
    assert load_recipe("home").unknown_recall == 0.0


# Catches: unknown sounds that are scored with the known ones' folders, and pages without the figures.
def test_belief_of_a_run(smoke: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        write_sound(tmp_path / "siren" / f"a_{number}.wav", f"siren{number}", seconds=5.0)
    out = tmp_path / "out"
    command = ["belief", str(smoke), "--out", str(out), "--weights", str(tmp_path)]
    assert main([*command, "--unknown", str(tmp_path / "siren")]) == 0
    assert "unknown_below at 95 % recall" in capsys.readouterr().out
    found = json.loads((out / "belief.json").read_text())
    assert found["unknown"]["siren"]["clips"] == 3
    assert [row["unknown_clips"] for row in found["scores"]] == [3] * 4
    assert all(row["auroc_interval"] is None for row in found["scores"])  # one recording in three pieces
    stored = load_arrays(smoke / "predictions.npz")
    known = stored["truth"] != found["labels"].index("other")
    score = np.delete(stored["scores:late fusion"], found["labels"].index("other"), axis=1).max(axis=1)
    assert found["against_other"][0]["auroc"] == pytest.approx(roc_auc_score(known, score))
    assert "## Activities against other sounds" in (out / "belief.md").read_text()
    assert "## Unknown sounds" in (out / "belief.md").read_text()
    assert main([*command, "--system", "stream_svm"]) == 2
    assert "decision values" in capsys.readouterr().err
    assert main([*command, "--unknown", str(tmp_path / "nowhere")]) == 2
