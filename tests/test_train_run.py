"""Whole runs on a small generated tree: bundle, parity with the device, resumption, evaluation, report."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import soundfile
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import PredefinedSplit

from asc_edge import Bundle, Pipeline
from asc_edge.teaching.teacher import memory_of
from asc_edge_train.cli import main
from asc_edge_train.content import clip_keys
from asc_edge_train.export import ExportError, export_onnx
from asc_edge_train.features import make_features, open_features
from asc_edge_train.fit import infer
from asc_edge_train.labels import build_table
from asc_edge_train.models import build_network
from asc_edge_train.networks import load_answers, load_network, network_tasks
from asc_edge_train.recipe import load_recipe
from asc_edge_train.run import Run, RunOptions, train_networks
from asc_edge_train.scenes import SceneStore
from asc_edge_train.sound import clip_samples, window_samples
from asc_edge_train.stages import FusedRun, fuse_run
from asc_edge_train.svm import linear_svm


def options(data: Path, out: Path, **others: Any) -> RunOptions:
    return RunOptions(data=data, weights=data, out=out, smoke=True, command="test", quiet=True, **others)


@pytest.fixture(scope="module")
def resumed(home_data: Path, smoke: Path) -> Run:
    """The same run taken up again from Python: nothing is computed anew."""
    folders = [smoke / name for name in ("networks", "cache", "members", "fusions")]
    before = {path: path.stat().st_mtime_ns for folder in folders for path in folder.iterdir()}
    run = train_networks(load_recipe("home"), options(home_data, smoke))
    fuse_run(run)
    after = {path: path.stat().st_mtime_ns for folder in folders for path in folder.iterdir()}
    changed = {path.name for path in after if before.get(path) != after[path]}
    assert changed <= {"content.json"}
    return run


@pytest.fixture(scope="module")
def fused(resumed: Run) -> FusedRun:
    return fuse_run(resumed)


def test_smoke_run_makes_a_bundle(smoke: Path) -> None:
    bundle = Bundle.open(smoke / "home.ascb")
    assert bundle.labels == load_recipe("home").labels
    assert bundle.labels_not_covered == ()
    assert [member.name for member in bundle.members] == ["stream", "stream_svm"]
    attribution = bundle.read("ATTRIBUTION.md").decode()
    assert "somewhere/librispeech_251spk/1" in attribution
    assert "maker/rir_devices/" in attribution  # a piece of a scene
    assert "CC-BY-4.0" in attribution
    assert bundle.manifest.raw["accuracy"]["smoke"] is True
    assert bundle.manifest.raw["training"]["clips"] == sum(
        bundle.manifest.raw["training"]["clips_by_label"].values()
    )


# Catches: a bundle that ships and can't be taught.
def test_what_ships_has_a_memory(smoke: Path) -> None:
    bundle = Bundle.open(smoke / "home.ascb")
    memory, spec = memory_of(bundle)
    assert set(memory.truth.tolist()) == set(range(len(bundle.labels)))
    assert spec.member_c.keys() == memory.embeddings.keys() == {"stream_svm"}
    assert 0 < len(memory.truth) <= bundle.manifest.raw["training"]["clips"]


# Catches: a path of the training machine in what ships or is published.
def test_nothing_that_ships_names_this_machine(smoke: Path, home_data: Path) -> None:
    content = (smoke / "home.ascb").read_bytes()
    for secret in (str(home_data), str(smoke), str(Path(__file__).resolve().parents[1]), "site-packages"):
        assert secret.encode() not in content


# The door between the wings: the device's answers are the trainer's, by torch and scikit-learn.
# Members to 1e-5, decisions to 3e-5: what an engine adds up in another order, times the fusion's weights.
# Catches: another window, front end, floor, member order, scaling, C, sigmoid or class order in either wing.
def test_stream_equals_torch_and_scikit_learn(smoke: Path, resumed: Run, fused: FusedRun) -> None:
    recipe, clips = resumed.recipe, resumed.clips
    truth = np.array([recipe.labels.index(clip.label) for clip in clips])
    folds = PredefinedSplit([clip.fold for clip in clips])
    all_folds = {task.member.name: task for task in resumed.tasks if task.fold == 0}
    posterior_network = load_network(all_folds["stream"], 64)
    embedding_network = load_network(all_folds["stream_svm"], 64)
    embeddings = load_answers(all_folds["stream_svm"])["answers"]
    svm = linear_svm(fused.members["stream_svm"].notes["c"], "balanced").fit(embeddings, truth)
    posteriors = stacked_posteriors(resumed)
    decisions = np.concatenate(svm_parts(fused, truth))
    order = np.concatenate([np.flatnonzero(np.array([c.fold for c in clips]) == f) for f in (1, 2, 3, 4)])
    count = len(recipe.labels)
    stacked = np.empty((len(clips), 2 * count))
    stacked[:, :count], stacked[order, count:] = posteriors, decisions
    svm_c = fused.fusions["late fusion"].notes["c"]
    fusion_svm = linear_svm(svm_c, "balanced", stacked.shape)
    oracle = CalibratedClassifierCV(fusion_svm, method="sigmoid", ensemble=False, cv=folds)
    oracle.fit(stacked, truth)

    bundle = Bundle.open(smoke / "home.ascb")
    frames = open_features(resumed.features["mel64"])[0]
    rng = np.random.default_rng(5)
    for number in range(0, len(clips), 6):
        samples = window_samples(clip_samples(clips[number], 16000), 16000, 5.0)
        pipeline, heard = Pipeline(bundle), []
        cuts = np.sort(rng.integers(0, len(samples), 9))
        for block in np.split(samples, cuts):
            heard += pipeline.push(np.ascontiguousarray(block))
        assert len(heard) == 1
        # Levels: dB above the recipe's floor, in units of 20 dB.
        level = torch.from_numpy(np.maximum(frames[number : number + 1, None], -100.0) / 20.0)
        with torch.inference_mode():
            member_outputs = np.concatenate(
                [
                    torch.softmax(posterior_network(level), 1).numpy(),
                    svm.decision_function(embedding_network.embed(level).numpy()),
                ],
                axis=1,
            )
        expected = oracle.predict_proba(member_outputs)[0]
        ours = [heard[0].posterior[label] for label in recipe.labels]
        np.testing.assert_allclose(ours, expected, atol=3e-5)
        np.testing.assert_allclose(heard[0].members["stream"], member_outputs[0, :count], atol=1e-5)
        # The SVM's weights multiply what 32 bits leave of the embeddings: relative to the decision values.
        np.testing.assert_allclose(
            heard[0].members["stream_svm"], member_outputs[0, count:], rtol=2e-4, atol=1e-4
        )


def stacked_posteriors(run: Run) -> np.ndarray:
    folds = np.array([clip.fold for clip in run.clips])
    out = np.empty((len(folds), len(run.recipe.labels)))
    for task in run.tasks:
        if task.member.name == "stream" and task.fold:
            out[folds == task.fold] = load_answers(task)["answers"][folds == task.fold]
    return out


def svm_parts(fused: FusedRun, truth: np.ndarray) -> list[np.ndarray]:
    run = fused.run
    folds = np.array([clip.fold for clip in run.clips])
    by_fold = fused.members["stream_svm"].notes["c_by_fold"]
    parts = []
    for task in run.tasks:
        if task.member.name == "stream_svm" and task.fold:
            x, train = load_answers(task)["answers"], folds != task.fold
            fitted = linear_svm(by_fold[str(task.fold)], "balanced").fit(x[train], truth[train])
            parts.append(fitted.decision_function(x[~train]))
    return parts


# Catches: a fold's network trained on its fold, answers for the clips' room variants instead of the clips.
def test_every_fold_was_held_out(resumed: Run) -> None:
    folds = np.array([clip.fold for clip in resumed.clips])
    frames = open_features(resumed.features["mel64"])[0]
    for task in resumed.tasks:
        stored = load_answers(task)
        answers = infer(
            load_network(task, 64), frames, task.member.floor_db, task.member.kind, fed=task.member.fed
        )
        np.testing.assert_allclose(stored["answers"], answers, atol=1e-5)
        np.testing.assert_array_equal(stored["trained_on"], np.flatnonzero(folds != task.fold))
        assert np.isfinite(stored["losses"]).all()


# Catches: figures in the report that the bundle's manifest doesn't have, pages that can't be drawn again.
def test_report(smoke: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(smoke), "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "home.json").read_text())
    accuracy = Bundle.open(smoke / "home.ascb").manifest.raw["accuracy"]
    fusion = next(row["development"] for row in report["systems"] if row["name"] == "late fusion")
    assert fusion["macro_f1"] == accuracy["macro_f1"]
    assert "asc-edge-train run home --smoke" in report["command"]
    page = (tmp_path / "home.md").read_text()
    assert "smoke run" in page.lower()
    assert f"{100 * fusion['macro_f1']:.1f}" in page
    for name in ("home.json", "home.md", "home.html", "home-confusion.png"):
        assert (tmp_path / name).read_bytes() == (smoke / name).read_bytes()
    assert (tmp_path / "home-confusion.png").read_bytes().startswith(b"\x89PNG")
    assert sum(sum(row) for row in fusion["confusion"]) == report["data"]["clips"]


# Catches: a changed recipe, seed or recording that is answered from an old result.
def test_what_changed_is_done_again(home_data: Path, smoke: Path, resumed: Run, tmp_path: Path) -> None:
    keys = {task.key for task in resumed.tasks}
    assert network_keys(home_data, smoke) == keys
    assert not keys & network_keys(home_data, smoke, seed=1)
    shutil.copytree(home_data, tmp_path / "data")
    assert network_keys(tmp_path / "data", smoke) == keys  # another place and date, the same recordings
    path = tmp_path / "data" / resumed.clips[0].path.relative_to(home_data)
    samples, rate = soundfile.read(path, dtype="int16")
    samples[100] ^= 1
    soundfile.write(path, samples, rate, subtype="PCM_16")
    assert not keys & network_keys(tmp_path / "data", smoke)


def network_keys(data: Path, smoke: Path, seed: int = 20181105) -> set[str]:
    recipe = load_recipe("home").for_smoke()
    scenes = SceneStore(smoke / "cache", seed)
    clips = build_table(recipe, data, scenes=scenes)
    scenes.render(clips)
    content = clip_keys(clips, smoke / "cache" / "content.json")
    where = smoke.parent / f"keys-{seed}"
    features = make_features(recipe, clips, content, data=data, cache=where, seed=seed)
    tasks = network_tasks(recipe, clips, features=features, output=where, weights=where, seed=seed)
    return {task.key for task in tasks}


# Catches: Ctrl-C or a kill that leaves workers training, a traceback, a run that can't be taken up again.
@pytest.mark.parametrize("how", ["interrupted", "killed"])
def test_ended_run_leaves_nothing_behind(home_data: Path, tmp_path: Path, how: str) -> None:
    text = (Path(sys.modules["asc_edge_train"].__file__ or "").parent / "recipes" / "home.toml").read_text()
    (tmp_path / "endless.toml").write_text(text.replace("[smoke]\n", "[smoke]\nepochs = 100000\n"))
    command = [sys.executable, "-m", "asc_edge_train.cli", "run", str(tmp_path / "endless.toml"), "--smoke"]
    command += [
        "--data",
        str(home_data),
        "--weights",
        str(home_data),
        "--out",
        str(tmp_path / "run"),
        "--jobs",
        "2",
    ]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    )
    try:
        wait_for(
            lambda: any((tmp_path / "run" / "networks").glob("*.checkpoint")), lambda: process.poll() is None
        )
        if how == "killed":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=300)
        wait_for(lambda: not group_alive(process.pid), lambda: True)
    finally:
        if group_alive(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
    if how == "interrupted":
        assert process.returncode == 130
        assert "Traceback" not in err
        last = err.strip().splitlines()[-1]
        assert last.startswith("asc-edge-train: interrupted; resume with: asc-edge-train run")


def group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(
    condition: Callable[[], bool],
    possible: Callable[[], bool],
    timeout_s: float = 300.0,
    pause_s: float = 0.05,
) -> None:
    """Wait for what a busy machine may take minutes for, but no longer than it can still happen."""
    end_s = time.monotonic() + timeout_s
    while True:
        # In this order: what a process did with its last breath still counts.
        can_happen = possible()
        if condition():
            return
        assert can_happen, "it can't happen any more"
        assert time.monotonic() < end_s, f"nothing happened in {timeout_s:g} s"
        time.sleep(pause_s)


# Catches: a wait that gives up on a slow machine, one that goes on for a process that has died, and an
# end that is missed because it came in the same moment.
def test_waits_end_when_nothing_can_come_any_more() -> None:
    began_s = time.monotonic()
    with pytest.raises(AssertionError, match="can't happen"):
        wait_for(lambda: False, lambda: False)
    assert time.monotonic() - began_s < 10.0
    with pytest.raises(AssertionError, match="nothing happened"):
        wait_for(lambda: False, lambda: True, timeout_s=0.1)
    answers = iter([False] * 50 + [True])
    wait_for(lambda: next(answers), lambda: True, pause_s=0.0)
    wait_for(lambda: True, lambda: False)


# Catches: a network that depends on how many are trained at a time.
def test_jobs_do_not_change_the_networks(home_data: Path, smoke: Path, tmp_path: Path) -> None:
    shutil.copytree(smoke / "cache", tmp_path / "run" / "cache")
    shutil.copytree(smoke / "networks", tmp_path / "run" / "networks")
    names = ("stream-fold1", "stream_svm-all")
    for name in names:
        for path in (tmp_path / "run" / "networks").glob(f"{name}.*"):
            path.unlink()
    train_networks(load_recipe("home"), options(home_data, tmp_path / "run", jobs=2))
    for name in names:
        ours = torch.load(tmp_path / "run" / "networks" / f"{name}.pt", weights_only=True)
        theirs = torch.load(smoke / "networks" / f"{name}.pt", weights_only=True)
        for key, value in ours.items():
            assert torch.equal(value, theirs[key])


# Catches: softmax outside the graph, a fixed batch, the exporter's fallback never tried.
@pytest.mark.parametrize("exporter", ["new", "old"])
@pytest.mark.parametrize("kind", ["posterior", "embedding_svm"])
def test_onnx_equals_torch(exporter: str, kind: str) -> None:
    recipe = load_recipe("esc10").for_smoke()
    member = recipe.members[0 if kind == "posterior" else 1]
    torch.manual_seed(1)
    network = build_network(member.network, 64, 7).eval()
    session = onnxruntime.InferenceSession(export_onnx(network, kind, 64, 155, exporter))
    for batch in (1, 2, 5):
        picture = np.random.default_rng(batch).random((batch, 1, 64, 155), dtype=np.float32)
        with torch.inference_mode():
            x = torch.from_numpy(picture)
            expected = torch.softmax(network(x), 1) if kind == "posterior" else network.embed(x)
        np.testing.assert_allclose(session.run(None, {"picture": picture})[0], expected.numpy(), atol=1e-5)


def test_export_that_differs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_network(load_recipe("esc10").for_smoke().members[0].network, 64, 7).eval()
    monkeypatch.setattr("asc_edge_train.exporting.onnx_float._difference", lambda *_: 0.1)
    with pytest.raises(ExportError, match=r"1\.0e-01"):
        export_onnx(network, "posterior", 64, 155, "old")
