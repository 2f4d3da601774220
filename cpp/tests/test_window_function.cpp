#include <doctest/doctest.h>

#include <stdexcept>

#include "asc_edge/window_function.hpp"

using asc_edge::make_window;
using asc_edge::WindowShape;

// Catches swapped shapes and a period that is off by one.
TEST_CASE("a periodic window goes on where a symmetric one ends") {
  const std::vector<double> periodic = make_window(WindowShape::hann_periodic, 8);
  const std::vector<double> symmetric = make_window(WindowShape::hann_symmetric, 9);
  for (std::size_t n = 0; n < 8; ++n) {
    CHECK(periodic[n] == symmetric[n]);
    CHECK(symmetric[8 - n] == doctest::Approx(symmetric[n]).epsilon(1e-15));
  }
  CHECK(periodic[0] == 0.0);
  CHECK(periodic[4] == 1.0);
  CHECK(periodic[2] == doctest::Approx(0.5).epsilon(1e-15));
}

TEST_CASE("a window without two samples is refused") {
  for (const WindowShape shape : {WindowShape::hann_periodic, WindowShape::hann_symmetric}) {
    CHECK_THROWS_AS(make_window(shape, 1), std::invalid_argument);
    CHECK_THROWS_AS(make_window(shape, 0), std::invalid_argument);
    CHECK(make_window(shape, 2).size() == 2);
  }
}
