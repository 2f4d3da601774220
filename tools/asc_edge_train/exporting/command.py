"""From a finished run to its bundles: every variant made, judged, timed, and packed with its model card."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asc_edge_train.bundling import ShippedNetwork, shipped_tasks, stream_parts, write_system
from asc_edge_train.card import model_card
from asc_edge_train.exporting.budget import Cost, over_budget, task_cost, total
from asc_edge_train.exporting.choosing import Choice, choose_schemes
from asc_edge_train.exporting.gate import RefusedError, refusal
from asc_edge_train.exporting.judging import FoldJudge
from asc_edge_train.exporting.latency import measure_latency_ms
from asc_edge_train.exporting.pieces import Piece, calibration_windows, make_piece
from asc_edge_train.exporting.variants import FLOAT, TUNED, Variant, ladder
from asc_edge_train.frozen import ShippedTask
from asc_edge_train.fusing import FusedScores
from asc_edge_train.networks import ALL_FOLDS, NetworkTask
from asc_edge_train.recipe import fingerprint
from asc_edge_train.reopen import open_run
from asc_edge_train.reporting.variants_page import variants_page
from asc_edge_train.run import DEFAULT_WEIGHTS, progress_bar
from asc_edge_train.stages import FusedRun, fuse_run
from asc_edge_train.storage import is_stamped, read_json, stamp, write_json, write_text

__all__ = ["ExportOptions", "Exported", "export_run"]

FOLDER_NAME = "export"
# Bundles say how large bundles are: writing them again with what was found settles that.
_MOST_ROUNDS = 6


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What is exported, and where from and to.

    Attributes
    ----------
    run, data : Path
        Folder of a finished run, and where its corpora lie.
    out : Path, optional
        Where the bundles go: by default ``export`` in the run's folder, where the pieces are in any case.
    weights, cache : Path, optional
        What was given to the run.
    variants : sequence of Variant
    tflite_scheme : str
        Where the ladder of the 8-bit TFLite variant starts.
    fine_tune : bool
        Fine-tune networks whose 8 bits fail the gate, before slower schemes are tried.
    allow_worse : bool
        Ship variants that fail the accuracy gate, too; their model cards say so.
    budget : str
        One of `asc_edge_train.exporting.budget.BUDGETS` that every variant must keep, or empty.
    command : str
        What the page says was typed.
    """

    run: Path
    data: Path
    variants: Sequence[Variant]
    out: Path | None = None
    weights: Path | None = None
    cache: Path | None = None
    tflite_scheme: str = "mixed"
    jobs: int = 1
    fine_tune: bool = False
    allow_worse: bool = False
    budget: str = ""
    command: str = ""
    quiet: bool = False


@dataclass(frozen=True)
class Exported:
    """What an export gave.

    Attributes
    ----------
    rows : list of dict
        The model card's row of every variant, those refused among them.
    bundles : dict
        Path of each variant's bundle.
    refused : list of RefusedError
    page : Path
        The same rows for people.
    """

    rows: list[dict[str, Any]]
    bundles: dict[str, Path]
    refused: list[RefusedError]
    page: Path


def export_run(options: ExportOptions) -> Exported:
    """Export a finished run; what stands already isn't made again.

    Bundles of variants that pass the accuracy gate are written whatever becomes of the others.

    Raises
    ------
    UsageError
        When the folder holds no finished run that ships something, or the data aren't its own.
    EngineError, ExportError
        When a converter is missing, or a network can't be converted.
    """
    run = open_run(
        options.run,
        options.data,
        weights=options.weights or DEFAULT_WEIGHTS,
        cache=options.cache,
        jobs=options.jobs,
        quiet=options.quiet,
    )
    fused = fuse_run(run)
    return _Export(options, fused).run()


