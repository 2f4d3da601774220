"""Simulated scenes: what they are made of, what is rendered, and that a run trains on them."""

from __future__ import annotations

import csv
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asc_edge.errors import ConfigError
from asc_edge_train.cli import main
from asc_edge_train.clips import Clip, DataError, check_groups, licence_family
from asc_edge_train.labels import build_table, table_labels
from asc_edge_train.recipe import Recipe, load_recipe, parse_recipe
from asc_edge_train.run import recipe_values
from asc_edge_train.scenes import SceneStore
from asc_edge_train.scenes_pieces import gather_pieces, strictest
from asc_edge_train.scenes_plan import Scene, plan_scenes
from asc_edge_train.scenes_render import crossfade_loop, render_scene
from train_trees import write_home_tree

COUNT = 12


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_home_tree(tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    whole = load_recipe("home")
    counts = dict.fromkeys(whole.scenes.counts, COUNT)
    return replace(whole, scenes=replace(whole.scenes, rooms=1, voices=[2, 3], **counts))


@pytest.fixture(scope="module")
def planned(recipe: Recipe, data: Path) -> list[Scene]:
    pieces, _ = gather_pieces(recipe, data, build_table(recipe, data))
    return plan_scenes(recipe, pieces, recipe.seed)


@pytest.fixture(scope="module")
def rendered(recipe: Recipe, data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    store = SceneStore(tmp_path_factory.mktemp("rendered"))
    clips = build_table(recipe, data, scenes=store)
    store.render(clips)
    return [clip for clip in clips if clip.sources]


def made(count: int, clip: Clip) -> np.ndarray:
    samples, rate = soundfile.read(clip.path, dtype="int16")
    assert (rate, len(samples)) == (16000, count)
    return np.asarray(samples)


# Catches: draws that depend on the order of rendering, on the machine's random state, or on the folder.
def test_same_seed_same_samples(recipe: Recipe, data: Path, rendered: list[Clip], tmp_path: Path) -> None:
    store = SceneStore(tmp_path)
    again = [clip for clip in build_table(recipe, data, scenes=store) if clip.sources][::-5]
    store.render(again)
    by_id = {clip.clip_id: clip for clip in rendered}
    for clip in again:
        assert np.array_equal(made(80000, clip), made(80000, by_id[clip.clip_id]))
    other = SceneStore(tmp_path, seed=1)
    build_table(recipe, data, scenes=other)
    assert other.key != store.key


# Catches: a speaker, a track or a loudspeaker that is trained on in one scene and tested on in another.
def test_no_piece_stands_in_two_folds(recipe: Recipe, data: Path) -> None:
    clips = build_table(recipe, data, scenes=SceneStore(data / "unused"))
    shutil.rmtree(data / "unused")
    check_groups(clips)
    folds: dict[str, set[int]] = defaultdict(set)
    for clip in clips:
        for source in clip.all_sources:
            folds[source.group].add(clip.fold)
    assert all(len(found) == 1 for found in folds.values())
    scenes = [clip for clip in clips if clip.sources]
    assert {(clip.label, clip.fold) for clip in scenes} == {
        (label, fold) for label in recipe.scenes.counts for fold in (1, 2, 3, 4)
    }


# Catches: room tone cut from the very recording of a phrase that is a clip, in another fold than the clip.
def test_a_recording_cut_twice_is_one_source(recipe: Recipe, data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "home_extra" / "manifest.csv"
    text = path.read_text()
    for number in range(4):
        text = text.replace(
            f"maker/roomtone_short/roomtone_short_{number}x,", f"somewhere/crowd_phrases/{number} @0.2s,"
        )
    path.write_text(text)
    clips = build_table(recipe, tmp_path)
    pieces, _ = gather_pieces(recipe, tmp_path, clips)
    homes = {clip.attribution: (clip.group, clip.fold) for clip in clips}
    cut = [p for there in pieces["room_tone"].values() for p in there if "@" in p.attribution]
    assert len(cut) == 4
    assert all(homes[p.attribution.partition(" @")[0]] == (p.group, p.fold) for p in cut)


# Catches: a piece whose licence forbids shipping, and one that vanishes without being counted.
def test_licences_are_filtered_and_counted(recipe: Recipe, data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "home_extra" / "manifest.csv"
    path.write_text(path.read_text().replace("music_cc_0x,CC-BY-3.0", "music_cc_0x,CC-BY-SA-3.0"))
    told: dict[str, int] = {}
    clips = build_table(
        recipe,
        tmp_path,
        lambda corpus, why, count: told.update({corpus: count}),
        SceneStore(tmp_path / "cache"),
    )
    assert told == {"home_extra/music_cc (in scenes)": 2}
    families = {licence_family(s.licence) for clip in clips for s in clip.all_sources}
    assert families <= set(recipe.licences)
    assert strictest(["CC0-1.0", "MIT (repo LICENSE)", "public domain"]) == "MIT"
    assert strictest(["Apache-2.0", "CC-BY-4.0 somebody", "MIT (repo LICENSE)"]) == "CC-BY"


# Catches: scenes told apart by their level, digital silence, a gap without any noise floor, or clipping.
def test_levels_and_noise_floor(recipe: Recipe, rendered: list[Clip]) -> None:
    for clip in rendered:
        samples = made(80000, clip) / 32768.0
        low, high = recipe.scenes.quiet_db if clip.label == "absence" else recipe.scenes.level_db
        level_db = 10 * np.log10(np.mean(samples**2))
        assert level_db < high + 0.2
        assert level_db > low - 0.2 or np.max(np.abs(samples)) > 0.97
        assert np.max(np.abs(samples)) < 0.99
        pieces = samples.reshape(-1, 160)
        assert np.all(np.ptp(pieces, axis=1) > 0)


# Catches: a loop whose period can be learnt, and clicks where two stretches meet.
def test_looped_room_tone_has_no_period_and_no_click() -> None:
    rng = np.random.default_rng(3)
    tone = rng.standard_normal(12800)

    def worst_echo(samples: np.ndarray) -> float:
        spectrum = np.fft.rfft(samples, 2 * len(samples))
        echo = np.fft.irfft(np.abs(spectrum) ** 2)[: len(samples) // 2]
        return float(np.max(np.abs(echo[800:])) / echo[0])

    looped = crossfade_loop(tone, 80000, 16000, rng)
    assert len(looped) == 80000
    assert worst_echo(np.tile(tone, 7)[:80000]) > 0.8
    assert worst_echo(looped) < 0.25
    level = np.sqrt(np.mean(looped.reshape(-1, 800) ** 2, axis=1))
    assert np.all(np.abs(level - 1.0) < 0.35)  # equal power: no dip, no bump
    slow = np.cumsum(rng.standard_normal(12800))
    slow -= np.linspace(slow[0], slow[-1], len(slow))
    joined = crossfade_loop(slow, 80000, 16000, rng)
    assert np.max(np.abs(np.diff(joined))) < 2.0 * np.max(np.abs(np.diff(slow)))
    assert np.array_equal(np.sort(crossfade_loop(tone, 12800, 16000, rng)), np.sort(tone))


# Catches: an interruption after which all scenes are rendered again, or one is missing or half there.
def test_interrupted_rendering_is_taken_up_again(
    recipe: Recipe, data: Path, rendered: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def ending(scene: Scene, *others: object) -> np.ndarray:
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(scene.name)
        return render_scene(scene, *others)  # type: ignore[arg-type]

    monkeypatch.setattr("asc_edge_train.scenes.render_scene", ending)
    command = ["make-scenes", "--data", str(data), "--out", str(tmp_path / "out"), "--count-per-label", "4"]
    command += ["--jobs", "1", "--quiet"]
    assert main(command) == 130
    there = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.flac")}
    assert len(there) == 5
    done.clear()
    monkeypatch.setattr(
        "asc_edge_train.scenes.render_scene",
        lambda scene, *others: done.append(scene.name) or render_scene(scene, *others),
    )
    assert main(command) == 0
    assert len(done) == 7
    assert all(path.stat().st_mtime_ns == time_ns for path, time_ns in there.items())
    with (tmp_path / "out" / "clips.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 12
    assert {path.name for path in (tmp_path / "out").glob("*.flac")} == {row["filename"] for row in rows}
    text = (tmp_path / "out" / "ATTRIBUTION.md").read_text()
    assert all(name in text for row in rows for name in row["attribution"][15:].split("; "))
    assert main([*command[:-3], "--seed", "9", "--quiet"]) == 2  # another set in the same folder
    assert main(["make-scenes", "--data", str(data), "--out", str(data)]) == 2


# Catches: conversations of one voice, or a voice that is named and never heard.
def test_conversations_have_their_voices(recipe: Recipe, planned: list[Scene]) -> None:
    talks = [scene for scene in planned if scene.label == "social_activity"]
    for scene in talks:
        voices = [part for part in scene.parts if part.kind == "voice"]
        people = {part.piece.group for part in voices}
        assert recipe.scenes.voices[0] <= len(people) <= recipe.scenes.voices[1]
        assert len({part.place for part in voices}) == len(people)
        assert all(0.0 <= part.start_s < part.start_s + part.length_s <= 5.01 for part in voices)
        assert scene.loudspeaker is None
    assert {len({p.piece.group for p in s.parts if p.kind == "voice"}) for s in talks} == {2, 3}
    assert all(scene.loudspeaker for scene in planned if scene.label == "watching_tv")
    assert all(scene.room is None for scene in planned if scene.label == "absence")


# Catches: a piece that a scene needs and its clip doesn't name.
def test_clips_name_all_pieces(planned: list[Scene], rendered: list[Clip]) -> None:
    by_name = {scene.name: scene for scene in planned}
    for clip in rendered:
        scene = by_name[clip.path.stem]
        used = {p.piece.attribution for p in scene.parts} | {p.attribution for p in scene.pieces}
        if scene.loudspeaker:
            used.add(scene.loudspeaker.attribution)
        assert {source.attribution for source in clip.sources} == used
        assert clip.group == scene.parts[0].piece.group


# Catches: nine labels demanded of a table that holds recordings alone.
def test_table_without_scenes(recipe: Recipe, data: Path) -> None:
    labels = table_labels(recipe, build_table(recipe, data))
    assert set(recipe.labels) - set(labels) == {"absence", "watching_tv"}


def test_wrong_scenes_are_refused(recipe: Recipe, data: Path, tmp_path: Path) -> None:
    good = recipe_values(recipe)
    for change, words in (
        ({"absence": -1}, "0 or more"),
        ({"voices": [1, 3]}, "voices"),
        ({"quiet_db": [-40.0, -60.0]}, "quiet_db"),
        ({"laughter": 3}, "laughter"),
    ):
        with pytest.raises(ConfigError, match=words):
            parse_recipe({**good, "scenes": {**good["scenes"], **change}})
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "home_extra" / "manifest.csv"
    path.write_text(path.read_text().replace("rir_devices,", "gone,"))
    with pytest.raises(DataError, match="rir_devices"):
        build_table(recipe, tmp_path, scenes=SceneStore(tmp_path / "cache"))


# Catches: pieces of the real sets that leak, or a fold without what its scenes are made of.
def test_real_pieces(shared_data: Path, tmp_path: Path) -> None:
    whole = load_recipe("home")
    clips = build_table(whole, shared_data, scenes=SceneStore(tmp_path))
    folds: dict[str, set[int]] = defaultdict(set)
    for clip in clips:
        for source in clip.all_sources:
            folds[source.group].add(clip.fold)
    assert all(len(found) == 1 for found in folds.values())
    assert not any("ami_meeting" in source.group for clip in clips for source in clip.all_sources)
    assert {clip.fine for clip in clips if clip.sources} == {"absence", "conversation", "watching_tv"}
    assert sum(bool(clip.sources) for clip in clips) == sum(whole.scenes.counts.values())
