#pragma once

#include <cstddef>
#include <vector>

namespace asc_edge {

/// Forward discrete Fourier transform of real input: X[k] = sum_n x[n] exp(-2 pi i k n / N), k = 0 .. N/2.
///
/// The plan is immutable and holds only tables, so that one plan can serve several threads, each with its own
/// workspace. The cost is about N times the sum of the prime factors of N: factors 2, 3, 5 and 7 have kernels
/// of their own, any other prime p costs p operations a point, so a large prime length works but is slow.
class RealFft {
public:
  /// Throws std::invalid_argument when length is 0.
  explicit RealFft(std::size_t length);

  std::size_t length() const noexcept { return length_; }
  std::size_t bins() const noexcept { return length_ / 2 + 1; }
  /// Doubles that execute() needs as workspace.
  std::size_t workspace_size() const noexcept { return 4 * points_; }

  /// Transforms `length()` values into `bins()` real and imaginary parts; allocates nothing.
  void execute(const double* input, double* spectrum_re, double* spectrum_im,
               double* workspace) const noexcept;

private:
  /// One Stockham pass: `groups` blocks of `radix` sub-sequences of `stride` interleaved transforms.
  struct Stage {
    std::size_t radix;
    std::size_t groups;
    std::size_t stride;
    std::size_t twiddles; // offset into twiddle_re_ and twiddle_im_
    std::size_t roots;    // offset of exp(-2 pi i j / radix), for radices without a kernel
  };

  void plan_stages();
  void run_stage(const Stage& stage, const double* in_re, const double* in_im, double* out_re,
                 double* out_im) const noexcept;
  void untangle(const double* re, const double* im, double* spectrum_re, double* spectrum_im) const noexcept;

  std::size_t length_;
  std::size_t points_; // of the complex transform: half the length when that is even
  std::vector<Stage> stages_;
  std::vector<double> twiddle_re_;
  std::vector<double> twiddle_im_;
  std::vector<double> untangle_re_;
  std::vector<double> untangle_im_;
};

} // namespace asc_edge
