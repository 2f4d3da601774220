// Pushes hops through LogMelStream for callgrind to count: hop_instructions WINDOW HOP htk|slaney CHANNELS
// HOPS. Only push_hop() is counted (--toggle-collect=push_hop), so set-up and noise stay out of the figure.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "asc_edge/log_mel_stream.hpp"

extern "C" __attribute__((noinline)) void push_hop(asc_edge::LogMelStream& stream,
                                                   const asc_edge::SampleView<float>& hop, float* frames) {
  stream.push(hop, frames);
}

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fputs("usage: hop_instructions WINDOW HOP htk|slaney CHANNELS HOPS\n", stderr);
    return 2;
  }
  asc_edge::LogMelParams params{};
  params.sample_rate_hz = 16000.0;
  params.window_samples = std::strtoul(argv[1], nullptr, 10);
  params.hop_samples = std::strtoul(argv[2], nullptr, 10);
  params.mels = 128;
  params.mel_scale = std::strcmp(argv[3], "htk") == 0 ? asc_edge::MelScale::htk : asc_edge::MelScale::slaney;
  params.mel_norm = asc_edge::MelNorm::peak;
  params.fmin_hz = 0.0;
  params.fmax_hz = 8000.0;
  const std::size_t channels = std::strtoul(argv[4], nullptr, 10);
  const std::size_t hops = std::strtoul(argv[5], nullptr, 10);

  asc_edge::LogMelStream stream(params, channels);
  std::vector<float> samples(params.hop_samples * channels);
  std::uint32_t state = 1;
  for (float& sample : samples) {
    state = state * 1664525u + 1013904223u;
    sample = static_cast<float>(static_cast<std::int32_t>(state)) * (0.1f / 2147483648.0f);
  }
  const auto row = static_cast<std::ptrdiff_t>(channels * sizeof(float));
  const asc_edge::SampleView<float> hop{reinterpret_cast<const char*>(samples.data()), params.hop_samples,
                                        row, static_cast<std::ptrdiff_t>(sizeof(float))};
  std::vector<float> frames(channels * params.mels);
  // The first window fills up uncounted: every counted hop completes one frame.
  for (std::size_t filled = 0; filled + params.hop_samples < params.window_samples;
       filled += params.hop_samples) {
    stream.push(hop, frames.data());
  }
  for (std::size_t i = 0; i < hops; ++i) {
    push_hop(stream, hop, frames.data());
  }
  return stream.frames_emitted() == hops ? 0 : 1;
}
