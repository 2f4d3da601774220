"""Files that are complete or not there, whatever ends the writer."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_atomically(
    path: Path, data: bytes, check: Callable[[Path], object] = lambda temporary: None
) -> None:
    """Write a file so that a reader, or a run that was interrupted, never sees half of it.

    Parameters
    ----------
    path : Path
        Its folder is made if need be; an existing file is replaced only by a complete one.
    data : bytes
    check : callable
        Looks at the complete file before it takes its place; what it raises keeps the old one there.

    Raises
    ------
    OSError
        When the file can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        check(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
