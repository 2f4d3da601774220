#pragma once

#include <cmath>
#include <vector>

#include "asc_edge/sample_view.hpp"
#include "fuzz_input.hpp"

namespace asc_edge::fuzz {

inline float to_sample(FuzzInput& input, float) {
  return input.coin() ? static_cast<float>(input.take<std::int16_t>()) / 32768.0F : input.take<float>();
}

inline std::int16_t to_sample(FuzzInput& input, std::int16_t) {
  return input.take<std::int16_t>();
}

/// Samples in memory of their own, at an odd address, with gaps, forwards or backwards along each axis.
template <class Sample> class Layout {
public:
  Layout(FuzzInput& input, std::size_t frames, std::size_t channels) {
    const bool channel_major = input.coin();
    const std::size_t gap = input.whole(0, 3);
    const std::size_t step = sizeof(Sample) + gap;
    const std::size_t frame_step = channel_major ? step : step * channels;
    const std::size_t channel_step = channel_major ? step * frames : step;
    bytes_.resize(frames * channels * step + 1);
    const bool backwards = input.coin();
    const bool swapped = input.coin();
    // Arithmetic on offsets, since a pointer before the first byte would be undefined where there is none.
    const std::size_t last_frame = frames == 0 ? 0 : (frames - 1) * frame_step;
    const std::size_t origin =
        1 + (backwards ? last_frame : 0) + (swapped ? (channels - 1) * channel_step : 0);
    view_.data = bytes_.data() + (frames == 0 ? 0 : origin);
    view_.frames = frames;
    view_.frame_stride = static_cast<std::ptrdiff_t>(frame_step) * (backwards ? -1 : 1);
    view_.channel_stride = static_cast<std::ptrdiff_t>(channel_step) * (swapped ? -1 : 1);
    for (std::size_t frame = 0; frame < frames; ++frame) {
      for (std::size_t channel = 0; channel < channels; ++channel) {
        const Sample sample = to_sample(input, Sample{});
        std::memcpy(const_cast<char*>(address(view_, frame, channel)), &sample, sizeof sample);
      }
    }
  }

  const SampleView<Sample>& view() const { return view_; }

  SampleView<Sample> part(std::size_t start, std::size_t count) const {
    SampleView<Sample> cut = view_;
    cut.data = count == 0 ? view_.data : address(view_, start, 0);
    cut.frames = count;
    return cut;
  }

  SampleView<Sample> of_channel(std::size_t channel) const {
    SampleView<Sample> cut = view_;
    cut.data = view_.frames == 0 ? view_.data : address(view_, 0, channel);
    return cut;
  }

private:
  static const char* address(const SampleView<Sample>& view, std::size_t frame, std::size_t channel) {
    return view.data + static_cast<std::ptrdiff_t>(frame) * view.frame_stride +
           static_cast<std::ptrdiff_t>(channel) * view.channel_stride;
  }

  std::vector<char> bytes_;
  SampleView<Sample> view_{};
};

template <class Sample> bool all_finite_by_one(const SampleView<Sample>& samples, std::size_t channels) {
  for (std::size_t frame = 0; frame < samples.frames; ++frame) {
    for (std::size_t channel = 0; channel < channels; ++channel) {
      if (!std::isfinite(samples.at(frame, channel))) {
        return false;
      }
    }
  }
  return true;
}

/// Lengths of up to five blocks; what is left over comes after them.
inline std::vector<std::size_t> take_cuts(FuzzInput& input) {
  std::vector<std::size_t> lengths(input.whole(0, 5));
  for (std::size_t& length : lengths) {
    length = input.whole(0, 500);
  }
  return lengths;
}

/// Calls use(block) for each block that the cuts make of the samples, in order.
template <class Sample, class Use>
void for_each_block(const Layout<Sample>& samples, const std::vector<std::size_t>& cuts, const Use& use) {
  std::size_t start = 0;
  for (const std::size_t length : cuts) {
    const std::size_t taken = std::min(length, samples.view().frames - start);
    use(samples.part(start, taken));
    start += taken;
  }
  use(samples.part(start, samples.view().frames - start));
}

} // namespace asc_edge::fuzz
