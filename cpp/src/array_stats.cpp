#include "asc_edge/array_stats.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "pair.hpp"

namespace asc_edge {
namespace {

// Sums run in lanes, by position in the segment, and are added up in one order: the same sums on every
// machine.
constexpr std::size_t kLanes = 4;
constexpr std::size_t kGroup = 2 * kLanes;

struct Lanes {
  Pair low;
  Pair high;

  static Lanes load(const double* from) noexcept { return {load_pair(from), load_pair(from + 2)}; }
  void add(const Lanes& other) noexcept {
    low += other.low;
    high += other.high;
  }
  void add_product(const Lanes& x, const Lanes& y) noexcept {
    low += x.low * y.low;
    high += x.high * y.high;
  }
  double sum() const noexcept { return (low[0] + high[0]) + (low[1] + high[1]); }
};

std::size_t whole_groups(std::size_t count) noexcept {
  return (count + kGroup - 1) / kGroup * kGroup;
}

struct Extremes {
  float peak;
  std::uint32_t clipped;
};

/// The bits of a magnitude, which have the order of the magnitudes, and unlike them are compared in lanes.
std::int32_t magnitude_bits(float x) noexcept {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<std::int32_t>(bits & 0x7fffffffU);
}

Extremes find_extremes(const float* x, std::size_t count, float clip_level) noexcept {
  std::int32_t peak_bits = 0;
  for (std::size_t i = 0; i < count; ++i) {
    peak_bits = std::max(peak_bits, magnitude_bits(x[i]));
  }
  Extremes found{0.0F, 0};
  std::memcpy(&found.peak, &peak_bits, sizeof found.peak);
  if (found.peak >= clip_level) {
    for (std::size_t i = 0; i < count; ++i) {
      found.clipped += std::fabs(x[i]) >= clip_level ? 1U : 0U;
    }
  }
  return found;
}

/// Writes how far `count` samples lie above the pivot, and returns the sum of that.
double lift(const float* x, std::size_t count, double pivot, double* above) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    above[i] = static_cast<double>(x[i]) - pivot;
  }
  Lanes even{}, odd{}; // an addition needn't wait for the one before
  for (std::size_t i = 0; i < count; i += kGroup) {
    even.add(Lanes::load(above + i));
    odd.add(Lanes::load(above + i + kLanes));
  }
  even.add(odd);
  return even.sum();
}

/// Sums of products of each of Rows rows at x with each of Columns rows at y; rows lie `stride` numbers
/// apart.
template <std::size_t Rows, std::size_t Columns>
void multiply(const double* x, const double* y, std::size_t stride, std::size_t count,
              double (&products)[Rows][Columns]) noexcept {
  Lanes sums[Rows][Columns] = {};
  for (std::size_t i = 0; i < count; i += kLanes) {
    for (std::size_t row = 0; row < Rows; ++row) {
      const Lanes left = Lanes::load(x + row * stride + i);
      for (std::size_t column = 0; column < Columns; ++column) {
        sums[row][column].add_product(left, Lanes::load(y + column * stride + i));
      }
    }
  }
  for (std::size_t row = 0; row < Rows; ++row) {
    for (std::size_t column = 0; column < Columns; ++column) {
      products[row][column] = sums[row][column].sum();
    }
  }
}

double correlate(double xy, double xx, double yy) noexcept {
  const double scale = std::sqrt(xx * yy);
  return scale > 0.0 ? std::clamp(xy / scale, -1.0, 1.0) : std::numeric_limits<double>::quiet_NaN();
}

} // namespace

ArrayStats::ArrayStats(std::size_t channels, std::size_t window_samples, std::size_t segment_samples,
                       float clip_level)
    : channels_(channels), window_samples_(window_samples), segment_samples_(segment_samples),
      clip_level_(clip_level), segments_(0), stride_(whole_groups(segment_samples)) {
  if (channels == 0 || window_samples == 0 || segment_samples == 0) {
    throw std::invalid_argument(
        "array statistics need at least one channel and one sample a window and segment");
  }
  segments_ = (window_samples - 1) / segment_samples + 2;
  segment_.resize(channels * stride_);
  above_.resize(channels * stride_);
  excess_.resize(channels);
  mean_.resize(segments_ * channels);
  comoment_.resize(segments_ * pairs());
  peak_.resize(segments_ * channels);
  clipped_.resize(segments_ * channels);
  last_.resize(channels);
  constant_run_.resize(channels);
}

