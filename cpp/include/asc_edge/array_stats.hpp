#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "asc_edge/sample_view.hpp"

namespace asc_edge {

/// What one channel did over the counted samples; full scale is 1.
struct ChannelStats {
  double mean;
  double variance;            ///< mean square around the mean
  double peak;                ///< largest magnitude
  std::uint64_t clipped;      ///< samples at full scale or beyond
  std::uint64_t constant_run; ///< for how many samples it has held its last value, also past the window
};

/// Statistics of every channel of an array, and of every pair, over a sliding window.
///
/// They are counted in segments at absolute sample positions: each segment's are computed from its samples
/// alone, in one order, and a window's from its segments, oldest first. So they are the same to the last bit
/// whatever the chunking. A block is read once, into the present segment, which stays in the nearest cache;
/// and before that a float block is looked through for what is not finite, since a block may close any number
/// of segments, too many to take back.
class ArrayStats {
public:
  /// clip_level: magnitude from which a sample counts as clipped. Throws std::invalid_argument when a size
  /// is 0.
  ArrayStats(std::size_t channels, std::size_t window_samples, std::size_t segment_samples, float clip_level);

  std::size_t channels() const noexcept { return channels_; }
  /// Samples of each channel since the start or the last reset().
  std::uint64_t heard() const noexcept { return heard_; }
  /// How many of them the statistics are over: the window, from the start of the segment in which it begins.
  std::uint64_t counted() const noexcept { return heard_ - first_segment() * segment_samples_; }

  /// Takes all samples; or none when one is NaN or infinite, and says which. Sample is float or std::int16_t.
  /// Neither allocates nor throws.
  template <class Sample> std::optional<SamplePosition> push(const SampleView<Sample>& samples) noexcept;

  /// Writes each channel's statistics (channels), and Pearson's correlation of each pair (channels,
  /// channels), which is NaN where one of the two is constant. Neither allocates nor throws.
  void measure(ChannelStats* stats, double* correlation) noexcept;

  /// The two counts of `measure` alone, which cost less: each (channels).
  void count(std::uint64_t* clipped, std::uint64_t* constant_run) noexcept;

  void reset() noexcept;

private:
  std::uint64_t first_segment() const noexcept;
  /// One past the last segment, which may be unfinished.
  std::uint64_t end_segment() const noexcept { return (heard_ + segment_samples_ - 1) / segment_samples_; }
  std::size_t row_of(std::uint64_t segment) const noexcept {
    return static_cast<std::size_t>(segment % segments_);
  }
  double samples_of(std::uint64_t segment) const noexcept;
  std::size_t pairs() const noexcept { return channels_ * (channels_ + 1) / 2; }
  double& comoment(std::size_t row, std::size_t i, std::size_t j) noexcept {
    return comoment_[row * pairs() + i * channels_ - i * (i + 1) / 2 + j];
  }
  float* staged(std::size_t channel) noexcept { return segment_.data() + channel * stride_; }
  double* above(std::size_t channel) noexcept { return above_.data() + channel * stride_; }

  template <class Sample>
  void stage(const SampleView<Sample>& samples, std::size_t from, std::size_t count) noexcept;
  void extend_run(std::size_t channel, std::size_t count) noexcept;
  void close_segment() noexcept;
  void close_unfinished_segment() noexcept;
  void close_comoments(std::size_t row) noexcept;
  template <std::size_t Rows, std::size_t Columns>
  void multiply_channels(std::size_t row, std::size_t first, std::size_t second) noexcept;
  void sum_up_channels(ChannelStats* stats) const noexcept;
  void sum_up_comoments(const ChannelStats* stats, double* sums) noexcept;

  std::size_t channels_;
  std::size_t window_samples_;
  std::size_t segment_samples_;
  float clip_level_;
  std::size_t segments_; // rows of the rings: one window touches at most so many
  std::size_t stride_;   // segment_samples_, up to whole groups of lanes
  std::uint64_t heard_ = 0;
  std::size_t filled_ = 0; // samples of the present segment

  std::vector<float> segment_;              // (channels, stride): the present segment
  std::vector<float> last_;                 // (channels)
  std::vector<std::uint64_t> constant_run_; // (channels)
  std::vector<double> above_;               // (channels, stride): work space, samples above a pivot
  std::vector<double> excess_;              // (channels): work space, their sums; means above the window's
  // Rings, a row for each segment.
  std::vector<double> mean_;     // (segments, channels)
  std::vector<double> comoment_; // (segments, pairs i <= j): sums of products around the segment's means
  std::vector<float> peak_;      // (segments, channels)
  std::vector<std::uint32_t> clipped_; // (segments, channels)
};

} // namespace asc_edge
