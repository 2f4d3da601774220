#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "asc_edge/frame_window.hpp"
#include "asc_edge/late_fusion.hpp"
#include "asc_edge/log_mel_stream.hpp"
#include "noise.hpp"
#include "nonblocking.hpp"

namespace {

using namespace asc_edge;

constexpr std::size_t kChannels = 4, kMels = 16, kWindowFrames = 8, kBlock = 160, kBlocks = 50;

LogMelParams parameters(std::size_t window_samples, std::size_t hop_samples) {
  // Fields that are not named here keep their defaults.
  LogMelParams params{};
  params.sample_rate_hz = 16000.0;
  params.window_samples = window_samples;
  params.hop_samples = hop_samples;
  params.mels = kMels;
  params.fmax_hz = 8000.0;
  return params;
}

/// Everything that happens between two blocks of a microphone, with all memory made beforehand.
template <class Sample> struct Device {
  Device(std::size_t window_samples, std::size_t hop_samples)
      : stream(parameters(window_samples, hop_samples), kChannels), window(kChannels, kMels, kWindowFrames),
        fusion(LinearSvm({0.0, 0.0}, {1.0, 1.0}, {1.0, 2.0, 3.0, 4.0}, {0.0, 0.0}), {-1.0, -1.0}, {0.0, 0.0}),
        frames(kBlock * kChannels * kMels), picture(kChannels * kMels * kWindowFrames), peaks_db(kChannels),
        posteriors(2), features{0.5, -0.5} {}

  void hear(const SampleView<Sample>& block) noexcept ASC_EDGE_NONBLOCKING {
    finite = finite && !find_non_finite(block, kChannels).has_value();
    const std::size_t due = stream.frames_due(block.frames);
    stream.push(block, frames.data());
    window.push(frames.data(), due);
    find_peaks(window.cells(), peaks_db.data());
    draw_picture(window.cells(), -60.0F, picture.data());
    fusion.predict(features.data(), 1, posteriors.data());
  }

  LogMelStream stream;
  FrameWindow window;
  LateFusion fusion;
  std::vector<float> frames, picture, peaks_db;
  std::vector<double> posteriors;
  const std::vector<double> features;
  bool finite = true;
};

template <class Sample> void hear_noise(std::size_t window_samples, std::size_t hop_samples) {
  std::vector<Sample> samples;
  for (const double value : noise(kBlock * kBlocks * kChannels, 9)) {
    samples.push_back(static_cast<Sample>(30000.0 * value));
  }
  Device<Sample> device(window_samples, hop_samples);
  for (std::size_t block = 0; block < kBlocks; ++block) {
    device.hear({reinterpret_cast<const char*>(samples.data() + block * kBlock * kChannels), kBlock,
                 kChannels * sizeof(Sample), sizeof(Sample)});
  }
  CHECK(device.finite);
  CHECK(device.stream.frames_emitted() >= 5);
}

} // namespace

// Catches an allocation (which test_allocation.cpp counts for other compilers too), a lock or a system call
// between two blocks of a microphone.
TEST_CASE("nothing blocks between two blocks of a microphone") {
  // 1411 = 17 * 83: radices without a kernel of their own.
  for (const std::size_t window_samples : {512U, 1411U}) {
    // With overlap, and with a gap between the windows.
    for (const std::size_t hop_samples : {std::size_t{256}, window_samples + 100}) {
      hear_noise<float>(window_samples, hop_samples);
      hear_noise<std::int16_t>(window_samples, hop_samples);
    }
  }
}
