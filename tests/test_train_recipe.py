"""Recipe files: parts, grids, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from asc_edge.errors import ConfigError
from asc_edge_train.recipe import load_recipe, parse_recipe
from asc_edge_train.storage import read_json, write_json

BASE = """
name = "own"
version = "1"
summary = "own"
labels = "classes"
metric = "accuracy"
sample_rate_hz = 16000
window_s = 5.0
folds = 4
seed = 1
protocol = "folds"
[[corpora]]
layout = "folders"
folder = "."
"""
MEMBER = """
[[members]]
name = "crnn"
kind = "posterior"
front_end = "mel128_wide"
floor_db = -80.0
training = "crnn_as_printed"
network = { type = "crnn", filters = [8], kernels = [3], pools = [[4, 4]] }
"""


def load(folder: Path, text: str) -> object:
    (folder / "own.toml").write_text(text)
    return load_recipe(str(folder / "own.toml"))


# Catches: parts that replace a recipe's own fields, or lose theirs; lists that are not joined.
def test_parts_lie_under_a_recipe(tmp_path: Path) -> None:
    text = 'include = ["grid", "small_imagenet", "crnn4"]\n' + BASE
    text += "[trainings.crnn_as_printed]\nepochs = 7\n[front_ends.mel128_wide]\nmels = 64\n"
    recipe = load(tmp_path, text + MEMBER + '[[fusions]]\nname = "all"\nmembers = ["squeezenet", "crnn"]\n')
    names = [member.name for member in recipe.members]
    assert names == ["squeezenet", "mobilenet_v1", "mobilenet_v2", "crnn"]
    assert [member.number for member in recipe.members] == [0, 1, 2, 3]
    crnn = recipe.member("crnn")
    assert (crnn.training.epochs, crnn.training.batch, crnn.training.learning_rate) == (7, 64, 0.001)
    front_end = recipe.front_ends["mel128_wide"]
    assert (front_end.mels, front_end.window_s) == (64, 0.32)
    assert [fusion.name for fusion in recipe.fusions] == ["DS-small", "all"]
    assert len(recipe.fusion.c_grid) == 10


# Catches: a shared training that takes over what a member says itself, or that one member changes for all.
def test_a_training_says_what_is_different_from_its_base() -> None:
    stream, stream_svm = (load_recipe("home").member(name).training for name in ("stream", "stream_svm"))
    assert (stream.balance, stream_svm.balance) == (0.7, 0.5)
    assert replace(stream_svm, balance=0.7) == stream


# Catches: fields that a finished run forgets, so that it answers by another recipe.
@pytest.mark.parametrize("name", ["home", "esc50", "dcase2018-task5"])
def test_a_recipe_survives_its_json(name: str, tmp_path: Path) -> None:
    from asc_edge_train.run import recipe_values

    recipe = load_recipe(name)
    write_json(tmp_path / "recipe.json", recipe_values(recipe))
    assert parse_recipe(read_json(tmp_path / "recipe.json")) == recipe


def test_a_grid_has_every_point() -> None:
    points = load_recipe("dcase2018-task5").member("crnn_45").points()
    tried = {(point.training.batch, point.training.learning_rate) for point in points if point.training}
    assert tried == {(64, 0.01), (64, 0.001), (128, 0.01), (128, 0.001)}
    assert not any(point.grid for point in points)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('folds = 4', 'folds = 1'), "folds must be 2"),
        (('"accuracy"', '"auc"'), "metric is macro_f1 or accuracy"),
        (('seed = 1', 'seed = 1\nevaluation_folds = [3]'), "beyond the 4 folds"),
        (('seed = 1', 'seed = 1\nchannels = "left"'), "mono or per_channel"),
        (('seed = 1', 'seed = 1\nspeed_variants = [1.0]'), "between 0.5 and 2"),
        (('[fusion]', '[room_variants]\narrays = -1\n[fusion]'), "arrays lies in 0 to 1000"),
        (('[fusion]', '[room_variants]\narrays = 5000\n[fusion]'), "arrays lies in 0 to 1000"),
        (('[fusion]', '[room_variants]\nsimulated = -1\n[fusion]'), "simulated lies in 0 to 1000"),
        (('[fusion]', '[room_variants]\ncount = -3\n[fusion]'), "count lies in 0 to 100"),
        (('[fusion]', '[room_variants]\ncount = 3\n[fusion]'), "count needs rooms"),
        (('[fusion]', '[room_variants]\nlevel_db = [0.0, -20.0]\n[fusion]'), "level_db is the least"),
        (("seed = 1", 'seed = 1\nship = "nothing"'), "unknown fusion"),
        (("seed = 1", 'seed = 1\nship = "all"'), "list of licences"),
        (('seed = 1', 'seed = 1\ncolour = 3'), "unknown field 'colour'"),
        (('floor_db = -80.0', 'floor_db = 3.0'), "floor_db must be below 0"),
        (('"mel128_wide"\nfloor', '"mel3"\nfloor'), "no front end 'mel3'"),
        (('"crnn_as_printed"\nnetwork', '"nobody"\nnetwork'), "no [trainings.nobody]"),
        (('"crnn_as_printed"\nnetwork', '{ base = "no" }\nnetwork'), "no [trainings.no]"),
        (('floor_db', 'final = "best"\nfloor_db'), "refit or fold_mean"),
        (('floor_db', 'grid = { warmth = [1] }\nfloor_db'), "unknown training field 'warmth'"),
        (('floor_db', 'extractor = { type = "yamnet" }\nfloor_db'), "no extractor"),
        (('"posterior"', '"features"'), "no network or training"),
        (('name = "crnn"', 'name = "squeezenet"'), "names two members"),
        (('"squeezenet", "crnn"', '"squeezenet", "nobody"'), "no member 'nobody'"),
        (('class_weight = "none"', 'class_weight = "heavy"'), "class_weight is none or balanced"),
        (('class_weight = "none"', 'weights = "equal"'), "per_label or shared"),
        (('include = ["grid"', 'include = ["nothing"'), "can't be read"),
    ],
)  # fmt: skip
def test_contradictions_are_one_line(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    text = 'include = ["grid", "small_imagenet", "crnn4"]\n' + BASE + MEMBER
    text += '[[fusions]]\nname = "all"\nmembers = ["squeezenet", "crnn"]\n[fusion]\nclass_weight = "none"\n'
    assert change[0] in text
    with pytest.raises(ConfigError) as error:
        load(tmp_path, text.replace(change[0], change[1], 1))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


# Catches: networks that are trained again because a switch was added, or not although one was set.
def test_what_a_network_depends_on_is_what_was_set() -> None:
    training = load_recipe("esc50").member("crnn").training
    assert training is not None
    described = training.described()
    assert described == {
        "epochs": 100,
        "samples_per_epoch": 0,
        "balance": 0.0,
        "variants": False,
        "validate_every": 5,
        "autocast": "bfloat16",
    }
    assert replace(training, mel_shift=1.0).described() == {**described, "mel_shift": 1.0}
