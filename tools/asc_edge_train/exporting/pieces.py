"""Pieces of an export: one network of a run in one format, and what it answers for the fold it never heard.

Each is kept under a key of what it depends on, so that an export that was interrupted goes on where it was.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from asc_edge.atomic import write_atomically
from asc_edge.engines import load_engine
from asc_edge_train.exporting.fine_tuning import fine_tune, fold_batch_norms
from asc_edge_train.exporting.onnx_float import export_onnx, module_to_onnx
from asc_edge_train.exporting.onnx_int8 import CALIBRATED as ONNX_CALIBRATED
from asc_edge_train.exporting.onnx_int8 import quantise_onnx
from asc_edge_train.exporting.quiet import quietly
from asc_edge_train.exporting.tflite_float import export_tflite, module_to_tflite
from asc_edge_train.exporting.tflite_int8 import CALIBRATED as TFLITE_CALIBRATED
from asc_edge_train.exporting.tflite_int8 import quantise_tflite
from asc_edge_train.exporting.variants import FLOAT, TUNED
from asc_edge_train.features import network_input, open_features
from asc_edge_train.frozen import FrozenTask, ShippedTask
from asc_edge_train.models import StreamCnn
from asc_edge_train.networks import NetworkTask, load_network
from asc_edge_train.recipe import fingerprint
from asc_edge_train.storage import is_stamped, load_arrays, save_arrays, stamp

__all__ = ["CALIBRATION_WINDOWS", "Piece", "calibration_rows", "make_piece"]

CALIBRATION_WINDOWS = 64
# Raised when the arithmetic in here or in the quantisers changes.
_VERSION = 2
_CLIPS_AT_A_TIME = 32


@dataclass(frozen=True)
class Piece:
    """One network of a run, as one file.

    Attributes
    ----------
    task : NetworkTask or FrozenTask
        The network; of all folds, or of all but one.
    ending : {"onnx", "tflite"}
    scheme : str
        ``"float"``, or how it is quantised.
    folder : Path
        Where pieces are kept.
    """

    task: ShippedTask
    ending: str
    scheme: str
    folder: Path

    @property
    def key(self) -> str:
        """What its answers depend on."""
        return fingerprint(_VERSION, self.task.key, self.ending, self.scheme, CALIBRATION_WINDOWS)

    @property
    def file_key(self) -> str:
        """What the file depends on."""
        if not isinstance(self.task, FrozenTask) or not self.shared:
            return self.key
        return fingerprint(_VERSION, self.task.network_key, self.ending, self.scheme)

    @property
    def shared(self) -> bool:
        """Whether all folds have this file: a frozen network's, unless it is calibrated on a fold's clips."""
        calibrated = ONNX_CALIBRATED if self.ending == "onnx" else TFLITE_CALIBRATED
        return isinstance(self.task, FrozenTask) and self.scheme not in calibrated

    @property
    def tuning_key(self) -> str:
        """What the fine-tuned weights under it depend on."""
        return fingerprint(_VERSION, self.task.key, TUNED, CALIBRATION_WINDOWS)

    @property
    def path(self) -> Path:
        name = self.task.member.name if self.shared else self.task.name
        return self.folder / f"{name}-{self.scheme}.{self.ending}"

    @property
    def answers_path(self) -> Path:
        return self.folder / f"{self.task.name}-{self.scheme}.{self.ending}.npz"

    @property
    def done(self) -> bool:
        answered = not len(self.task.held_out) or is_stamped(self.answers_path, self.key)
        return answered and is_stamped(self.path, self.file_key)

    @property
    def float_piece(self) -> Piece:
        """What it is quantised from."""
        return Piece(self.task, self.ending, FLOAT + (TUNED if self.tuned else ""), self.folder)

    @property
    def tuned(self) -> bool:
        return self.scheme.endswith(TUNED)

    @property
    def is_float(self) -> bool:
        return self.scheme.removesuffix(TUNED) == FLOAT

    def answers(self) -> np.ndarray:
        """Answers (clips, outputs) for the clips of the fold that is held out, in the table's order."""
        return load_arrays(self.answers_path)["answers"]


def make_piece(piece: Piece) -> None:
    """Make a piece, and the float network under it, unless they stand already.

    Raises
    ------
    EngineError, ExportError
        When a converter is missing, or what it makes is wrong.
    """
    if piece.done:
        return
    if not piece.is_float:
        make_piece(piece.float_piece)
    if is_stamped(piece.path, piece.file_key):
        data = piece.path.read_bytes()
    else:
        data = _float_network(piece) if piece.is_float else _quantised(piece)
        write_atomically(piece.path, data)
        stamp(piece.path, piece.file_key)
    if len(piece.task.held_out):
        save_arrays(piece.answers_path, answers=_answers(piece, data))
        stamp(piece.answers_path, piece.key)


