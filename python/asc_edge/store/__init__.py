"""The history: what went on, in one SQLite file, without a sample of audio."""

from asc_edge.store.settings import HistorySettings, default_path

__all__ = ["HistorySettings", "default_path"]
