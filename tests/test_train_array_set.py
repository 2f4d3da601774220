"""A fixed set of array recordings: made, resumed, read again, and answered by what never heard its clips."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from sklearn.metrics import f1_score

from asc_edge.bundle import Bundle
from asc_edge.errors import UsageError
from asc_edge_train import array_set as array_set_module
from asc_edge_train import arrays_rooms
from asc_edge_train.array_set import SetOptions, make_array_set
from asc_edge_train.array_set_plan import choose_clips, plan_scenes
from asc_edge_train.arrays import ArrayConfig, ArrayResponse, array_positions_m
from asc_edge_train.arrays_tables import FOUR, Answered, array_tables
from asc_edge_train.bundling import heard_recordings
from asc_edge_train.cli import main
from asc_edge_train.clips import Clip, DataError
from asc_edge_train.datasets import guess_layout, load_corpus
from asc_edge_train.parallel import Parallel
from asc_edge_train.recipe import load_recipe
from asc_edge_train.reopen import open_run
from asc_edge_train.stages import fuse_run
from tiny_recipe import LABELS, write_tiny_run

CONFIG = ArrayConfig(arrays=("linear4",), distances_m=(1.0, 3.0), rt60_s=(0.3,))


def open_air(
    _config: ArrayConfig, array: str, *, distance_m: float, rt60_s: float, **_: Any
) -> ArrayResponse:
    """In place of a simulation, which takes a second."""
    positions = array_positions_m(array)
    responses = np.zeros((len(positions), 30))
    responses[:, 3] = 1.0
    return ArrayResponse(f"open {distance_m:g}", array, responses, positions, distance_m, rt60_s)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Data, and the folder of a finished run."""
    return write_tiny_run(tmp_path_factory.mktemp("arrays"))


@pytest.fixture(scope="module")
def make(places: tuple[Path, Path]) -> Callable[..., Path]:
    recipe = load_recipe(str(places[0].parent / "tiny.toml"))

    def made(out: Path, jobs: int = 1, **changes: Any) -> Path:
        options = SetOptions(
            data=places[0], out=out, seed=3, clips_per_label=2, rooms_per_clip=2, config=CONFIG
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(array_set_module, "simulated_array", open_air)
            make_array_set(recipe, replace(options, **changes), parallel=Parallel(jobs))
        return out

    return made


@pytest.fixture(scope="module")
def array_set(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("set") / "set")


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and ".rooms" not in path.parts]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "array-set.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


# Catches: a list that isn't what lies there; labels, folds or groups of other clips; faults on healthy twins.
def test_a_set_is_what_its_list_says(array_set: Path) -> None:
    listed = rows(array_set)
    assert len(listed) == 3 * 2 * 2 * 2 * 3  # labels, folds, clips, rooms, faults
    for row in listed:
        info = soundfile.info(array_set / row["filename"])
        assert (info.channels, info.samplerate, info.frames) == (4, 16000, 16000)
        assert info.subtype == "PCM_16"
        assert row["label"] in LABELS
        assert (row["fault"] == "none") == (row["fault_channel"] == "-1")
    assert {row["distance_m"] for row in listed} == {"1.0", "3.0"}
    assert "CC0" in (array_set / "ATTRIBUTION.md").read_text()
    facts = json.loads((array_set / "array-set.json").read_text())
    assert (facts["scenes"], facts["files"]) == (24, 72)


# Catches: bytes that depend on the number of workers, on the order of work or on what was there before.
@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(
    array_set: Path, make: Callable[..., Path], tmp_path: Path, places: tuple[Path, Path]
) -> None:
    recipe = str(places[0].parent / "tiny.toml")
    command = ["--data", str(places[0]), "--recipe", recipe, "--clips-per-label", "1", "--quiet"]
    more = ["--rooms-per-clip", "1", "--arrays", "linear4"]
    pytest.importorskip("pyroomacoustics")
    for jobs in ("1", "2"):
        assert main(["make-array-set", str(tmp_path / jobs), *command, *more, "--jobs", jobs]) == 0
    assert digests(tmp_path / "1") == digests(tmp_path / "2")
    assert digests(make(tmp_path / "again")) == digests(array_set)
    assert digests(make(tmp_path / "other", seed=4)) != digests(array_set)


