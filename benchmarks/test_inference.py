"""Decisions of bundles beside YAMNet's inferences: one after the other, or in turns, so that they compare."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from . import inference, recomputing


@pytest.mark.parametrize("path", inference.bundle_paths(), ids=lambda path: path.name)
def test_decision(benchmark: BenchmarkFixture, path: object) -> None:
    benchmark.group = f"a hop for {inference.CHANNELS} microphones"
    runner = inference.decider(path)  # type: ignore[arg-type]  # checks its answer
    benchmark.extra_info.update(runner.facts)
    benchmark.pedantic(runner.run, rounds=20, warmup_rounds=2)


def test_yamnet(benchmark: BenchmarkFixture) -> None:
    benchmark.group = f"a hop for {inference.CHANNELS} microphones"
    try:
        runner = inference.yamnet()
    except inference.NoYamnetError as error:
        pytest.skip(str(error))
    benchmark.pedantic(runner.run, rounds=20, warmup_rounds=2)


# Catches a table without one of its rows, and times that are none.
@pytest.mark.performance
def test_inference_in_turns() -> None:
    rows = inference.rows()
    assert [row["contender"] for row in rows][: len(inference.bundle_paths())] == [
        path.name for path in inference.bundle_paths()
    ]
    for row in rows:
        assert 0 < row["least_ms"] <= row["median_ms"]


# Catches: a comparison of two pipelines that both keep their columns, or that hear different sounds.
@pytest.mark.performance
def test_kept_and_recomputed_in_turns() -> None:
    for row in recomputing.rows():
        if "why_not" not in row:
            assert 0 < row["kept_least_ms"] < row["anew_least_ms"]
            assert row["worst_difference"] <= inference.TOLERANCE
