"""Frozen networks of others in a bundle: exported once, judged fold by fold, the extractor's own answers."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from asc_edge.bundle import Bundle
from asc_edge.errors import ConfigError
from asc_edge.pipeline import Pipeline
from asc_edge.presets import EFFICIENTAT_MN, EFFICIENTAT_MN_16K
from asc_edge_train.bundling import shipped_tasks
from asc_edge_train.cli import main
from asc_edge_train.exporting.choosing import choose_schemes
from asc_edge_train.exporting.judging import FoldJudge
from asc_edge_train.exporting.pieces import Piece, calibration_rows
from asc_edge_train.exporting.variants import VARIANTS
from asc_edge_train.extractors import build_extractor
from asc_edge_train.frozen import FrozenTask, foreign_networks, front_end_names, frozen_task
from asc_edge_train.models.efficientat import EfficientAtMn
from asc_edge_train.models.imagenet import bare_network
from asc_edge_train.recipe import load_recipe
from asc_edge_train.recipe_schema import SystemConfig
from asc_edge_train.reopen import open_run
from asc_edge_train.sound import clip_samples, window_samples
from asc_edge_train.stages import FusedRun, fuse_run
from test_train_export_run import PaperJudge, PaperPiece, PaperTask
from tiny_recipe import LABELS, RECIPE
from train_trees import write_esc50

SQUEEZENET = '{ type = "deep_spectrum", network = "squeezenet1_1", weights = "random", mels = 32, RATE }'
MEMBERS = f"""
[[members]]
name = "ds"
kind = "features"
extractor = {SQUEEZENET.replace("RATE", "sample_rate_hz = 16000, colour_map = 'inferno'")}

[fusion]
c_grid = [0.01, 1.0]

[[fusions]]
name = "late fusion"
members = ["ds"]
"""


def recipe_text(members: str = MEMBERS) -> str:
    return RECIPE[: RECIPE.index("[[members]]")] + members


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Data, and the folder of a finished run that ships a bundle with a random SqueezeNet."""
    folder = tmp_path_factory.mktemp("frozen")
    data, run, recipe = folder / "data", folder / "run", folder / "tiny.toml"
    write_esc50(data / "esc50", LABELS, folds=2, per_fold=4)
    recipe.write_text(recipe_text())
    command = ["run", str(recipe), "--data", str(data), "--out", str(run), "--jobs", "1", "--quiet"]
    assert main(command) == 0
    return data, run


@pytest.fixture(scope="module")
def exported(places: tuple[Path, Path]) -> Path:
    data, run = places
    command = ["export", str(run), "--data", str(data), "--jobs", "1", "--quiet", "--allow-worse"]
    assert main([*command, "--variants", "onnx,onnx-int8"]) == 0
    return run / "export"


@pytest.fixture(scope="module")
def fused(places: tuple[Path, Path]) -> FusedRun:
    return fuse_run(open_run(places[1], places[0], quiet=True))


def expected_posteriors(fused: FusedRun, row: int) -> np.ndarray:
    """What extractor, SVM and fusion of the run say of a clip's window."""
    extractor = build_extractor(fused.run.recipe.member("ds").extractor, Path())
    samples = window_samples(clip_samples(fused.run.clips[row], 16000), 16000, 1.0)
    embedding = extractor.extract([np.ascontiguousarray(samples[:, 0])], 16000).astype(np.float64)
    svm = fused.members["ds"].svm
    assert svm is not None
    posteriors: np.ndarray = fused.fusions["late fusion"].fusion.predict_proba(
        svm.decision_function(embedding)
    )
    return posteriors[0]


# Catches: another layer, colours of another map, frames of another front end, the SVM of a fold.
@pytest.mark.parametrize("bundle", ["tiny.ascb", "export/tiny.ascb"])
def test_bundle_answers_as_the_run_does(
    exported: Path, places: tuple[Path, Path], fused: FusedRun, bundle: str
) -> None:
    opened = Bundle.open(places[1] / bundle)
    (member,) = opened.members
    assert (member.kind, member.input, member.precision) == ("embedding_svm", "image", "float32")
    assert member.image is not None
    assert member.image.colour_file == "inferno.rgb"
    for row in (0, 7, 13):
        samples = window_samples(clip_samples(fused.run.clips[row], 16000), 16000, 1.0)
        (decision,) = Pipeline(opened).push(np.ascontiguousarray(samples))
        ours = [decision.posterior[label] for label in LABELS]
        np.testing.assert_allclose(ours, expected_posteriors(fused, row), atol=1e-4)


