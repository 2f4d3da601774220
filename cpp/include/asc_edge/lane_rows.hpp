#pragma once

#include <cstddef>
#include <memory>

#include "asc_edge/sample_view.hpp"

namespace asc_edge {

struct Kernels;

/// The pending samples of a group of channels, as the kernels want them: row n holds sample n of all lanes of
/// the group, and even and odd rows stand apart (all together when `paired` is false). Lanes without a
/// channel are 0.
class LaneRows {
public:
  /// Room for `rows` rows, and `readable` more that a kernel may load and ignore behind any row.
  LaneRows(const Kernels& kernels, std::size_t first_channel, std::size_t channels, std::size_t rows,
           std::size_t readable, bool paired);
  ~LaneRows();
  LaneRows(LaneRows&&) noexcept;

  std::size_t first_channel() const noexcept { return first_channel_; }
  std::size_t channels() const noexcept { return channels_; }
  std::size_t lanes() const noexcept { return lanes_; }

  float& at(std::size_t row, std::size_t channel) noexcept { return *(place(row) + channel); }
  float at(std::size_t row, std::size_t channel) const noexcept { return *(place(row) + channel); }

  /// The rows from `row` on: every second one from this one, and every second one from the next.
  const float* even_from(std::size_t row) const noexcept { return place(row); }
  const float* odd_from(std::size_t row) const noexcept { return place(row + 1); }

  /// Copies `count` samples of each channel, from `from` on, into the rows from `row` on.
  template <class Sample>
  void store(std::size_t row, const SampleView<Sample>& samples, std::size_t from,
             std::size_t count) noexcept;

  /// Moves `count` rows from `row`, which is even, to row 0.
  void move_to_front(std::size_t row, std::size_t count) noexcept;

private:
  struct Memory;

  float* place(std::size_t row) const noexcept {
    return paired_ ? ((row & 1U) == 0 ? even_ : odd_) + row / 2 * lanes_ : even_ + row * lanes_;
  }
  void store_contiguous(std::size_t row, const float* samples, std::size_t stride,
                        std::size_t count) noexcept;

  const Kernels& kernels_;
  std::size_t first_channel_;
  std::size_t channels_;
  std::size_t lanes_;
  bool paired_;
  std::unique_ptr<Memory> memory_;
  float* even_;
  float* odd_;
};

} // namespace asc_edge
