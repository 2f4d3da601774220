#include <doctest/doctest.h>

#include <cstddef>
#include <thread>
#include <vector>

#include "asc_edge/frame_window.hpp"
#include "asc_edge/late_fusion.hpp"
#include "asc_edge/log_mel_stream.hpp"
#include "noise.hpp"

namespace {

using namespace asc_edge;

constexpr std::size_t kThreads = 8, kChannels = 3, kMels = 16, kWindowFrames = 8, kSamples = 6000;

LogMelParams parameters() {
  // Fields that are not named here keep their defaults.
  LogMelParams params{};
  params.sample_rate_hz = 16000.0;
  params.window_samples = 512;
  params.hop_samples = 256;
  params.mels = kMels;
  params.fmax_hz = 8000.0;
  return params;
}

LateFusion make_fusion() {
  const std::size_t features = kChannels;
  return LateFusion(LinearSvm(std::vector<double>(features, -40.0), std::vector<double>(features, 10.0),
                              noise(4 * features, 3), noise(4, 4)),
                    {-1.0, -2.0, -3.0, -4.0}, {0.0, 0.1, 0.2, 0.3});
}

struct Answer {
  std::vector<float> frames;
  std::vector<float> picture;
  std::vector<double> posteriors;

  bool operator==(const Answer& other) const {
    return frames == other.frames && picture == other.picture && posteriors == other.posteriors;
  }
};

/// A whole device in small: samples to frames to picture to posteriors, block by block.
Answer listen(unsigned seed, const LateFusion& fusion) {
  LogMelStream stream(parameters(), kChannels);
  FrameWindow window(kChannels, kMels, kWindowFrames);
  const std::vector<float> samples = float_noise(kSamples * kChannels, seed);
  Answer answer;
  for (std::size_t start = 0, count = 0; start < kSamples; start += count) {
    count = std::min<std::size_t>(97 + 10 * seed, kSamples - start);
    const SampleView<float> block{reinterpret_cast<const char*>(samples.data() + start * kChannels), count,
                                  kChannels * sizeof(float), sizeof(float)};
    const std::size_t due = stream.frames_due(count);
    std::vector<float> frames(due * kChannels * kMels);
    stream.push(block, frames.data());
    window.push(frames.data(), due);
    answer.frames.insert(answer.frames.end(), frames.begin(), frames.end());
  }
  answer.picture.resize(kChannels * kMels * kWindowFrames);
  draw_picture(window.cells(), -60.0F, answer.picture.data());
  std::vector<float> peaks_db(kChannels);
  find_peaks(window.cells(), peaks_db.data());
  const std::vector<double> features(peaks_db.begin(), peaks_db.end());
  answer.posteriors.resize(fusion.classes());
  fusion.predict(features.data(), 1, answer.posteriors.data());
  return answer;
}

} // namespace

// Catches work space, tables or caches that streams share unguarded, and work space inside a model that many
// threads share; ThreadSanitizer sees it even where the bits happen to be right.
TEST_CASE("8 streams in 8 threads with one model give the bits of one") {
  const LateFusion fusion = make_fusion();
  std::vector<Answer> together(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    // Also the making of a stream runs side by side: that is where tables would be filled.
    threads.emplace_back([&fusion, &together, t] { together[t] = listen(static_cast<unsigned>(t), fusion); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (std::size_t t = 0; t < kThreads; ++t) {
    const Answer alone = listen(static_cast<unsigned>(t), fusion);
    CHECK(alone.frames.size() > 0);
    CHECK(together[t] == alone);
  }
}
