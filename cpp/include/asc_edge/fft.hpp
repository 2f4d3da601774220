#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace asc_edge {

/// Forward discrete Fourier transforms of real input, in single precision, of one or several interleaved
/// channels: X[k] = sum_n x[n] exp(-2 pi i k n / N), k = 0 .. N/2.
///
/// Factors 2, 3, 4, 5, 7 and 8 of the length have kernels of their own; any other prime p costs p/2
/// operations a point, so a large prime length works but is slow. Holds a workspace: one object for each
/// thread.
class RealFft {
public:
  /// isa: see kernels_for(). Throws std::invalid_argument when length or channels are 0, or there are more
  /// than 16 channels.
  RealFft(std::size_t length, std::size_t channels, const std::string& isa = "");
  ~RealFft();
  RealFft(const RealFft&) = delete;
  RealFft& operator=(const RealFft&) = delete;

  std::size_t length() const noexcept { return length_; }
  std::size_t channels() const noexcept { return channels_; }
  std::size_t bins() const noexcept { return length_ / 2 + 1; }

  /// rows: (length, channels); re, im: (bins, channels). Allocates nothing.
  void execute(const float* rows, float* re, float* im) noexcept;

private:
  struct Memory;

  std::size_t length_;
  std::size_t channels_;
  std::unique_ptr<Memory> memory_;
};

} // namespace asc_edge
