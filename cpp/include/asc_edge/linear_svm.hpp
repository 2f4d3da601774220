#pragma once

#include <cstddef>
#include <vector>

namespace asc_edge {

/// Linear support vector machine on standardised features: d_k = w_k . ((x - mean) / scale) + b_k.
class LinearSvm {
public:
  /// mean, scale: (features); weights: row-major (outputs, features); bias: (outputs). One output is the
  /// binary case. Throws std::invalid_argument when the sizes don't fit.
  LinearSvm(const std::vector<double>& mean, const std::vector<double>& scale,
            const std::vector<double>& weights, const std::vector<double>& bias);

  std::size_t features() const noexcept { return mean_.size(); }
  std::size_t outputs() const noexcept { return bias_.size(); }

  /// x: row-major (rows, features) -> decisions: (rows, outputs). A row's decision values are the same bits
  /// whatever the other rows. Neither allocates nor throws.
  void decide(const double* x, std::size_t rows, double* decisions) const noexcept;

private:
  void decide_block(const double* x, std::size_t rows, double* decisions) const noexcept;

  std::vector<double> mean_;
  std::vector<double> bias_;
  std::vector<double> weights_; // divided by the scale; in panels (features, width) of up to 8 outputs
};

} // namespace asc_edge
