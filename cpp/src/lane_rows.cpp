#include "asc_edge/lane_rows.hpp"

#include <algorithm>
#include <cstdint>

#include "aligned.hpp"
#include "kernels/kernels.hpp"

namespace asc_edge {

struct LaneRows::Memory {
  explicit Memory(std::size_t count) : samples(count) {}

  AlignedVector<float> samples;
};

LaneRows::LaneRows(const Kernels& kernels, std::size_t first_channel, std::size_t channels, std::size_t rows,
                   std::size_t readable, bool paired)
    : kernels_(kernels), first_channel_(first_channel), channels_(channels), lanes_(lanes_for(channels)),
      paired_(paired) {
  const std::size_t part = (rows + readable + 2) * lanes_ / (paired ? 2 : 1) + 2 * kPadding;
  memory_ = std::make_unique<Memory>((paired ? 2 : 1) * part);
  even_ = memory_->samples.data();
  odd_ = paired ? even_ + part : even_;
}

LaneRows::~LaneRows() = default;
LaneRows::LaneRows(LaneRows&&) noexcept = default;

void LaneRows::store_contiguous(std::size_t row, const float* samples, std::size_t stride,
                                std::size_t count) noexcept {
  if (count > 0 && (row & 1U) != 0) {
    std::copy_n(samples, lanes_, place(row));
    samples += stride;
    ++row;
    --count;
  }
  kernels_.split_rows(samples, stride, count / 2, lanes_, place(row), place(row + 1));
  if (count % 2 != 0) {
    std::copy_n(samples + (count - 1) * stride, lanes_, place(row + count - 1));
  }
}

template <class Sample>
void LaneRows::store(std::size_t row, const SampleView<Sample>& samples, std::size_t from,
                     std::size_t count) noexcept {
  const std::ptrdiff_t size = sizeof(Sample);
  const bool contiguous = samples.channel_stride == size || channels_ == 1;
  if constexpr (sizeof(Sample) == sizeof(float)) {
    const bool aligned = reinterpret_cast<std::uintptr_t>(samples.data) % alignof(float) == 0;
    if (paired_ && contiguous && aligned && channels_ == lanes_ && samples.frame_stride > 0 &&
        samples.frame_stride % size == 0) {
      const char* first = samples.data + static_cast<std::ptrdiff_t>(from) * samples.frame_stride +
                          static_cast<std::ptrdiff_t>(first_channel_) * size;
      store_contiguous(row, reinterpret_cast<const float*>(first),
                       static_cast<std::size_t>(samples.frame_stride / size), count);
      return;
    }
  }
  for (std::size_t n = 0; n < count; ++n) {
    float* const to = place(row + n);
    for (std::size_t channel = 0; channel < channels_; ++channel) {
      to[channel] = samples.at(from + n, first_channel_ + channel);
    }
  }
}

template void LaneRows::store<float>(std::size_t, const SampleView<float>&, std::size_t,
                                     std::size_t) noexcept;
template void LaneRows::store<std::int16_t>(std::size_t, const SampleView<std::int16_t>&, std::size_t,
                                            std::size_t) noexcept;

void LaneRows::move_to_front(std::size_t row, std::size_t count) noexcept {
  if (!paired_) {
    std::copy_n(place(row), count * lanes_, even_);
    return;
  }
  std::copy_n(place(row), (count + 1) / 2 * lanes_, even_);
  std::copy_n(place(row + 1), count / 2 * lanes_, odd_);
}

} // namespace asc_edge
