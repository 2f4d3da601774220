#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <vector>

#include "asc_edge/array_stats.hpp"
#include "noise.hpp"

namespace {

using asc_edge::ArrayStats;
using asc_edge::ChannelStats;
using asc_edge::SamplePosition;
using asc_edge::SampleView;

constexpr float kClipLevel = 0.999F;
constexpr SamplePosition nowhere{999, 999};

/// Interleaved samples (frames, channels).
template <class Sample> SampleView<Sample> view(const std::vector<Sample>& x, std::size_t channels) {
  return {reinterpret_cast<const char*>(x.data()), x.size() / channels,
          static_cast<std::ptrdiff_t>(channels * sizeof(Sample)), sizeof(Sample)};
}

template <class Sample>
SampleView<Sample> cut(SampleView<Sample> whole, std::size_t from, std::size_t frames) {
  whole.data += static_cast<std::ptrdiff_t>(from) * whole.frame_stride;
  whole.frames = frames;
  return whole;
}

struct Measured {
  std::vector<ChannelStats> channels;
  std::vector<double> correlation;
};

Measured measure(ArrayStats& stats) {
  Measured measured{std::vector<ChannelStats>(stats.channels()),
                    std::vector<double>(stats.channels() * stats.channels())};
  stats.measure(measured.channels.data(), measured.correlation.data());
  return measured;
}

/// To the last bit.
bool same(const Measured& a, const Measured& b) {
  const auto bits = [](const auto& x) { return x.size() * sizeof x[0]; };
  return std::memcmp(a.channels.data(), b.channels.data(), bits(a.channels)) == 0 &&
         std::memcmp(a.correlation.data(), b.correlation.data(), bits(a.correlation)) == 0;
}

/// Noise with an offset, of another level in each channel, some of it shared.
std::vector<float> array_noise(std::size_t frames, std::size_t channels) {
  std::vector<float> x = float_noise(frames * channels, 11);
  for (std::size_t frame = 0; frame < frames; ++frame) {
    for (std::size_t channel = 0; channel < channels; ++channel) {
      float& value = x[frame * channels + channel];
      value = 0.2F * static_cast<float>(channel) * (value + x[frame * channels]) + 0.01F;
    }
  }
  return x;
}

} // namespace

// Catches sums that restart, overlap or run in another order where a block or a segment ends, and rows of the
// ring that are overwritten too early or too late.
TEST_CASE("array statistics are the same bits for any chunking") {
  constexpr std::size_t frames = 1000, channels = 5, segment = 13;
  const std::vector<float> x = array_noise(frames, channels);
  for (const std::size_t window : {1U, 100U, 130U, 987U, 5000U}) {
    for (const std::size_t heard : {1U, 12U, 13U, 14U, 500U, 1000U}) {
      ArrayStats at_once(channels, window, segment, kClipLevel);
      at_once.push(cut(view(x, channels), 0, heard));
      for (const std::size_t block : {1U, 7U, 13U, 26U, 300U}) {
        ArrayStats stats(channels, window, segment, kClipLevel);
        for (std::size_t start = 0; start < heard; start += block) {
          stats.push(cut(view(x, channels), start, std::min<std::size_t>(block, heard - start)));
          measure(stats); // looking must not disturb
        }
        CHECK(stats.counted() == at_once.counted());
        CHECK(same(measure(stats), measure(at_once)));
      }
    }
  }
}

