#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "asc_edge/framing.hpp"
#include "asc_edge/isa.hpp"

namespace {

using asc_edge::FrameCutter;
using asc_edge::Framing;
using asc_edge::FramingParams;
using asc_edge::SampleView;

using Frames = std::vector<std::vector<float>>;

SampleView<float> view(const float* data, std::size_t frames) {
  return {reinterpret_cast<const char*>(data), frames, sizeof(float), sizeof(float)};
}

/// One channel's frames, pushed in chunks and finished; `early` is what came before finish().
Frames cut(FrameCutter& cutter, const std::vector<float>& samples, std::size_t chunk, std::size_t* early) {
  Frames frames;
  const std::size_t window = cutter.framing().window();
  const auto take = [&](std::size_t row) {
    frames.emplace_back();
    for (std::size_t n = 0; n < window; ++n) {
      frames.back().push_back(cutter.sample(row + n, 0));
    }
  };
  for (std::size_t start = 0; start < samples.size(); start += chunk) {
    const std::size_t count = std::min(chunk, samples.size() - start);
    const std::size_t due = frames.size() + cutter.frames_due(count);
    cutter.push(view(samples.data() + start, count), take);
    REQUIRE(frames.size() == due);
  }
  *early = frames.size();
  const std::size_t due = frames.size() + cutter.frames_due_at_finish();
  cutter.finish(take);
  REQUIRE(frames.size() == due);
  REQUIRE(cutter.frames_emitted() == due);
  return frames;
}

/// The definition: torch.stft pads fft / 2 reflected samples at both ends, and the window stands in the
/// middle of the transform. `early` counts the frames that see nothing behind the last sample.
Frames centred_frames(const std::vector<float>& y, const FramingParams& params, std::size_t* early) {
  const auto size = static_cast<std::ptrdiff_t>(y.size());
  const auto fft = static_cast<std::ptrdiff_t>(params.fft_length);
  const auto window = static_cast<std::ptrdiff_t>(params.window_samples);
  const auto hop = static_cast<std::ptrdiff_t>(params.hop_samples);
  const std::ptrdiff_t pad = fft / 2;
  const std::ptrdiff_t left = (fft - window) / 2;
  Frames frames;
  *early = 0;
  if (size <= pad - left) {
    return frames;
  }
  for (std::ptrdiff_t start = 0; start + fft <= size + 2 * pad; start += hop) {
    std::vector<float> frame;
    for (std::ptrdiff_t n = 0; n < window; ++n) {
      std::ptrdiff_t at = std::abs(start + left + n - pad);
      at = at < size ? at : 2 * (size - 1) - at;
      frame.push_back(y[static_cast<std::size_t>(at)]);
    }
    *early += start + left + window - 1 - pad < size ? 1 : 0;
    frames.push_back(frame);
  }
  return frames;
}

std::vector<float> counting(std::size_t size) {
  std::vector<float> samples(size);
  for (std::size_t n = 0; n < size; ++n) {
    samples[n] = static_cast<float>(n + 1);
  }
  return samples;
}

} // namespace

// Catches a reflection that is off by one or doubles the edge, a frame too many or too few at the end, frames
// that come late, and samples lost between blocks: every small case there is, odd and even, with gaps too.
TEST_CASE("centred frames are those of torch.stft") {
  for (std::size_t window = 1; window <= 7; ++window) {
    for (std::size_t fft = window; fft <= window + 5; ++fft) {
      for (std::size_t hop = 1; hop <= 11; ++hop) {
        const FramingParams params{window, hop, fft, 0.0, true};
        FrameCutter cutter(Framing(params), asc_edge::kernels_for(""), 1);
        for (std::size_t size = 0; size <= 25; ++size) {
          const std::vector<float> samples = counting(size);
          std::size_t expected_early = 0;
          const Frames expected = centred_frames(samples, params, &expected_early);
          REQUIRE(Framing(params).frames_in_all(size) == expected.size());
          for (const std::size_t chunk : {1U, 2U, 5U, 30U}) {
            CAPTURE(window);
            CAPTURE(fft);
            CAPTURE(hop);
            CAPTURE(size);
            CAPTURE(chunk);
            std::size_t early = 0;
            cutter.reset();
            REQUIRE(cut(cutter, samples, chunk, &early) == expected);
            REQUIRE(early == expected_early);
          }
        }
      }
    }
  }
}

