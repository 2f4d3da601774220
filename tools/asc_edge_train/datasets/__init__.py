"""Loaders: each reads one layout and returns rows of the clip table (see ``asc_edge_train.clips``)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asc_edge_train.clips import Clip, Corpus, DataError, check_groups
from asc_edge_train.datasets.arrays import load_arrays_set
from asc_edge_train.datasets.esc import load_esc10, load_esc50
from asc_edge_train.datasets.folders import load_folders
from asc_edge_train.datasets.gtzan import load_gtzan
from asc_edge_train.datasets.guess import guess_layout
from asc_edge_train.datasets.household import load_household
from asc_edge_train.datasets.kitchen20 import load_kitchen20
from asc_edge_train.datasets.litis import load_litis
from asc_edge_train.datasets.manifest import load_manifest
from asc_edge_train.datasets.sins import load_sins
from asc_edge_train.datasets.tau2019 import load_tau2019
from asc_edge_train.datasets.tut2017 import load_tut2017
from asc_edge_train.datasets.urbansound8k import load_urbansound8k

__all__ = ["LAYOUTS", "guess_layout", "load_corpus"]

LAYOUTS: dict[str, Callable[..., list[Clip]]] = {
    "dcase2018-task5": load_sins,
    "dcase2017-task1": load_tut2017,
    "dcase2019-task1a": load_tau2019,
    "esc50": load_esc50,
    "esc10": load_esc10,
    "urbansound8k": load_urbansound8k,
    "gtzan": load_gtzan,
    "litis-rouen": load_litis,
    "kitchen20": load_kitchen20,
    "household": load_household,
    "manifest": load_manifest,
    "arrays": load_arrays_set,
    "folders": load_folders,
}


def load_corpus(layout: str, folder: Path, **options: Any) -> Corpus:
    """Rows of one corpus, sorted by name, and the count of what was left out.

    Parameters
    ----------
    layout : str
        One of ``LAYOUTS``.
    folder : Path
    **options
        What the layout's loader takes beside the folder.

    Raises
    ------
    DataError
        For an unknown layout or option, a missing folder or list, or a folder without a clip.
    FoldLeakError
        When a recording stands in two of the corpus's folds, or in its development and its evaluation part.
    AudioFileError
        For a file that is listed but missing.
    """
    if layout not in LAYOUTS:
        raise DataError(f"unknown layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
    loader = LAYOUTS[layout]
    known = [name for name in inspect.signature(loader).parameters if name != "folder"]
    unknown = sorted(set(options) - set(known))
    if unknown:
        takes = f"it takes {', '.join(known)}" if known else "it takes none"
        raise DataError(f"layout {layout!r} has no option {unknown[0]!r}: {takes}")
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder for layout {layout!r}; check --data")
    loaded = loader(folder, **options)
    left_out = loaded.left_out if isinstance(loaded, Corpus) else {}
    if not loaded:
        why = "".join(f"; {count} {reason}" for reason, count in left_out.items())
        raise DataError(f"{folder}: no clip found in layout {layout!r}{why}")
    check_groups(loaded, folded=False)
    return Corpus(sorted(loaded, key=lambda clip: clip.clip_id), left_out)
