#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>

#include "asc_edge/log_mel_stream.hpp"
#include "noise.hpp"

namespace {

using asc_edge::LogMelParams;
using asc_edge::LogMelStream;
using asc_edge::MelNorm;
using asc_edge::MelScale;
using asc_edge::SampleView;

LogMelParams params(std::size_t window, std::size_t hop) {
  return {16000.0, window, hop, 40, MelScale::slaney, MelNorm::peak, 0.0, 8000.0};
}

template <class Sample>
SampleView<Sample> view(const Sample* data, std::size_t frames, std::size_t channels) {
  constexpr auto size = static_cast<std::ptrdiff_t>(sizeof(Sample));
  return {reinterpret_cast<const char*>(data), frames, size * static_cast<std::ptrdiff_t>(channels), size};
}

template <class Sample>
std::vector<float> stream_in_chunks(LogMelStream& stream, const std::vector<Sample>& samples,
                                    std::size_t chunk) {
  std::vector<float> frames;
  const std::size_t total = samples.size() / stream.channels();
  for (std::size_t start = 0; start < total; start += chunk) {
    const std::size_t count = std::min(chunk, total - start);
    const std::size_t due = stream.frames_due(count);
    std::vector<float> out(due * stream.channels() * stream.mels());
    stream.push(view(samples.data() + start * stream.channels(), count, stream.channels()), out.data());
    frames.insert(frames.end(), out.begin(), out.end());
  }
  return frames;
}

} // namespace

// Catches samples lost, doubled or misplaced at the edges of a block, with overlap, without, and with gaps.
TEST_CASE("frames don't depend on the chunking") {
  for (const std::size_t hop : {1U, 100U, 256U, 512U, 700U, 2000U}) {
    CAPTURE(hop);
    const std::vector<float> samples = float_noise(2 * 5000, 4);
    LogMelStream whole(params(512, hop), 2);
    const std::vector<float> expected = stream_in_chunks(whole, samples, 5000);
    CHECK(expected.size() == ((5000 - 512) / hop + 1) * 2 * 40);
    for (const std::size_t chunk : {1U, 7U, 511U, 512U, 513U, 1999U}) {
      CAPTURE(chunk);
      LogMelStream stream(params(512, hop), 2);
      CHECK(stream_in_chunks(stream, samples, chunk) == expected);
      CHECK(stream.frames_emitted() == expected.size() / 80);
    }
  }
}

// Catches a wrong window, window sum or power scale: a full-scale sine on a bin centre has power 1 at its
// bin, and the Hann window spreads 1/4 of it to each neighbour; the band holding all three reads 10 log10 of
// the weighted sum.
TEST_CASE("a full-scale sine on a bin centre has the power 1") {
  constexpr std::size_t length = 512;
  const LogMelParams settings = params(length, length);
  std::vector<float> sine(length);
  for (std::size_t n = 0; n < length; ++n) {
    const double turn = static_cast<double>((n * 64) % length) / static_cast<double>(length);
    sine[n] = static_cast<float>(std::cos(6.28318530717958647692 * turn));
  }
  LogMelStream stream(settings, 1);
  const std::vector<float> frame = stream_in_chunks(stream, sine, length);
  const asc_edge::MelBank bank({16000.0, length, 40, MelScale::slaney, MelNorm::peak, 0.0, 8000.0});
  const std::vector<double> weights = bank.dense();
  for (std::size_t m = 0; m < 40; ++m) {
    const double* row = weights.data() + m * bank.bins();
    const double power = 0.25 * row[63] + row[64] + 0.25 * row[65];
    if (power > 0.0) {
      CHECK(frame[m] == doctest::Approx(10.0 * std::log10(power)).epsilon(1e-5));
    }
  }
}

// Catches a missing mean removal: a constant has no power, whatever its level.
TEST_CASE("a constant is silence") {
  const std::vector<float> constant(512, 0.75F);
  LogMelStream stream(params(512, 512), 1);
  for (const float cell : stream_in_chunks(stream, constant, 512)) {
    CHECK(cell == -160.0F);
  }
}

// Catches a wrong int16 scale.
TEST_CASE("int16 is the float divided by 32768") {
  std::vector<std::int16_t> whole = {-32768, 32767, 0, 1};
  std::vector<float> parts;
  while (whole.size() < 2048) {
    whole.push_back(static_cast<std::int16_t>(whole[whole.size() - 4] / 3 + static_cast<int>(whole.size())));
  }
  for (const std::int16_t value : whole) {
    parts.push_back(static_cast<float>(value) / 32768.0F);
  }
  LogMelStream from_int(params(512, 256), 2);
  LogMelStream from_float(params(512, 256), 2);
  CHECK(stream_in_chunks(from_int, whole, 1024) == stream_in_chunks(from_float, parts, 1024));
}

// Catches reading by the wrong stride or direction.
TEST_CASE("samples may lie backwards and apart") {
  const std::vector<float> forward = float_noise(1024, 5);
  std::vector<float> spread(2 * 1024, std::numeric_limits<float>::quiet_NaN());
  for (std::size_t n = 0; n < 1024; ++n) {
    spread[2 * (1023 - n)] = forward[n];
  }
  const SampleView<float> backwards{reinterpret_cast<const char*>(spread.data() + 2 * 1023), 1024,
                                    -2 * static_cast<std::ptrdiff_t>(sizeof(float)), 4};
  CHECK_FALSE(asc_edge::find_non_finite(backwards, 1).has_value());
  LogMelStream stream(params(512, 256), 1);
  std::vector<float> frames(stream.frames_due(1024) * stream.mels());
  stream.push(backwards, frames.data());
  LogMelStream plain(params(512, 256), 1);
  CHECK(frames == stream_in_chunks(plain, forward, 1024));
}

TEST_CASE("the first sample that is not finite is found") {
  std::vector<float> samples(20, 0.0F);
  CHECK_FALSE(asc_edge::find_non_finite(view(samples.data(), 10, 2), 2).has_value());
  samples[13] = -std::numeric_limits<float>::infinity();
  samples[17] = std::numeric_limits<float>::quiet_NaN();
  const auto position = asc_edge::find_non_finite(view(samples.data(), 10, 2), 2);
  REQUIRE(position.has_value());
  CHECK(position->frame == 6);
  CHECK(position->channel == 1);
}

// Catches a reset that leaves samples, a gap or the count behind.
TEST_CASE("a reset stream is a new stream") {
  const std::vector<float> samples = float_noise(3000, 6);
  for (const std::size_t hop : {100U, 1500U}) {
    LogMelStream used(params(512, hop), 1);
    stream_in_chunks(used, float_noise(777, 7), 777);
    used.reset();
    CHECK(used.frames_emitted() == 0);
    LogMelStream fresh(params(512, hop), 1);
    CHECK(stream_in_chunks(used, samples, 333) == stream_in_chunks(fresh, samples, 333));
  }
}

TEST_CASE("a stream that can't be is refused") {
  CHECK_THROWS_AS(LogMelStream(params(512, 256), 0), std::invalid_argument);
  CHECK_THROWS_AS(LogMelStream(params(512, 0), 1), std::invalid_argument);
  CHECK_THROWS_AS(LogMelStream(params(0, 256), 1), std::invalid_argument);
}
