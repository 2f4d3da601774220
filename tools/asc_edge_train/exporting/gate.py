"""Whether networks in another format still answer as the trained ones do, on clips that they never heard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from asc_edge.errors import AscEdgeError
from asc_edge_train.figures import answers, clip_score, score_table

__all__ = [
    "LEAST_AGREEMENT",
    "MOST_LOST",
    "AccuracyGateError",
    "Judgement",
    "RefusedError",
    "judge",
    "refusal",
]

# Macro-F1 that may be lost, and the least share of clips with the answer that the trained networks give.
MOST_LOST = 0.005
LEAST_AGREEMENT = 0.99
# Rounding of the figures themselves: 99 clips of 100 are enough.
_SLACK = 1e-9


class RefusedError(AscEdgeError):
    """A variant isn't shipped."""


class AccuracyGateError(RefusedError):
    """A variant answers worse than the networks that it was made from."""


@dataclass(frozen=True)
class Judgement:
    """What the clips of all folds say about a variant, or one member of it.

    Attributes
    ----------
    macro_f1, accuracy : float
        Out of fold.
    argmax_agreement : float
        Share of clips with the same answer as the trained networks give.
    macro_f1_change : float
        Against the trained networks; below 0 is worse.
    per_class_change : dict
        Change of each label's F1.
    """

    macro_f1: float
    accuracy: float
    argmax_agreement: float
    macro_f1_change: float
    per_class_change: dict[str, float]

    @property
    def passed(self) -> bool:
        kept = self.macro_f1_change >= -MOST_LOST - _SLACK
        return kept and self.argmax_agreement >= LEAST_AGREEMENT - _SLACK

    def row(self) -> dict[str, Any]:
        """As the model card holds it."""
        return {**vars(self), "passed": self.passed}


def judge(
    truth: np.ndarray,
    folds: np.ndarray,
    reference: np.ndarray,
    scores: np.ndarray,
    labels: Sequence[str],
    *,
    fold_average: bool = False,
) -> Judgement:
    """Compare scores (clips, labels) with those of the trained networks, ``reference``, on the same clips.

    Parameters
    ----------
    fold_average : bool
        Figures are the mean of the folds' figures, not of all clips.
    """
    figures = []
    for values in (reference, scores):
        predicted = answers(values)
        table = score_table(truth, predicted, folds, labels)
        macro_f1, accuracy = (
            clip_score(truth, predicted, len(labels), metric, folds=folds, fold_average=fold_average)
            for metric in ("macro_f1", "accuracy")
        )
        by_label = {label: row["f1"] for label, row in table["per_class"].items()}
        figures.append((macro_f1, accuracy, by_label))
    before, after = figures
    return Judgement(
        macro_f1=after[0],
        accuracy=after[1],
        argmax_agreement=float(np.mean(answers(reference) == answers(scores))),
        macro_f1_change=after[0] - before[0],
        per_class_change={label: after[2][label] - before[2][label] for label in labels},
    )


def refusal(variant: str, judgement: Judgement, members: Mapping[str, str]) -> AccuracyGateError:
    """The error that says in one line why a variant isn't shipped.

    Parameters
    ----------
    members : mapping
        How each member was quantised.
    """
    schemes = ", ".join(f"{name} {scheme}" for name, scheme in members.items())
    return AccuracyGateError(
        f"{variant} ({schemes}) is refused: macro-F1 {100 * judgement.macro_f1:.2f} % is "
        f"{100 * judgement.macro_f1_change:+.2f} points from the trained networks (at most "
        f"-{100 * MOST_LOST:.1f}), {100 * judgement.argmax_agreement:.2f} % of answers agree (at least "
        f"{100 * LEAST_AGREEMENT:.0f} %); --allow-worse ships it all the same and says so in its model card"
    )
