#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "asc_edge/lane_rows.hpp"
#include "asc_edge/sample_view.hpp"

namespace asc_edge {

struct FramingParams {
  std::size_t window_samples;
  std::size_t hop_samples;
  std::size_t fft_length; ///< at least the window; says where a centred window lies
  double preemphasis;     ///< a of y[n] = x[n + 1] - a x[n]; 0 takes the samples as they are
  bool centred;           ///< frames in the middle of the hops' multiples, with both ends reflected
};

/// Which samples make up which frame.
///
/// Centred frames are those of torch.stft(center=True, pad_mode="reflect"), whose window stands in the middle
/// of the transform: frame t covers [t hop - lead, t hop - lead + window). A signal of `lead` samples or
/// fewer can't be reflected that far, and has no frame.
class Framing {
public:
  /// Throws std::invalid_argument on lengths or a factor that can't work.
  explicit Framing(const FramingParams& params);

  std::size_t window() const noexcept { return window_; }
  std::size_t hop() const noexcept { return hop_; }
  /// Reflected samples in front of the first one.
  std::size_t lead() const noexcept { return lead_; }
  std::size_t fft_length() const noexcept { return fft_length_; }
  bool centred() const noexcept { return centred_; }
  double preemphasis() const noexcept { return preemphasis_; }

  /// Frames that need no sample after the first `samples`.
  std::uint64_t frames_ready(std::uint64_t samples) const noexcept;
  /// Frames of a signal that ends after `samples` samples.
  std::uint64_t frames_in_all(std::uint64_t samples) const noexcept;

private:
  std::size_t window_;
  std::size_t hop_;
  std::size_t fft_length_;
  std::size_t lead_ = 0;
  std::size_t odd_ = 0; // 1 when the transform's length is odd: its middle is then a sample
  bool centred_;
  double preemphasis_;
};

/// Cuts a stream of samples of several channels into overlapping frames; the chunking makes no difference.
class FrameCutter {
public:
  /// Throws std::invalid_argument when there is no channel.
  FrameCutter(const Framing& framing, const Kernels& kernels, std::size_t channels);

  const Framing& framing() const noexcept { return framing_; }
  std::size_t channels() const noexcept { return channels_; }
  const std::vector<LaneRows>& groups() const noexcept { return groups_; }
  /// One pending sample, while its frame is being emitted.
  float sample(std::size_t row, std::size_t channel) const noexcept {
    return groups_[channel / groups_[0].lanes()].at(row, channel % groups_[0].lanes());
  }
  std::uint64_t frames_emitted() const noexcept { return frames_emitted_; }
  bool finished() const noexcept { return finished_; }

  /// Frames that a push of `samples` more samples a channel would emit.
  std::size_t frames_due(std::size_t samples) const noexcept;
  /// Frames that finish() would emit: those that need the reflected tail.
  std::size_t frames_due_at_finish() const noexcept;

  /// Takes all samples. Calls on_frame(row) for each frame that they complete: its samples stand in the rows
  /// from `row` on of each of the groups(). Takes nothing when finished. Neither allocates nor throws.
  template <class Sample, class OnFrame>
  void push(const SampleView<Sample>& samples, OnFrame&& on_frame) noexcept;

  /// The signal ends here: emits the frames that need its reflection.
  template <class OnFrame> void finish(OnFrame&& on_frame) noexcept;

  void reset() noexcept;

private:
  std::size_t framed_by(std::size_t samples) const noexcept;
  std::size_t needed() const noexcept { return frames_emitted_ == 0 ? first_span_ : span_; }
  void make_room() noexcept;
  template <class Sample>
  void store(const SampleView<Sample>& samples, std::size_t from, std::size_t count) noexcept;
  template <class Sample> void remember(const SampleView<Sample>& samples, std::size_t position) noexcept;
  void reflect_head() noexcept;
  void reflect_tail(std::size_t last) noexcept;
  void advance() noexcept;

  template <class OnFrame> void emit(OnFrame& on_frame) noexcept {
    if (framing_.centred() && frames_emitted_ == 0) {
      reflect_head();
    }
    on_frame(start_ + lookback_);
    ++frames_emitted_;
    advance();
  }

  Framing framing_;
  std::size_t channels_;
  std::size_t lookback_;   // samples kept in front of a window, which the tail's reflection may want
  std::size_t span_;       // lookback and window
  std::size_t first_span_; // the same for the first frame, whose reflection looks further ahead
  std::size_t capacity_;   // rows of each group
  std::vector<LaneRows> groups_;
  std::vector<float> previous_; // of each channel: the last sample, for the pre-emphasis
  bool primed_ = false;         // previous_ holds samples
  bool finished_ = false;
  std::size_t start_ = 0;     // row where the next span begins
  std::size_t filled_ = 0;    // rows held from there on
  std::size_t to_skip_ = 0;   // samples between two spans, when the hop is longer
  std::uint64_t samples_ = 0; // framed so far
  std::uint64_t frames_emitted_ = 0;
};

template <class Sample, class OnFrame>
void FrameCutter::push(const SampleView<Sample>& samples, OnFrame&& on_frame) noexcept {
  if (finished_ || samples.frames == 0) {
    return;
  }
  samples_ += framed_by(samples.frames);
  std::size_t taken = 0;
  if (framing_.preemphasis() != 0.0 && !primed_) {
    remember(samples, 0);
    primed_ = true;
    taken = 1;
  }
  while (taken < samples.frames) {
    const std::size_t skipped = std::min(to_skip_, samples.frames - taken);
    if (skipped > 0) {
      taken += skipped;
      to_skip_ -= skipped;
      remember(samples, taken - 1);
    }
    make_room();
    const std::size_t count = std::min(capacity_ - (start_ + filled_), samples.frames - taken);
    store(samples, taken, count);
    taken += count;
    filled_ += count;
    while (filled_ >= needed()) {
      emit(on_frame);
    }
  }
}

template <class OnFrame> void FrameCutter::finish(OnFrame&& on_frame) noexcept {
  std::size_t last = filled_ == 0 ? 0 : filled_ - 1; // where the signal's last sample lies, from start_ on
  for (std::size_t due = frames_due_at_finish(); due > 0; --due) {
    make_room();
    reflect_tail(last);
    emit(on_frame);
    last -= std::min(last, framing_.hop());
  }
  finished_ = true;
}

} // namespace asc_edge
