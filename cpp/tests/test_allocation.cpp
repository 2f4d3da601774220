#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "asc_edge/array_stats.hpp"
#include "asc_edge/fft.hpp"
#include "asc_edge/frame_window.hpp"
#include "asc_edge/isa.hpp"
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
void* operator new(std::size_t size, std::align_val_t alignment) {
  ++allocations;
  const std::size_t unit = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(unit, (size + unit) / unit * unit)) {
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
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

// Catches a temporary in the streaming path: memory that a small machine has to find in the middle of a
// recording.
TEST_CASE("streaming allocates nothing") {
  using namespace asc_edge;
  constexpr std::size_t channels = 4, mels = 16;
  std::vector<float> samples = float_noise(8000 * channels, 9);
  for (std::size_t n = 0; n < samples.size() / 2; ++n) {
    // A tone far above the noise, whose quiet bands are computed again in double.
    samples[n] =
        1e-6F * samples[n] + static_cast<float>(0.5 * std::sin(0.3 * static_cast<double>(n / channels)));
  }
  for (const std::string& isa : available_isas()) {
    // 1411 = 17 * 83: radices without a kernel of their own.
    for (const std::size_t window : {512U, 1411U}) {
      for (const bool centred : {false, true}) {
        LogMelParams params{16000.0, window, 256, mels, MelScale::htk, MelNorm::peak, 0.0, 8000.0};
        params.centred = centred;
        params.preemphasis = centred ? 0.97 : 0.0;
        LogMelStream stream(std::make_shared<const LogMelPlan>(params, isa), channels);
        FrameWindow frame_window(channels, mels, 8);
        const LateFusion fusion(LinearSvm({0.0, 0.0}, {1.0, 1.0}, {1.0, 2.0, 3.0, 4.0}, {0.0, 0.0}),
                                {-1.0, -1.0}, {0.0, 0.0});
        ArrayStats array_stats(channels, 4000, 160, 0.999F);
        RealFft fft(512, channels, isa);
        std::vector<float> frames(40 * channels * mels), picture(channels * mels * 8), peaks(channels);
        std::vector<float> re(257 * channels), im(257 * channels);
        std::vector<double> posteriors(2 * 40), correlation(channels * channels);
        std::vector<ChannelStats> stats(channels);
        std::vector<std::uint64_t> clipped(channels), runs(channels);
        const std::vector<double> features(2 * 40, 0.5);

        const std::size_t before = allocations;
        for (std::size_t start = 0; start < 8000; start += 160) {
          const SampleView<float> block{reinterpret_cast<const char*>(samples.data() + start * channels), 160,
                                        channels * sizeof(float), sizeof(float)};
          const std::size_t due = stream.frames_due(block.frames);
          stream.find_non_finite(block);
          stream.push(block, frames.data());
          frame_window.push(frames.data(), due);
          find_peaks(frame_window.cells(), peaks.data());
          draw_picture(frame_window.cells(), -60.0F, picture.data());
          fusion.predict(features.data(), 40, posteriors.data());
          array_stats.push(block);
          array_stats.measure(stats.data(), correlation.data());
          array_stats.count(clipped.data(), runs.data());
        }
        fft.execute(samples.data(), re.data(), im.data());
        stream.finish(frames.data());
        CHECK(allocations == before);
        CHECK(stream.frames_emitted() > 20);
      }
    }
  }
}
