#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "asc_edge/finite.hpp"

namespace asc_edge {

/// Samples (frames, channels) wherever they lie: strides are in bytes, may be negative, and need no
/// alignment. Sample is float in [-1, 1] or std::int16_t, which is divided by 32768.
template <class Sample> struct SampleView {
  const char* data;
  std::size_t frames;
  std::ptrdiff_t frame_stride;
  std::ptrdiff_t channel_stride;

  float at(std::size_t frame, std::size_t channel) const noexcept {
    Sample value;
    std::memcpy(&value,
                data + static_cast<std::ptrdiff_t>(frame) * frame_stride +
                    static_cast<std::ptrdiff_t>(channel) * channel_stride,
                sizeof value);
    if constexpr (sizeof(Sample) == sizeof(std::int16_t)) {
      return static_cast<float>(value) * (1.0F / 32768.0F);
    } else {
      return value;
    }
  }
};

struct SamplePosition {
  std::size_t frame;
  std::size_t channel;
};

/// The first sample that is NaN or infinite.
template <class Sample>
std::optional<SamplePosition> find_non_finite(const SampleView<Sample>& samples,
                                              std::size_t channels) noexcept {
  if constexpr (sizeof(Sample) != sizeof(std::int16_t)) {
    constexpr std::ptrdiff_t size = sizeof(Sample);
    if (samples.channel_stride == size &&
        samples.frame_stride == static_cast<std::ptrdiff_t>(channels) * size &&
        all_finite<Sample>(samples.data, samples.frames * channels)) {
      return std::nullopt;
    }
    for (std::size_t frame = 0; frame < samples.frames; ++frame) {
      for (std::size_t channel = 0; channel < channels; ++channel) {
        if (!std::isfinite(samples.at(frame, channel))) {
          return SamplePosition{frame, channel};
        }
      }
    }
  }
  return std::nullopt;
}

} // namespace asc_edge
