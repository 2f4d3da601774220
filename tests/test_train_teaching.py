"""Distillation: students, their teachers, and what may not reach them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from asc_edge.errors import ConfigError
from asc_edge_train.cli import main
from asc_edge_train.fit import TrainingSet, fit_network, infer
from asc_edge_train.recipe import MemberConfig, TeachingConfig, TrainingConfig, load_recipe
from asc_edge_train.storage import load_arrays
from asc_edge_train.teaching import Teacher, make_targets
from train_networks import CNN
from train_trees import write_esc50

CLASSES, FOLDS = 3, (1, 2, 3)
STUDENT = MemberConfig(
    name="student",
    kind="posterior",
    floor_db=-60.0,
    network=CNN,
    training=TrainingConfig(epochs=40, samples_per_epoch=0, batch=12, learning_rate=0.01),
    teaching=TeachingConfig(members=["large"], temperature=1.0, c=0.1),
)


@pytest.fixture
def corpus() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings, classes and folds of 39 clips; the last three are of the evaluation part."""
    rng = np.random.default_rng(3)
    classes = np.arange(39) % CLASSES
    embedding = rng.normal(size=(39, 6)) + np.eye(CLASSES, 6)[classes] * 2.0
    folds = np.array([1 + (clip // CLASSES) % 3 if clip < 36 else 0 for clip in range(39)])
    return embedding, classes, folds


def targets(
    corpus: tuple[np.ndarray, np.ndarray, np.ndarray], folder: Path, student: MemberConfig = STUDENT
) -> dict[str, np.ndarray]:
    embedding, classes, folds = corpus
    teacher = Teacher(embedding=embedding, key=f"key of {embedding.sum()}")
    return load_arrays(make_targets(student, {"large": teacher}, classes, folds, folder=folder).path)


# Catches: a teacher that heard the clip, or the fold that the student is scored on; classes in another order.
def test_frozen_teachers_are_fitted_on_neither_the_clip_s_fold_nor_the_student_s(
    corpus: tuple[np.ndarray, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    embedding, classes, folds = corpus
    found = targets(corpus, tmp_path)
    assert sorted(found) == ["all", "fold1", "fold2", "fold3"]
    for held_out in (*FOLDS, 0):
        name = f"fold{held_out}" if held_out else "all"
        for own in FOLDS:
            rows = folds == own
            if own == held_out:
                assert np.isnan(found[name][rows]).all()
                continue
            train = (folds > 0) & (folds != own) & (folds != held_out)
            scaler = StandardScaler().fit(embedding[train])
            model = LogisticRegression(C=0.1, max_iter=1000).fit(
                scaler.transform(embedding[train]), classes[train]
            )
            expected = model.predict_proba(scaler.transform(embedding[rows]))
            np.testing.assert_allclose(found[name][rows], expected, atol=1e-5)
        assert np.isnan(found[name][folds == 0]).all()


# Catches: own_clips that is ignored, or that lets the held-out fold in; lessons of the other kind read back.
def test_teachers_may_hear_the_clip_but_not_the_student_s_fold(
    corpus: tuple[np.ndarray, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    embedding, classes, folds = corpus
    assert STUDENT.teaching is not None
    student = replace(STUDENT, teaching=replace(STUDENT.teaching, own_clips=True))
    crossed = targets(corpus, tmp_path)
    found = targets(corpus, tmp_path, student)
    for held_out, name in ((2, "fold2"), (0, "all")):
        heard = (folds != held_out) & (folds > 0)
        scaler = StandardScaler().fit(embedding[heard])
        model = LogisticRegression(C=0.1, max_iter=1000).fit(
            scaler.transform(embedding[heard]), classes[heard]
        )
        expected = model.predict_proba(scaler.transform(embedding[heard]))
        np.testing.assert_allclose(found[name][heard], expected, atol=1e-5)
        assert np.isnan(found[name][~heard]).all()
        assert not np.allclose(found[name][heard], crossed[name][heard], atol=1e-3)


# Catches: any way round for a held-out fold, or the evaluation part, into what a student is taught.
def test_nothing_of_a_held_out_fold_reaches_its_student(
    corpus: tuple[np.ndarray, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    embedding, classes, folds = corpus
    before = targets(corpus, tmp_path / "a")
    for hidden, name in ((2, "fold2"), (0, "all")):
        other, labels = embedding.copy(), classes.copy()
        other[folds == hidden] += 5.0
        labels[folds == hidden] = (labels[folds == hidden] + 1) % CLASSES
        after = targets((other, labels, folds), tmp_path / name)
        np.testing.assert_array_equal(before[name], after[name])
        assert not np.array_equal(before["fold1"], after["fold1"], equal_nan=True) or hidden == 0


# Catches: temperature on the wrong side, or before the mean; posteriors that no longer sum to 1.
def test_temperature_raises_unlikely_classes(
    corpus: tuple[np.ndarray, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    assert STUDENT.teaching is not None
    plain = targets(corpus, tmp_path / "plain")["all"][:36]
    warm = replace(STUDENT, teaching=replace(STUDENT.teaching, temperature=2.0))
    soft = targets(corpus, tmp_path / "soft", warm)["all"][:36]
    roots = np.sqrt(plain)
    np.testing.assert_allclose(soft, roots / roots.sum(axis=1, keepdims=True), atol=1e-5)


# Catches: targets that are computed and never learned from, or in place of the label altogether.
@pytest.mark.parametrize(("weight", "expected"), [(1.0, 0.05), (0.5, 0.5)])
def test_a_student_learns_what_it_is_taught(weight: float, expected: float) -> None:
    rng = np.random.default_rng(0)
    classes = np.arange(24) % 2
    frames = rng.normal(-30.0, 3.0, (1, 24, 16, 12)).astype(np.float32)
    frames[0, classes == 1, :8] += 20.0
    taught = np.where(np.eye(2)[classes] == 1.0, 0.05, 0.95).astype(np.float32)
    assert STUDENT.teaching is not None
    student = replace(STUDENT, teaching=replace(STUDENT.teaching, weight=weight))
    training = TrainingSet(frames, np.arange(24), classes, 2, taught=taught)
    network = fit_network(student, training, [1]).network
    own = infer(network, frames[0], -60.0, "posterior")[np.arange(24), classes]
    assert own.mean() == pytest.approx(weight * 0.05 + (1 - weight), abs=0.08)
    assert (own.mean() < 0.3) == (expected < 0.3)


RECIPE = """
name = "school"
version = "0.1"
summary = "A student and its teachers"
labels = "classes"
metric = "accuracy"
sample_rate_hz = 16000
window_s = 1.0
folds = 3
seed = 5
protocol = "3-fold cross-validation"

[front_ends.mel16]
sample_rate_hz = 16000
window_s = 0.064
hop_s = 0.064
mels = 16

[[corpora]]
layout = "esc50"
folder = "esc50"

[trainings.short]
epochs = 2
samples_per_epoch = 24
batch = 12
learning_rate = 0.003

[[members]]
name = "student"
kind = "posterior"
front_end = "mel16"
floor_db = -60.0
network = { type = "cnn", filters = [3], kernels = [3], pools = [[4, 4]] }
training = "short"
teaching = { members = ["trained", "frozen"] }

[[members]]
name = "trained"
kind = "posterior"
front_end = "mel16"
floor_db = -60.0
network = { type = "cnn", filters = [4], kernels = [3], pools = [[4, 4]] }
training = "short"

[[members]]
name = "frozen"
kind = "features"
extractor = { type = "deep_spectrum", network = "squeezenet1_1", weights = "random", sample_rate_hz = 16000 }

[fusion]
c_grid = [1e-2]

[ablation]
member = "student"

[[ablation.variants]]
name = "labels alone"
teaching = { weight = 0.001 }
"""


# Catches: students that are trained before their teachers, again at each run, or not again when a teacher
# changed; an ablation without the teachers.
def test_a_run_with_a_student(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_esc50(tmp_path / "esc50", ("dog", "rain", "siren"), folds=3, per_fold=2)
    recipe = tmp_path / "school.toml"
    recipe.write_text(RECIPE)
    line = ["run", str(recipe), "--data", str(tmp_path), "--weights", str(tmp_path), "--quiet"]
    out = tmp_path / "run"
    assert main([*line, "--out", str(out)]) == 0
    lessons = load_arrays(out / "teaching" / "student.npz")
    networks = {path.name: path.stat().st_mtime_ns for path in (out / "networks").glob("*.pt")}
    assert len(networks) == 8
    trained = load_arrays(out / "networks" / "trained-fold1.npz")
    heard = np.isfinite(lessons["fold1"]).all(axis=1)
    assert sorted(np.flatnonzero(heard)) == sorted(trained["trained_on"])
    assert main([*line, "--out", str(out)]) == 0
    assert networks == {path.name: path.stat().st_mtime_ns for path in (out / "networks").glob("*.pt")}
    recipe.write_text(RECIPE.replace("filters = [4]", "filters = [5]"))
    assert main([*line, "--out", str(out)]) == 0
    later = {path.name: path.stat().st_mtime_ns for path in (out / "networks").glob("*.pt")}
    assert all(later[name] > time_ns for name, time_ns in networks.items())
    capsys.readouterr()
    assert main(["ablate", *line[1:], "--out", str(tmp_path / "ablation")]) == 0
    assert "labels-alone" in capsys.readouterr().out
    # What no switch changes isn't fitted again: the copy has the original's time.
    copies = [path.stat().st_mtime_ns for path in (tmp_path / "ablation").glob("*/members/frozen.npz")]
    assert len(copies) == 2
    assert len(set(copies)) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('["trained", "frozen"]', "[]"), "names no members"),
        (('["trained", "frozen"]', '["nobody"]'), "no member 'nobody'"),
        (('["trained", "frozen"]', '["student"]'), "'student' is a student itself"),
        (('["trained", "frozen"] }', '["trained"], weight = 1.5 }'), "weight lies in 0 to 1"),
        (('["trained", "frozen"] }', '["trained"], warmth = 1 }'), "unknown field 'warmth'"),
        (('name = "trained"\n', 'name = "trained"\nrepeats = 2\n'), "'trained' can't teach"),
    ],
)
def test_what_can_not_teach_is_one_line(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    path = tmp_path / "school.toml"
    assert change[0] in RECIPE
    path.write_text(RECIPE.replace(change[0], change[1], 1))
    with pytest.raises(ConfigError, match=words) as error:
        load_recipe(str(path))
    assert "\n" not in str(error.value)


# Catches: a student that asks for a teacher whose weight file isn't there, and one that lost all of its
# teachers for lack of one.
def test_a_student_makes_do_with_the_teachers_that_are_left(tmp_path: Path) -> None:
    path = tmp_path / "school.toml"
    path.write_text(RECIPE)
    recipe = load_recipe(str(path))
    left = recipe.without({"frozen"}).member("student").teaching
    assert left is not None
    assert left.members == ["trained"]
    assert recipe.without({"frozen", "trained"}).member("student").teaching is None
