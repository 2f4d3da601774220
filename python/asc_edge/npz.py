"""Arrays out of an uncompressed ``.npz`` file, without pickle: what asc-edge stores its models in."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from asc_edge.errors import BundleError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["read_npz"]


def read_npz(data: bytes, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The named arrays, and no others, of an uncompressed ``.npz``.

    Compressed ones are refused, since a few bytes could ask for all the memory there is.

    Parameters
    ----------
    data : bytes
    names : sequence of str

    Raises
    ------
    BundleError
        When it is damaged, compressed, or holds other arrays.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            for member in members:
                if member.compress_type != zipfile.ZIP_STORED:
                    raise BundleError(f"{member.filename} is compressed: store it uncompressed")
            for member in members:
                with archive.open(member) as file:
                    arrays[member.filename] = np.lib.format.read_array(file, allow_pickle=False)
    except BundleError:
        raise
    except Exception as error:  # whatever a reader may throw at damaged bytes
        raise BundleError(f"this model is damaged ({error}): get the bundle again") from None
    if sorted(arrays) != sorted(f"{name}.npy" for name in names) or len(members) != len(names):
        raise BundleError(f"this model holds {', '.join(arrays)}: it must hold {', '.join(names)}")
    return {name: arrays[f"{name}.npy"] for name in names}
