"""Which scheme each member of each variant is shipped in: the fastest ones whose fusion passes the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from asc_edge_train.exporting.gate import Judgement
from asc_edge_train.exporting.judging import FoldJudge
from asc_edge_train.exporting.pieces import Piece
from asc_edge_train.exporting.variants import Variant
from asc_edge_train.frozen import ShippedTask

__all__ = ["Choice", "Step", "choose_schemes"]

MakePieces = Callable[[Iterable[Piece]], None]
PieceOf = Callable[[ShippedTask, str, str], Piece]


@dataclass(frozen=True)
class Step:
    """One way to make a variant, and what came of it.

    Attributes
    ----------
    schemes : dict
        Of each member, how its network is quantised.
    fused : Judgement
        Of the system: the gate.
    members : dict of Judgement
        Of each member alone.
    """

    schemes: dict[str, str]
    fused: Judgement
    members: dict[str, Judgement]


@dataclass
class Choice:
    """The way in which a variant is made: of those tried, the first one that passes, else the closest."""

    variant: Variant
    steps: list[Step] = field(default_factory=list)

    @property
    def chosen(self) -> Step:
        """Of several equally close ones, the one that was tried first: the faster one."""
        passed = [step for step in self.steps if step.fused.passed]
        return passed[0] if passed else max(self.steps, key=lambda step: step.fused.argmax_agreement)

    @property
    def given_up(self) -> list[Step]:
        return [step for step in self.steps if step is not self.chosen]


def choose_schemes(
    ladders: Mapping[Variant, Sequence[str]],
    tasks: Mapping[str, list[ShippedTask]],
    judge: FoldJudge,
    *,
    piece_of: PieceOf,
    make_pieces: MakePieces,
    fits: Callable[[str, str], bool] = lambda name, scheme: True,
) -> list[Choice]:
    """Start every variant with the fastest schemes, and while its fusion fails the gate, climb down.

    Each time, the member that agrees least with its trained networks takes its next scheme. Members alone may
    do worse than the gate asks: what is shipped is the fusion.

    Parameters
    ----------
    ladders : mapping
        Schemes of each variant, the fastest first.
    tasks : mapping
        Fold networks of every member.
    piece_of : callable
        From a network, an ending and a scheme to the piece.
    make_pieces : callable
        Makes those that aren't there yet.
    fits : callable
        Whether a member can take a scheme; those that it can't are passed over.
    """
    scores: dict[tuple[str, str, str], np.ndarray] = {}
    choices = [Choice(variant) for variant in ladders]
    pending = {choice.variant: dict.fromkeys(tasks, 0) for choice in choices}
    while pending:
        wanted = {
            (name, variant.ending, ladders[variant][rung])
            for variant, rungs in pending.items()
            for name, rung in rungs.items()
        }
        missing = sorted(wanted - scores.keys())
        make_pieces(
            piece_of(task, ending, scheme) for name, ending, scheme in missing for task in tasks[name]
        )
        for name, ending, scheme in missing:
            answers = {task.fold: piece_of(task, ending, scheme).answers() for task in tasks[name]}
            scores[name, ending, scheme] = judge.member_scores(name, answers)
        for choice in choices:
            if choice.variant in pending:
                schemes = {
                    name: ladders[choice.variant][rung] for name, rung in pending[choice.variant].items()
                }
                own = {name: scores[name, choice.variant.ending, scheme] for name, scheme in schemes.items()}
                members = {name: judge.judge_member(name, values) for name, values in own.items()}
                choice.steps.append(Step(schemes, judge.judge_fused(own), members))
        pending = {
            choice.variant: rungs
            for choice in choices
            if choice.variant in pending
            and (
                rungs := _next_rungs(choice.steps[-1], pending[choice.variant], ladders[choice.variant], fits)
            )
        }
    return choices


def _next_rungs(
    step: Step, rungs: dict[str, int], ladder: Sequence[str], fits: Callable[[str, str], bool]
) -> dict[str, int]:
    """Rungs to try after a step; none where it passed, or there is nothing left to try."""
    left = {
        name: [higher for higher in range(rung + 1, len(ladder)) if fits(name, ladder[higher])]
        for name, rung in rungs.items()
    }
    left = {name: higher for name, higher in left.items() if higher}
    if step.fused.passed or not left:
        return {}
    worst = min(left, key=lambda name: step.members[name].argmax_agreement)
    return {**rungs, worst: left[worst][0]}
