#pragma once

#include <cstddef>
#include <cstdint>

#include "../fft_plan.hpp"

// The arithmetic of the front end, built once for each instruction set. Every number goes through the same
// operations in the same order in all of them, without fused multiply-adds: so all give the same bits.
namespace asc_edge {

/// Filter bank rows over blocks of four bins, aligned to multiples of four.
template <class Real> struct BankView {
  struct Band {
    std::size_t first_block;
    std::size_t blocks;
    std::size_t weights; // offset of 4 * blocks weights
  };
  std::size_t bands; // a multiple of four: empty ones fill up
  const Band* band;
  const Real* weights;
  const Real* ignored; // kIgnored for a band without bins, whose 0 is no weak band; else 0
};

/// More than any band.
constexpr float kIgnored = 3e38F;

/// How a frame of samples becomes the bands of its spectrum.
template <class Real> struct FrameView {
  FftView<Real> fft;
  BankView<Real> bank;
  const Real* window_even; // of even and odd samples when the FFT's length is even, else of all samples
  const Real* window_odd;
  std::size_t window_samples;
  bool remove_mean;
  bool magnitude; // the bank weighs |X| instead of |X|^2
  // A band below `weakest` times the strongest bin, while that product is above `floor`, is too weak beside
  // it for Real's digits.
  Real weakest;
  Real floor;
};

/// The logarithm: (c * log10 or ln of the band, after its offset or floor, + shift) * scale.
struct LevelView {
  float offset; // added to the band
  float floor;  // least value after that
  // value = exponent * exponent_high + (exponent * exponent_low + mantissa_gain * ln(mantissa))
  float exponent_high; // so few digits that the product is exact
  float exponent_low;
  float mantissa_gain;
  float shift;
  float scale;
};

struct Kernels {
  const char* name;

  /// Whether all numbers are finite.
  bool (*all_finite)(const float* numbers, std::size_t count) noexcept;

  /// Splits rows (2 pairs, lanes) that lie `stride` numbers apart into the even and the odd ones.
  void (*split_rows)(const float* rows, std::size_t stride, std::size_t pairs, std::size_t lanes, float* even,
                     float* odd) noexcept;

  /// Writes rows (count, columns) as columns: number c of row r goes to out[c * stride + r].
  void (*transpose)(const float* rows, std::size_t count, std::size_t columns, float* out,
                    std::size_t stride) noexcept;

  /// Transforms rows (length, lanes) into re and im (length / 2 + 1, lanes).
  void (*real_fft)(const FftView<float>& plan, std::size_t lanes, const float* rows, float* re, float* im,
                   float* workspace) noexcept;

  /// Bands (bank.bands, lanes) of one frame. even, odd: the samples under the window, (samples / 2, lanes)
  /// each; for odd FFT lengths all samples stand in `even`. Returns a bit for each lane whose weakest bands
  /// need more digits.
  unsigned (*bands)(const FrameView<float>& frame, std::size_t lanes, const float* even, const float* odd,
                    float* bands, float* workspace) noexcept;
  unsigned (*precise_bands)(const FrameView<double>& frame, std::size_t lanes, const float* even,
                            const float* odd, double* bands, double* workspace) noexcept;

  /// Levels (lanes, count) of bands (count, lanes).
  void (*levels)(const LevelView& level, std::size_t lanes, std::size_t count, const float* bands,
                 float* out) noexcept;
  /// The same of one lane of double bands, written to out[0 .. count).
  void (*precise_levels)(const LevelView& level, std::size_t lanes, std::size_t lane, std::size_t count,
                         const double* bands, float* out) noexcept;
};

namespace baseline {
const Kernels& kernels() noexcept;
}
#ifdef __x86_64__
namespace avx2 {
const Kernels& kernels() noexcept;
}
namespace avx512 {
const Kernels& kernels() noexcept;
}
#endif

} // namespace asc_edge