std::uint64_t ArrayStats::first_segment() const noexcept {
  return (heard_ - std::min<std::uint64_t>(heard_, window_samples_)) / segment_samples_;
}

double ArrayStats::samples_of(std::uint64_t segment) const noexcept {
  return static_cast<double>(std::min<std::uint64_t>(segment_samples_, heard_ - segment * segment_samples_));
}

template <class Sample>
std::optional<SamplePosition> ArrayStats::push(const SampleView<Sample>& samples) noexcept {
  // Before anything is taken: a block may close any number of segments, too many to take back.
  if (const std::optional<SamplePosition> refused = find_non_finite(samples, channels_)) {
    return refused;
  }
  for (std::size_t taken = 0; taken < samples.frames;) {
    const std::size_t count = std::min(segment_samples_ - filled_, samples.frames - taken);
    stage(samples, taken, count);
    for (std::size_t channel = 0; channel < channels_; ++channel) {
      extend_run(channel, count);
    }
    taken += count;
    filled_ += count;
    heard_ += count;
    if (filled_ == segment_samples_) {
      close_segment();
      filled_ = 0;
    }
  }
  return std::nullopt;
}

template <class Sample>
void ArrayStats::stage(const SampleView<Sample>& samples, std::size_t from, std::size_t count) noexcept {
  for (std::size_t channel = 0; channel < channels_; ++channel) {
    float* row = staged(channel) + filled_;
    for (std::size_t i = 0; i < count; ++i) {
      row[i] = samples.at(from + i, channel);
    }
  }
}

void ArrayStats::extend_run(std::size_t channel, std::size_t count) noexcept {
  const float* fresh = staged(channel) + filled_;
  const float value = fresh[count - 1];
  std::size_t run = 1;
  while (run < count && fresh[count - 1 - run] == value) {
    ++run;
  }
  const bool goes_on = run == count && heard_ > 0 && last_[channel] == value;
  constant_run_[channel] = run + (goes_on ? constant_run_[channel] : 0);
  last_[channel] = value;
}

// Of the segment that ends with the last sample heard.
void ArrayStats::close_segment() noexcept {
  const std::size_t row = row_of(end_segment() - 1);
  const std::size_t count = whole_groups(filled_);
  for (std::size_t channel = 0; channel < channels_; ++channel) {
    float* x = staged(channel);
    std::fill(x + filled_, x + count, 0.0F);
    const Extremes extremes = find_extremes(x, filled_, clip_level_);
    const std::size_t at = row * channels_ + channel;
    peak_[at] = extremes.peak;
    clipped_[at] = extremes.clipped;
    // Above the first sample, not above 0: a converter's offset is often many times the sound, and its square
    // would take the sound's digits. The first sample's distance from the mean takes at most those of the
    // count.
    const double pivot = static_cast<double>(x[0]);
    std::fill(x + filled_, x + count, x[0]);
    excess_[channel] = lift(x, count, pivot, above(channel));
    mean_[at] = pivot + excess_[channel] / static_cast<double>(filled_);
  }
  close_comoments(row);
}

template <std::size_t Rows, std::size_t Columns>
void ArrayStats::multiply_channels(std::size_t row, std::size_t first, std::size_t second) noexcept {
  double products[Rows][Columns];
  multiply(above(first), above(second), stride_, whole_groups(filled_), products);
  for (std::size_t i = 0; i < Rows; ++i) {
    for (std::size_t j = 0; j < Columns; ++j) {
      if (first + i <= second + j) {
        // From around the pivots to around the means.
        const double shift = excess_[first + i] * excess_[second + j] / static_cast<double>(filled_);
        comoment(row, first + i, second + j) = products[i][j] - shift;
      }
    }
  }
}

