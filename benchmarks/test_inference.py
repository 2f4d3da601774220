"""Decisions of bundles beside YAMNet's inferences: one after the other, or in turns, so that they compare."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from . import inference


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
