#include <doctest/doctest.h>

#include <cstdlib>
#include <new>

#include "asc_edge/frame_window.hpp"
#include "asc_edge/late_fusion.hpp"
#include "asc_edge/log_mel_stream.hpp"
#include "noise.hpp"

namespace {

std::size_t allocations = 0;

} // namespace

// The whole test program counts; only the section below looks.
void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) {
    return memory;
  }
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

// Catches a temporary in the streaming path: memory that a small machine has to find in the middle of a
// recording.
TEST_CASE("streaming allocates nothing") {
  using namespace asc_edge;
  constexpr std::size_t channels = 4, mels = 16;
  // 1411 = 17 * 83: radices without a kernel of their own.
  for (const std::size_t window : {512U, 1411U}) {
    LogMelStream stream({16000.0, window, 256, mels, MelScale::htk, MelNorm::peak, 0.0, 8000.0}, channels);
    FrameWindow frame_window(channels, mels, 8);
    const LateFusion fusion(LinearSvm({0.0, 0.0}, {1.0, 1.0}, {1.0, 2.0, 3.0, 4.0}, {0.0, 0.0}), {-1.0, -1.0},
                            {0.0, 0.0});
    const std::vector<float> samples = float_noise(8000 * channels, 9);
    std::vector<float> frames(40 * channels * mels), picture(channels * mels * 8), peaks(channels);
    std::vector<double> posteriors(2);
    const std::vector<double> features = {0.5, -0.5};

    const std::size_t before = allocations;
    for (std::size_t start = 0; start < 8000; start += 160) {
      const SampleView<float> block{reinterpret_cast<const char*>(samples.data() + start * channels), 160,
                                    channels * sizeof(float), sizeof(float)};
      const std::size_t due = stream.frames_due(block.frames);
      find_non_finite(block, channels);
      stream.push(block, frames.data());
      frame_window.push(frames.data(), due);
      find_peaks(frame_window.cells(), peaks.data());
      draw_picture(frame_window.cells(), -60.0F, picture.data());
      fusion.predict(features.data(), 1, posteriors.data());
    }
    CHECK(allocations == before);
    CHECK(stream.frames_emitted() > 20);
  }
}
