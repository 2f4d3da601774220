"""The core works without the interpreter lock: threads must not disturb each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from asc_edge.errors import UsageError
from asc_edge.frontend import FrameWindow, LogMelConfig, LogMelStream, log_mel
from asc_edge.fusion import LateFusion, LinearSvm

CONFIG = LogMelConfig(window_s=0.064, hop_s=0.032)


# Tables or work space shared between streams.
def test_streams_in_threads_give_the_same_bits(rng: np.random.Generator) -> None:
    clips = [rng.standard_normal((32000, channels)).astype(np.float32) for channels in (1, 2, 3, 4, 5, 6)]

    def stream_through(samples: NDArray[np.float32]) -> NDArray[np.float32]:
        stream = LogMelStream(CONFIG, channels=samples.shape[1])
        return np.concatenate([stream.push(block) for block in np.array_split(samples, 50)])

    expected = [log_mel(samples, CONFIG) for samples in clips]
    with ThreadPoolExecutor(6) as pool:
        for frames, whole in zip(pool.map(stream_through, clips), expected, strict=True):
            np.testing.assert_array_equal(frames.transpose(1, 2, 0), whole)


# Work space in the models, which many threads may share.
def test_one_model_serves_many_threads(rng: np.random.Generator) -> None:
    svm = LinearSvm(rng.standard_normal(50), np.ones(50), rng.standard_normal((9, 50)), np.zeros(9))
    fusion = LateFusion(svm, -np.ones(9), np.zeros(9))
    batches = [rng.standard_normal((200, 50)) for _ in range(20)]
    expected = [fusion.predict_proba(x) for x in batches]
    with ThreadPoolExecutor(4) as pool:
        for posteriors, alone in zip(pool.map(fusion.predict_proba, batches), expected, strict=True):
            np.testing.assert_array_equal(posteriors, alone)


# A stream shared by mistake: without a guard the frames due are counted before another thread takes
# samples, and the output is written past its end.
def test_a_shared_stream_refuses_or_works_but_never_tears() -> None:
    stream = LogMelStream(CONFIG)
    block = np.zeros((3000, 1), np.float32)
    refused: list[str] = []

    def push_often(_: int) -> tuple[int, int]:
        taken, frames = 0, 0
        for _ in range(300):
            try:
                frames += len(stream.push(block))
                taken += len(block)
            except UsageError as error:
                refused.append(str(error))
        return taken, frames

    with ThreadPoolExecutor(4) as pool:
        taken, frames = np.sum(list(pool.map(push_often, range(4))), axis=0)
    assert frames == CONFIG.frames(int(taken)) == stream.frames_emitted
    assert all("each thread its own" in message for message in refused)


def test_a_shared_window_refuses_or_works_but_never_tears() -> None:
    window = FrameWindow(4, 128, 60)
    refused: list[str] = []

    def use_often(level: int) -> None:
        frames = np.full((60, 4, 128), level, np.float32)
        for _ in range(200):
            try:
                window.push(frames)
                assert len(set(window.peak_db())) == 1
                assert (window.picture(-60.0) == 1.0).all()
            except UsageError as error:
                refused.append(str(error))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use_often, range(4)))
    assert all("each thread its own" in message for message in refused)


# An exception in a lock-free section must give the stream free again.
def test_a_refused_push_frees_the_stream() -> None:
    stream = LogMelStream(CONFIG)
    for _ in range(3):
        with pytest.raises(ValueError, match="sample 0 of channel 0"):
            stream.push(np.full((10, 1), np.nan, np.float32))
    assert len(stream.push(np.zeros((1024, 1), np.float32))) == 1
