"""Teaching from end to end, on a system small enough to see through."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from asc_edge import Bundle
from asc_edge.audio.sources import FileSource
from asc_edge.errors import BundleError, TeachingError
from asc_edge.manifest import parse_manifest
from asc_edge.teaching.hearing import check_heard, examples_of, hear
from asc_edge.teaching.judging import judge
from asc_edge.teaching.lessons import Lesson, TaughtFolder
from asc_edge.teaching.memory import Memory
from asc_edge.teaching.refit import Examples, make_table
from asc_edge.teaching.teacher import check_label, memory_of
from command import asc_edge, assert_one_line_error
from teach_system import SPEC, mixture, noisy_band, write_clip, write_teachable

from tiny_system import band_noise, tiny_files, tiny_manifest


@pytest.fixture(scope="module")
def teachable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_teachable(tmp_path_factory.mktemp("teach") / "bands.ascb")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("clips")
    return [str(write_clip(folder / f"{n}.wav", mixture(8.0, 10 * n))) for n in range(5)]


def test_a_new_sound_is_learnt_kept_and_forgotten(teachable: Path, clips: list[str], tmp_path: Path) -> None:
    """Catches: a lesson that changes nothing, isn't found again, or can't be undone."""
    env = {"XDG_STATE_HOME": str(tmp_path)}
    done = asc_edge("teach", "both", "--bundle", teachable, "--input", *clips[:4], env=env)
    assert done.returncode == 0, done.stderr
    assert "both" in done.stdout
    assert f"--bundle {teachable}+taught" in done.stdout
    heard = asc_edge("classify", "--bundle", f"{teachable}+taught", "--format", "jsonl", clips[4], env=env)
    assert json.loads(heard.stdout)["top"] == "both", heard.stderr
    low = str(write_clip(tmp_path / "low.wav", band_noise("low", 3.0, seed=77)))
    heard = asc_edge("classify", "--bundle", f"{teachable}+taught", "--format", "jsonl", low, env=env)
    assert json.loads(heard.stdout)["top"] == "low"
    shown = asc_edge("bundle", "show", f"{teachable}+taught", env=env).stdout
    assert re.search(r"taught +32 s of both, 20\d\d-\d\d-\d\dT", shown)
    assert re.search(r"both +100\.0\n", shown)
    assert "whose own accuracy isn't this one's" in shown
    assert "99.9" not in shown, "the accuracy of the bundle that was taught"
    assert "Knows no dogs." in shown
    listed = asc_edge("teach", "--list", "--bundle", teachable, env=env)
    assert "both  32 s of 4 recordings" in listed.stdout
    # Taught as something else, the same recording contradicts itself.
    other = asc_edge("teach", "mid", "--bundle", teachable, "--input", *clips[:4], env=env)
    assert_one_line_error(other, 1, "was taught as both, and can't be mid, too")
    assert asc_edge("teach", "--undo", "--bundle", teachable, env=env).returncode == 0
    gone = asc_edge("classify", "--bundle", f"{teachable}+taught", clips[4], env=env)
    assert_one_line_error(gone, 1, "was taught nothing here yet")
    assert_one_line_error(
        asc_edge("teach", "--undo", "--bundle", teachable, env=env), 1, "nothing can be undone"
    )
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "low.wav"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("short", "can be learnt from"),
        ("silent", "is silent all the time"),
        ("dead", "no microphone delivered sound"),
        ("clipped", "windows clip"),
        ("twice", "is the same recording as"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(
    teachable: Path, clips: list[str], tmp_path: Path, kind: str, words: str
) -> None:
    """Catches: a bundle that has learnt silence, or a sound that it heard for three seconds."""
    sounds = {
        "short": [clips[0]],
        "silent": [write_clip(tmp_path / "s.wav", 3e-5 * band_noise("mid", 30.0) + _steps(30.0))],
        "dead": [write_clip(tmp_path / "d.wav", np.zeros(480000, np.float32))],
        "clipped": [write_clip(tmp_path / "c.wav", np.clip(20 * mixture(30.0, 3), -1, 1))],
        "twice": [*clips[:3], clips[0]],
    }
    given = map(str, sounds[kind])
    done = asc_edge(
        "teach", "x", "--bundle", teachable, "--input", *given, env={"XDG_STATE_HOME": str(tmp_path)}
    )
    assert_one_line_error(done, 1, words)
    assert not (tmp_path / "asc-edge").exists()


def _steps(seconds: float) -> np.ndarray:
    """The last bit of a converter: not dead, but nothing that anybody hears."""
    return (np.random.default_rng(1).integers(0, 2, round(seconds * 16000)) / 32768).astype(np.float32)


def test_a_lesson_that_spoils_other_labels_is_refused(teachable: Path, tmp_path: Path) -> None:
    """Catches: teaching that takes 'high' for 'other_high' ever after."""
    sounds = [noisy_band("high", 1.0, seed=500 + number) for number in range(24)]
    given = [str(write_clip(tmp_path / f"{n}.wav", sound)) for n, sound in enumerate(sounds)]
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    words = ("teach", "same_as_high", "--bundle", str(teachable), "--input", *given)
    done = asc_edge(*words, env=env)
    assert done.returncode == 1
    assert "not kept: " in done.stderr
    assert "--force" in done.stderr
    assert not (tmp_path / "state").exists()
    assert asc_edge(*words, "--force", env=env).returncode == 0


def test_more_of_a_label_that_is_there(teachable: Path, clips: list[str]) -> None:
    """Catches: a correction that becomes a label of its own, or one whose rows never reach the fit."""
    base = Bundle.open(teachable)
    memory, spec = memory_of(base)
    heard = [hear(base, FileSource(path)) for path in clips[:4]]
    judgement = judge(base.labels, memory, spec, [examples_of("mid", heard, base.window_s)])
    assert judgement.labels == base.labels
    mid = judgement.figures[base.labels.index("mid")]
    assert mid.recall_before is not None
    assert mid.recall_after is not None
    assert mid.recall_after > 0.9
    assert judgement.objections("mid") == []


def test_pieces_of_one_recording_do_not_hear_each_other(teachable: Path, tmp_path: Path) -> None:
    """Catches: cross-validation by window, which finds everything learnt."""
    base = Bundle.open(teachable)
    one = hear(base, FileSource(write_clip(tmp_path / "x.wav", mixture(40.0, 5))))
    check_heard([one])
    examples = examples_of("both", [one], base.window_s)
    assert len(set(examples.groups)) == 4
    assert len(examples.groups) < len(one.ends_s)
    with pytest.raises(TeachingError, match="a short recording or two"):
        examples_of("both", [hear(base, FileSource(write_clip(tmp_path / "y.wav", mixture(15.0, 5))))], 1.0)


def test_every_channel_is_an_example(teachable: Path, tmp_path: Path) -> None:
    """Catches: an array of which one microphone is learnt, or their mean."""
    base = Bundle.open(teachable)
    rng = np.random.default_rng(5)
    mono = mixture(6.0, 1)
    stereo = np.stack([mono, 0.5 * mono + 0.02 * rng.standard_normal(len(mono))], axis=1)
    heard = hear(base, FileSource(write_clip(tmp_path / "x.wav", stereo.astype(np.float32))))
    assert len(heard.rows["embedding"]) == 2 * heard.windows
    assert not np.allclose(heard.rows["embedding"][0], heard.rows["embedding"][1])


def test_a_label_of_two_recordings_can_be_judged(teachable: Path) -> None:
    """Catches: folds of folds that lack a label, and a fit that fails there."""
    base = Bundle.open(teachable)
    memory, spec = memory_of(base)
    rng = np.random.default_rng(2)
    rows = {"bands": rng.random((6, 3)), "embedding": rng.random((6, 30))}
    judgement = judge(base.labels, memory, spec, [Examples("new", tuple("aaabbb"), rows)])
    assert judgement.labels == (*base.labels, "new")


def test_groups_never_straddle_folds(teachable: Path) -> None:
    """Catches: a recording whose pieces are in the training and the test part at once."""
    base = Bundle.open(teachable)
    memory, _ = memory_of(base)
    rows = {"bands": np.zeros((12, 3)), "embedding": np.zeros((12, 30))}
    table = make_table(base.labels, memory, [Examples("new", tuple("aabbccddeeff"), rows)])
    folds = table.folds[table.known :]
    assert all(folds[n] == folds[n + 1] for n in range(0, 12, 2))
    assert len(set(folds.tolist())) == 4


def test_a_power_cut_leaves_the_old_bundle(teachable: Path, tmp_path: Path) -> None:
    """Catches: half a lesson that is taken for a whole one."""
    base = Bundle.open(teachable)
    folder = TaughtFolder(base, tmp_path)
    rows = {"bands": np.ones((4, 3)), "embedding": np.ones((4, 30))}
    lesson = Lesson(Examples("new", tuple("aabb"), rows), "2026-01-01T00:00:00+00:00", 20.0, ("a", "b"))

    def dies(path: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.add(lesson, dies)
    assert folder.newest() is None
    # As a plug leaves it: the lesson is written, the bundle is not.
    folder.lesson_path(1).parent.mkdir(exist_ok=True)
    folder.lesson_path(1).write_bytes(lesson.to_npz())
    assert folder.newest() is None
    assert folder.lessons() == []

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(TeachingError, match=r"No space left on device; nothing has changed"):
        folder.add(lesson, full)
    path = folder.add(lesson, lambda path: path.write_bytes(teachable.read_bytes()) and None)
    assert folder.newest() == path
    (read,) = folder.lessons()
    assert read.examples.groups == lesson.examples.groups
    np.testing.assert_array_equal(read.examples.rows["embedding"], rows["embedding"])


def test_a_bundle_without_a_memory_says_what_to_do(tiny_bundle: Path, clips: list[str]) -> None:
    """Catches: minutes of sound that are recorded before it is known that nothing can be taught."""
    done = asc_edge("teach", "x", "--bundle", tiny_bundle, "--input", "not-there.wav")
    assert_one_line_error(done, 1, "holds no memory of its training")


def test_the_memory_survives_its_file(teachable: Path) -> None:
    """Catches: embeddings that come back in another order or scale."""
    base = Bundle.open(teachable)
    memory, _ = memory_of(base)
    again = Memory.from_npz(memory.to_npz(), base.manifest)
    np.testing.assert_allclose(again.embeddings["embedding"], memory.embeddings["embedding"], atol=2e-3)
    np.testing.assert_array_equal(again.truth, memory.truth)
    np.testing.assert_allclose(again.scores["bands"], memory.scores["bands"], atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"memory": 3}, "memory is not an object"),
        ({"memory": {**SPEC, "member_c": {}}}, "doesn't name the members"),
        ({"memory": {**SPEC, "member_c": {"embedding": 0}}}, "a C is not above 0"),
        ({"memory": {**SPEC, "fusion_c": "1"}}, "fusion_c is not a finite number"),
        ({"memory": {**SPEC, "balanced": 1}}, "balanced is not true or false"),
        ({"taught": []}, "taught is not an object"),
        ({"taught": {"labels": ["low"]}}, "not the last"),
        ({"taught": {"labels": ["mid", "high"]}}, "not the last"),
        ({"taught": {"labels": ["high"]}}, "gives 3 outputs for 2 labels"),
        ({"schema": 1, "memory": SPEC}, "schema 1 doesn't know"),
    ],
)
def test_manifests_that_contradict_themselves_are_refused(change: dict[str, object], message: str) -> None:
    """Catches: a taught bundle that fails in the middle of the night."""
    files = {name: {"sha256": "0"} for name in tiny_files()}
    full = {"schema": 2, **tiny_manifest(), "files": files, **change}
    with pytest.raises(BundleError, match=message):
        parse_manifest(json.dumps(full).encode(), "x.ascb")


@pytest.mark.parametrize("label", ["", "Two Words", "x/y", "über", "ok", "9lives", "a" * 41])
def test_labels_that_nobody_could_type_are_refused(teachable: Path, label: str) -> None:
    """Catches: a label that breaks a topic, a file name or a table."""
    with pytest.raises(TeachingError):
        check_label(label, Bundle.open(teachable), [])


def test_teaching_does_not_need_the_workstation(teachable: Path, clips: list[str], tmp_path: Path) -> None:
    """Catches: scikit-learn on a Raspberry Pi."""
    import subprocess
    import sys

    from command import environment
    from test_import_graph import _RUNNER, WORKSTATION

    command = [
        sys.executable,
        "-c",
        _RUNNER,
        "teach",
        "both",
        "--bundle",
        str(teachable),
        "--input",
        *clips[:4],
    ]
    env = environment({"XDG_STATE_HOME": str(tmp_path)})
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=60)
    assert done.returncode == 0, done.stderr
    roots = {name.partition(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}
    assert "asc_edge" in roots
    assert not roots & WORKSTATION
