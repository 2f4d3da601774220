"""The promises of the core, each measured beside its peer in the same rounds; run by ``make performance``.

No time is asserted, only ratios: a slow or busy machine slows both sides.
"""

from __future__ import annotations

import pytest

from . import figures
from .done_when import PROMISES, Promise

pytestmark = pytest.mark.performance


# Catches a change that makes the core slower than it has promised to be, measured as the user's peers are.
@pytest.mark.parametrize("promise", [p for p in PROMISES if not p.only_information], ids=lambda p: p.name)
def test_promise(promise: Promise) -> None:
    try:
        value = promise.measure()
    except figures.NotMeasuredError as error:
        pytest.skip(f"{promise.name}: {error}")
    word = "at most" if promise.at_most else "at least"
    if not promise.holds(value):
        pytest.fail(f"{promise.name}: {value:.2f}, promised {word} {promise.bound:g}", pytrace=False)


# Catches a latency table with an empty or shortened hour.
def test_latency_is_of_an_hour() -> None:
    for row in figures.latency_rows():
        hop_s = float(row["preset"].split("/")[1])
        assert row["hops"] * hop_s == pytest.approx(3600)
        assert row["least_of_runs"]["max_us"] <= max(run["max_us"] for run in row["raw"])


# Catches a per-hop path that executes more instructions than the committed figures, on the same compiler.
def test_instructions_did_not_rise() -> None:
    from . import instructions

    try:
        measured = figures.instruction_counts()
    except figures.NotMeasuredError as error:
        pytest.skip(f"callgrind: {error}")
    committed = instructions.committed()
    if committed is None or committed["compiler"] != measured["compiler"]:
        pytest.skip("no committed counts of this compiler")
    assert instructions.compared(committed, measured), (
        "the committed counts have none of these instruction sets"
    )
    assert not instructions.risen(committed, measured)
