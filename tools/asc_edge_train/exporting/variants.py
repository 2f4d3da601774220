"""The variants of a bundle: which engine, how many bits, and by which schemes of quantisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asc_edge.errors import UsageError
from asc_edge_train.exporting.onnx_int8 import ONNX_SCHEMES
from asc_edge_train.exporting.tflite_int8 import TFLITE_SCHEMES

__all__ = ["FLOAT", "TUNED", "VARIANTS", "Variant", "ladder", "parse_variants", "scheme_words"]

FLOAT = "float"
# Behind a scheme's name: of a network that was fine-tuned first.
TUNED = "-tuned"


@dataclass(frozen=True)
class Variant:
    """One of the four bundles that a run is exported to.

    Attributes
    ----------
    name : str
    ending : {"onnx", "tflite"}
        Of its networks' files: the engine that runs them.
    precision : {"float32", "int8"}
    """

    name: str
    ending: str
    precision: str

    def file_name(self, recipe: str) -> str:
        """Name of the bundle of this variant."""
        extra = self.name.removeprefix("onnx").lstrip("-")
        return f"{recipe}-{extra}.ascb" if extra else f"{recipe}.ascb"


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("onnx", "onnx", "float32"),
        Variant("onnx-int8", "onnx", "int8"),
        Variant("tflite", "tflite", "float32"),
        Variant("tflite-int8", "tflite", "int8"),
    )
}


def parse_variants(text: str) -> list[Variant]:
    """Variants of a list with commas, in the order in which they are always shown.

    Raises
    ------
    UsageError
        For a name that isn't one, or none at all.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in VARIANTS]
    if unknown or not names:
        known = ", ".join(VARIANTS)
        raise UsageError(f"--variants {text}: choose from {known}, with commas between")
    return [variant for name, variant in VARIANTS.items() if name in names]


def ladder(
    variant: Variant, tflite_scheme: str = TFLITE_SCHEMES[0], fine_tune: bool = False
) -> tuple[str, ...]:
    """Schemes to try for a member, the fastest first; one that fails the gate gives way to the next.

    Parameters
    ----------
    fine_tune : bool
        Try the first one on a fine-tuned network, too, before the next.
    """
    if variant.precision == "float32":
        return (FLOAT,)
    gentler = [scheme for scheme in TFLITE_SCHEMES if scheme != "full"]
    if variant.ending == "onnx":
        first, *others = ONNX_SCHEMES
    elif tflite_scheme == "full":
        first, *others = "full", *gentler
    else:
        first, *others = gentler[gentler.index(tflite_scheme) :]
    return (first, *([first + TUNED] if fine_tune else []), *others)


def scheme_words(schemes: Mapping[str, str]) -> str:
    """Members and the scheme that each has taken, as ``crnn static, cnn mixed``."""
    return ", ".join(f"{name} {scheme}" for name, scheme in schemes.items())
