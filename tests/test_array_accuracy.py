"""What one failing microphone of four costs, on a hundred real clips and the built-in bundle."""

from __future__ import annotations

from pathlib import Path

import array_faults
from asc_edge.cli.options import open_bundle


# Catches: a dead, quiet, noisy or copied channel that still votes, or takes healthy ones' votes along.
def test_a_failing_microphone_costs_a_point_at_most(shared_data: Path) -> None:
    faults = ["dead", "quiet", "noise", "copied"]
    right = array_faults.measure(open_bundle("home"), shared_data, faults)
    assert right["healthy"] > 80.0
    assert all(right["healthy"] - right[fault] <= 1.0 for fault in faults), right
