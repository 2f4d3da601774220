#include "asc_edge/frame_window.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace asc_edge {
namespace {

float peak_of_channel(const CellView& cells, std::size_t channel) noexcept {
  const float* base = cells.data + channel * cells.channel_stride;
  float peak = -std::numeric_limits<float>::infinity();
  for (std::size_t frame = 0; frame < cells.frames; ++frame) {
    for (std::size_t mel = 0; mel < cells.mels; ++mel) {
      peak = std::max(peak, base[mel * cells.mel_stride + frame * cells.frame_stride]);
    }
  }
  return peak;
}

} // namespace

void find_peaks(const CellView& cells, float* peaks_db) noexcept {
  for (std::size_t channel = 0; channel < cells.channels; ++channel) {
    peaks_db[channel] = peak_of_channel(cells, channel);
  }
}

void draw_picture(const CellView& cells, float floor_db, float* picture) noexcept {
  for (std::size_t channel = 0; channel < cells.channels; ++channel) {
    const float peak = peak_of_channel(cells, channel);
    for (std::size_t mel = 0; mel < cells.mels; ++mel) {
      const float* row = cells.data + channel * cells.channel_stride + mel * cells.mel_stride;
      for (std::size_t frame = 0; frame < cells.frames; ++frame) {
        const float below_peak = std::max(row[frame * cells.frame_stride] - peak, floor_db);
        *picture++ = (below_peak - floor_db) / -floor_db;
      }
    }
  }
}

FrameWindow::FrameWindow(std::size_t channels, std::size_t mels, std::size_t frames)
    : channels_(channels), mels_(mels), frames_(frames), slots_(channels * 2 * frames * mels) {
  if (channels == 0 || mels == 0 || frames == 0) {
    throw std::invalid_argument("a frame window needs at least one channel, one mel band and one frame");
  }
}

void FrameWindow::push(const float* frames_db, std::size_t count) noexcept {
  const std::size_t passed_over = count > frames_ ? count - frames_ : 0;
  frames_db += passed_over * channels_ * mels_;
  for (std::size_t frame = passed_over; frame < count; ++frame) {
    for (std::size_t channel = 0; channel < channels_; ++channel) {
      float* slot = slots_.data() + (channel * 2 * frames_ + next_) * mels_;
      std::copy(frames_db, frames_db + mels_, slot);
      std::copy(frames_db, frames_db + mels_, slot + frames_ * mels_);
      frames_db += mels_;
    }
    next_ = next_ + 1 == frames_ ? 0 : next_ + 1;
    held_ = std::min(held_ + 1, frames_);
  }
}

void FrameWindow::clear() noexcept {
  held_ = 0;
  next_ = 0;
}

CellView FrameWindow::cells() const noexcept {
  const std::size_t oldest = full() ? next_ : 0;
  return {slots_.data() + oldest * mels_, channels_, mels_, held_, 2 * frames_ * mels_, 1, mels_};
}

} // namespace asc_edge
