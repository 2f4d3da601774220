#include "asc_edge/late_fusion.hpp"

#include <cmath>
#include <stdexcept>

namespace asc_edge {

LateFusion::LateFusion(const LinearSvm& svm, const std::vector<double>& platt_a,
                       const std::vector<double>& platt_b)
    : svm_(svm), platt_a_(platt_a), platt_b_(platt_b) {
  if (platt_a.size() != svm.outputs() || platt_b.size() != svm.outputs()) {
    throw std::invalid_argument("late fusion needs one pair of Platt coefficients for each decision value");
  }
}

double LateFusion::calibrate(double decision, std::size_t output) const noexcept {
  const double z = platt_a_[output] * decision + platt_b_[output];
  if (z > 0.0) { // exp(z) could overflow
    const double e = std::exp(-z);
    return e / (1.0 + e);
  }
  return 1.0 / (1.0 + std::exp(z));
}

void LateFusion::predict(const double* x, std::size_t rows, double* posteriors) const noexcept {
  // The decision values of all rows at once, where the posteriors will be.
  svm_.decide(x, rows, posteriors);
  if (svm_.outputs() == 1) {
    // From the last row on: a row's two posteriors lie over decision values of later rows only.
    for (std::size_t row = rows; row-- > 0;) {
      const double sigmoid = calibrate(posteriors[row], 0);
      const double second = sigmoid >= 0.0 ? sigmoid : 0.5; // NaN says nothing
      posteriors[2 * row] = 1.0 - second;
      posteriors[2 * row + 1] = second;
    }
  } else {
    for (std::size_t row = 0; row < rows; ++row) {
      calibrate_row(posteriors + row * svm_.outputs());
    }
  }
}

void LateFusion::calibrate_row(double* values) const noexcept {
  const std::size_t count = svm_.outputs();
  double sum = 0.0;
  for (std::size_t k = 0; k < count; ++k) {
    values[k] = calibrate(values[k], k);
    sum += values[k];
  }
  for (std::size_t k = 0; k < count; ++k) {
    values[k] = sum > 0.0 ? values[k] / sum : 1.0 / static_cast<double>(count);
  }
}

} // namespace asc_edge
