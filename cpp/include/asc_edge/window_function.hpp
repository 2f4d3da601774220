#pragma once

#include <cstddef>
#include <vector>

namespace asc_edge {

enum class WindowShape {
  hann_periodic,  ///< 0.5 - 0.5 cos(2 pi n / N): what overlapping spectra want
  hann_symmetric, ///< 0.5 - 0.5 cos(2 pi n / (N - 1)): both ends are 0
};

/// The `length` weights of a window. Throws std::invalid_argument when length is below 2.
std::vector<double> make_window(WindowShape shape, std::size_t length);

} // namespace asc_edge
