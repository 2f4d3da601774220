"""``asc-edge-train fetch``: published corpora, downloaded, checked and unpacked for their loaders."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asc_edge.cli.options import add_command
from asc_edge.errors import UsageError

if TYPE_CHECKING:
    from asc_edge_train.fetch.registry import CorpusSource, RemoteFile

__all__ = ["accept_licence", "add_fetch_command", "fetch_corpus"]

_EXAMPLES = """\
  asc-edge-train fetch --list                               what there is
  asc-edge-train fetch esc50 --out ../data                  into ../data/esc50, after the licence
  asc-edge-train fetch dcase2018-task5 --out ../data --only '*.meta.zip' --only '*-dev.audio.1.zip'
  asc-edge-train fetch urbansound8k --out ../data --accept-licence

What was broken off goes on where it stopped when the same command is run again.
"""
_DONE = ".fetched.json"
_ARCHIVES = ".archives"


def add_fetch_command(commands: Any) -> None:
    """Add ``fetch`` to the program's commands."""
    summary = "Download a published corpus, check it and unpack it."
    fetch = add_command(commands, "fetch", summary, _EXAMPLES)
    fetch.add_argument("name", nargs="?", metavar="NAME", help="the corpus; see --list")
    fetch.add_argument("--out", type=Path, metavar="DIR", help="it goes into DIR/NAME; resumed if there")
    fetch.add_argument("--list", action="store_true", help="print the corpora and their licences, and end")
    fetch.add_argument(
        "--only", action="append", default=[], metavar="GLOB", help="only files that match; may be repeated"
    )
    fetch.add_argument("--accept-licence", action="store_true", help="the licence is known and accepted")
    fetch.add_argument("--keep-archives", action="store_true", help="don't delete what has been unpacked")
    fetch.add_argument("--quiet", action="store_true", help="no progress")
    fetch.set_defaults(run=_fetch)


def _fetch(args: argparse.Namespace, _argv: Sequence[str] | None) -> int:
    from asc_edge_train.fetch.registry import load_registry

    registry = load_registry()
    if args.list:
        for source in registry.values():
            print(f"{source.name}\n  {source.title}\n  licence: {source.licence}\n  {source.home}")
        return 0
    if args.name not in registry:
        wrong = f"unknown corpus {args.name!r}" if args.name else "no corpus named"
        raise UsageError(f"{wrong}: choose one of {', '.join(registry)}")
    if args.out is None:
        raise UsageError("fetch needs --out DIR, the folder that corpora lie in")
    source = registry[args.name]
    accept_licence(source, args.accept_licence)
    folder = fetch_corpus(source, args.out, only=args.only, keep=args.keep_archives, quiet=args.quiet)
    print(f"{folder} holds {source.name}; in a recipe: layout = {source.layout!r}, folder = {folder.name!r}")
    return 0


def accept_licence(source: CorpusSource, accepted: bool) -> None:
    """Show a corpus's licence, and go on only if it was accepted before or is now.

    Raises
    ------
    UsageError
    """
    print(f"{source.title}\nlicence: {source.licence}\n         {source.licence_url}", flush=True)
    if accepted:
        return
    if sys.stdin is not None and sys.stdin.isatty():
        try:
            if input("Type yes to accept it: ").strip().lower() == "yes":
                return
        except EOFError:
            pass
    raise UsageError(f"the licence of {source.name} was not accepted: read it and add --accept-licence")


def fetch_corpus(
    source: CorpusSource, out: Path, *, only: Sequence[str] = (), keep: bool = False, quiet: bool = False
) -> Path:
    """Download and unpack what isn't there yet; returns the folder.

    Raises
    ------
    UsageError, FetchError
    """
    from asc_edge_train.fetch import registry
    from asc_edge_train.fetch.download import download
    from asc_edge_train.fetch.unpack import is_archive, unpack

    files = registry.remote_files(source, only, registry.ZENODO)
    folder = out / source.name
    archives = folder / _ARCHIVES
    try:
        archives.mkdir(parents=True, exist_ok=True)
        done = _read_done(folder / _DONE)
        todo = [file for file in files if done.get(file.name) != (file.checksum or file.url)]
        _check_room(todo, archives)
        for number, file in enumerate(todo, start=1):
            with _Bar(f"{file.name} ({number}/{len(todo)})", quiet) as bar:
                path = download(file, archives, bar.show)
            if is_archive(path):
                unpack(path, folder)
                if not keep:
                    path.unlink()
            else:
                path.replace(folder / path.name)
            done[file.name] = file.checksum or file.url
            (folder / _DONE).write_text(json.dumps(done, indent=1), encoding="utf-8")
        if not any(archives.iterdir()):
            archives.rmdir()
    except OSError as error:
        raise registry.FetchError(f"{error.filename or folder}: {error.strerror or error}") from None
    return folder


def _read_done(path: Path) -> dict[str, str]:
    try:
        done = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return done if isinstance(done, dict) else {}


def _check_room(files: Sequence[RemoteFile], archives: Path) -> None:
    from asc_edge_train.fetch.registry import FetchError

    there = sum(path.stat().st_size for path in archives.iterdir())
    needed = sum(file.size for file in files) - there
    free = shutil.disk_usage(archives).free
    if needed > free:
        raise FetchError(f"{archives}: needs {needed / 1e9:.1f} GB more, and {free / 1e9:.1f} GB are free")


class _Bar:
    """Bytes of one file."""

    def __init__(self, title: str, quiet: bool) -> None:
        from tqdm import tqdm

        hidden = quiet or sys.stderr is None or not sys.stderr.isatty()
        self._bar = tqdm(desc=title, unit="B", unit_scale=True, disable=hidden)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, done: int, total: int) -> None:
        self._bar.total = total or None
        self._bar.update(done - self._bar.n)
