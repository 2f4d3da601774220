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
  const std::size_t count = svm_.outputs();
  for (std::size_t row = 0; row < rows; ++row) {
    if (count == 1) {
      double decision = 0.0;
      svm_.decide(x, 1, &decision);
      posteriors[1] = calibrate(decision, 0);
      posteriors[0] = 1.0 - posteriors[1];
    } else {
      svm_.decide(x, 1, posteriors);
      double sum = 0.0;
      for (std::size_t k = 0; k < count; ++k) {
        posteriors[k] = calibrate(posteriors[k], k);
        sum += posteriors[k];
      }
      for (std::size_t k = 0; k < count; ++k) {
        posteriors[k] = sum > 0.0 ? posteriors[k] / sum : 1.0 / static_cast<double>(count);
      }
    }
    x += svm_.features();
    posteriors += classes();
  }
}

} // namespace asc_edge