# Catches: a network for each fold, 8 bits that are calibrated on the clips by which they are judged.
def test_one_float_file_and_ranges_of_each_folds_own_training_clips(exported: Path, fused: FusedRun) -> None:
    names = {path.name for path in (exported / "networks").glob("*.onnx")}
    assert "ds-float.onnx" in names
    assert not {name for name in names if re.match(r"ds-(fold\d|all)-(float|weight_only)", name)}
    assert {"ds-fold1-static.onnx", "ds-fold2-static.onnx"} <= names
    for fold in (1, 2):
        task = frozen_task(fused.run, fused.run.recipe.member("ds"), fold)
        assert not set(calibration_rows(task)) & set(task.held_out)
        assert {int(task.folds[row]) for row in task.held_out} == {fold}


# Catches: a reference of other answers than the run's, a fold's SVM that heard the fold, clips out of order.
def test_the_gate_judges_the_float_network_as_the_run_scored_it(exported: Path, fused: FusedRun) -> None:
    run, system = fused.run, fused.run.recipe.fusions[0]
    tasks = [shipped_tasks(run, fused.members, fused.fusions[system.name], fold)["ds"] for fold in (1, 2)]
    judge = FoldJudge(run, system, fused.members, fused.fusions[system.name], {"ds": tasks})
    pieces = {task.fold: Piece(task, "onnx", "float", exported / "networks") for task in tasks}
    assert all(piece.done for piece in pieces.values())
    answers = {fold: piece.answers() for fold, piece in pieces.items()}
    scores = judge.member_scores("ds", answers)
    np.testing.assert_allclose(scores, fused.members["ds"].scores, atol=1e-3)
    card = Bundle.open(exported / "tiny.ascb").manifest.raw["card"]
    rows = {row["variant"]: row for row in card["variants"]}
    assert rows["onnx"]["argmax_agreement"] == 1.0
    assert rows["onnx-int8"]["schemes"].keys() == {"ds"}
    spoiled = {fold: values[:, ::-1] for fold, values in answers.items()}
    assert not judge.judge_fused({"ds": judge.member_scores("ds", spoiled)}).passed


# Catches: a frozen network that is "fine-tuned" on its way, or a ladder that ends there.
def test_frozen_members_pass_over_fine_tuning() -> None:
    table = {"static": 0.5, "static-tuned": 1.0, "weight_only": 0.995}
    choice = choose_schemes(
        {VARIANTS["onnx-int8"]: tuple(table)},
        {"ds": [PaperTask("ds")]},  # type: ignore[list-item]
        PaperJudge({}),  # type: ignore[arg-type]
        piece_of=lambda task, ending, scheme: PaperPiece(table[scheme]),  # type: ignore[arg-type, return-value]
        make_pieces=list,  # type: ignore[arg-type]
        fits=lambda name, scheme: not scheme.endswith("-tuned"),
    )[0]
    assert [step.schemes["ds"] for step in choice.steps] == ["static", "weight_only"]


# Catches: a bundle with somebody else's weights that doesn't say so, or names this machine's folders.
def test_whose_weights_they_are_is_said(fused: FusedRun, tmp_path: Path) -> None:
    assert foreign_networks(fused.run, "late fusion") == []
    torch.manual_seed(1)
    from asc_edge_train.models.torchvision_shim import torchvision_models

    torch.save(torchvision_models().squeezenet1_1(weights=None).state_dict(), tmp_path / "theirs.pth")
    options = {"network": "squeezenet1_1", "weights": "theirs.pth", "sample_rate_hz": 16000}
    extractor = build_extractor({"type": "deep_spectrum", **options}, tmp_path)
    assert extractor.for_device(16000, 1.0).credit == "squeezenet1_1 with weights from theirs.pth"
    trained = replace(load_recipe("esc50").member("mn04_tuned"), name="tuned")
    recipe = replace(
        fused.run.recipe, members=(trained,), fusions=(SystemConfig(name="one", members=["tuned"]),)
    )
    assert foreign_networks(replace(fused.run, recipe=recipe), "one") == [
        "Member tuned began as somebody else's network: mn04_as_mAP_432.pt, under its makers' licence."
    ]


def mn04(tmp_path: Path, **options: Any) -> Any:
    path = tmp_path / "mn04.pt"
    if not path.exists():
        torch.manual_seed(0)
        torch.save(EfficientAtMn(mels=128, classes=527, width=0.4).state_dict(), path)
    kind = {"type": "efficientat_mn04", "weights": str(path), "repeat_to_s": 0.0}
    return build_extractor({**kind, **options}, tmp_path)


