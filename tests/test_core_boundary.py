"""Every door of the compiled core: the right answer, or an error of asc_edge, whatever comes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from asc_edge.errors import AscEdgeError, AudioFormatError, ConfigError
from asc_edge.frontend import FrameWindow, LogMelConfig, LogMelStream, log_mel, mel_filter_bank, picture
from asc_edge.fusion import LateFusion, LinearSvm

from odd_arrays import careful, is_good, odd_arrays

CONFIG = LogMelConfig(sample_rate_hz=1000, window_s=0.064, hop_s=0.032, mels=6)
SVM = LinearSvm(np.full(3, 0.5), np.full(3, 2.0), np.arange(12.0).reshape(4, 3), np.arange(4.0))
FUSION = LateFusion(SVM, np.full(4, -1.0), np.zeros(4))
AUDIO, CELLS, FEATURES = ("f4", "i2"), ("f4",), ("f8", "f4")

unhurried = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def answers_or_refuses(door: Callable[[Any], NDArray[Any]], array: Any, good: bool) -> None:
    """The answer must be that of a careful copy, to the last bit; a refusal must be one line of ours."""
    if good:
        answer = door(array)
        np.testing.assert_array_equal(answer, door(careful(array)))
        assert type(answer) is np.ndarray
        assert np.isfinite(answer).all()
    else:
        with pytest.raises(AudioFormatError) as caught:
            door(array)
        assert "\n" not in str(caught.value)


# A wrong dtype or byte order read as another, strides ignored, NaN let in, an exception of numpy's or C++'s.
@unhurried
@given(odd_arrays((None, 2), AUDIO))
def test_a_stream_answers_or_refuses(samples: Any) -> None:
    def push(block: Any) -> NDArray[np.float32]:
        stream = LogMelStream(CONFIG, channels=2)
        try:
            return stream.push(block)
        except AscEdgeError:
            # A refused block leaves no trace.
            assert stream.frames_emitted == 0
            assert len(stream.push(np.zeros((63, 2), np.float32))) == 0
            raise

    answers_or_refuses(push, samples, is_good(samples, (None, 2), AUDIO))


@unhurried
@given(odd_arrays((None,), AUDIO) | odd_arrays((None, 3), AUDIO))
def test_a_clip_is_answered_or_refused(samples: Any) -> None:
    counts = range(1, 17)
    good = any(is_good(samples, shape, AUDIO) for shape in ((None,), *((None, n) for n in counts)))
    answers_or_refuses(lambda clip: log_mel(clip, CONFIG), samples, good)


@unhurried
@given(odd_arrays((None, 2, 3), CELLS))
def test_a_window_answers_or_refuses(frames_db: Any) -> None:
    def last_picture(block: Any) -> NDArray[np.float32]:
        window = FrameWindow(channels=2, mels=3, frames=2)
        window.push(np.zeros((2, 2, 3), np.float32))
        window.push(block)
        return window.picture(-60.0)

    answers_or_refuses(last_picture, frames_db, is_good(frames_db, (None, 2, 3), CELLS))


@unhurried
@given(odd_arrays((2, 3, None), CELLS))
def test_a_picture_is_drawn_or_refused(cells: Any) -> None:
    answers_or_refuses(lambda cells: picture(cells, -60.0), cells, is_good(cells, (None,) * 3, CELLS))


@unhurried
@given(odd_arrays((None, 3), FEATURES))
def test_models_answer_or_refuse(x: Any) -> None:
    good = is_good(x, (None, 3), FEATURES)
    answers_or_refuses(SVM.decision_function, x, good)
    answers_or_refuses(FUSION.predict_proba, x, good)
    if good:
        np.testing.assert_allclose(FUSION.predict_proba(x).sum(axis=1), 1.0, rtol=0, atol=1e-12)


ODD_VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 2**63, 2**64])
    | st.floats()
    | st.complex_numbers()
    | st.text(max_size=3)
    | st.just([1.0])
    | st.sampled_from([np.float32(0.5), np.int16(3), np.bool_(True), np.float64("nan"), np.zeros(2)])
)


# An OverflowError of a whole number that no float holds, an AttributeError of something that is no number.
@unhurried
@given(st.dictionaries(st.sampled_from(sorted(LogMelConfig().to_dict())), ODD_VALUES, min_size=1, max_size=3))
def test_a_config_is_made_or_refused(changes: dict[str, Any]) -> None:
    try:
        config = LogMelConfig(**changes)
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017 - a value may be right by chance
    else:
        assert LogMelConfig.from_dict(config.to_dict()) == config


@unhurried
@given(st.tuples(*[st.integers(-1, 70) | ODD_VALUES] * 3))
def test_a_window_is_made_or_refused(shape: tuple[Any, Any, Any]) -> None:
    try:
        window = FrameWindow(*shape)
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert window.peak_db().shape == (shape[0],)


@pytest.mark.parametrize("config", [None, {}, "16 kHz", LogMelConfig, CONFIG.to_dict()])
def test_only_a_config_describes_a_front_end(config: Any) -> None:
    for door in (mel_filter_bank, LogMelStream, lambda it: log_mel(np.zeros(100, np.float32), it)):
        with pytest.raises(ConfigError, match="LogMelConfig"):
            door(config)


PARAMETERS = ("mean", "scale", "weights", "bias", "platt_a", "platt_b")


# A mask, an imaginary part or a broken number that is dropped in silence; an exception that is not ours.
@unhurried
@given(st.sampled_from(PARAMETERS), odd_arrays((3,), ("f8",)) | odd_arrays((3, 3), ("f8",)) | ODD_VALUES)
def test_a_model_is_made_or_refused(name: str, values: Any) -> None:
    arrays: dict[str, Any] = {key: np.full((3, 3) if key == "weights" else 3, 0.25) for key in PARAMETERS}
    arrays[name] = values
    try:
        svm = LinearSvm(*(arrays[key] for key in PARAMETERS[:4]))
        fusion = LateFusion(svm, arrays["platt_a"], arrays["platt_b"])
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert not np.ma.isMaskedArray(values)
        assert not np.iscomplexobj(values)
        arrays[name] = np.asarray(values, np.float64)
        expected = ((1.0 - arrays["mean"]) / arrays["scale"]) @ arrays["weights"].T + arrays["bias"]
        decisions = fusion.decision_function(np.ones((1, 3)))
        np.testing.assert_allclose(decisions, expected[np.newaxis], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "values",
    [
        np.ma.masked_array([1.0, 1.0, 1.0], mask=[0, 1, 0]),
        np.ones(3, np.complex128),
        [1j, 1.0, 1.0],
        [10**400] * 3,
        "abc",
        {"a": 1.0},
        np.array(["2020-01-01"] * 3, "M8[D]"),
        np.array([None] * 3),
    ],
    ids=range(8),
)
def test_parameters_that_are_no_real_numbers_are_refused(values: Any) -> None:
    with pytest.raises(ConfigError, match="mean"):
        LinearSvm(values, np.ones(3), np.ones((4, 3)), np.zeros(4))
    with pytest.raises(ConfigError, match="platt_a"):
        LateFusion(LinearSvm(np.zeros(3), np.ones(3), np.ones((3, 3)), np.zeros(3)), values, np.zeros(3))


# Decision values that overflow to infinity minus infinity: a binary posterior that is NaN.
@pytest.mark.parametrize("outputs", [1, 3])
def test_posteriors_are_finite_however_large_the_numbers(outputs: int) -> None:
    huge = np.full((outputs, 2), 1e308)
    huge[:, 1] *= -1
    fusion = LateFusion(
        LinearSvm([0.0, 0.0], [1.0, 1.0], huge, np.zeros(outputs)), -np.ones(outputs), np.zeros(outputs)
    )
    for x in ([1e308, 1e308], [1e308, -1e308], [0.0, 0.0]):
        posteriors = fusion.predict_proba(np.array([x]))
        assert np.isfinite(posteriors).all()
        assert posteriors.sum() == pytest.approx(1.0, abs=1e-12)


# A 32-bit count of samples, frames or bytes; a chunk that is only taken up to some length.
def test_ten_minutes_of_eight_channels_at_once(rng: np.random.Generator) -> None:
    config = LogMelConfig()
    count = 10 * 60 * config.sample_rate_hz
    noise = rng.standard_normal(count + 7, dtype=np.float32)
    # Channel c hears what channel 0 hears, c samples later: 8 channels for the memory of one.
    samples = np.lib.stride_tricks.as_strided(
        noise, (count, 8), (noise.strides[0], noise.strides[0]), writeable=False
    )
    cells = log_mel(samples, config)
    assert cells.shape == (8, 128, config.frames(count))
    for frame in (0, 1874, config.frames(count) - 1):
        start = frame * config.hop_samples
        alone = log_mel(samples[start : start + config.window_samples].copy(), config)
        np.testing.assert_array_equal(cells[:, :, frame], alone[:, :, 0])


# A MemoryError from the depth of numpy or C++, or a machine that swaps to death. The arrays repeat one value
# and take no memory themselves; what is asked for would take terabytes.
def test_more_than_memory_holds_is_refused() -> None:
    def endless(*shape: int, dtype: type = np.float32) -> NDArray[Any]:
        return np.broadcast_to(np.zeros((), dtype), (2**42, *shape))

    doors: list[tuple[Callable[[Any], object], NDArray[Any]]] = [
        (LogMelStream(CONFIG, channels=8).push, endless(8)),
        (LogMelStream(CONFIG, channels=8).push, endless(8, dtype=np.int16)),
        (lambda clip: log_mel(clip, CONFIG), endless()),
        (FrameWindow(2, 3, 4).push, endless(2, 3)),
        (lambda cells: picture(cells, -60.0), endless(2, 3)),
        (SVM.decision_function, endless(3, dtype=np.float64)),
        (FUSION.predict_proba, endless(3)),
    ]
    for door, array in doors:
        with pytest.raises(AudioFormatError, match="memory") as caught:
            door(array)
        assert "\n" not in str(caught.value)
