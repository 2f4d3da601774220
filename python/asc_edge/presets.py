"""Front ends of published networks, each as its authors compute it.

A network that is fed from another front end than its own still answers, only worse. These take samples like
every front end: float32 in [-1, 1], or int16.
"""

from __future__ import annotations

from dataclasses import replace

from asc_edge.frontend_config import LogMelConfig

EFFICIENTAT_MN = LogMelConfig(
    sample_rate_hz=32000,
    window_s=0.025,
    hop_s=0.01,
    mels=128,
    mel_scale="kaldi",
    fmax_hz=15000.0,
    fft_samples=1024,
    window_shape="hann_symmetric",
    remove_mean=False,
    preemphasis=0.97,
    centred=True,
    full_scale=False,
    level="natural_log",
    log_offset=1e-5,
    shift=4.5,
    scale=0.2,
)
"""EfficientAT's MobileNets (Schmid et al. 2023), as mn04: 1000 frames in 10 s."""

EFFICIENTAT_MN_16K = replace(EFFICIENTAT_MN, sample_rate_hz=16000, fft_samples=512, interpolation=2)
"""The same for sound at 16 kHz, without resampling it: frames as `EFFICIENTAT_MN` gives of it at 32 kHz."""

YAMNET = LogMelConfig(
    sample_rate_hz=16000,
    window_s=0.025,
    hop_s=0.01,
    mels=64,
    mel_scale="kaldi",
    fmin_hz=125.0,
    fmax_hz=7500.0,
    fft_samples=512,
    remove_mean=False,
    spectrum="magnitude",
    full_scale=False,
    level="natural_log",
    log_offset=1e-3,
)
"""YAMNet (TensorFlow Model Garden): ``ln(mel + 0.001)``; its patches of 96 frames are 15600 samples."""

ATT_CRNN_MEL = LogMelConfig(
    sample_rate_hz=22050,
    window_s=0.05,
    hop_s=0.025,
    mels=64,
    fmin_hz=50.0,
    fft_samples=2048,
    remove_mean=False,
    full_scale=False,
    level="natural_log",
    log_offset=1e-10,
)
"""Att-CRNN's log-mel plane (attention-based CRNN for scenes, section on features): 64 bands from 50 Hz.

A segment of 2 s gives 79 frames; fill it up with zeros to 44631 samples for the paper's 80. The paper doesn't
give the transform's length: the next power of two leaves the lowest bands, 30 Hz wide, some bins each.
"""

ATT_CRNN_GAMMATONE = replace(ATT_CRNN_MEL, mel_scale="gammatone")
"""Att-CRNN's gammatone plane: as `ATT_CRNN_MEL`, with 64 fourth-order gammatone bands on the ERB scale."""
