"""The core works without the interpreter lock: threads must not disturb each other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from asc_edge.errors import UsageError
from asc_edge.frontend import FrameWindow, LogMelConfig, LogMelStream, log_mel, picture
from asc_edge.fusion import LateFusion, LinearSvm

CONFIG = LogMelConfig(window_s=0.064, hop_s=0.032)


# Tables or work space shared between streams. All begin with the making of the stream, where tables of one
# configuration would be filled, and the odd numbers of channels share lanes that the even ones don't.
def test_8_streams_in_8_threads_give_the_bits_of_one(rng: np.random.Generator) -> None:
    clips = [
        rng.standard_normal((32000, channels)).astype(np.float32) for channels in (1, 2, 3, 4, 5, 6, 8, 16)
    ]

    def stream_through(samples: NDArray[np.float32]) -> NDArray[np.float32]:
        stream = LogMelStream(CONFIG, channels=samples.shape[1])
        return np.concatenate([stream.push(block) for block in np.array_split(samples, 50)])

    expected = [log_mel(samples, CONFIG) for samples in clips]
    with ThreadPoolExecutor(8) as pool:
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


class LongCall:
    """Runs `call` in another thread, and lets the block below look on from when it is inside the core."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(call,))

    def _run(self, call: Callable[[], object]) -> None:
        self._started.set()
        call()

    def __enter__(self) -> LongCall:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    @property
    def runs(self) -> bool:
        return self._thread.is_alive()


def long_noise(rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.standard_normal((45 * 16000, 8), dtype=np.float32)


# A stream that waits for the other thread, or mixes both threads' samples, instead of refusing.
def test_a_stream_in_use_is_refused_to_another_thread(rng: np.random.Generator) -> None:
    stream = LogMelStream(CONFIG, channels=8)
    samples, refused = long_noise(rng), 0

    def refuses(use: Callable[[], object]) -> bool:
        try:
            use()
        except UsageError as error:
            return "each thread its own" in str(error)
        return False

    def push_long() -> None:
        while refuses(lambda: stream.push(samples)):
            pass

    with LongCall(push_long) as call:
        while call.runs:
            # Before the other thread is inside and after it has left, this one may do as it likes.
            refused += refuses(lambda: stream.push(samples[:10])) + refuses(stream.reset)
    assert refused > 0


# A count that is read in the middle of its change (ThreadSanitizer sees it), or that raises.
def test_counts_may_be_read_while_another_thread_works(rng: np.random.Generator) -> None:
    stream = LogMelStream(CONFIG, channels=8)
    window = FrameWindow(8, 128, 64)
    samples, frames = long_noise(rng), np.zeros((60_000, 8, 128), np.float32)
    with LongCall(lambda: stream.push(samples)) as call:
        while call.runs:
            assert 0 <= stream.frames_emitted <= CONFIG.frames(len(samples))
    with LongCall(lambda: window.push(frames)) as call:
        while call.runs:
            assert window.full in (False, True)
    assert stream.frames_emitted == CONFIG.frames(len(samples))
    assert window.full


# The interpreter lock held through the work, so that a second stream, or the web page, has to wait for it.
def test_threads_work_side_by_side(rng: np.random.Generator) -> None:
    samples = long_noise(rng)
    cells = rng.standard_normal((16, 1024, 1000), dtype=np.float32)
    svm = LinearSvm(np.zeros(500), np.ones(500), rng.standard_normal((50, 500)), np.zeros(50))
    fusion, x = LateFusion(svm, -np.ones(50), np.zeros(50)), rng.standard_normal((20_000, 500))
    calls: list[Callable[[], object]] = [
        lambda: LogMelStream(CONFIG, channels=8).push(samples),
        lambda: picture(cells, -60.0),
        lambda: svm.decision_function(x),
        lambda: fusion.predict_proba(x),
    ]
    for work in calls:
        own = LogMelStream(CONFIG)
        blocks_meanwhile = 0
        with LongCall(work) as call:
            while call.runs:
                own.push(samples[:160, :1])
                blocks_meanwhile += 1
        assert blocks_meanwhile > 10
