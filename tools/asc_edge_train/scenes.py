"""Simulated scenes as clips of a recipe's table: planned with it, rendered once, kept as files."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from asc_edge.atomic import write_atomically
from asc_edge_train.clips import Clip
from asc_edge_train.content import clip_keys
from asc_edge_train.parallel import SERIAL, Parallel
from asc_edge_train.recipe import Recipe, fingerprint
from asc_edge_train.scenes_pieces import gather_pieces, source_of, strictest
from asc_edge_train.scenes_plan import FINE, Scene, plan_scenes
from asc_edge_train.scenes_render import render_scene

__all__ = ["CORPUS", "SceneStore"]

# Raised when a plan or the arithmetic of rendering changes.
_VERSION = 1
CORPUS = "simulated scenes"


@dataclass
class SceneStore:
    """Where a recipe's scenes are kept.

    Attributes
    ----------
    cache : Path
        Folder of simulated rooms, of what is known about files, and of folders of scenes.
    seed : int, optional
        The recipe's by default.
    folder : Path, optional
        Where scenes lie; ``scenes-<what they depend on>`` in ``cache`` by default.
    key : str
        What the scenes depend on, once they are planned.
    """

    cache: Path
    seed: int | None = None
    folder: Path | None = None
    key: str = ""
    _scenes: dict[str, Scene] = field(default_factory=dict)
    _format: tuple[int, float] = (0, 0.0)

    def plan(
        self,
        recipe: Recipe,
        data: Path,
        clips: Sequence[Clip],
        left_out: Callable[[str, str, int], None] = lambda corpus, why, clips: None,
    ) -> list[Clip]:
        """The recipe's scenes as clips, with folds; nothing is rendered yet.

        Parameters
        ----------
        clips : sequence of Clip
            The recipe's recordings, with folds.
        left_out : callable
            Told of pieces that can't be used: their set, why, and how many.

        Raises
        ------
        DataError, AudioFileError
        """
        seed = recipe.seed if self.seed is None else self.seed
        pieces, lacking = gather_pieces(recipe, data, clips)
        for name, counts in lacking.items():
            if counts:
                why = "; ".join(f"{count} {why}" for why, count in Counter(counts).items())
                left_out(f"{recipe.scenes.folder}/{name} (in scenes)", why, sum(counts.values()))
        everything = [p for kind in pieces.values() for fold in kind.values() for p in fold]
        self.key = fingerprint(
            _VERSION,
            seed,
            recipe.folds,
            recipe.sample_rate_hz,
            recipe.window_s,
            asdict(recipe.scenes),
            [(piece.clip_id, piece.fine, piece.group, piece.fold) for piece in everything],
            clip_keys(everything, self.cache / "content.json"),
        )
        if self.folder is None:
            self.folder = self.cache / f"scenes-{self.key[:16]}"
        self._format = (recipe.sample_rate_hz, recipe.window_s)
        made = []
        for scene in plan_scenes(recipe, pieces, seed):
            clip = _clip(scene, self.folder)
            self._scenes[clip.clip_id] = scene
            made.append(clip)
        return made

    def render(
        self,
        clips: Sequence[Clip],
        *,
        parallel: Parallel = SERIAL,
        progress: Callable[[int], None] = lambda scenes: None,
    ) -> None:
        """Render the scenes among some clips that aren't there yet."""
        wanted = [clip for clip in clips if clip.clip_id in self._scenes]
        missing = [clip for clip in wanted if not clip.path.is_file()]
        progress(len(wanted) - len(missing))
        work = [(self._scenes[clip.clip_id], clip.path) for clip in missing]
        for _ in parallel.map(_Render(*self._format, self.cache), work):
            progress(1)


@dataclass(frozen=True)
class _Render:
    sample_rate_hz: int
    window_s: float
    cache: Path

    def __call__(self, work: tuple[Scene, Path]) -> None:
        scene, path = work
        samples = render_scene(scene, self.sample_rate_hz, self.window_s, self.cache)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, _flac(samples, self.sample_rate_hz))


def _flac(samples: np.ndarray, sample_rate_hz: int) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate_hz, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _clip(scene: Scene, folder: Path) -> Clip:
    sources = tuple(source_of(piece) for piece in scene.pieces)
    return Clip(
        path=folder / f"{scene.name}.flac",
        clip_id=f"scenes/{scene.name}",
        fine=FINE[scene.label],
        label=scene.label,
        group=scene.parts[0].piece.group,
        fold=scene.fold,
        corpus=CORPUS,
        licence=strictest([source.licence for source in sources]),
        attribution=f"simulated from {'; '.join(source.attribution for source in sources)}",
        sources=sources,
    )