# Catches: half a recording taken for a whole one; finished scenes rendered again; another set mixed in.
def test_an_interrupted_set_goes_on(
    array_set: Path, make: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real, made = tmp_path / "set", array_set_module.record, []

    def interrupted(*args: Any, **named: Any) -> Any:
        made.append(1)
        if len(made) == 5:
            raise KeyboardInterrupt
        return real(*args, **named)

    monkeypatch.setattr(array_set_module, "record", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(out)
    assert not (out / "array-set.csv").exists()
    cut = next(iter(sorted(out.rglob("*.flac"))))
    cut.write_bytes(cut.read_bytes()[:100])
    make(out)
    assert len(made) == 5 + 24 - 4 + 1
    assert digests(out) == digests(array_set)
    make(out)
    assert len(made) == 5 + 24 - 4 + 1
    with pytest.raises(UsageError, match="other clips or options"):
        make(out, rooms_per_clip=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("x")
    with pytest.raises(UsageError, match="something else"):
        make(tmp_path / "full")


# Catches: faulty twins among healthy recordings, groups that no longer say which clips a bundle has heard.
def test_a_set_is_read_like_any_corpus(array_set: Path, places: tuple[Path, Path], capsys: Any) -> None:
    assert guess_layout(array_set) == "arrays"
    assert len(load_corpus("arrays", array_set)) == 24
    assert len(load_corpus("arrays", array_set, fault="all")) == 72
    with pytest.raises(DataError, match="fault"):
        load_corpus("arrays", array_set, fault="deaf")
    bundle = places[1] / "tiny.ascb"
    groups = {clip.group for clip in load_corpus("arrays", array_set)}
    assert groups <= heard_recordings(Bundle.open(bundle))
    capsys.readouterr()
    assert main(["evaluate", str(bundle), "--data", str(array_set), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["clips"], found["heard"]) == (24, 24)


def clip(name: str, label: str, group: str, fold: int = 1) -> Clip:
    return Clip(
        path=Path(name), clip_id=name, fine=label, label=label, group=group, fold=fold, corpus="c",
        licence="CC0", attribution="",
    )  # fmt: skip


# Catches: two pieces of one recording while another recording isn't heard at all.
def test_as_many_recordings_as_possible_are_chosen() -> None:
    clips = [clip(f"long{n}", "dog", "long") for n in range(20)] + [
        clip("a", "dog", "a"),
        clip("b", "dog", "b"),
    ]
    assert {one.group for one in choose_clips(clips, 3)} == {"long", "a", "b"}
    assert len(choose_clips(clips, 100)) == 22


# Catches: scenes that all fall to the same array or distance, so that a table's lines compare labels.
def test_scenes_are_dealt_evenly() -> None:
    clips = [clip(f"{label}{n}", label, f"{label}{n}") for label in LABELS for n in range(6)]
    config = ArrayConfig(arrays=("linear4", "circle4"))
    scenes = plan_scenes(clips, config, 3, seed=1)
    for label in LABELS:
        own = [(s.array, s.distance_m, s.rt60_s) for s in scenes if s.clip.label == label]
        assert len(own) == len(set(own)) == 18
    assert len({scene.name for scene in scenes}) == len(scenes)


# Catches: fold bundles with networks, SVMs or fusions of the wrong fold; recordings that they have heard.
def test_fold_bundles_answer_as_the_run_did(places: tuple[Path, Path], tmp_path: Path) -> None:
    from asc_edge.pipeline import classify_clip
    from asc_edge_train.arrays_folds import fold_bundles
    from asc_edge_train.sound import clip_samples

    data, run = places
    fused = fuse_run(open_run(run, data, quiet=True))
    paths = fold_bundles(fused, tmp_path)
    assert sorted(paths) == [1, 2]
    posteriors = fused.fusions["late fusion"].posteriors
    for number, each in enumerate(fused.run.clips[::5]):
        bundle = Bundle.open(paths[each.fold])
        assert each.group not in heard_recordings(bundle)
        other = next(one.group for one in fused.run.clips if one.fold != each.fold)
        assert other in heard_recordings(bundle)
        answer = classify_clip(bundle, clip_samples(each, 16000)[:16000])
        said = np.array([answer.posterior[label] for label in bundle.labels])
        np.testing.assert_allclose(said, posteriors[5 * number], atol=5e-3)
    before = {path: path.stat().st_mtime_ns for path in paths.values()}
    fold_bundles(fused, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in paths.values()} == before


# Catches: a page that lacks a table, a picture that isn't one, a run whose bundles heard what they are asked.
def test_a_run_is_evaluated_out_of_fold(
    array_set: Path, places: tuple[Path, Path], tmp_path: Path, capsys: Any
) -> None:
    data, run = places
    command = ["--set", str(array_set), "--data", str(data), "--jobs", "1", "--quiet", "--json"]
    capsys.readouterr()
    assert main(["evaluate-arrays", str(run), *command, "--out", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["protocol"] == "out of fold"
    assert len(found["bundles"]) == 2
    assert found["by_array"]["linear4"]["channels"] == 4
    assert len(found["by_array"][FOUR]["single"]) == 4
    assert found["by_array"]["linear4"]["faults"]["dead"]["lost_vote"] == 1.0
    assert [table["scenes"] for table in found["by_distance"]] == [12, 12]
    page = (tmp_path / "arrays.md").read_text()
    assert "gain over best" in page
    assert "arrays.png" in page
    assert (tmp_path / "arrays.png").read_bytes().startswith(b"\x89PNG")
    bundle = str(run / "tiny.ascb")
    assert main(["evaluate-arrays", bundle, "--set", str(array_set), "--jobs", "1", "--quiet"]) == 0
    assert "warning: 24 scenes" in capsys.readouterr().out
    assert main(["evaluate-arrays", bundle, "--set", str(array_set), "--unheard", "--quiet"]) == 2


def answered(
    number: int, truth: int, together: int, single: tuple[int, ...], fault: str = "none"
) -> Answered:
    row = {
        "scene": f"s{number}", "group": f"g{number}", "array": "linear4", "channels": "4", "fault": fault,
        "distance_m": "1.0" if number % 2 else "4.0", "rt60_s": "0.3", "fault_channel": str(number % 4),
    }  # fmt: skip
    return Answered(row, truth, together, single, excluded=fault == "dead")


# Catches: the gain with its sign turned round; the best channel by place instead of by figure; faults
# compared with other scenes.
def test_tables_of_known_answers() -> None:
    made = []
    for number in range(40):
        truth = number % 2
        wrong = 1 - truth
        # Together always right; channel 2 (from 0) wrong in every fifth scene, the others in every second.
        half = wrong if number % 4 < 2 else truth
        third = wrong if number % 5 == 0 else truth
        made.append(answered(number, truth, truth, (half, half, third, half)))
        made.append(answered(number, truth, truth, (wrong,), "dead"))
        made.append(answered(number, truth, wrong if number % 10 == 0 else truth, (third,), "noisy"))
    table = array_tables(made, 2)["by_array"][FOUR]
    assert table["together"]["macro_f1"] == 1.0
    assert table["best_single"] == 2
    assert table["gain_over_best"]["difference"] == pytest.approx(1.0 - table["single"][2]["macro_f1"])
    assert table["gain_over_best"]["interval"][0] > 0
    assert table["faults"]["dead"]["change"]["difference"] == 0.0
    assert table["faults"]["noisy"]["change"]["difference"] < -0.05
    # Where channel 2 is the dead one (every fourth scene) it is wrong; as a noisy one it is as it was.
    expected = np.array([n % 2 if n % 5 and n % 4 != 2 else 1 - n % 2 for n in range(40)])
    score = f1_score(np.arange(40) % 2, expected, average="macro")
    dead, noisy = table["faults"]["dead"], table["faults"]["noisy"]
    assert dead["best_single"]["macro_f1"] == pytest.approx(score)
    assert dead["gain_over_best"]["difference"] == pytest.approx(1.0 - score)
    assert noisy["best_single"]["macro_f1"] == table["single"][2]["macro_f1"]
    near, far = array_tables(made, 2)["by_distance"]
    assert (near["name"], far["name"]) == ("up to 1.25 m", "over 2.5 m")
    assert near["scenes"] == far["scenes"] == 20


# Catches: labels that no recording has, counted as never found; answers with them that count as right.
def test_labels_without_recordings_are_not_in_the_mean() -> None:
    truth = np.tile([0, 2], 20)
    answers = np.where(np.arange(40) % 7 == 0, 1, np.where(np.arange(40) % 5 == 0, 4, truth))
    made = [answered(n, int(truth[n]), int(answers[n]), (int(answers[n]),) * 4) for n in range(40)]
    table = array_tables(made, 4)["by_array"][FOUR]
    expected = f1_score(truth, answers, labels=[0, 2], average="macro")
    assert table["together"]["macro_f1"] == pytest.approx(expected)
    assert table["gain_over_best"]["difference"] == 0.0


# Catches: options that are found wrong only after the corpora were read, and a traceback instead of a line.
@pytest.mark.parametrize(
    "wrong",
    [["--arrays", "square9"], ["--faults", "dead"], ["--clips-per-label", "0"], ["--jobs", "0"]],
)
def test_wrong_options_are_refused(
    wrong: list[str], places: tuple[Path, Path], tmp_path: Path, capsys: Any
) -> None:
    assert main(["make-array-set", str(tmp_path / "x"), "--data", str(places[0]), *wrong, "--quiet"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "x").exists()


# Catches: measured responses that are nowhere near, or background loudspeakers at no known distance.
def test_measured_names_tell_the_distance() -> None:
    found = arrays_rooms._MEASURED_NAME.fullmatch("Absorptive_025_S030-150")
    assert found is not None
    assert found[1] == "150"
    assert arrays_rooms._MEASURED_NAME.fullmatch("Absorptive_000_SBG3") is None
