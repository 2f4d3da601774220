"""Scores of a run's members and fusion when their networks come from files of another format.

Everything behind the networks is the run's own: a fold's SVM and fusion are those that the run scored the
fold with, fitted on what the trained networks answered for the other folds.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from asc_edge.fusion import LateFusion, LinearSvm
from asc_edge_train.exporting.gate import Judgement, judge
from asc_edge_train.frozen import ShippedTask, answers_of
from asc_edge_train.fusing import FusedScores
from asc_edge_train.members import MemberScores
from asc_edge_train.recipe import SystemConfig
from asc_edge_train.run import Run
from asc_edge_train.stacking import fit_fold_fusion, stack
from asc_edge_train.svm import class_scores, fit_fold_svm, to_device

__all__ = ["FoldJudge"]


class FoldJudge:
    """Judges answers of networks for the folds that they never heard.

    Parameters
    ----------
    run : Run
    tasks : dict
        The fold networks of every member of ``system``, by name.
    """

    def __init__(
        self,
        run: Run,
        system: SystemConfig,
        members: Mapping[str, MemberScores],
        fused: FusedScores,
        tasks: Mapping[str, list[ShippedTask]],
    ) -> None:
        self._recipe, self._system, self._tasks = run.recipe, system, tasks
        self._members, self._fused = members, fused
        all_folds = np.array([clip.fold for clip in run.clips])
        self._development = np.flatnonzero(all_folds > 0)
        self._folds = all_folds[self._development]
        truth = np.array([run.recipe.labels.index(clip.label) for clip in run.clips])
        self._truth = truth[self._development]
        self._place = np.full(len(all_folds), -1)
        self._place[self._development] = np.arange(len(self._development))
        self._svms: dict[str, LinearSvm] = {}

    def member_scores(self, name: str, answers: Mapping[int, np.ndarray]) -> np.ndarray:
        """Scores (development clips, outputs) of a member whose fold networks answer so.

        Parameters
        ----------
        answers : mapping
            Of each fold, its network's answers for the clips of that fold, in the table's order.
        """
        scores = np.full((len(self._development), self._members[name].scores.shape[1]), np.nan)
        for task in self._tasks[name]:
            values = answers[task.fold].astype(np.float64)
            if task.member.kind != "posterior":
                values = self.svm(task).decision_function(values)
            scores[self._place[task.held_out]] = values
        return scores

    def judge_member(self, name: str, scores: np.ndarray) -> Judgement:
        """A member's scores against those of its trained networks."""
        labels = len(self._recipe.labels)
        return self._judge(class_scores(self._reference(name), labels), class_scores(scores, labels))

    def judge_fused(self, scores: Mapping[str, np.ndarray]) -> Judgement:
        """The fusion of members' scores against what the run's fusion said."""
        stacked = self._stack(scores)
        posteriors = np.empty((len(stacked), len(self._recipe.labels)))
        for fold, fusion in self.fusions.items():
            rows = self._folds == fold
            posteriors[rows] = fusion.predict_proba(stacked[rows])
        return self._judge(self._fused.posteriors[self._development], posteriors)

    def _judge(self, reference: np.ndarray, scores: np.ndarray) -> Judgement:
        recipe = self._recipe
        return judge(
            self._truth, self._folds, reference, scores, recipe.labels, fold_average=recipe.fold_average
        )

    def _stack(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        names = self._system.members
        kinds = [self._recipe.member(name).kind for name in names]
        weights = self._recipe.fusion_of(self._system).weights
        return stack([scores[name] for name in names], kinds, weights)

    def _reference(self, name: str) -> np.ndarray:
        return self._members[name].scores[self._development]

    def svm(self, task: ShippedTask) -> LinearSvm:
        """The SVM that the run scored this network's fold with, fitted again."""
        if task.name not in self._svms:
            c = self._members[task.member.name].notes["c_by_fold"][str(task.fold)]
            embedding = answers_of(task)[self._development]
            weight = self._recipe.fusion.class_weight
            fitted = fit_fold_svm(embedding, self._truth, self._folds, task.fold, c=c, class_weight=weight)
            self._svms[task.name] = to_device(fitted)
        return self._svms[task.name]

    @cached_property
    def fusions(self) -> dict[int, LateFusion]:
        """The fusion that the run scored each fold with, fitted again."""
        stacked = self._stack({name: self._reference(name) for name in self._system.members})
        config = self._recipe.fusion_of(self._system)
        return {
            int(fold): fit_fold_fusion(
                stacked, self._truth, self._folds, int(fold), c=float(c), config=config
            )
            for fold, c in self._fused.notes["c_by_fold"].items()
        }
