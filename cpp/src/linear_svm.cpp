#include "asc_edge/linear_svm.hpp"

#include <algorithm>
#include <stdexcept>

#include "pair.hpp"

namespace asc_edge {
namespace {

constexpr std::size_t kPanel = 8;      // outputs whose weights lie side by side
constexpr std::size_t kBlock = 256;    // features, and
constexpr std::size_t kBlockRows = 16; // rows of them, which stay in the nearest cache for all panels
constexpr std::size_t kRegisters = 8;  // pairs of sums kept at once
constexpr std::size_t kRowsAtMost = 4; // each needs its own feature in a register too

/// How many outputs wide a panel is made that holds `outputs` of them.
std::size_t padded(std::size_t outputs) noexcept {
  return outputs > 4 ? kPanel : outputs > 2 ? 4 : 2;
}

/// A panel of an SVM, over one block of features.
struct Panel {
  const double* mean;
  const double* weights; // (count, width)
  std::size_t count;
  std::size_t features; // from one row of x to the next
  std::size_t outputs;  // from one row of decisions to the next
  std::size_t valid;    // outputs of this panel
};

/// Each decision value takes the features one by one, in order, whatever the number of rows: so its bits
/// don't depend on its neighbours.
template <std::size_t Rows, std::size_t Pairs>
void add_features(const Panel& panel, const double* x, double* decisions) noexcept {
  double edge[Rows][2 * Pairs] = {};
  Pair sums[Rows][Pairs];
  for (std::size_t row = 0; row < Rows; ++row) {
    std::copy(decisions + row * panel.outputs, decisions + row * panel.outputs + panel.valid, edge[row]);
    for (std::size_t pair = 0; pair < Pairs; ++pair) {
      sums[row][pair] = load_pair(edge[row] + 2 * pair);
    }
  }
  const double* weights = panel.weights;
  for (std::size_t f = 0; f < panel.count; ++f) {
    for (std::size_t row = 0; row < Rows; ++row) {
      // The mean is not folded into the bias: a feature far from zero with a small spread would lose its
      // digits.
      const double centred = x[row * panel.features + f] - panel.mean[f];
      const Pair both = {centred, centred};
      for (std::size_t pair = 0; pair < Pairs; ++pair) {
        sums[row][pair] += both * load_pair(weights + 2 * pair);
      }
    }
    weights += 2 * Pairs;
  }
  for (std::size_t row = 0; row < Rows; ++row) {
    for (std::size_t pair = 0; pair < Pairs; ++pair) {
      store_pair(edge[row] + 2 * pair, sums[row][pair]);
    }
    std::copy(edge[row], edge[row] + panel.valid, decisions + row * panel.outputs);
  }
}

template <std::size_t Pairs>
void add_features_to_rows(const Panel& panel, const double* x, std::size_t rows, double* decisions) noexcept {
  constexpr std::size_t together = std::min(kRegisters / Pairs, kRowsAtMost);
  std::size_t row = 0;
  for (; row + together <= rows; row += together) {
    add_features<together, Pairs>(panel, x + row * panel.features, decisions + row * panel.outputs);
  }
  for (; row < rows; ++row) {
    add_features<1, Pairs>(panel, x + row * panel.features, decisions + row * panel.outputs);
  }
}

} // namespace

LinearSvm::LinearSvm(const std::vector<double>& mean, const std::vector<double>& scale,
                     const std::vector<double>& weights, const std::vector<double>& bias)
    : mean_(mean), bias_(bias) {
  if (mean.empty() || bias.empty() || scale.size() != mean.size() ||
      weights.size() != mean.size() * bias.size()) {
    throw std::invalid_argument("mean, scale, weights and bias of a linear SVM don't fit together");
  }
  for (std::size_t first = 0; first < outputs(); first += kPanel) {
    const std::size_t end = first + padded(outputs() - first);
    for (std::size_t f = 0; f < features(); ++f) {
      for (std::size_t k = first; k < end; ++k) {
        weights_.push_back(k < outputs() ? weights[k * features() + f] / scale[f] : 0.0);
      }
    }
  }
}

void LinearSvm::decide(const double* x, std::size_t rows, double* decisions) const noexcept {
  for (std::size_t row = 0; row < rows; row += kBlockRows) {
    decide_block(x + row * features(), std::min(kBlockRows, rows - row), decisions + row * outputs());
  }
}

void LinearSvm::decide_block(const double* x, std::size_t rows, double* decisions) const noexcept {
  for (std::size_t row = 0; row < rows; ++row) {
    std::copy(bias_.begin(), bias_.end(), decisions + row * outputs());
  }
  for (std::size_t f = 0; f < features(); f += kBlock) {
    const std::size_t count = std::min(kBlock, features() - f);
    for (std::size_t first = 0; first < outputs(); first += kPanel) {
      const std::size_t valid = std::min(kPanel, outputs() - first);
      const std::size_t width = padded(valid);
      const double* weights = weights_.data() + first * features() + f * width;
      const Panel panel{mean_.data() + f, weights, count, features(), outputs(), valid};
      const auto add = width == 8   ? add_features_to_rows<4>
                       : width == 4 ? add_features_to_rows<2>
                                    : add_features_to_rows<1>;
      add(panel, x + f, rows, decisions + first);
    }
  }
}

} // namespace asc_edge
