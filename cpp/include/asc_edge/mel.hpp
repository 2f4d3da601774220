#pragma once

#include <cstddef>
#include <vector>

namespace asc_edge {

enum class MelScale {
  htk,    ///< m = 2595 log10(1 + f / 700)
  slaney, ///< linear below 1 kHz, logarithmic above
};

enum class MelNorm {
  peak, ///< each triangle peaks at 1
  area, ///< each triangle has unit area over Hz
};

struct MelBankParams {
  double sample_rate_hz;
  std::size_t fft_length;
  std::size_t mels;
  MelScale scale;
  MelNorm norm;
  double fmin_hz;
  double fmax_hz;
};

/// Triangular mel filter bank over the bins of a real Fourier transform, stored and applied sparsely.
/// A band narrower than a bin may hold no bin at all; it then yields 0.
class MelBank {
public:
  /// Throws std::invalid_argument on an empty bank or a range outside 0 .. Nyquist.
  explicit MelBank(const MelBankParams& params);

  std::size_t mels() const noexcept { return bands_.size(); }
  std::size_t bins() const noexcept { return bins_; }

  /// power: bins() values; bands: mels() values.
  void apply(const double* power, double* bands) const noexcept;

  /// The bank as a full matrix, row-major (mels, bins).
  std::vector<double> dense() const;

private:
  struct Band {
    std::size_t first_bin;
    std::size_t count;
    std::size_t weights; // offset into weights_
  };

  std::size_t bins_;
  std::vector<Band> bands_;
  std::vector<double> weights_;
};

} // namespace asc_edge
