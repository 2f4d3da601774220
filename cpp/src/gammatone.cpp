#include "gammatone.hpp"

#include <cmath>
#include <complex>

namespace asc_edge {
namespace {

constexpr double kTwoPi = 6.28318530717958647692;

// Glasberg and Moore: the equivalent rectangular bandwidth is (f + 9.26449 * 24.7 Hz) / 9.26449.
constexpr double kEarQ = 9.26449;
constexpr double kMinBandwidthHz = 24.7;
constexpr double kErbOffsetHz = kEarQ * kMinBandwidthHz;
// Bandwidth of a fourth-order gammatone filter with that rectangular bandwidth (Patterson et al. 1992).
constexpr double kBandwidthPerErb = 1.019;

/// Magnitude at the angle `omega` of four zeros in a row and a pair of fourfold poles, up to a factor.
double unscaled_response(double omega, double theta, double radius) {
  const std::complex<double> z = std::polar(1.0, omega);
  double zeros = 1.0;
  for (const double root : {std::sqrt(3.0 + std::sqrt(8.0)), std::sqrt(3.0 - std::sqrt(8.0))}) {
    for (const double sign : {1.0, -1.0}) {
      zeros *= std::abs(z - radius * (std::cos(theta) + sign * root * std::sin(theta)));
    }
  }
  const double poles = std::abs((z - std::polar(radius, theta)) * (z - std::polar(radius, -theta)));
  return zeros / std::pow(poles, 4.0);
}

} // namespace

std::vector<double> gammatone_centres_hz(double fmin_hz, double fmax_hz, std::size_t bands) {
  const double ratio = std::log((fmin_hz + kErbOffsetHz) / (fmax_hz + kErbOffsetHz));
  std::vector<double> centres(bands);
  for (std::size_t band = 0; band < bands; ++band) {
    const double steps_down = static_cast<double>(bands - band) / static_cast<double>(bands);
    centres[band] = (fmax_hz + kErbOffsetHz) * std::exp(ratio * steps_down) - kErbOffsetHz;
  }
  return centres;
}

double gammatone_response(double hz, double centre_hz, double sample_rate_hz) {
  const double bandwidth_hz = kBandwidthPerErb * (centre_hz + kErbOffsetHz) / kEarQ;
  const double radius = std::exp(-kTwoPi * bandwidth_hz / sample_rate_hz);
  const double theta = kTwoPi * centre_hz / sample_rate_hz;
  return unscaled_response(kTwoPi * hz / sample_rate_hz, theta, radius) /
         unscaled_response(theta, theta, radius);
}

} // namespace asc_edge