# Catches: a head that is left on, outputs in another order, a window that is repeated before but not after.
@pytest.mark.parametrize("rate_hz", [32000, 16000])
def test_mn04_answers_as_its_extractor(rate_hz: int, tmp_path: Path) -> None:
    from asc_edge.engines import load_engine
    from asc_edge.frontend import log_mel
    from asc_edge_train.exporting import module_to_onnx

    extractor = mn04(tmp_path, outputs=["logits", "blocks", "embedding"], rate_hz=rate_hz)
    network = extractor.for_device(rate_hz, 1.0)
    assert network.front_end == {32000: EFFICIENTAT_MN, 16000: EFFICIENTAT_MN_16K}[rate_hz]
    clip = (0.1 * np.random.default_rng(0).standard_normal(rate_hz)).astype(np.float32)
    expected = extractor.extract([clip], rate_hz)
    shape = network.shape(rate_hz)
    assert shape == (1, 128, 100)
    data = module_to_onnx(extractor.device_module(), shape, dynamic_time=False, exporter="old")
    answer = load_engine("mn04.onnx", data).run(log_mel(clip, network.front_end)[:, None])
    np.testing.assert_allclose(answer, expected, atol=1e-4)


# Catches: a bundle that answers differently from what was scored, for a reason nobody was told.
def test_what_no_device_can_compute_is_refused_in_a_line(tmp_path: Path) -> None:
    def deep(**options: Any) -> Any:
        kind = {"type": "deep_spectrum", "weights": "random", "sample_rate_hz": 16000}
        return build_extractor({**kind, **options}, tmp_path)

    refused = [
        (deep(network="squeezenet1_1", sample_rate_hz=0), "each clip at its own rate where the device hears"),
        (deep(network="squeezenet1_1", sample_rate_hz=44100), "hears 44100 Hz where .* recipe's 16000 Hz"),
        (deep(network="squeezenet1_1", renderer="matplotlib"), "take the renderer table"),
        (deep(network="vgg16"), r"takes 5\d\d MB, and a bundle holds 67"),
        (deep(network="resnet50"), r"takes 94 MB, and a bundle holds 67"),
        (mn04(tmp_path), "hears 32000 Hz where the device hears the recipe's 16000 Hz"),
    ]
    for extractor, message in refused:
        with pytest.raises(ConfigError, match=message) as error:
            extractor.for_device(16000, 1.0)
        assert "\n" not in str(error.value)
    for options, message in (
        ({"speeds": [1.0, 0.9]}, "one speed"),
        ({"repeat_to_s": 10.0}, "repeat_to_s = 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            mn04(tmp_path, **options).for_device(32000, 5.0)
        with pytest.raises(ConfigError, match=message):
            mn04(tmp_path, rate_hz=16000, **options).for_device(16000, 5.0)
    with pytest.raises(ConfigError, match="hears 16000 Hz where the device hears the recipe's 32000 Hz"):
        mn04(tmp_path, rate_hz=16000).for_device(32000, 1.0)
    assert mn04(tmp_path, repeat_to_s=10.0).for_device(32000, 8.0).image is None
    with torch.device("meta"):
        assert bare_network("squeezenet1_1").classifier is not None


# Catches: an hour of training in front of a refusal.
def test_a_run_that_could_not_ship_is_refused_before_it_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(recipe_text(MEMBERS.replace("sample_rate_hz = 16000", "sample_rate_hz = 44100")))
    (tmp_path / "data").mkdir()
    assert main(["run", str(recipe), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert "can't ship member 'ds'" in error
    assert "hears 44100 Hz" in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


# Catches: two front ends of one name in a bundle, or one front end twice.
def test_front_ends_have_names_of_their_own(fused: FusedRun) -> None:
    task = frozen_task(fused.run, fused.run.recipe.member("ds"))
    own = task.network.front_end
    assert isinstance(task, FrozenTask)
    assert front_end_names({}, [task]) == {"ds": ("ds", own)}
    assert front_end_names({"theirs": own}, [task]) == {"ds": ("theirs", own)}
    assert front_end_names({"ds": EFFICIENTAT_MN}, [task]) == {"ds": ("ds-frozen", own)}


# Catches: a row that says nothing of what is inside.
def test_the_manifest_counts_the_network(exported: Path) -> None:
    raw = Bundle.open(exported / "tiny.ascb").manifest.raw
    cost = raw["training"]["networks"]["ds"]
    assert cost["parameters"] == sum(p.numel() for p in bare_network("squeezenet1_1").parameters())
    assert cost["multiply_accumulates"] > 1e8
    assert raw["front_ends"].keys() == {"ds"}
    assert json.dumps(raw).count("somebody else") == 0