def calibration_rows(task: ShippedTask, count: int = CALIBRATION_WINDOWS) -> np.ndarray:
    """Clips that a network is calibrated on: a seeded choice among those that it was trained on."""
    rows = task.rows
    rng = np.random.default_rng([*task.seed, len(rows)])
    return np.sort(rng.choice(rows, size=min(count, len(rows)), replace=False))


def calibration_windows(task: ShippedTask, count: int = CALIBRATION_WINDOWS) -> np.ndarray:
    """What the network will hear, (windows, 1, mels, frames): training clips, their plain views in turn."""
    if isinstance(task, FrozenTask):
        heard = [task.heard(row) for row in calibration_rows(task, count)]
        return np.stack([views[place % len(views)] for place, views in enumerate(heard)])
    views = open_features(task.features)[: task.features.plain_views]
    rows = calibration_rows(task, count)
    frames = np.stack([views[place % len(views), row] for place, row in enumerate(rows)])
    return network_input(frames, task.member.floor_db, task.member.fed)


def _float_network(piece: Piece) -> bytes:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        task = piece.task
        return _frozen(piece, task) if isinstance(task, FrozenTask) else _trained(piece, task)
    finally:
        torch.set_num_threads(threads)


def _trained(piece: Piece, task: NetworkTask) -> bytes:
    mels, frames = open_features(task.features).shape[2:]
    network = load_network(task, mels)
    if isinstance(network, StreamCnn):
        network = network.for_device()
    if piece.tuned:
        network = _tuned_network(piece, task, network)
    export = export_onnx if piece.ending == "onnx" else export_tflite
    return export(network, task.member.kind, mels, frames)


def _frozen(piece: Piece, task: FrozenTask) -> bytes:
    if piece.ending == "onnx":
        return module_to_onnx(task.module(), task.shape, dynamic_time=False)
    return module_to_tflite(task.module(), task.shape)


def _tuned_network(piece: Piece, task: NetworkTask, network: nn.Module) -> nn.Module:
    """The network fine-tuned on its own training clips, once for all formats."""
    path = piece.folder / f"{piece.task.name}{TUNED}.pt"
    if is_stamped(path, piece.tuning_key):
        tuned = fold_batch_norms(network)
        tuned.load_state_dict(torch.load(path, weights_only=True))
        return tuned
    member = task.member
    assert member.training is not None
    size = member.training.batch
    frames = open_features(task.features)
    views = frames if member.training.variants else frames[: task.features.plain_views]

    def batches(rng: np.random.Generator) -> Iterator[np.ndarray]:
        rows, chosen = rng.permutation(task.rows), rng.integers(len(views), size=len(task.rows))
        for start in range(0, len(rows), size):
            few = zip(chosen[start : start + size], rows[start : start + size], strict=True)
            cells = np.stack([views[view, row] for view, row in few])
            yield network_input(cells, member.floor_db, member.fed)

    tuned = fine_tune(network, member, calibration_windows(task), batches, task.seed)
    buffer = io.BytesIO()
    torch.save(tuned.state_dict(), buffer)
    write_atomically(path, buffer.getvalue())
    stamp(path, piece.tuning_key)
    return tuned


def _quantised(piece: Piece) -> bytes:
    quantise = quantise_onnx if piece.ending == "onnx" else quantise_tflite
    data = piece.float_piece.path.read_bytes()
    return quantise(data, piece.scheme.removesuffix(TUNED), calibration_windows(piece.task))


def _answers(piece: Piece, data: bytes) -> np.ndarray:
    """Answers for the held-out clips, by the device's engine: the mean over the plain views."""
    with quietly():
        engine = load_engine(piece.path.name, data)
    task = piece.task
    if isinstance(task, FrozenTask):
        return np.stack([engine.run(task.heard(row)).mean(axis=0) for row in task.held_out])
    rows, member = task.held_out, task.member
    views = open_features(task.features)[: task.features.plain_views]
    answers = []
    for start in range(0, len(rows), _CLIPS_AT_A_TIME):
        few = rows[start : start + _CLIPS_AT_A_TIME]
        turns = [engine.run(network_input(view[few], member.floor_db, member.fed)) for view in views]
        answers.append(np.mean(turns, axis=0))
    return np.concatenate(answers)
