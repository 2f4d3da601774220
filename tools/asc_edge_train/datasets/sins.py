"""DCASE 2018 task 5: daily activities in one flat, a derivative of the SINS data base (Dekkers et al. 2017).

Development: ``audio/DevNode1_ex100_1.wav`` (node, session, segment), ``meta.txt`` (file, activity, session)
and four folds in ``evaluation_setup``. Evaluation: ``audio/1.wav`` and so on; ``evaluation_setup/map.txt``
tells which microphone node a file is from. The challenge ranks by nodes that the development part lacks.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from asc_edge_train.clips import Clip, Corpus, DataError
from asc_edge_train.datasets.lists import FoldLists, ListedFiles, choose, read_rows

__all__ = ["DEVELOPMENT_FOLDER", "EVALUATION_FOLDER", "load_sins"]

DEVELOPMENT_FOLDER = "DCASE2018-task5-dev"
EVALUATION_FOLDER = "DCASE2018-task5-eval"
_NODE_NAME = re.compile(r"Node(\d+)_ex(\d+)_(\d+)")
_DEVELOPMENT_NODES = (1, 2, 3, 4)
_NO_LABEL = "without a label"


def load_sins(
    folder: Path, *, missing: str = "error", fold_by: str = "session", held_out_node: int = 0
) -> Corpus:
    """Clips of the development and the evaluation set, as far as they are there.

    Parameters
    ----------
    folder : Path
        Holds ``DCASE2018-task5-dev``, ``DCASE2018-task5-eval`` or both, or is one of them.
    missing : {"error", "skip"}
        What to do about a listed file that isn't there.
    fold_by : {"session", "node"}
        ``session``: the official folds; the group is the session, with all its nodes. ``node``: fold n is
        node n, so that each node is tested by a system that never heard its microphones. All nodes hear the
        same sessions at once, so the other three have heard the same events: such figures tell what a strange
        microphone costs, and nothing about strange days. The group is then the session at one node.
    held_out_node : int
        This node becomes the evaluation part (subset ``held-out node``) in place of the official one; the
        other three keep the official folds. Sessions stand in both parts, with the same reservation.

    Raises
    ------
    DataError, FoldLeakError, AudioFileError
    """
    choose("fold_by", fold_by, ("session", "node"))
    if held_out_node not in (0, *_DEVELOPMENT_NODES):
        raise DataError(f"option held_out_node is {held_out_node!r}: choose one of 1, 2, 3, 4")
    if held_out_node and fold_by == "node":
        raise DataError("options held_out_node and fold_by=node exclude each other")
    files = ListedFiles(missing)
    development, evaluation = _parts(folder)
    clips: list[Clip] = []
    if development is not None:
        clips += _development(development, files, fold_by, held_out_node)
    if evaluation is not None and not held_out_node:
        clips += _evaluation(evaluation, files)
    if not clips and files.left_out[_NO_LABEL]:
        raise DataError(f"{folder}: an evaluation set without labels, which can't be scored")
    return Corpus(clips, files.left_out)


def _parts(folder: Path) -> tuple[Path | None, Path | None]:
    inside = [folder / name for name in (DEVELOPMENT_FOLDER, EVALUATION_FOLDER)]
    if any(path.is_dir() for path in inside):
        return inside[0] if inside[0].is_dir() else None, inside[1] if inside[1].is_dir() else None
    rows = read_rows(folder / "meta.txt")
    if rows and _NODE_NAME.search(rows[0][0]):
        return folder, None
    return None, folder


def _development(folder: Path, files: ListedFiles, fold_by: str, held_out_node: int) -> list[Clip]:
    list_path = folder / "meta.txt"
    rows = read_rows(list_path, least=3)
    sessions = {Path(name).name: f"sins:dev:{session}" for name, _, session, *_ in rows}
    folds = None if fold_by == "node" else FoldLists(folder / "evaluation_setup", sessions)
    clips = []
    for listed, activity, *_ in rows:
        name = Path(listed).name
        parts = _NODE_NAME.search(name)
        if parts is None:
            raise DataError(f"{list_path}: {name} is not a name such as DevNode1_ex100_1.wav")
        path = files.find(list_path, folder, listed)
        if path is None:
            continue
        node = int(parts[1])
        clip = _clip(path, "dev", activity, sessions[name])
        if folds is None:
            clip = replace(clip, fold=node, group=f"{clip.group}@node{node}")
        elif node == held_out_node:
            clip = replace(clip, part="evaluation", subset="held-out node", group=f"{clip.group}@node{node}")
        else:
            clip = replace(clip, fold=folds.fold_of(name))
        clips.append(clip)
    if held_out_node and not any(clip.part == "evaluation" for clip in clips):
        raise DataError(f"{folder}: no file of node {held_out_node}, which is to be held out")
    return clips


def _evaluation(folder: Path, files: ListedFiles) -> list[Clip]:
    setup = folder / "evaluation_setup"
    nodes = _read_map(setup / "map.txt")
    lists = [folder / "meta.txt", setup / "evaluate.txt", setup / "evaluation.txt"]
    tables = {path: read_rows(path) for path in lists if path.is_file()}
    labelled = [path for path, rows in tables.items() if rows and len(rows[0]) > 1]
    if not labelled:
        files.left_out[_NO_LABEL] += max((len(rows) for rows in tables.values()), default=0)
        return []
    list_path = labelled[0]
    clips = []
    for row in tables[list_path]:
        name = Path(row[0]).name
        if len(row) < 2 or not row[1]:
            raise DataError(f"{list_path}: {name} has no label, while others have")
        origin = nodes.get(Path(name).stem)
        if nodes and origin is None:
            raise DataError(f"{setup / 'map.txt'}: {name} isn't in it; copy the list again")
        path = files.find(list_path, folder, row[0])
        if path is None:
            continue
        session = row[2] if len(row) > 2 else f"s{origin[1]}" if origin else Path(name).stem
        clip = replace(_clip(path, "eval", row[1], f"sins:eval:{session}"), part="evaluation")
        if origin:
            clip = replace(clip, subset="known" if origin[0] in _DEVELOPMENT_NODES else "unknown")
        clips.append(clip)
    return clips


def _read_map(path: Path) -> dict[str, tuple[int, int]]:
    """Node and session by the number that names an evaluation file, whichever column is which."""
    nodes: dict[str, tuple[int, int]] = {}
    if not path.is_file():
        return nodes
    for row in read_rows(path, least=2):
        stems = [Path(cell).stem for cell in row[:2]]
        origins = [_NODE_NAME.search(stem) for stem in stems]
        # Exactly one of the two names a node.
        if (origins[0] is None) == (origins[1] is None):
            raise DataError(f"{path}: {' '.join(row)!r} doesn't map a number to a name such as Node5_ex1_1")
        number, origin = (stems[1], origins[0]) if origins[0] else (stems[0], origins[1])
        assert origin is not None
        nodes[number] = (int(origin[1]), int(origin[2]))
    return nodes


def _clip(path: Path, part: str, activity: str, group: str) -> Clip:
    return Clip(
        path=path,
        clip_id=f"dcase2018-task5/{part}/{path.stem}",
        fine=activity,
        group=group,
        corpus="DCASE2018 task 5",
        licence="non-commercial research (EULA of KU Leuven)",
        attribution="SINS data base, derivative for DCASE 2018 task 5 (G. Dekkers and others, KU Leuven)",
    )
