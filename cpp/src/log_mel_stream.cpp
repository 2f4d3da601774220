#include "asc_edge/log_mel_stream.hpp"

#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/kernels.hpp"

namespace asc_edge {
namespace {

// Frames whose cells are turned from rows to columns at a time: a cache line's worth.
constexpr std::size_t kFramesTogether = 16;

} // namespace

LogMelStream::LogMelStream(std::shared_ptr<const LogMelPlan> plan, std::size_t channels)
    : plan_(std::move(plan)), cutter_(plan_->framing(), plan_->kernels(), channels) {
  for (const LaneRows& group : cutter_.groups()) {
    workspaces_.emplace_back(*plan_, group.lanes());
  }
}

LogMelStream::LogMelStream(const LogMelParams& params, std::size_t channels)
    : LogMelStream(std::make_shared<const LogMelPlan>(params), channels) {}

template <class Sample> void LogMelStream::push(const SampleView<Sample>& samples, float* out) noexcept {
  cutter_.push(samples, [&](std::size_t row) { compute_frame(row, out); });
}

template void LogMelStream::push<float>(const SampleView<float>&, float*) noexcept;
template void LogMelStream::push<std::int16_t>(const SampleView<std::int16_t>&, float*) noexcept;

void LogMelStream::finish(float* out) noexcept {
  cutter_.finish([&](std::size_t row) { compute_frame(row, out); });
}

std::size_t LogMelStream::frames_in_all(std::size_t samples) const noexcept {
  const bool emphasised = plan_->framing().preemphasis() != 0.0 && samples > 0;
  return static_cast<std::size_t>(plan_->framing().frames_in_all(samples - (emphasised ? 1 : 0)));
}

template <class Sample> void LogMelStream::whole(const SampleView<Sample>& samples, float* cells) {
  const std::size_t columns = channels() * mels(), frames = frames_in_all(samples.frames);
  std::vector<float> rows(kFramesTogether * columns);
  std::size_t held = 0, written = 0;
  const auto write = [&] {
    plan_->kernels().transpose(rows.data(), held, columns, cells + written, frames);
    written += held;
    held = 0;
  };
  const auto take = [&](std::size_t row) {
    float* out = rows.data() + held * columns;
    compute_frame(row, out);
    if (++held == kFramesTogether) {
      write();
    }
  };
  cutter_.push(samples, take);
  cutter_.finish(take);
  write();
}

template void LogMelStream::whole<float>(const SampleView<float>&, float*);
template void LogMelStream::whole<std::int16_t>(const SampleView<std::int16_t>&, float*);

void LogMelStream::compute_frame(std::size_t row, float*& out) noexcept {
  for (std::size_t i = 0; i < workspaces_.size(); ++i) {
    const LaneRows& group = cutter_.groups()[i];
    plan_->frame(group.even_from(row), group.odd_from(row), group.channels(), workspaces_[i], out);
    out += group.channels() * mels();
  }
}

template <>
std::optional<SamplePosition>
LogMelStream::find_non_finite<std::int16_t>(const SampleView<std::int16_t>&) const noexcept {
  return std::nullopt;
}

template <>
std::optional<SamplePosition>
LogMelStream::find_non_finite<float>(const SampleView<float>& samples) const noexcept {
  constexpr std::ptrdiff_t size = sizeof(float);
  const bool contiguous = samples.frame_stride == size * static_cast<std::ptrdiff_t>(channels()) &&
                          (samples.channel_stride == size || channels() == 1) &&
                          reinterpret_cast<std::uintptr_t>(samples.data) % alignof(float) == 0;
  if (contiguous && plan_->kernels().all_finite(reinterpret_cast<const float*>(samples.data),
                                                samples.frames * channels())) {
    return std::nullopt;
  }
  return asc_edge::find_non_finite(samples, channels());
}

} // namespace asc_edge
