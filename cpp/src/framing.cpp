#include "asc_edge/framing.hpp"

#include <limits>
#include <stdexcept>

#include "fft_plan.hpp"

namespace asc_edge {
namespace {

// Spans that fit into the memory: the more, the more seldom what is held moves to the front.
constexpr std::size_t kSpansHeld = 4;

constexpr double kLargest = std::numeric_limits<float>::max();

/// In double and rounded once; the difference of two huge samples stays finite.
float emphasise(float sample, float previous, double factor) {
  const double value = static_cast<double>(sample) - factor * static_cast<double>(previous);
  return static_cast<float>(std::clamp(value, -kLargest, kLargest));
}

} // namespace

Framing::Framing(const FramingParams& params)
    : window_(params.window_samples), hop_(params.hop_samples), fft_length_(params.fft_length),
      centred_(params.centred), preemphasis_(params.preemphasis) {
  if (window_ == 0 || hop_ == 0 || params.fft_length < window_) {
    throw std::invalid_argument(
        "a stream of frames needs a window, a hop and a transform as long as the window");
  }
  if (!(preemphasis_ >= 0.0 && preemphasis_ <= 1.0)) {
    throw std::invalid_argument("the factor of the pre-emphasis must lie between 0 and 1");
  }
  if (centred_) {
    lead_ = params.fft_length / 2 - (params.fft_length - window_) / 2;
    odd_ = params.fft_length % 2;
  }
}

std::uint64_t Framing::frames_ready(std::uint64_t samples) const noexcept {
  // More than `lead` samples and the reflected ones fill a window: 2 lead + 1 >= window.
  const std::uint64_t least = centred_ ? lead_ + 1 : window_;
  return samples < least ? 0 : (samples + lead_ - window_) / hop_ + 1;
}

std::uint64_t Framing::frames_in_all(std::uint64_t samples) const noexcept {
  if (!centred_) {
    return frames_ready(samples);
  }
  return samples <= lead_ ? 0 : (samples - odd_) / hop_ + 1;
}

FrameCutter::FrameCutter(const Framing& framing, const Kernels& kernels, std::size_t channels)
    : framing_(framing), channels_(channels), lookback_(framing.centred() ? 1 : 0),
      span_(lookback_ + framing.window()),
      first_span_(framing.centred() ? lookback_ + 2 * framing.lead() + 1 : span_),
      capacity_(kSpansHeld * std::max(span_, first_span_)), previous_(channels) {
  if (channels == 0) {
    throw std::invalid_argument("a stream needs a channel");
  }
  for (std::size_t first = 0; first < channels; first += kMaxLanes) {
    groups_.emplace_back(kernels, first, std::min(kMaxLanes, channels - first), capacity_,
                         framing.fft_length(), framing.fft_length() % 2 == 0);
  }
  reset();
}

void FrameCutter::reset() noexcept {
  // The lookback in front of the first window is never reflected into a frame; its place is only reserved.
  start_ = 0;
  filled_ = lookback_ + framing_.lead();
  to_skip_ = 0;
  samples_ = 0;
  frames_emitted_ = 0;
  primed_ = false;
  finished_ = false;
}

std::size_t FrameCutter::framed_by(std::size_t samples) const noexcept {
  const bool primes = framing_.preemphasis() != 0.0 && !primed_ && samples > 0;
  return finished_ ? 0 : samples - (primes ? 1 : 0);
}

std::size_t FrameCutter::frames_due(std::size_t samples) const noexcept {
  if (finished_) {
    return 0;
  }
  return static_cast<std::size_t>(framing_.frames_ready(samples_ + framed_by(samples)) - frames_emitted_);
}

std::size_t FrameCutter::frames_due_at_finish() const noexcept {
  return finished_ ? 0 : static_cast<std::size_t>(framing_.frames_in_all(samples_) - frames_emitted_);
}

/// Moves what is held to the front when a span from start_ on would not fit any more.
void FrameCutter::make_room() noexcept {
  if (start_ + std::max(span_, first_span_) <= capacity_) {
    return;
  }
  const std::size_t even_start = start_ - start_ % 2;
  for (LaneRows& group : groups_) {
    group.move_to_front(even_start, start_ - even_start + filled_);
  }
  start_ -= even_start;
}

template <class Sample>
void FrameCutter::store(const SampleView<Sample>& samples, std::size_t from, std::size_t count) noexcept {
  const std::size_t row = start_ + filled_;
  if (framing_.preemphasis() == 0.0) {
    for (LaneRows& group : groups_) {
      group.store(row, samples, from, count);
    }
    return;
  }
  for (LaneRows& group : groups_) {
    for (std::size_t lane = 0; lane < group.channels(); ++lane) {
      float previous = previous_[group.first_channel() + lane];
      for (std::size_t n = 0; n < count; ++n) {
        const float sample = samples.at(from + n, group.first_channel() + lane);
        group.at(row + n, lane) = emphasise(sample, previous, framing_.preemphasis());
        previous = sample;
      }
      previous_[group.first_channel() + lane] = previous;
    }
  }
}

template <class Sample>
void FrameCutter::remember(const SampleView<Sample>& samples, std::size_t position) noexcept {
  for (std::size_t channel = 0; channel < channels_; ++channel) {
    previous_[channel] = samples.at(position, channel);
  }
}

template void FrameCutter::store<float>(const SampleView<float>&, std::size_t, std::size_t) noexcept;
template void FrameCutter::store<std::int16_t>(const SampleView<std::int16_t>&, std::size_t,
                                               std::size_t) noexcept;
template void FrameCutter::remember<float>(const SampleView<float>&, std::size_t) noexcept;
template void FrameCutter::remember<std::int16_t>(const SampleView<std::int16_t>&, std::size_t) noexcept;

void FrameCutter::reflect_head() noexcept {
  const std::size_t first = start_ + lookback_ + framing_.lead();
  for (LaneRows& group : groups_) {
    for (std::size_t lane = 0; lane < group.channels(); ++lane) {
      for (std::size_t n = 1; n <= framing_.lead(); ++n) {
        group.at(first - n, lane) = group.at(first + n, lane);
      }
    }
  }
}

void FrameCutter::reflect_tail(std::size_t last) noexcept {
  for (LaneRows& group : groups_) {
    for (std::size_t lane = 0; lane < group.channels(); ++lane) {
      for (std::size_t n = filled_; n < span_; ++n) {
        // Never before the row: a frame's middle lies at most one sample after the signal's last one.
        group.at(start_ + n, lane) = group.at(start_ + 2 * last - n, lane);
      }
    }
  }
  filled_ = std::max(filled_, span_);
}

void FrameCutter::advance() noexcept {
  const std::size_t dropped = std::min(framing_.hop(), filled_);
  start_ += dropped;
  filled_ -= dropped;
  to_skip_ = framing_.hop() - dropped;
  if (filled_ == 0) {
    start_ = 0;
  }
}

} // namespace asc_edge
