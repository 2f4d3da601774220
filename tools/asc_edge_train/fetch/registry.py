"""The corpora that can be fetched, and the files that each consists of."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import PurePosixPath
from typing import Any

from asc_edge.errors import AscEdgeError, UsageError

__all__ = ["ZENODO", "CorpusSource", "FetchError", "RemoteFile", "load_registry", "reason", "remote_files"]

ZENODO = "https://zenodo.org/api/records"
_TIMEOUT_S = (20, 60)


class FetchError(AscEdgeError):
    """A corpus could not be downloaded or unpacked."""


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of a corpus.

    Attributes
    ----------
    checksum : str
        As published, ``md5:...`` or ``sha256:...``; empty where none is.
    size : int
        Bytes; 0 where it isn't known before the download.
    """

    name: str
    url: str
    checksum: str = ""
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class CorpusSource:
    """Where a corpus is, and what it may be used for."""

    name: str
    title: str
    layout: str
    licence: str
    licence_url: str
    home: str
    zenodo: tuple[int, ...] = ()
    files: tuple[RemoteFile, ...] = ()


def load_registry() -> dict[str, CorpusSource]:
    """All corpora by name."""
    text = (resources.files("asc_edge_train.fetch") / "corpora.toml").read_text(encoding="utf-8")
    return {name: _source(name, values) for name, values in tomllib.loads(text).items()}


def _source(name: str, values: dict[str, Any]) -> CorpusSource:
    files = tuple(RemoteFile(**file) for file in values.pop("files", ()))
    return CorpusSource(name=name, files=files, zenodo=tuple(values.pop("zenodo", ())), **values)


def remote_files(source: CorpusSource, only: Sequence[str] = (), zenodo: str = ZENODO) -> list[RemoteFile]:
    """A corpus's files, with the checksums that Zenodo publishes beside them.

    Parameters
    ----------
    source : CorpusSource
    only : sequence of str
        Patterns such as ``*.meta.zip``; a file must match one of them. Empty for all files.
    zenodo : str
        Address of the records.

    Raises
    ------
    UsageError
        When the corpus has no public files, or none of them matches.
    FetchError
        When Zenodo can't be asked.
    """
    if not source.zenodo and not source.files:
        raise UsageError(f"{source.name} can't be fetched: ask for it at {source.home}")
    files = list(source.files)
    for record in source.zenodo:
        files += _record_files(f"{zenodo}/{record}")
    chosen = [file for file in files if not only or any(fnmatchcase(file.name, mask) for mask in only)]
    if not chosen:
        names = ", ".join(file.name for file in files[:4])
        raise UsageError(f"no file of {source.name} matches {' or '.join(only)}; there are {names}, ...")
    return chosen


def _record_files(url: str) -> list[RemoteFile]:
    import requests

    try:
        answer = requests.get(url, timeout=_TIMEOUT_S)
        answer.raise_for_status()
        listed = [
            RemoteFile(name=f["key"], url=f["links"]["self"], checksum=f["checksum"], size=int(f["size"]))
            for f in answer.json()["files"]
        ]
    except (ValueError, KeyError, TypeError):  # ahead of the next one, which a JSON error is as well
        raise FetchError(f"{url}: not a list of files; has the record moved?") from None
    except requests.RequestException as error:
        raise FetchError(f"{url}: can't be read ({reason(error)}); try again later") from None
    for file in listed:
        # The server names files on this machine: nothing but a name will do.
        if file.name != PurePosixPath(file.name).name or file.name.startswith(".") or "\\" in file.name:
            raise FetchError(f"{url}: lists a file with the unsafe name {file.name!r}")
    return listed


def reason(error: Exception) -> str:
    """What went wrong, in few words: the exceptions themselves name the address three times over."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answers {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    lost = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
    return "no connection" if isinstance(error, lost) else type(error).__name__