// Catches every wrong formula: against the textbook's, in two passes over the counted samples.
TEST_CASE("array statistics are those of the window") {
  // The window touches one segment more than it could at best: a ring one row too short would be overwritten.
  constexpr std::size_t frames = 705, channels = 3, segment = 16, window = 300;
  const std::vector<float> x = array_noise(frames, channels);
  ArrayStats stats(channels, window, segment, kClipLevel);
  stats.push(view(x, channels));
  CHECK(stats.heard() == frames);
  CHECK(stats.counted() == 300 + 405 % 16);
  const Measured measured = measure(stats);
  const std::size_t first = frames - static_cast<std::size_t>(stats.counted());
  const auto at = [&](std::size_t frame, std::size_t channel) {
    return static_cast<long double>(x[frame * channels + channel]);
  };
  const auto average = [&](const auto& of) {
    long double total = 0;
    for (std::size_t frame = first; frame < frames; ++frame) {
      total += of(frame);
    }
    return static_cast<double>(total / static_cast<long double>(frames - first));
  };
  std::vector<long double> mean(channels);
  for (std::size_t i = 0; i < channels; ++i) {
    mean[i] = static_cast<long double>(average([&](std::size_t frame) { return at(frame, i); }));
    CHECK(measured.channels[i].mean == doctest::Approx(static_cast<double>(mean[i])).epsilon(1e-13));
  }
  const auto covariance = [&](std::size_t i, std::size_t j) {
    return average([&](std::size_t frame) { return (at(frame, i) - mean[i]) * (at(frame, j) - mean[j]); });
  };
  for (std::size_t i = 1; i < channels; ++i) { // channel 0 is constant
    CHECK(measured.channels[i].variance == doctest::Approx(covariance(i, i)).epsilon(1e-12));
    for (std::size_t j = 1; j < channels; ++j) {
      const double expected = covariance(i, j) / std::sqrt(covariance(i, i) * covariance(j, j));
      CHECK(measured.correlation[i * channels + j] == doctest::Approx(expected).epsilon(1e-12));
    }
  }
}

// Catches sums of squares around 0, which lose the sound's digits beside a converter's offset, and a channel
// that is constant but has a variance of rounding errors and a correlation of nothing.
TEST_CASE("an offset costs no digits and a constant has no variance") {
  constexpr std::size_t frames = 5000, channels = 3;
  const std::vector<float> noise = float_noise(frames, 5);
  std::vector<float> x;
  for (std::size_t frame = 0; frame < frames; ++frame) {
    // Multiples of 2^-23, which an offset of 0.75 leaves exact.
    const float sound = std::round(noise[frame] * 64.0F) / 8388608.0F;
    x.insert(x.end(), {sound, 0.75F - sound, 0.3F});
  }
  ArrayStats stats(channels, 4000, 160, kClipLevel);
  stats.push(view(x, channels));
  const Measured measured = measure(stats);
  CHECK(measured.channels[1].variance == doctest::Approx(measured.channels[0].variance).epsilon(1e-12));
  CHECK(measured.channels[2].variance == 0.0);
  CHECK(measured.channels[2].mean == static_cast<double>(0.3F));
  CHECK(measured.correlation[1] == doctest::Approx(-1.0).epsilon(1e-12));
  CHECK(measured.correlation[0] == 1.0);
  for (const std::size_t pair : {2U, 5U, 6U, 7U, 8U}) {
    CHECK(std::isnan(measured.correlation[pair]));
  }
}

// Catches sums of a pair that depend on where the two stand: a copy must be told by exactly 1.
TEST_CASE("copies correlate by 1 and inverted copies by -1") {
  constexpr std::size_t frames = 999, channels = 7;
  const std::vector<float> noise = float_noise(frames, 6);
  std::vector<float> x;
  for (const float value : noise) {
    x.insert(x.end(), {value, -value, value, value, -value, value, value});
  }
  ArrayStats stats(channels, 800, 32, kClipLevel);
  stats.push(view(x, channels));
  const Measured measured = measure(stats);
  for (std::size_t i = 0; i < channels; ++i) {
    for (std::size_t j = 0; j < channels; ++j) {
      CHECK(measured.correlation[i * channels + j] == x[i] / x[j]);
    }
  }
}

// Catches an int16 scaled wrongly, a limit that one of its extremes doesn't reach, and a peak with a sign.
TEST_CASE("peaks and clipped samples of int16 and float are the same") {
  const std::vector<std::int16_t> x = {0, 32736, -32736, 32735, -32735, -32768, 32767, 5};
  std::vector<float> scaled;
  for (const std::int16_t value : x) {
    scaled.push_back(static_cast<float>(value) / 32768.0F);
  }
  ArrayStats ints(1, 100, 3, kClipLevel), floats(1, 100, 3, kClipLevel);
  ints.push(view(x, 1));
  floats.push(view(scaled, 1));
  const Measured measured = measure(ints);
  CHECK(measured.channels[0].clipped == 4);
  CHECK(measured.channels[0].peak == 1.0);
  CHECK(same(measured, measure(floats)));
  std::uint64_t clipped = 0, run = 0;
  ints.count(&clipped, &run);
  CHECK(clipped == 4);
  CHECK(run == 1);
}