// Catches a filter that starts from 0, forgets its memory between blocks or in the gap between two windows,
// or is applied after the reflection.
TEST_CASE("the pre-emphasis is a valid convolution over the whole signal") {
  std::vector<float> samples = counting(40);
  for (std::size_t n = 0; n < samples.size(); n += 3) {
    samples[n] *= -0.3F;
  }
  std::vector<float> filtered;
  for (std::size_t n = 0; n + 1 < samples.size(); ++n) {
    filtered.push_back(
        static_cast<float>(static_cast<double>(samples[n + 1]) - 0.97 * static_cast<double>(samples[n])));
  }
  for (const bool centred : {false, true}) {
    for (const std::size_t hop : {1U, 3U, 5U, 13U}) {
      FrameCutter plain(Framing({5, hop, 8, 0.0, centred}), asc_edge::kernels_for(""), 1);
      std::size_t early = 0;
      const Frames expected = cut(plain, filtered, 100, &early);
      for (const std::size_t chunk : {1U, 2U, 7U, 100U}) {
        FrameCutter cutter(Framing({5, hop, 8, 0.97, centred}), asc_edge::kernels_for(""), 1);
        std::size_t early_too = 0;
        CHECK(cut(cutter, samples, chunk, &early_too) == expected);
        CHECK(early_too == early);
        cutter.reset(); // which must forget the memory as well
        CHECK(cut(cutter, samples, chunk, &early_too) == expected);
      }
    }
  }
}

// Catches an infinity made out of finite samples.
TEST_CASE("the pre-emphasis of huge samples stays finite") {
  constexpr float huge = std::numeric_limits<float>::max();
  const std::vector<float> samples = {huge, -huge, huge, -huge, huge};
  FrameCutter cutter(Framing({2, 1, 2, 1.0, false}), asc_edge::kernels_for(""), 1);
  std::size_t early = 0;
  for (const std::vector<float>& frame : cut(cutter, samples, 2, &early)) {
    for (const float value : frame) {
      CHECK(std::abs(value) == huge);
    }
  }
}

// Catches channels that share a row or a memory.
TEST_CASE("channels don't mix") {
  const std::vector<float> first = counting(30);
  std::vector<float> both;
  for (const float value : first) {
    both.push_back(value);
    both.push_back(100.0F * value);
  }
  FrameCutter cutter(Framing({6, 4, 7, 0.5, true}), asc_edge::kernels_for(""), 2);
  FrameCutter alone(Framing({6, 4, 7, 0.5, true}), asc_edge::kernels_for(""), 1);
  std::size_t early = 0;
  const Frames expected = cut(alone, first, 30, &early);
  std::size_t index = 0;
  const auto compare = [&](std::size_t row) {
    for (std::size_t n = 0; n < 6; ++n) {
      CHECK(cutter.sample(row + n, 0) == expected[index][n]);
      CHECK(cutter.sample(row + n, 1) == doctest::Approx(100.0F * expected[index][n]));
    }
    ++index;
  };
  cutter.push(
      SampleView<float>{reinterpret_cast<const char*>(both.data()), 30, 2 * sizeof(float), sizeof(float)},
      compare);
  cutter.finish(compare);
  CHECK(index == expected.size());
}

// Catches a finished stream that goes on, and a reset that doesn't open it again.
TEST_CASE("a finished stream takes nothing until it is reset") {
  FrameCutter cutter(Framing({4, 2, 4, 0.0, true}), asc_edge::kernels_for(""), 1);
  const std::vector<float> samples = counting(20);
  std::size_t early = 0;
  const Frames expected = cut(cutter, samples, 20, &early);
  CHECK(cutter.finished());
  CHECK(cutter.frames_due(100) == 0);
  CHECK(cutter.frames_due_at_finish() == 0);
  const auto never = [](std::size_t) { FAIL("a frame of a finished stream"); };
  cutter.push(view(samples.data(), 20), never);
  cutter.finish(never);
  cutter.reset();
  CHECK_FALSE(cutter.finished());
  CHECK(cut(cutter, samples, 20, &early) == expected);
}

TEST_CASE("frames that can't be are refused") {
  CHECK_THROWS_AS(Framing({0, 1, 4, 0.0, false}), std::invalid_argument);
  CHECK_THROWS_AS(Framing({4, 0, 4, 0.0, false}), std::invalid_argument);
  CHECK_THROWS_AS(Framing({4, 1, 3, 0.0, false}), std::invalid_argument);
  CHECK_THROWS_AS(Framing({4, 1, 4, -0.1, false}), std::invalid_argument);
  CHECK_THROWS_AS(Framing({4, 1, 4, 1.1, false}), std::invalid_argument);
  CHECK_THROWS_AS(Framing({4, 1, 4, std::numeric_limits<double>::quiet_NaN(), false}), std::invalid_argument);
  CHECK_THROWS_AS(FrameCutter(Framing({4, 1, 4, 0.0, false}), asc_edge::kernels_for(""), 0),
                  std::invalid_argument);
}
