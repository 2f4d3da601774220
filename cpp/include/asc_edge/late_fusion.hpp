#pragma once

#include <cstddef>
#include <vector>

#include "asc_edge/linear_svm.hpp"

namespace asc_edge {

/// Linear SVM over the members' outputs, with Platt's sigmoid p = 1 / (1 + exp(a d + b)) for each decision
/// value.
class LateFusion {
public:
  /// platt_a, platt_b: (svm.outputs()). Throws std::invalid_argument when the sizes don't fit.
  LateFusion(const LinearSvm& svm, const std::vector<double>& platt_a, const std::vector<double>& platt_b);

  const LinearSvm& svm() const noexcept { return svm_; }
  /// One decision value tells two classes apart.
  std::size_t classes() const noexcept { return svm_.outputs() == 1 ? 2 : svm_.outputs(); }

  /// x: row-major (rows, features) -> posteriors: (rows, classes), each row of sum 1; uniform when all
  /// sigmoids are 0, or one is NaN because decision values overflowed. A row's are the same bits whatever the
  /// other rows. Neither allocates nor throws.
  void predict(const double* x, std::size_t rows, double* posteriors) const noexcept;

private:
  double calibrate(double decision, std::size_t output) const noexcept;
  /// Decision values (outputs) become posteriors.
  void calibrate_row(double* values) const noexcept;

  LinearSvm svm_;
  std::vector<double> platt_a_;
  std::vector<double> platt_b_;
};

} // namespace asc_edge
