#pragma once

#include <cstddef>
#include <vector>

namespace asc_edge {

enum class MelScale {
  htk,       ///< m = 2595 log10(1 + f / 700), triangles straight over Hz
  slaney,    ///< linear below 1 kHz, logarithmic above, triangles straight over Hz
  kaldi,     ///< m = 1127 ln(1 + f / 700), triangles straight over mel, nothing at half the sample rate
  gammatone, ///< no triangles: responses of fourth-order gammatone filters spaced on the ERB scale
};

enum class MelNorm {
  peak, ///< each band peaks at 1
  area, ///< each triangle has unit area over Hz; htk and slaney only
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

/// Filter bank over the bins of a real Fourier transform: triangles, stored and applied sparsely, or
/// gammatone responses, which reach every bin. A triangle narrower than a bin may hold no bin at all; it then
/// yields 0.
class MelBank {
public:
  /// Throws std::invalid_argument on an empty bank, a range outside 0 .. Nyquist, or a norm that the scale
  /// doesn't know.
  explicit MelBank(const MelBankParams& params);

  std::size_t mels() const noexcept { return bands_.size(); }
  std::size_t bins() const noexcept { return bins_; }

  /// spectrum: bins() values; bands: mels() values.
  void apply(const double* spectrum, double* bands) const noexcept;

  /// The bank as a full matrix, row-major (mels, bins).
  std::vector<double> dense() const;

private:
  struct Band {
    std::size_t first_bin;
    std::size_t count;
    std::size_t weights; // offset into weights_
  };

  void add_triangles(const MelBankParams& params);
  void add_gammatones(const MelBankParams& params);

  std::size_t bins_;
  std::vector<Band> bands_;
  std::vector<double> weights_;
};

} // namespace asc_edge
