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

import numpy as np
import onnxruntime
import pytest
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import PredefinedSplit

from asc_edge import Bundle, Pipeline
from asc_edge_train.cli import main
from asc_edge_train.evaluate import evaluate, load_mapping
from asc_edge_train.export import ExportError, export_onnx
from asc_edge_train.features import open_features, pictures
from asc_edge_train.fit import infer
from asc_edge_train.fusing import fuse
from asc_edge_train.models import build_network
from asc_edge_train.networks import load_answers, load_network
from asc_edge_train.recipe import Mapping, load_recipe
from asc_edge_train.run import Run, train_networks
from asc_edge_train.sound import clip_samples, window_samples
from asc_edge_train.svm import linear_svm
from train_trees import write_esc50, write_home_tree, write_sound


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_home_tree(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def smoke(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished smoke run of the recipe ``home``."""
    out = tmp_path_factory.mktemp("run")
    assert (
        main(["run", "home", "--smoke", "--data", str(data), "--out", str(out), "--jobs", "1", "--quiet"])
        == 0
    )
    return out


@pytest.fixture(scope="module")
def resumed(data: Path, smoke: Path) -> Run:
    """The same run taken up again from Python: nothing is trained anew."""
    before = {path: path.stat().st_mtime_ns for path in (smoke / "networks").iterdir()}
    recipe = load_recipe("home")
    run = train_networks(
        recipe, data, smoke, seed=recipe.seed, jobs=1, smoke=True, command="test", quiet=True
    )
    assert before == {path: path.stat().st_mtime_ns for path in (smoke / "networks").iterdir()}
    return run


def test_smoke_run_makes_a_bundle(smoke: Path) -> None:
    bundle = Bundle.open(smoke / "home.ascb")
    assert bundle.labels == load_recipe("home").labels
    assert bundle.labels_not_covered == ("absence", "watching_tv")
    assert [member.name for member in bundle.members] == ["crnn", "cnn_svm"]
    attribution = bundle.read("ATTRIBUTION.md").decode()
    assert "somewhere/1" in attribution
    assert "CC-BY-4.0" in attribution
    assert bundle.manifest.raw["accuracy"]["smoke"] is True
    assert bundle.manifest.raw["training"]["clips"] == sum(
        bundle.manifest.raw["training"]["clips_by_label"].values()
    )


# Catches: a path of the training machine in what ships or is published.
def test_nothing_that_ships_names_this_machine(smoke: Path, data: Path) -> None:
    content = (smoke / "home.ascb").read_bytes()
    for secret in (str(data), str(smoke), str(Path(__file__).resolve().parents[1]), "site-packages"):
        assert secret.encode() not in content


# The door between the wings: the device's answers are the trainer's, by torch and scikit-learn, to 1e-5.
# Catches: another window, front end, floor, member order, scaling, C, sigmoid or class order in either wing.
def test_stream_equals_torch_and_scikit_learn(smoke: Path, resumed: Run) -> None:
    recipe, clips = resumed.recipe, resumed.clips
    truth = np.array([recipe.labels.index(clip.label) for clip in clips])
    folds = PredefinedSplit([clip.fold for clip in clips])
    fused = fuse(resumed)
    all_folds = {task.member.name: task for task in resumed.tasks if task.fold == 0}
    crnn = load_network(all_folds["crnn"], 64)
    cnn = load_network(all_folds["cnn_svm"], 64)
    embeddings = load_answers(all_folds["cnn_svm"])["answers"]
    svm = linear_svm(fused.figures["members"]["cnn_svm"]["c"], "balanced").fit(embeddings, truth)
    posteriors = stacked_posteriors(resumed)
    decisions = np.concatenate(svm_parts(resumed, truth))
    order = np.concatenate([np.flatnonzero(np.array([c.fold for c in clips]) == f) for f in (1, 2, 3, 4)])
    stacked = np.empty((len(clips), 14))
    stacked[:, :7], stacked[order, 7:] = posteriors, decisions
    svm_c = fused.figures["fusion"]["c"]
    oracle = CalibratedClassifierCV(linear_svm(svm_c, "balanced"), method="sigmoid", ensemble=False, cv=folds)
    oracle.fit(stacked, truth)

    bundle = Bundle.open(smoke / "home.ascb")
    frames = open_features(smoke / "features", "mel64")[0]
    rng = np.random.default_rng(5)
    for number in range(0, len(clips), 6):
        samples = window_samples(clip_samples(clips[number], 16000), 16000, 5.0)
        pipeline, heard = Pipeline(bundle), []
        cuts = np.sort(rng.integers(0, len(samples), 9))
        for block in np.split(samples, cuts):
            heard += pipeline.push(np.ascontiguousarray(block))
        assert len(heard) == 1
        picture = torch.from_numpy(pictures(frames[number : number + 1], -60.0))
        with torch.inference_mode():
            member_outputs = np.concatenate(
                [torch.softmax(crnn(picture), 1).numpy(), svm.decision_function(cnn.embed(picture).numpy())],
                axis=1,
            )
        expected = oracle.predict_proba(member_outputs)[0]
        ours = [heard[0].posterior[label] for label in recipe.labels]
        np.testing.assert_allclose(ours, expected, atol=1e-5)
        np.testing.assert_allclose(heard[0].members["crnn"], member_outputs[0, :7], atol=1e-5)
        np.testing.assert_allclose(heard[0].members["cnn_svm"], member_outputs[0, 7:], atol=1e-4)


def stacked_posteriors(run: Run) -> np.ndarray:
    folds = np.array([clip.fold for clip in run.clips])
    out = np.empty((len(folds), 7))
    for task in run.tasks:
        if task.member.name == "crnn" and task.fold:
            out[folds == task.fold] = load_answers(task)["answers"][folds == task.fold]
    return out


def svm_parts(run: Run, truth: np.ndarray) -> list[np.ndarray]:
    folds = np.array([clip.fold for clip in run.clips])
    by_fold = fuse(run).figures["members"]["cnn_svm"]["c_by_fold"]
    parts = []
    for task in run.tasks:
        if task.member.name == "cnn_svm" and task.fold:
            x, train = load_answers(task)["answers"], folds != task.fold
            fitted = linear_svm(by_fold[str(task.fold)], "balanced").fit(x[train], truth[train])
            parts.append(fitted.decision_function(x[~train]))
    return parts


# Catches: a fold's network trained on its fold, answers for the clips' room variants instead of the clips.
def test_every_fold_was_held_out(resumed: Run) -> None:
    folds = np.array([clip.fold for clip in resumed.clips])
    frames = open_features(resumed.out / "features", "mel64")[0]
    for task in resumed.tasks:
        stored = load_answers(task)
        answers = infer(load_network(task, 64), frames, task.member.floor_db, task.member.kind)
        np.testing.assert_allclose(stored["answers"], answers, atol=1e-5)
        np.testing.assert_array_equal(stored["trained_on"], np.flatnonzero(folds != task.fold))
        assert np.isfinite(stored["losses"]).all()


# Catches: figures in the report that the bundle's manifest doesn't have, pages that can't be drawn again.
def test_report(smoke: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(smoke), "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "home.json").read_text())
    accuracy = Bundle.open(smoke / "home.ascb").manifest.raw["accuracy"]
    assert report["fusion"]["macro_f1"] == accuracy["macro_f1"]
    assert "asc-edge-train run home --smoke" in report["command"]
    page = (tmp_path / "home.md").read_text()
    assert "A smoke run" in page
    assert f"| **late fusion** | {100 * report['fusion']['macro_f1']:.1f} |" in page
    for label in report["labels"]:
        assert f"| {label} |" in page
    for name in ("home.json", "home.md", "home-confusion.png"):
        assert (tmp_path / name).read_bytes() == (smoke / name).read_bytes()
    assert (tmp_path / "home-confusion.png").read_bytes().startswith(b"\x89PNG")
    total = sum(sum(row) for row in report["fusion"]["confusion"])
    assert total == report["data"]["clips"]


# Catches: labels mapped wrongly, clips that map nowhere counted, the fold ignored.
def test_evaluate(smoke: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_esc50(tmp_path / "set", ("dog", "vacuum_cleaner", "pouring_water"), folds=5, per_fold=1)
    bundle = str(smoke / "home.ascb")
    assert main(["evaluate", bundle, "--data", str(tmp_path / "set"), "--fold", "5", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["layout"], result["fold"], result["clips"]) == ("esc50", 5, 2)
    assert list(result["per_class"]) == ["other", "vacuum_cleaner"]
    assert sum(sum(row) for row in result["confusion"]) == 2
    (tmp_path / "map.toml").write_text('labels = { dog = "working" }\n')
    command = ["evaluate", bundle, "--data", str(tmp_path / "set"), "--map", str(tmp_path / "map.toml")]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "5 clips (esc50; 10 left out)" not in text  # vacuum_cleaner is a label, and maps to itself
    assert "10 clips (esc50; 5 left out)" in text


# Catches: a bundle scored on its own training recordings without a word.
def test_evaluate_tells_what_the_bundle_has_heard(
    smoke: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = write_esc50(tmp_path / "set", ("dog", "vacuum_cleaner"), folds=5, per_fold=1)
    trained_on = {row["group"] for row in json.loads((smoke / "table.json").read_text())}
    heard = sum(f"freesound:{row[5]}" in trained_on for row in rows)
    assert 0 < heard < len(rows)
    command = ["evaluate", str(smoke / "home.ascb"), "--data", str(tmp_path / "set")]
    assert main(command) == 0
    assert f"warning: {heard} of these clips" in capsys.readouterr().out
    assert main([*command, "--unheard", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["clips"], result["heard"]) == (len(rows) - heard, 0)


# Catches: figures that aren't those of the device's pipeline.
def test_evaluate_counts_what_the_pipeline_says(smoke: Path, tmp_path: Path) -> None:
    from asc_edge.pipeline import classify_clip

    bundle = Bundle.open(smoke / "home.ascb")
    for number, label in enumerate(("cooking", "eating", "working")):
        for k in range(2):
            write_sound(tmp_path / "set" / label / f"{k}{number}.wav", label + str(k), seconds=1.5 + 5 * k)
    (tmp_path / "set" / "cooking" / "silence.wav").write_bytes(silence(tmp_path))
    result = evaluate(
        bundle, tmp_path / "set", layout="folders", mapping=load_mapping(bundle, "folders", None)
    )
    right = 0
    for label in ("cooking", "eating", "working"):
        for path in sorted((tmp_path / "set" / label).iterdir()):
            import soundfile

            samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
            right += classify_clip(bundle, samples).top == label
    assert result["clips"] == 7
    assert result["accuracy"] == pytest.approx(right / 7)
    assert result["confusion"][0][-1] == 1  # silence has no answer


def silence(folder: Path) -> bytes:
    import soundfile

    soundfile.write(folder / "silence.wav", np.zeros(16000), 16000)
    return (folder / "silence.wav").read_bytes()


# Catches: tracebacks, wrong exit codes, messages of several lines.
@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("", 2, "COMMAND"),
        ("run nope --out x", 2, "nope"),
        ("run home --data /nowhere --out x", 2, "/nowhere"),
        ("run home --out x --jobs 0", 2, "--jobs"),
        ("run home --out x --seed -3", 2, "--seed"),
        ("report /nowhere", 2, "report.json"),
        ("evaluate /nowhere.ascb --data /", 1, "nowhere.ascb"),
        ("evaluate BUNDLE --data /nowhere", 2, "/nowhere"),
        ("evaluate BUNDLE --data DATA --layout esc50 --fold 7", 2, "fold 7"),
        ("evaluate BUNDLE --data DATA --layout esc50 --map /no.toml", 2, "no.toml"),
    ],
)
def test_errors_are_one_line(
    request: pytest.FixtureRequest, line: str, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {
        "BUNDLE": str(request.getfixturevalue("smoke") / "home.ascb"),
        "DATA": str(request.getfixturevalue("data") / "esc50"),
    }
    assert main([names.get(word, word) for word in line.split()]) == code
    message = capsys.readouterr().err.strip()
    assert message.startswith("asc-edge-train: error: ")
    assert words in message
    assert "\n" not in message


# Catches: the plain install answering with a traceback, or without what to install.
def test_a_device_install_says_what_training_needs(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['torch'] = None; from asc_edge_train.cli import main; "
        f"sys.exit(main(['run', 'home', '--data', {str(tmp_path)!r}, '--out', {str(tmp_path / 'out')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "asc-edge-train: error: torch is not installed; training needs: pip install 'asc-edge[train]'"
    ]


def test_mapping_must_name_labels_of_the_bundle(smoke: Path, tmp_path: Path) -> None:
    from asc_edge.errors import ConfigError

    bundle = Bundle.open(smoke / "home.ascb")
    assert isinstance(load_mapping(bundle, "esc50", None), Mapping)
    for text in ('default = "sleeping"', 'colour = "red"', "labels ="):
        (tmp_path / "map.toml").write_text(text)
        with pytest.raises(ConfigError):
            load_mapping(bundle, "esc50", tmp_path / "map.toml")


# Catches: a changed recipe, seed or recording that is answered from an old result; a damaged file trusted.
def test_what_changed_is_done_again(data: Path, smoke: Path, resumed: Run) -> None:
    recipe = load_recipe("home")
    keys = {task.key for task in resumed.tasks}
    again = train_networks_keys(data, smoke, recipe.seed)
    assert again == keys
    assert not keys & train_networks_keys(data, smoke, recipe.seed + 1)
    path = resumed.clips[0].path
    os.utime(path, ns=(1, 1))
    assert not keys & train_networks_keys(data, smoke, recipe.seed)


def train_networks_keys(data: Path, folder: Path, seed: int) -> set[str]:
    from asc_edge_train.features import feature_key
    from asc_edge_train.labels import build_table
    from asc_edge_train.networks import network_tasks

    recipe = load_recipe("home").for_smoke()
    clips = build_table(recipe, data)
    key = feature_key(recipe, clips, seed)
    tasks = network_tasks(recipe, clips, features=folder, output=folder, seed=seed, key=key)
    return {task.key for task in tasks}


# Catches: Ctrl-C or a kill that leaves workers training, a traceback, a run that can't be taken up again.
@pytest.mark.parametrize("how", ["interrupted", "killed"])
def test_ended_run_leaves_nothing_behind(data: Path, tmp_path: Path, how: str) -> None:
    text = (Path(sys.modules["asc_edge_train"].__file__ or "").parent / "recipes" / "home.toml").read_text()
    (tmp_path / "endless.toml").write_text(text.replace("\nepochs = 1\n", "\nepochs = 100000\n"))
    command = [sys.executable, "-m", "asc_edge_train.cli", "run", str(tmp_path / "endless.toml"), "--smoke"]
    command += ["--data", str(data), "--out", str(tmp_path / "run"), "--jobs", "2"]
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
        _, err = process.communicate(timeout=60)
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


def wait_for(condition: Callable[[], bool], possible: Callable[[], bool]) -> None:
    for _ in range(1200):
        if condition():
            return
        assert possible()
        time.sleep(0.05)
    raise AssertionError("nothing happened")


# Catches: a network that depends on how many are trained at a time.
def test_jobs_do_not_change_the_networks(data: Path, smoke: Path, tmp_path: Path) -> None:
    shutil.copytree(smoke / "features", tmp_path / "run" / "features")
    shutil.copytree(smoke / "networks", tmp_path / "run" / "networks")
    names = ("crnn-fold1", "cnn_svm-all")
    for name in names:
        for path in (tmp_path / "run" / "networks").glob(f"{name}.*"):
            path.unlink()
    recipe = load_recipe("home")
    train_networks(
        recipe, data, tmp_path / "run", seed=recipe.seed, jobs=2, smoke=True, command="", quiet=True
    )
    for name in names:
        ours = torch.load(tmp_path / "run" / "networks" / f"{name}.pt", weights_only=True)
        theirs = torch.load(smoke / "networks" / f"{name}.pt", weights_only=True)
        for key, value in ours.items():
            assert torch.equal(value, theirs[key])


# Catches: softmax outside the graph, a fixed batch, the exporter's fallback never tried.
@pytest.mark.parametrize("exporter", ["new", "old"])
@pytest.mark.parametrize("kind", ["posterior", "embedding_svm"])
def test_onnx_equals_torch(exporter: str, kind: str) -> None:
    recipe = load_recipe("home").for_smoke()
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
    network = build_network(load_recipe("home").for_smoke().members[0].network, 64, 7).eval()
    monkeypatch.setattr("asc_edge_train.export._difference", lambda *_: 0.1)
    with pytest.raises(ExportError, match=r"1\.0e-01"):
        export_onnx(network, "posterior", 64, 155, "old")
