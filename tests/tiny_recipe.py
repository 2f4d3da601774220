"""A recipe that ships, so small that training, exporting and judging it take seconds."""

from __future__ import annotations

from pathlib import Path

from train_trees import write_esc50

LABELS = ("clock", "dog", "rain")

RECIPE = """
name = "tiny"
version = "1.0.0"
summary = "Three tones"
labels = ["clock", "dog", "rain"]
labels_not_covered = ["absence"]
metric = "macro_f1"
sample_rate_hz = 16000
window_s = 1.0
hop_s = 0.5
folds = 2
ship = "late fusion"
seed = 5
licences = ["CC0"]
protocol = "2-fold cross-validation by source"
caveats = ["Nothing here was ever heard."]

[front_ends.mel16]
sample_rate_hz = 16000
window_s = 0.128
hop_s = 0.064
mels = 16

[[corpora]]
layout = "esc50"
folder = "esc50"

[mappings.esc50]
labels = { clock = "clock", dog = "dog", rain = "rain" }

[trainings.short]
epochs = 12
batch = 8
learning_rate = 0.01

[[members]]
name = "crnn"
kind = "posterior"
target = "label"
front_end = "mel16"
floor_db = -60.0
training = "short"
[members.network]
type = "crnn"
filters = [6, 8]
kernels = [3, 3]
pools = [[4, 2], [4, 2]]
gru_size = 8
gru_bidirectional = true
dropout = 0.1

[[members]]
name = "cnn_svm"
kind = "embedding_svm"
target = "fine"
front_end = "mel16"
floor_db = -60.0
training = "short"
[members.network]
type = "cnn"
filters = [6, 8]
kernels = [3, 3]
pools = [[2, 2], [2, 2]]
dropout = 0.1
activation = "relu"

[fusion]
c_grid = [0.01, 1.0]

[[fusions]]
name = "late fusion"
members = ["crnn", "cnn_svm"]
"""


def write_tiny_run(folder: Path) -> tuple[Path, Path]:
    """Data and finished run of the recipe: the folders ``data`` and ``run``."""
    from asc_edge_train.cli import main

    data, run, recipe = folder / "data", folder / "run", folder / "tiny.toml"
    write_esc50(data / "esc50", LABELS, folds=2, per_fold=8)
    recipe.write_text(RECIPE)
    command = ["run", str(recipe), "--data", str(data), "--out", str(run), "--jobs", "1", "--quiet"]
    assert main(command) == 0
    return data, run
