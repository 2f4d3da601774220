#pragma once

#include <cstddef>
#include <vector>

namespace asc_edge {

enum class DeltaEdge {
  interp,  ///< the polynomial of the outermost full window: its derivative goes on unchanged
  nearest, ///< the outermost frame goes on unchanged
};

/// Weights of the `order`-th derivative over `width` frames: that of the polynomial of degree `order` fitted
/// to them by least squares (Savitzky and Golay 1964), in units a frame. Throws std::invalid_argument unless
/// width is odd, at least 3, and order is between 1 and width - 1.
std::vector<double> delta_weights(std::size_t width, std::size_t order);

/// Derivative along the frames of cells (rows, frames) into `out` of the same shape. With DeltaEdge::interp
/// frames must be at least the number of weights, otherwise at least 1.
void compute_deltas(const float* cells, std::size_t rows, std::size_t frames,
                    const std::vector<double>& weights, DeltaEdge edge, float* out) noexcept;

} // namespace asc_edge
