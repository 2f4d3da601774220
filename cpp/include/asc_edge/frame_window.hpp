#pragma once

#include <cstddef>
#include <vector>

namespace asc_edge {

/// Log-mel cells in dB of (channels, mels, frames), wherever they lie: strides count floats.
struct CellView {
  const float* data;
  std::size_t channels;
  std::size_t mels;
  std::size_t frames;
  std::size_t channel_stride;
  std::size_t mel_stride;
  std::size_t frame_stride;
};

/// Each channel's loudest cell in dB; minus infinity when there is no cell.
void find_peaks(const CellView& cells, float* peaks_db) noexcept;

/// The picture that the networks see, (channels, mels, frames) in [0, 1]: each channel's loudest cell at 1,
/// and everything floor_db (negative) or more below it at 0.
void draw_picture(const CellView& cells, float floor_db, float* picture) noexcept;

/// The last `frames` log-mel frames of each channel.
class FrameWindow {
public:
  /// Throws std::invalid_argument when a dimension is 0.
  FrameWindow(std::size_t channels, std::size_t mels, std::size_t frames);

  std::size_t channels() const noexcept { return channels_; }
  std::size_t mels() const noexcept { return mels_; }
  std::size_t frames() const noexcept { return frames_; }
  std::size_t held() const noexcept { return held_; }
  bool full() const noexcept { return held_ == frames_; }

  /// Takes `count` frames of (channels, mels) in dB; the oldest make room.
  void push(const float* frames_db, std::size_t count) noexcept;
  void clear() noexcept;

  /// The frames held, oldest first; valid until the next push.
  CellView cells() const noexcept;

private:
  std::size_t channels_;
  std::size_t mels_;
  std::size_t frames_;
  std::size_t held_ = 0;
  std::size_t next_ = 0; // slot of the next frame, 0 .. frames - 1
  // (channels, 2 * frames, mels): each frame stands in slot s and in slot s + frames, so that the window is
  // always one piece, whichever slot is the oldest.
  std::vector<float> slots_;
};

} // namespace asc_edge
