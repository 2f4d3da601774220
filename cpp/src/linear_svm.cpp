#include "asc_edge/linear_svm.hpp"

#include <algorithm>
#include <stdexcept>

namespace asc_edge {

LinearSvm::LinearSvm(const std::vector<double>& mean, const std::vector<double>& scale,
                     const std::vector<double>& weights, const std::vector<double>& bias)
    : mean_(mean), bias_(bias), weights_(weights.size()) {
  if (mean.empty() || bias.empty() || scale.size() != mean.size() ||
      weights.size() != mean.size() * bias.size()) {
    throw std::invalid_argument("mean, scale, weights and bias of a linear SVM don't fit together");
  }
  for (std::size_t k = 0; k < outputs(); ++k) {
    for (std::size_t f = 0; f < features(); ++f) {
      weights_[f * outputs() + k] = weights[k * features() + f] / scale[f];
    }
  }
}

void LinearSvm::decide(const double* x, std::size_t rows, double* decisions) const noexcept {
  const std::size_t count = outputs();
  for (std::size_t row = 0; row < rows; ++row) {
    std::copy(bias_.begin(), bias_.end(), decisions);
    const double* weights = weights_.data();
    for (std::size_t f = 0; f < features(); ++f) {
      // The mean is not folded into the bias: a feature far from zero with a small spread would lose its
      // digits.
      const double centred = x[f] - mean_[f];
      for (std::size_t k = 0; k < count; ++k) {
        decisions[k] += centred * weights[k];
      }
      weights += count;
    }
    x += features();
    decisions += count;
  }
}

} // namespace asc_edge
