#include "asc_edge/deltas.hpp"

#include <algorithm>
#include <stdexcept>

namespace asc_edge {
namespace {

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t n = 0; n < a.size(); ++n) {
    sum += a[n] * b[n];
  }
  return sum;
}

} // namespace

std::vector<double> delta_weights(std::size_t width, std::size_t order) {
  if (width < 3 || width % 2 == 0 || order == 0 || order >= width) {
    throw std::invalid_argument("deltas need an odd width of at least 3 and an order from 1 to width - 1");
  }
  // Gram's polynomials, orthogonal over the window and with leading coefficient 1: the highest coefficient of
  // the fit is the projection on the last of them. Both parities vanish by symmetry, hence two terms.
  std::vector<double> before(width, 0.0);
  std::vector<double> polynomial(width, 1.0);
  double factorial = 1.0;
  double before_norm = 1.0;
  for (std::size_t degree = 1; degree <= order; ++degree) {
    const double norm = dot(polynomial, polynomial);
    const double back = degree == 1 ? 0.0 : norm / before_norm;
    std::vector<double> next(width);
    const std::size_t middle = width / 2;
    for (std::size_t n = 0; n < width; ++n) {
      const double at = static_cast<double>(n) - static_cast<double>(middle);
      next[n] = at * polynomial[n] - back * before[n];
    }
    before = polynomial;
    before_norm = norm;
    polynomial = next;
    factorial *= static_cast<double>(degree);
  }
  const double gain = factorial / dot(polynomial, polynomial);
  for (double& weight : polynomial) {
    weight *= gain;
  }
  return polynomial;
}

void compute_deltas(const float* cells, std::size_t rows, std::size_t frames,
                    const std::vector<double>& weights, DeltaEdge edge, float* out) noexcept {
  const std::size_t half = weights.size() / 2;
  for (std::size_t r = 0; r < rows; ++r) {
    const float* row = cells + r * frames;
    for (std::size_t frame = 0; frame < frames; ++frame) {
      // The derivative of that order of a polynomial of that degree is one number for its whole window.
      const std::size_t centre =
          edge == DeltaEdge::interp ? std::clamp(frame, half, frames - 1 - half) : frame;
      double sum = 0.0;
      for (std::size_t n = 0; n < weights.size(); ++n) {
        const std::size_t at = centre + n < half ? 0 : std::min(centre + n - half, frames - 1);
        sum += weights[n] * static_cast<double>(row[at]);
      }
      out[r * frames + frame] = static_cast<float>(sum);
    }
  }
}

} // namespace asc_edge
