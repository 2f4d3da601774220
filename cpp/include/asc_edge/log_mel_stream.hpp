#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "asc_edge/framing.hpp"
#include "asc_edge/log_mel_plan.hpp"
#include "asc_edge/sample_view.hpp"

namespace asc_edge {

/// Log-mel frames of a stream of samples, for all channels of an array at once.
///
/// Each frame depends only on the samples under its window, and is computed by the same operations in the
/// same order whatever the chunking and the number of channels: so the frames are the same to the last bit.
class LogMelStream {
public:
  /// Throws std::invalid_argument when there is no channel.
  LogMelStream(std::shared_ptr<const LogMelPlan> plan, std::size_t channels);
  /// With a plan of its own. Throws std::invalid_argument on parameters that can't work.
  LogMelStream(const LogMelParams& params, std::size_t channels);

  std::size_t channels() const noexcept { return cutter_.channels(); }
  std::size_t mels() const noexcept { return plan_->mels(); }
  std::size_t frames_emitted() const noexcept { return static_cast<std::size_t>(cutter_.frames_emitted()); }
  /// Whether finish() was called: only reset() makes the stream take samples again.
  bool finished() const noexcept { return cutter_.finished(); }

  /// Frames that a push of `samples` more samples a channel would emit.
  std::size_t frames_due(std::size_t samples) const noexcept { return cutter_.frames_due(samples); }
  /// Frames that finish() would emit.
  std::size_t frames_due_at_finish() const noexcept { return cutter_.frames_due_at_finish(); }

  /// Takes all samples, which must be finite, and writes frames_due() frames (frame, channel, mel) to `out`.
  /// Sample is float or std::int16_t. Neither allocates nor throws.
  template <class Sample> void push(const SampleView<Sample>& samples, float* out) noexcept;

  /// The signal ends here: writes the frames that need its reflection, where frames are centred.
  void finish(float* out) noexcept;

  void reset() noexcept { cutter_.reset(); }

  /// Frames of a whole signal of `samples` samples a channel, of push() and finish() together.
  std::size_t frames_in_all(std::size_t samples) const noexcept;
  /// The cells (channel, mel, frame) of a whole signal, into a new stream, which then is finished. Allocates.
  template <class Sample> void whole(const SampleView<Sample>& samples, float* cells);

  /// The first sample that is NaN or infinite; push() must not get one.
  template <class Sample>
  std::optional<SamplePosition> find_non_finite(const SampleView<Sample>& samples) const noexcept;

private:
  void compute_frame(std::size_t row, float*& out) noexcept;

  std::shared_ptr<const LogMelPlan> plan_;
  FrameCutter cutter_;
  std::vector<LogMelPlan::Workspace> workspaces_; // of each group of lanes
};

} // namespace asc_edge
