#pragma once

#include <cstddef>
#include <vector>

#include "asc_edge/fft.hpp"
#include "asc_edge/mel.hpp"
#include "asc_edge/sample_view.hpp"

namespace asc_edge {

struct LogMelParams {
  double sample_rate_hz;
  std::size_t window_samples;
  std::size_t hop_samples;
  std::size_t mels;
  MelScale mel_scale;
  MelNorm mel_norm;
  double fmin_hz;
  double fmax_hz;
};

/// Power below which a band counts as empty: -160 dB.
constexpr double kPowerFloor = 1e-16;

/// Log-mel frames of a stream of samples, for all channels of an array at once.
///
/// Each frame depends only on the samples under its window, and is computed by the same operations in the
/// same order whatever the chunking and the number of channels: so the frames are the same to the last bit.
class LogMelStream {
public:
  /// Throws std::invalid_argument on parameters that can't work.
  LogMelStream(const LogMelParams& params, std::size_t channels);

  std::size_t channels() const noexcept { return channels_; }
  std::size_t mels() const noexcept { return bank_.mels(); }
  std::size_t frames_emitted() const noexcept { return frames_emitted_; }

  /// Frames that a push of `samples` more samples a channel would emit.
  std::size_t frames_due(std::size_t samples) const noexcept;

  /// Takes all samples, which must be finite, and writes frames_due() frames (frame, channel, mel) in dB to
  /// `out`. Sample is float or std::int16_t. Neither allocates nor throws.
  template <class Sample> void push(const SampleView<Sample>& samples, float* out) noexcept;

  void reset() noexcept;

private:
  void compute_frame(const float* samples, float* out) noexcept;

  std::size_t channels_;
  std::size_t window_samples_;
  std::size_t hop_samples_;
  RealFft fft_;
  MelBank bank_;
  double power_scale_; // a full-scale sine on a bin centre has power 1
  std::vector<double> window_;
  std::vector<float> pending_; // (channels, window_samples): the samples since the start of the next frame
  std::size_t filled_ = 0;     // of each channel's row of pending_
  std::size_t to_skip_ = 0;    // samples between two windows, when the hop is longer than the window
  std::size_t frames_emitted_ = 0;
  std::vector<double> frame_;
  std::vector<double> spectrum_re_;
  std::vector<double> spectrum_im_;
  std::vector<double> workspace_;
  std::vector<double> bands_;
};

} // namespace asc_edge
