#include "asc_edge/log_mel_stream.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>

namespace asc_edge {
namespace {

constexpr double kTwoPi = 6.28318530717958647692;

std::vector<double> periodic_hann(std::size_t length) {
  std::vector<double> window(length);
  for (std::size_t n = 0; n < length; ++n) {
    window[n] = 0.5 - 0.5 * std::cos(kTwoPi * static_cast<double>(n) / static_cast<double>(length));
  }
  return window;
}

MelBankParams bank_params(const LogMelParams& params) {
  return {params.sample_rate_hz, params.window_samples, params.mels,   params.mel_scale,
          params.mel_norm,       params.fmin_hz,        params.fmax_hz};
}

} // namespace

LogMelStream::LogMelStream(const LogMelParams& params, std::size_t channels)
    : channels_(channels), window_samples_(params.window_samples), hop_samples_(params.hop_samples),
      fft_(params.window_samples), bank_(bank_params(params)), power_scale_(0.0),
      window_(periodic_hann(params.window_samples)), pending_(channels * params.window_samples),
      frame_(params.window_samples), spectrum_re_(fft_.bins()), spectrum_im_(fft_.bins()),
      workspace_(fft_.workspace_size()), bands_(params.mels) {
  if (channels == 0 || hop_samples_ == 0 || window_samples_ < 2) {
    throw std::invalid_argument("a log-mel stream needs a channel, a hop of a sample and a window of two");
  }
  double sum = 0.0;
  for (const double weight : window_) {
    sum += weight;
  }
  power_scale_ = (2.0 / sum) * (2.0 / sum);
}

std::size_t LogMelStream::frames_due(std::size_t samples) const noexcept {
  if (samples <= to_skip_) {
    return 0;
  }
  const std::size_t held = filled_ + samples - to_skip_;
  return held < window_samples_ ? 0 : (held - window_samples_) / hop_samples_ + 1;
}

template <class Sample> void LogMelStream::push(const SampleView<Sample>& samples, float* out) noexcept {
  std::size_t taken = std::min(to_skip_, samples.frames);
  to_skip_ -= taken;
  while (taken < samples.frames) {
    const std::size_t count = std::min(window_samples_ - filled_, samples.frames - taken);
    for (std::size_t channel = 0; channel < channels_; ++channel) {
      float* row = pending_.data() + channel * window_samples_ + filled_;
      for (std::size_t n = 0; n < count; ++n) {
        row[n] = samples.at(taken + n, channel);
      }
    }
    taken += count;
    filled_ += count;
    if (filled_ < window_samples_) {
      return;
    }
    const std::size_t dropped = std::min(hop_samples_, window_samples_);
    for (std::size_t channel = 0; channel < channels_; ++channel) {
      float* row = pending_.data() + channel * window_samples_;
      compute_frame(row, out);
      out += bank_.mels();
      std::copy(row + dropped, row + window_samples_, row);
    }
    ++frames_emitted_;
    filled_ -= dropped;
    const std::size_t gap = std::min(hop_samples_ - dropped, samples.frames - taken);
    taken += gap;
    to_skip_ = hop_samples_ - dropped - gap;
  }
}

template void LogMelStream::push<float>(const SampleView<float>&, float*) noexcept;
template void LogMelStream::push<std::int16_t>(const SampleView<std::int16_t>&, float*) noexcept;

void LogMelStream::compute_frame(const float* samples, float* out) noexcept {
  double mean = 0.0;
  for (std::size_t n = 0; n < window_samples_; ++n) {
    mean += static_cast<double>(samples[n]);
  }
  mean /= static_cast<double>(window_samples_);
  for (std::size_t n = 0; n < window_samples_; ++n) {
    frame_[n] = (static_cast<double>(samples[n]) - mean) * window_[n];
  }
  fft_.execute(frame_.data(), spectrum_re_.data(), spectrum_im_.data(), workspace_.data());
  for (std::size_t k = 0; k < spectrum_re_.size(); ++k) {
    // In place: the real parts are not needed again.
    spectrum_re_[k] = power_scale_ * (spectrum_re_[k] * spectrum_re_[k] + spectrum_im_[k] * spectrum_im_[k]);
  }
  bank_.apply(spectrum_re_.data(), bands_.data());
  for (std::size_t m = 0; m < bands_.size(); ++m) {
    out[m] = static_cast<float>(10.0 * std::log10(std::max(bands_[m], kPowerFloor)));
  }
}

void LogMelStream::reset() noexcept {
  filled_ = 0;
  to_skip_ = 0;
  frames_emitted_ = 0;
}

} // namespace asc_edge