class _Export:
    def __init__(self, options: ExportOptions, fused_run: FusedRun) -> None:
        run = fused_run.run
        self.options, self.fused_run = options, fused_run
        self.system = run.recipe.fusions[0]
        self.fused: FusedScores = fused_run.fusions[self.system.name]
        self.folder = options.run / FOLDER_NAME
        by_fold = [
            shipped_tasks(run, fused_run.members, self.fused, fold) for fold in range(1, run.recipe.folds + 1)
        ]
        self.fold_tasks = {name: [tasks[name] for tasks in by_fold] for name in self.system.members}
        self.final_tasks = shipped_tasks(run, fused_run.members, self.fused, ALL_FOLDS)

    def run(self) -> Exported:
        options, run = self.options, self.fused_run.run
        ladders = {
            variant: ladder(variant, options.tflite_scheme, options.fine_tune) for variant in options.variants
        }
        judge = FoldJudge(run, self.system, self.fused_run.members, self.fused, self.fold_tasks)
        with progress_bar(0, "networks", "file", options.quiet) as bar:

            def make(pieces: Iterable[Piece]) -> None:
                self._make(list(pieces), bar)

            # What all variants of an engine start from, so that two workers don't both make it.
            make(
                self._piece(task, ending, FLOAT)
                for ending in sorted({variant.ending for variant in ladders})
                for tasks in (*self.fold_tasks.values(), list(self.final_tasks.values()))
                for task in tasks
            )
            choices = choose_schemes(
                ladders,
                self.fold_tasks,
                judge,
                piece_of=self._piece,
                make_pieces=make,
                fits=self._fits,
            )
            make(piece for choice in choices for piece in self._final_pieces(choice))
        run.options.parallel.rest()
        latency_ms = self._latency_ms(choices)
        costs = {choice.variant.name: self._cost(choice) for choice in choices}
        rows = {
            choice.variant.name: _row(choice, latency_ms[choice.variant.name], costs[choice.variant.name])
            for choice in choices
        }
        refused = {}
        for choice in choices:
            name, chosen = choice.variant.name, choice.chosen
            if not chosen.fused.passed and not options.allow_worse:
                refused[name] = refusal(name, chosen.fused, chosen.schemes)
            elif options.budget and (error := over_budget(name, costs[name], options.budget)):
                refused[name] = error
        for name, row in rows.items():
            row["shipped"] = name not in refused
        shipped = [choice for choice in choices if choice.variant.name not in refused]
        bundles = self._pack(shipped, rows, refused)
        return Exported(list(rows.values()), bundles, list(refused.values()), self._draw(list(rows.values())))

    def _draw(self, rows: list[dict[str, Any]]) -> Path:
        recipe = self.fused_run.run.recipe
        path = (self.options.out or self.folder) / f"{recipe.name}-variants.md"
        write_text(path, variants_page(f"{recipe.name} {recipe.version}", rows, self.options.command))
        return path

    def _fits(self, name: str, scheme: str) -> bool:
        """Whether a member can take a scheme: nobody teaches a frozen network anything."""
        return self.fused_run.run.recipe.member(name).trained or not scheme.endswith(TUNED)

    def _piece(self, task: ShippedTask, ending: str, scheme: str) -> Piece:
        return Piece(task, ending, scheme, self.folder / "networks")

    def _final_pieces(self, choice: Choice) -> list[Piece]:
        return [
            self._piece(self.final_tasks[name], choice.variant.ending, scheme)
            for name, scheme in choice.chosen.schemes.items()
        ]

    def _make(self, pieces: list[Piece], bar: Any) -> None:
        # TFLite first: it takes longest, and a worker that takes in its libraries later looks like a leak.
        missing = sorted(
            (piece for piece in pieces if not piece.done), key=lambda piece: piece.ending != "tflite"
        )
        bar.total += len(missing)
        bar.refresh()
        # Folds share a frozen network's file: one of them makes it, the others find it there.
        leading = {piece.path: piece for piece in reversed(missing)}
        first = [piece for piece in missing if leading[piece.path] is piece]
        others = [piece for piece in missing if leading[piece.path] is not piece]
        for wave in (first, others):
            for _ in self.fused_run.run.options.parallel.map(make_piece, wave):
                bar.update(1)

    def _cost(self, choice: Choice) -> Cost:
        return total(
            task_cost(
                self.fused_run.run.recipe,
                self.final_tasks[name],
                int8=scheme != FLOAT,
                # In 8 bits TFLite computes whole windows.
                streamed=choice.variant.ending == "onnx" or scheme == FLOAT,
            )
            for name, scheme in choice.chosen.schemes.items()
        )

    def _latency_ms(self, choices: list[Choice]) -> dict[str, float]:
        """Measured once: what is resumed shows the same figures, and gives the same bundles."""
        path = self.folder / "latency.json"
        key = fingerprint([[piece.key for piece in self._final_pieces(choice)] for choice in choices])
        if not is_stamped(path, key):
            networks = {
                choice.variant.name: [
                    (piece.path.name, piece.path.read_bytes(), calibration_windows(piece.task, 1))
                    for piece in self._final_pieces(choice)
                ]
                for choice in choices
            }
            write_json(path, measure_latency_ms(networks))
            stamp(path, key)
        measured: dict[str, float] = read_json(path)
        return measured

    def _pack(
        self, choices: list[Choice], rows: dict[str, dict[str, Any]], refused: dict[str, RefusedError]
    ) -> dict[str, Path]:
        """Write the bundles beside each other, then move them where they belong."""
        run, out = self.fused_run.run, self.options.out or self.folder
        names = {choice.variant.name: choice.variant.file_name(run.recipe.name) for choice in choices}
        networks = {choice.variant.name: self._networks(choice) for choice in choices}
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".bundles-", dir=out) as scratch:
            for _ in range(_MOST_ROUNDS):
                card = model_card(run, self.fused, [rows[name] for name in names])
                sizes = {}
                for name, shipped in networks.items():
                    path, members = Path(scratch) / names[name], self.fused_run.members
                    write_system(path, run, members, self.fused, networks=shipped, card=card)
                    sizes[name] = path.stat().st_size
                if all(rows[name]["bytes"] == size for name, size in sizes.items()):
                    break
                for name, size in sizes.items():
                    rows[name]["bytes"] = size
            for name in names.values():
                (Path(scratch) / name).replace(out / name)
        for variant in self.options.variants:
            if variant.name in refused:  # one of an earlier export must not be taken for this one
                (out / variant.file_name(run.recipe.name)).unlink(missing_ok=True)
        return {variant: out / name for variant, name in names.items()}

    def _networks(self, choice: Choice) -> dict[str, ShippedNetwork]:
        networks = {}
        for piece in self._final_pieces(choice):
            precision = "float32" if piece.scheme == FLOAT else "int8"
            data = piece.path.read_bytes()
            parts = None
            if isinstance(piece.task, NetworkTask):
                parts = stream_parts(self.fused_run.run, piece.task, data, piece.ending, precision)
            networks[piece.task.member.name] = ShippedNetwork(piece.ending, data, precision, parts)
        return networks


def _row(choice: Choice, latency_ms: float, cost: Cost) -> dict[str, Any]:
    """What the model card says about a variant."""
    chosen = choice.chosen
    return {
        "variant": choice.variant.name,
        "bytes": None,
        **chosen.fused.row(),
        "latency_ms": latency_ms,
        **vars(cost),
        "schemes": chosen.schemes,
        "members": {name: judgement.row() for name, judgement in chosen.members.items()},
        "gave_way": [{"schemes": step.schemes, **step.fused.row()} for step in choice.given_up],
    }
