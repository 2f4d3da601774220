"""Scoring unseen folders with a finished bundle, and what goes wrong on the trainer's command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asc_edge import Bundle
from asc_edge_train.cli import main
from asc_edge_train.evaluate import BundleJudge, evaluate, load_mapping
from asc_edge_train.predict import Predictor
from asc_edge_train.recipe import Mapping
from train_trees import write_esc50, write_sound


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
    judge = BundleJudge(bundle)
    result = evaluate(judge, tmp_path / "set", layout="folders", mapping=load_mapping(judge, "folders", None))
    right = 0
    for label in ("cooking", "eating", "working"):
        for path in sorted((tmp_path / "set" / label).iterdir()):
            samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
            right += classify_clip(bundle, samples).top == label
    assert result["clips"] == 7
    assert result["accuracy"] == pytest.approx(right / 7)
    assert result["confusion"][0][-1] == 1  # silence has no answer


# Catches: a run that answers unseen clips by another front end, network, SVM or fusion than its own bundle.
def test_a_run_answers_as_its_bundle_does(
    smoke: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from asc_edge.pipeline import classify_clip
    from asc_edge_train.datasets import load_corpus

    for number, label in enumerate(("cooking", "eating", "working")):
        write_sound(tmp_path / "set" / label / f"{number}.wav", label, seconds=5.0)
    bundle, run = Bundle.open(smoke / "home.ascb"), Predictor.open(smoke)
    assert run.system == "late fusion"
    clips = load_corpus("folders", tmp_path / "set")
    scores = run.scores(clips, tmp_path)
    for clip, row in zip(clips, scores, strict=True):
        posterior = classify_clip(
            bundle, soundfile.read(clip.path, dtype="float32", always_2d=True)[0]
        ).posterior
        np.testing.assert_allclose(row, [posterior[label] for label in bundle.labels], atol=1e-5)
    for judge in (str(smoke), str(smoke / "home.ascb")):
        assert main(["evaluate", judge, "--data", str(tmp_path / "set"), "--json"]) == 0
    by_run, by_bundle = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert by_run["confusion"] == by_bundle["confusion"]
    assert by_run["run"]["system"] == "late fusion"
    assert main(["evaluate", str(smoke), "--data", str(tmp_path / "set"), "--system", "nope"]) == 2
    assert "known are stream, stream_svm, late fusion" in capsys.readouterr().err


def silence(folder: Path) -> bytes:
    soundfile.write(folder / "silence.wav", np.zeros(16000), 16000)
    return (folder / "silence.wav").read_bytes()


# Catches: tracebacks, wrong exit codes, messages of several lines.
@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("", 2, "COMMAND"),
        ("run nope --data DATA --out x", 2, "nope"),
        ("run home --data /nowhere --out x", 2, "/nowhere"),
        ("run home --out x --jobs 0", 2, "--jobs"),
        ("run home --out x --seed -3", 2, "--seed"),
        ("run home --data DATA --out FILE", 2, "is a file"),
        ("run home --data HOME --out FILE/x", 1, "irectory"),
        ("ablate home --data DATA --out x", 2, "no [ablation]"),
        ("compare RUN", 2, "two runs"),
        ("compare RUN /nowhere", 2, "/nowhere"),
        ("evaluate BUNDLE --data DATA --system x", 2, "--system"),
        ("evaluate BUNDLE --data DATA --layout esc51", 2, "esc51"),
        ("fetch nothing --out x", 2, "nothing"),
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
        "RUN": str(request.getfixturevalue("smoke")),
        "FILE": str(Path(__file__)),
        "HOME": str(request.getfixturevalue("home_data")),
        "FILE/x": str(Path(__file__) / "x"),
        "DATA": str(request.getfixturevalue("home_data") / "esc50"),
    }
    assert main([names.get(word, word) for word in line.split()]) == code
    message = capsys.readouterr().err.strip()
    assert message.startswith("asc-edge-train: error: ")
    assert words in message
    assert "\n" not in message


# Catches: the plain install answering with a traceback, or without what to install.
def test_a_device_install_says_what_training_needs(tmp_path: Path) -> None:
    # Not by None in sys.modules, which scipy takes for torch.
    script = f"""
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, NoTorch())
from asc_edge_train.cli import main
sys.exit(main(["run", "home", "--data", {str(tmp_path)!r}, "--out", {str(tmp_path / "out")!r}]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "asc-edge-train: error: torch is not installed; training needs: pip install 'asc-edge[train]'"
    ]


def test_mapping_must_name_labels_of_the_bundle(smoke: Path, tmp_path: Path) -> None:
    from asc_edge.errors import ConfigError

    judge = BundleJudge(Bundle.open(smoke / "home.ascb"))
    assert isinstance(load_mapping(judge, "esc50", None), Mapping)
    for text in ('default = "sleeping"', 'colour = "red"', "labels ="):
        (tmp_path / "map.toml").write_text(text)
        with pytest.raises(ConfigError):
            load_mapping(judge, "esc50", tmp_path / "map.toml")
