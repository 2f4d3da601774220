#include "asc_edge/mel.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "gammatone.hpp"

namespace asc_edge {
namespace {

// Slaney's Auditory Toolbox: 200/3 Hz a mel up to 1 kHz, then 27 steps for every factor of 6.4.
constexpr double kSlaneyHzPerMel = 200.0 / 3.0;
constexpr double kSlaneyCornerHz = 1000.0;
constexpr double kSlaneyCornerMel = kSlaneyCornerHz / kSlaneyHzPerMel;
const double kSlaneyLogStep = std::log(6.4) / 27.0;

double hz_to_mel(double hz, MelScale scale) {
  if (scale == MelScale::htk) {
    return 2595.0 * std::log10(1.0 + hz / 700.0);
  }
  if (scale == MelScale::kaldi) {
    return 1127.0 * std::log(1.0 + hz / 700.0);
  }
  if (hz < kSlaneyCornerHz) {
    return hz / kSlaneyHzPerMel;
  }
  return kSlaneyCornerMel + std::log(hz / kSlaneyCornerHz) / kSlaneyLogStep;
}

/// For the scales whose triangles are straight over Hz.
double mel_to_hz(double mel, MelScale scale) {
  if (scale == MelScale::htk) {
    return 700.0 * (std::pow(10.0, mel / 2595.0) - 1.0);
  }
  if (mel < kSlaneyCornerMel) {
    return mel * kSlaneyHzPerMel;
  }
  return kSlaneyCornerHz * std::exp(kSlaneyLogStep * (mel - kSlaneyCornerMel));
}

void check(const MelBankParams& params) {
  if (params.mels == 0 || params.fft_length == 0) {
    throw std::invalid_argument("a mel bank needs at least one band and one bin");
  }
  const bool ordered = params.fmin_hz >= 0.0 && params.fmin_hz < params.fmax_hz;
  if (!(params.sample_rate_hz > 0.0) || !ordered || !(params.fmax_hz <= 0.5 * params.sample_rate_hz)) {
    throw std::invalid_argument("the mel range must lie between 0 Hz and half the sample rate");
  }
  const bool over_hz = params.scale == MelScale::htk || params.scale == MelScale::slaney;
  if (params.norm == MelNorm::area && !over_hz) {
    throw std::invalid_argument("only the bands of the htk and slaney scales can have unit area");
  }
}

/// Where a frequency lies on the axis over which the triangles are straight.
double triangle_axis(double hz, MelScale scale) {
  return scale == MelScale::kaldi ? hz_to_mel(hz, scale) : hz;
}

/// The mels + 2 corners of the triangles on that axis, equally spaced in mel.
std::vector<double> corners(const MelBankParams& params) {
  const double low = hz_to_mel(params.fmin_hz, params.scale);
  const double high = hz_to_mel(params.fmax_hz, params.scale);
  const double step = (high - low) / static_cast<double>(params.mels + 1);
  std::vector<double> corners;
  for (std::size_t i = 0; i < params.mels + 2; ++i) {
    const double mel = i == params.mels + 1 ? high : low + step * static_cast<double>(i);
    corners.push_back(params.scale == MelScale::kaldi ? mel : mel_to_hz(mel, params.scale));
  }
  return corners;
}

double bin_hz(const MelBankParams& params, std::size_t bin) {
  return params.sample_rate_hz / static_cast<double>(params.fft_length) * static_cast<double>(bin);
}

} // namespace

MelBank::MelBank(const MelBankParams& params) : bins_(params.fft_length / 2 + 1) {
  check(params);
  if (params.scale == MelScale::gammatone) {
    add_gammatones(params);
  } else {
    add_triangles(params);
  }
}

void MelBank::add_triangles(const MelBankParams& params) {
  // Kaldi's bank has no weight for the bin at half the sample rate, not even by rounding.
  const bool drops_nyquist = params.scale == MelScale::kaldi && params.fft_length % 2 == 0;
  std::vector<double> positions;
  for (std::size_t k = 0; k < bins_ - (drops_nyquist ? 1 : 0); ++k) {
    positions.push_back(triangle_axis(bin_hz(params, k), params.scale));
  }
  const std::vector<double> edges = corners(params);
  for (std::size_t m = 0; m < params.mels; ++m) {
    const double low = edges[m];
    const double centre = edges[m + 1];
    const double high = edges[m + 2];
    const double gain = params.norm == MelNorm::area ? 2.0 / (high - low) : 1.0;
    Band band{0, 0, weights_.size()};
    for (std::size_t k = 0; k < positions.size(); ++k) {
      const double at = positions[k];
      const double weight = std::min((at - low) / (centre - low), (high - at) / (high - centre));
      if (weight > 0.0) {
        band.first_bin = band.count == 0 ? k : band.first_bin;
        ++band.count;
        weights_.push_back(weight * gain);
      }
    }
    bands_.push_back(band);
  }
}

void MelBank::add_gammatones(const MelBankParams& params) {
  for (const double centre_hz : gammatone_centres_hz(params.fmin_hz, params.fmax_hz, params.mels)) {
    bands_.push_back({0, bins_, weights_.size()});
    for (std::size_t k = 0; k < bins_; ++k) {
      weights_.push_back(gammatone_response(bin_hz(params, k), centre_hz, params.sample_rate_hz));
    }
  }
}

void MelBank::apply(const double* spectrum, double* bands) const noexcept {
  for (std::size_t m = 0; m < bands_.size(); ++m) {
    const Band& band = bands_[m];
    const double* weights = weights_.data() + band.weights;
    const double* bins = spectrum + band.first_bin;
    double sum = 0.0;
    for (std::size_t k = 0; k < band.count; ++k) {
      sum += weights[k] * bins[k];
    }
    bands[m] = sum;
  }
}

std::vector<double> MelBank::dense() const {
  std::vector<double> matrix(bands_.size() * bins_, 0.0);
  for (std::size_t m = 0; m < bands_.size(); ++m) {
    const Band& band = bands_[m];
    for (std::size_t k = 0; k < band.count; ++k) {
      matrix[m * bins_ + band.first_bin + k] = weights_[band.weights + k];
    }
  }
  return matrix;
}

} // namespace asc_edge
