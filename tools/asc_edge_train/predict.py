"""Answers of a finished run to clips that it has never seen."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asc_edge.errors import UsageError
from asc_edge.fusion import LateFusion, LinearSvm
from asc_edge_train.clips import Clip
from asc_edge_train.content import clip_keys
from asc_edge_train.embeddings import make_embeddings
from asc_edge_train.extractors import build_extractor
from asc_edge_train.features import Features, make_features, open_features
from asc_edge_train.fusing import fusion_path
from asc_edge_train.members import svm_path
from asc_edge_train.models import build_network
from asc_edge_train.networks import ALL_FOLDS, answer_frames, network_path
from asc_edge_train.recipe import MemberConfig, Recipe, RoomConfig
from asc_edge_train.reopen import read_run
from asc_edge_train.stacking import stack
from asc_edge_train.storage import read_json
from asc_edge_train.svm import class_scores

__all__ = ["Predictor"]


@dataclass(frozen=True)
class Predictor:
    """A run's folder, as something that classifies clips.

    Attributes
    ----------
    folder : Path
    recipe : Recipe
        As it was run.
    system : str
        The fusion or member that answers.
    """

    folder: Path
    recipe: Recipe
    system: str
    table: list[dict[str, Any]]

    @classmethod
    def open(cls, folder: Path, system: str | None = None) -> Predictor:
        """A finished run; by default the system that it ships answers, else its best one on the folds.

        Raises
        ------
        UsageError
            When the folder holds no finished run, or the system isn't one of it.
        """
        report, recipe, table = read_run(folder)
        names = [row["name"] for row in report["systems"]]
        chosen = system or report.get("chosen") or names[-1]
        if chosen not in names:
            raise UsageError(f"{folder}: has no system {chosen!r}; known are {', '.join(names)}")
        return cls(folder, recipe, chosen, table)

    @property
    def heard(self) -> set[str]:
        """Groups (recordings, sessions) of the development part."""
        return {row["group"] for row in self.table if row["part"] == "development"}

    def scores(
        self,
        clips: Sequence[Clip],
        weights: Path,
        progress: Callable[[int], None] = lambda clips: None,
    ) -> np.ndarray:
        """Scores (clips, labels) of the system for clips.

        Parameters
        ----------
        weights : Path
            Where files of pretrained networks lie.
        """
        fusion = next((fusion for fusion in self.recipe.fusions if fusion.name == self.system), None)
        names = [self.system] if fusion is None else fusion.members
        members = tuple(self.recipe.member(name) for name in names)
        # Clips as they are: other speeds and rooms are for training.
        recipe = replace(
            self.recipe,
            members=members,
            fusions=(),
            ship="",
            speed_variants=(),
            room_variants=RoomConfig(),
        )
        with tempfile.TemporaryDirectory() as scratch:
            cache = Path(scratch)
            content = clip_keys(clips, cache / "content.json")
            features = make_features(
                recipe, clips, content, data=cache, cache=cache, seed=recipe.seed, progress=progress
            )
            answers = []
            for member in members:
                if member.trained:
                    answers.append(self._network_scores(member, features[member.front_end]))
                    continue
                extractor = build_extractor(member.extractor, weights)
                embedding, _ = make_embeddings(
                    extractor, clips, content, channels=recipe.channels, cache=cache, progress=progress
                )
                answers.append(self._svm_scores(member, np.asarray(embedding)))
        if fusion is None:
            return class_scores(answers[0], len(recipe.labels))
        fitted = LateFusion.from_npz(fusion_path(self.folder / "fusions", self.system).read_bytes())
        kinds = [member.kind for member in members]
        return fitted.predict_proba(stack(answers, kinds, self.recipe.fusion_of(fusion).weights))

    def _network_scores(self, member: MemberConfig, features: Features) -> np.ndarray:
        notes = read_json(self.folder / "members" / f"{member.name}.json")
        point = notes.get("point", 0)
        chosen = member.points()[point]
        folds = [ALL_FOLDS] if member.final == "refit" else range(1, self.recipe.folds + 1)
        fine = {row["fine"] for row in self.table}
        classes = len(self.recipe.labels) if member.target == "label" else len(fine)
        frames = open_features(features)
        answers = []
        for fold, repeat in itertools.product(folds, range(member.repeats)):
            network = build_network(chosen.network, frames.shape[2], classes, pretrained=False)
            path = network_path(self.folder / "networks", member.name, point, fold, repeat)
            network.load_state_dict(torch.load(path, weights_only=True))
            answers.append(answer_frames(network.eval(), chosen, frames))
        mean = np.mean(answers, axis=0)
        return mean if member.kind == "posterior" else self._svm_scores(member, mean)

    def _svm_scores(self, member: MemberConfig, embedding: np.ndarray) -> np.ndarray:
        svm = LinearSvm.from_npz(svm_path(self.folder / "members", member.name).read_bytes())
        return svm.decision_function(embedding.astype(np.float64))
