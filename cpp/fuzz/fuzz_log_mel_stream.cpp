// Any parameters, memory layout, cut and samples. What can't work is an invalid_argument and nothing else;
// what works gives finite frames, the same to the last bit for the whole input, for any cut of it, for each
// channel alone and after a reset. Samples that are not finite are found before they are pushed.

#include <cmath>
#include <memory>
#include <stdexcept>
#include <vector>

#include "asc_edge/log_mel_stream.hpp"
#include "fuzz_input.hpp"
#include "layout.hpp"

namespace {

using namespace asc_edge;
using namespace asc_edge::fuzz;

LogMelParams take_params(FuzzInput& input) {
  // Fields that are not named here keep their defaults.
  LogMelParams params{};
  params.sample_rate_hz = input.coin() ? 16000.0 : 4000.0 * input.number();
  params.window_samples = input.whole(0, 600);
  params.hop_samples = input.whole(0, 700);
  params.mels = input.whole(0, 40);
  constexpr MelScale scales[] = {MelScale::htk, MelScale::slaney, MelScale::kaldi, MelScale::gammatone};
  params.mel_scale = scales[input.whole(0, 3)];
  params.mel_norm = input.coin() ? MelNorm::peak : MelNorm::area;
  params.fmin_hz = input.coin() ? 0.0 : 500.0 * input.number();
  params.interpolation = input.coin() ? 1 : input.whole(0, 4);
  params.fmax_hz = input.coin() ? 0.5 * params.sample_rate_hz : 8000.0 * input.number();
  if (input.coin()) {
    return params;
  }
  params.fft_length = input.whole(0, 800);
  params.window_shape = input.coin() ? WindowShape::hann_periodic : WindowShape::hann_symmetric;
  params.remove_mean = input.coin();
  params.preemphasis = input.coin() ? 0.0 : input.number();
  params.centred = input.coin();
  params.spectrum = input.coin() ? SpectrumKind::power : SpectrumKind::magnitude;
  params.full_scale = input.coin();
  params.level = input.coin() ? LevelKind::db : LevelKind::natural_log;
  return params;
}

std::unique_ptr<LogMelStream> make_stream(const LogMelParams& params, std::size_t channels) {
  try {
    return std::make_unique<LogMelStream>(params, channels);
  } catch (const std::invalid_argument&) {
    return nullptr;
  }
}

/// Pushes with an output of exactly the promised size, so that a step beyond it is seen.
template <class Sample> std::vector<float> push(LogMelStream& stream, const SampleView<Sample>& samples) {
  std::vector<float> frames(stream.frames_due(samples.frames) * stream.channels() * stream.mels());
  const std::size_t before = stream.frames_emitted();
  stream.push(samples, frames.data());
  FUZZ_REQUIRE((stream.frames_emitted() - before) * stream.channels() * stream.mels() == frames.size());
  return frames;
}

bool same_bits(const std::vector<float>& left, const std::vector<float>& right) {
  return left.size() == right.size() &&
         (left.empty() || std::memcmp(left.data(), right.data(), left.size() * sizeof(float)) == 0);
}

std::vector<float> of_channel(const std::vector<float>& frames, std::size_t channel, std::size_t channels,
                              std::size_t mels) {
  std::vector<float> alone;
  for (std::size_t start = channel * mels; start < frames.size(); start += channels * mels) {
    alone.insert(alone.end(), frames.begin() + static_cast<std::ptrdiff_t>(start),
                 frames.begin() + static_cast<std::ptrdiff_t>(start + mels));
  }
  return alone;
}

void append(std::vector<float>& all, const std::vector<float>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

/// The frames that wait for the signal's end.
std::vector<float> finish(LogMelStream& stream) {
  std::vector<float> frames(stream.frames_due_at_finish() * stream.channels() * stream.mels());
  stream.finish(frames.data());
  FUZZ_REQUIRE(stream.finished());
  return frames;
}

template <class Sample> void check(FuzzInput& input, const LogMelParams& params, std::size_t channels) {
  const std::unique_ptr<LogMelStream> stream = make_stream(params, channels);
  if (stream == nullptr) {
    return;
  }
  const std::vector<std::size_t> cuts = take_cuts(input);
  const Layout<Sample> samples(input, input.whole(0, 2000), channels);
  const bool finite = all_finite_by_one(samples.view(), channels);
  FUZZ_REQUIRE(finite == !stream->find_non_finite(samples.view()).has_value());
  if (!finite) {
    return;
  }
  std::vector<float> whole = push(*stream, samples.view());
  append(whole, finish(*stream));
  for (const float cell : whole) {
    FUZZ_REQUIRE(std::isfinite(cell));
  }

  stream->reset();
  std::vector<float> pieces;
  for_each_block(samples, cuts,
                 [&](const SampleView<Sample>& block) { append(pieces, push(*stream, block)); });
  append(pieces, finish(*stream));
  FUZZ_REQUIRE(same_bits(whole, pieces));

  const std::size_t channel = input.whole(0, channels - 1);
  LogMelStream alone(params, 1);
  std::vector<float> frames = push(alone, samples.of_channel(channel));
  append(frames, finish(alone));
  FUZZ_REQUIRE(same_bits(frames, of_channel(whole, channel, channels, stream->mels())));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const LogMelParams params = take_params(input);
  const std::size_t channels = input.whole(0, 9);
  if (input.coin()) {
    check<float>(input, params, channels);
  } else {
    check<std::int16_t>(input, params, channels);
  }
  return 0;
}
