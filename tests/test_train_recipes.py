"""Every corpus's recipe from the corpus's own layout to its report, on generated trees."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dataset_trees as trees
from asc_edge import Bundle
from asc_edge_train.cli import main
from asc_edge_train.recipe import load_recipe, recipe_names
from train_trees import write_esc50, write_kitchen20

ESC50 = ("clock_tick", "dog", "rain")

# Recipe, who writes its tree, labels, clips of the development and evaluation part, subsets of the latter.
CORPORA: list[tuple[str, Callable[[Path], object], int, int, int, set[str]]] = [
    ("dcase2018-task5", trees.write_dcase2018_task5, 9, 36, 18, {"all", "known", "unknown"}),
    ("dcase2017-task1", trees.write_dcase2017_task1, 15, 60, 15, {"all"}),
    ("dcase2019-task1a", trees.write_dcase2019_task1a, 10, 40, 20, {"all", "seen city", "unseen city"}),
    ("esc50", lambda root: write_esc50(root, ESC50, folds=5), 3, 12, 3, {"all"}),
    ("urbansound8k", trees.write_urbansound8k, 10, 100, 0, set()),
    ("gtzan", trees.write_gtzan, 10, 40, 0, set()),
    ("litis-rouen", trees.write_litis_rouen, 19, 76, 19, {"all"}),
    ("kitchen20", lambda root: write_kitchen20(root, ("eat", "book", "peel")), 3, 12, 0, set()),
    ("folders", lambda root: trees.write_folders(root, labels=("a b", "c"), groups="vwxyz"), 2, 8, 0, set()),
]


def test_every_recipe_is_run_here_or_elsewhere() -> None:
    homes = {"home", "home-small", "home-mn04", "home-by-corpus", "home-by-recordist"}
    assert {corpus[0] for corpus in CORPORA} | homes | {"esc10"} == set(recipe_names())


# Catches: a recipe that names a folder, fold, front end or network that its corpus doesn't have.
@pytest.mark.slow
@pytest.mark.parametrize("corpus", CORPORA, ids=[corpus[0] for corpus in CORPORA])
def test_recipe_runs_end_to_end(
    corpus: tuple[str, Callable[[Path], object], int, int, int, set[str]], tmp_path: Path
) -> None:
    name, write, labels, development, evaluation, subsets = corpus
    data = tmp_path / "data"
    folder = data / load_recipe(name).corpora[0].folder
    folder.mkdir(parents=True, exist_ok=True)
    write(folder)
    out = tmp_path / "run"
    line = ["run", name, "--smoke", "--data", str(data), "--weights", str(tmp_path), "--out", str(out)]
    assert main([*line, "--jobs", "1", "--quiet"]) == 0
    found: dict[str, Any] = json.loads((out / "report.json").read_text())
    assert (len(found["labels"]), found["data"]["clips"], found["data"]["evaluation_clips"]) == (
        labels,
        development,
        evaluation,
    )
    assert {row["name"] for row in found["systems"]} >= {"densenet121_random"}
    assert {"mn04", "pann", "vgg16"} <= set(found["left_out"])
    for row in found["systems"]:
        assert set(row.get("evaluation", {})) == subsets
        assert 0.0 <= row["development"][found["metric"]] <= 1.0
    with np.load(out / "predictions.npz") as stored:
        assert len(stored["clip_ids"]) == development + evaluation
        assert np.isfinite(stored["scores:densenet121_random"]).all()
    assert "smoke" in (out / f"{name}.md").read_text().lower()


# Catches: a fusion of one member that is no bundle, an ablation that a variant without lessons ends.
@pytest.mark.slow
def test_a_single_student_ships_and_is_ablated(home_data: Path, tmp_path: Path) -> None:
    text = (resources.files("asc_edge_train.recipes") / "home-small.toml").read_text()
    short = "{ epochs = 1, samples_per_epoch = 32 }\nnetwork = { filters = [4, 4, 8, 8] }"
    (tmp_path / "own.toml").write_text(text.replace("{ epochs = 40 }", short))
    line = [str(tmp_path / "own.toml"), "--data", str(home_data), "--weights", str(tmp_path)]
    common = ["--cache", str(tmp_path / "cache"), "--jobs", "1", "--quiet"]
    assert main(["run", *line, "--smoke", "--out", str(tmp_path / "run"), *common]) == 0
    bundle = Bundle.open(tmp_path / "run" / "home-small.ascb")
    assert [member.name for member in bundle.members] == ["student"]
    assert main(["ablate", *line, "--out", str(tmp_path / "all"), *common, "--only", "labels alone"]) == 0
    rows = (tmp_path / "all" / "ablation.md").read_text().splitlines()
    assert sum("as-it-is" in row or "labels-alone" in row for row in rows[:4]) == 2


# Catches: a relative of the home recipe whose networks would have to be trained again, or that ships without
# the network it is named for.
def test_home_with_mn04(home_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, wide = load_recipe("home"), load_recipe("home-mn04")
    assert wide.members[:-1] == home.members
    assert (wide.scenes, wide.room_variants, wide.seed) == (home.scenes, home.room_variants, home.seed)
    (shipped,) = (fusion for fusion in wide.fusions if fusion.name == wide.ship)
    assert set(shipped.members) == {"mn04_device", "stream", "stream_svm"}
    line = ["run", "home-mn04", "--data", str(home_data), "--weights", str(tmp_path), "--out", str(tmp_path)]
    assert main([*line, "--smoke", "--quiet"]) != 0
    assert "mn04" in capsys.readouterr().err


# Catches: a relative of the home recipe that measures something else than its networks.
@pytest.mark.parametrize("by", ["corpus", "recordist"])
def test_home_with_others_held_out(by: str) -> None:
    home, held_out = load_recipe("home"), load_recipe(f"home-by-{by}")
    assert held_out.split == by
    for own, other in zip(home.members, held_out.members, strict=True):
        assert (own.name, own.network, own.teaching) == (other.name, other.network, other.teaching)
        if own.training is not None:
            half = replace(own.training, epochs=own.training.epochs // 2, validate_every=0)
            assert other.training == half


# Catches: channels that are blended although each is an example of its own, or answered for by one of them.
@pytest.mark.slow
def test_task_5_by_channel(tmp_path: Path) -> None:
    trees.write_dcase2018_task5(tmp_path / "dcase2018-task5", labels=("cooking", "eating", "working"))
    shipped = resources.files("asc_edge_train.recipes") / "dcase2018-task5.toml"
    text = shipped.read_text().replace('channels = "mono"', 'channels = "per_channel"')
    (tmp_path / "own.toml").write_text(text)
    out = tmp_path / "run"
    line = ["run", str(tmp_path / "own.toml"), "--smoke", "--data", str(tmp_path), "--weights", str(tmp_path)]
    assert main([*line, "--out", str(out), "--jobs", "1", "--quiet"]) == 0
    frames = np.load(next((out / "cache").glob("frames-*.npy")), mmap_mode="r")
    assert frames.shape[1] == 4
    assert not np.array_equal(frames[0, 0], frames[0, 1])