// Two channels by two: each sample fetched serves twice.
void ArrayStats::close_comoments(std::size_t row) noexcept {
  for (std::size_t i = 0; i < channels_; i += 2) {
    for (std::size_t j = i; j < channels_; j += 2) {
      if (j + 1 < channels_) {
        multiply_channels<2, 2>(row, i, j);
      } else if (i < j) {
        multiply_channels<2, 1>(row, i, j);
      } else {
        multiply_channels<1, 1>(row, i, j);
      }
    }
  }
}

// Leaves the present segment open: what it holds now is written into its row, and again when it is whole.
void ArrayStats::close_unfinished_segment() noexcept {
  if (filled_ > 0) {
    close_segment();
  }
}

void ArrayStats::count(std::uint64_t* clipped, std::uint64_t* constant_run) noexcept {
  close_unfinished_segment();
  std::copy(constant_run_.begin(), constant_run_.end(), constant_run);
  std::fill(clipped, clipped + channels_, 0);
  for (std::uint64_t segment = first_segment(); segment < end_segment(); ++segment) {
    for (std::size_t channel = 0; channel < channels_; ++channel) {
      clipped[channel] += clipped_[row_of(segment) * channels_ + channel];
    }
  }
}

void ArrayStats::measure(ChannelStats* stats, double* correlation) noexcept {
  close_unfinished_segment();
  sum_up_channels(stats);
  sum_up_comoments(stats, correlation);
  const double count = static_cast<double>(std::max<std::uint64_t>(1, counted()));
  const auto sums = [&](std::size_t i, std::size_t j) -> double& { return correlation[i * channels_ + j]; };
  for (std::size_t i = 0; i < channels_; ++i) {
    stats[i].variance = sums(i, i) / count;
    for (std::size_t j = i + 1; j < channels_; ++j) {
      sums(i, j) = correlate(sums(i, j), sums(i, i), sums(j, j));
      sums(j, i) = sums(i, j);
    }
  }
  for (std::size_t i = 0; i < channels_; ++i) {
    sums(i, i) = correlate(sums(i, i), sums(i, i), sums(i, i));
  }
}

void ArrayStats::sum_up_channels(ChannelStats* stats) const noexcept {
  for (std::size_t channel = 0; channel < channels_; ++channel) {
    stats[channel] = {0.0, 0.0, 0.0, 0, constant_run_[channel]};
  }
  for (std::uint64_t segment = first_segment(); segment < end_segment(); ++segment) {
    const std::size_t row = row_of(segment) * channels_;
    const double samples = samples_of(segment);
    for (std::size_t channel = 0; channel < channels_; ++channel) {
      ChannelStats& sums = stats[channel];
      sums.mean += samples * mean_[row + channel];
      sums.peak = std::max(sums.peak, static_cast<double>(peak_[row + channel]));
      sums.clipped += clipped_[row + channel];
    }
  }
  for (std::size_t channel = 0; channel < channels_; ++channel) {
    stats[channel].mean /= static_cast<double>(std::max<std::uint64_t>(1, counted()));
  }
}

// Sums of products around the window's means out of those around each segment's (Chan, Golub, LeVeque 1983).
void ArrayStats::sum_up_comoments(const ChannelStats* stats, double* sums) noexcept {
  std::fill(sums, sums + channels_ * channels_, 0.0);
  for (std::uint64_t segment = first_segment(); segment < end_segment(); ++segment) {
    const std::size_t row = row_of(segment);
    for (std::size_t channel = 0; channel < channels_; ++channel) {
      excess_[channel] = mean_[row * channels_ + channel] - stats[channel].mean;
    }
    const double* around_own = &comoment(row, 0, 0);
    const double samples = samples_of(segment);
    for (std::size_t i = 0; i < channels_; ++i) {
      const double weighted = samples * excess_[i];
      for (std::size_t j = i; j < channels_; ++j) {
        sums[i * channels_ + j] += *around_own++ + weighted * excess_[j];
      }
    }
  }
}

void ArrayStats::reset() noexcept {
  heard_ = 0;
  filled_ = 0;
  std::fill(constant_run_.begin(), constant_run_.end(), 0);
}

template std::optional<SamplePosition> ArrayStats::push(const SampleView<float>&) noexcept;
template std::optional<SamplePosition> ArrayStats::push(const SampleView<std::int16_t>&) noexcept;

} // namespace asc_edge