// Catches runs that end with a block or a segment, that go on over another value, or across a reset.
TEST_CASE("a run is as long as the last value was held") {
  std::vector<float> x(100, 0.25F);
  x[40] = 0.5F;
  for (const std::size_t block : {1U, 3U, 8U, 100U}) {
    ArrayStats stats(1, 20, 8, kClipLevel);
    const auto run = [&] { return measure(stats).channels[0].constant_run; };
    CHECK(run() == 0);
    for (std::size_t start = 0; start < 100; start += block) {
      const std::size_t end = std::min<std::size_t>(100, start + block);
      stats.push(cut(view(x, 1), start, end - start));
      CHECK(run() == (end <= 40 ? end : end == 41 ? 1 : end - 41));
    }
    stats.reset();
    CHECK(stats.counted() == 0);
    CHECK(run() == 0);
    stats.push(cut(view(x, 1), 0, 2));
    CHECK(run() == 2);
    CHECK(measure(stats).channels[0].mean == 0.25);
  }
}

// Catches a block that is half taken when it is refused, and the position of another sample.
TEST_CASE("a block with NaN or infinity is refused as a whole") {
  constexpr std::size_t frames = 90, channels = 3;
  const std::vector<float> x = array_noise(frames, channels);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    for (const std::size_t place : {0U, 5U, 47U, 77U, 239U, 242U}) {
      std::vector<float> broken(x.begin(), x.begin() + 81 * channels);
      broken[place] = bad;
      ArrayStats stats(channels, 50, 10, kClipLevel), sound(channels, 50, 10, kClipLevel);
      for (ArrayStats* each : {&stats, &sound}) {
        each->push(cut(view(x, channels), 0, 33));
      }
      const SamplePosition refused = stats.push(view(broken, channels)).value_or(nowhere);
      CHECK(refused.frame == place / channels);
      CHECK(refused.channel == place % channels);
      CHECK(stats.heard() == 33);
      for (ArrayStats* each : {&stats, &sound}) {
        CHECK_FALSE(each->push(cut(view(x, channels), 33, 57)).has_value());
      }
      CHECK(same(measure(stats), measure(sound)));
    }
  }
}

// Catches strides that are ignored, also by the search for NaN.
TEST_CASE("samples are read by their strides") {
  constexpr std::size_t frames = 50, channels = 2;
  const std::vector<float> x = array_noise(frames, channels);
  std::vector<float> backwards(x.rbegin(), x.rend());
  ArrayStats plain(channels, 40, 7, kClipLevel), strided(channels, 40, 7, kClipLevel);
  plain.push(view(x, channels));
  SampleView<float> turned{reinterpret_cast<const char*>(&backwards.back()), frames,
                           -static_cast<std::ptrdiff_t>(channels * sizeof(float)),
                           -static_cast<std::ptrdiff_t>(sizeof(float))};
  CHECK_FALSE(strided.push(turned).has_value());
  CHECK(same(measure(plain), measure(strided)));
  // Channels swapped: rows follow each other as in a dense block, but the first sample lies behind its start.
  std::vector<float> broken = x;
  broken[0] = std::numeric_limits<float>::quiet_NaN();
  SampleView<float> swapped = view(broken, channels);
  swapped.data += sizeof(float);
  swapped.channel_stride = -swapped.channel_stride;
  swapped.frames -= 1;
  CHECK(strided.push(swapped).has_value());
  backwards[3] = std::numeric_limits<float>::quiet_NaN();
  const SamplePosition refused = strided.push(turned).value_or(nowhere);
  CHECK(refused.frame == 48);
  CHECK(refused.channel == 0);
}

TEST_CASE("array statistics without extent are refused") {
  CHECK_THROWS_AS(ArrayStats(0, 1, 1, kClipLevel), std::invalid_argument);
  CHECK_THROWS_AS(ArrayStats(1, 0, 1, kClipLevel), std::invalid_argument);
  CHECK_THROWS_AS(ArrayStats(1, 1, 0, kClipLevel), std::invalid_argument);
}
