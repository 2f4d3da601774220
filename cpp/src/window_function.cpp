#include "asc_edge/window_function.hpp"

#include <cmath>
#include <stdexcept>

namespace asc_edge {
namespace {

constexpr double kTwoPi = 6.28318530717958647692;

} // namespace

std::vector<double> make_window(WindowShape shape, std::size_t length) {
  if (length < 2) {
    throw std::invalid_argument("a window needs at least two samples");
  }
  const std::size_t period = shape == WindowShape::hann_periodic ? length : length - 1;
  std::vector<double> window(length);
  for (std::size_t n = 0; n < length; ++n) {
    window[n] = 0.5 - 0.5 * std::cos(kTwoPi * static_cast<double>(n) / static_cast<double>(period));
  }
  return window;
}

} // namespace asc_edge
