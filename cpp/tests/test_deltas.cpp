#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

#include "asc_edge/deltas.hpp"
#include "noise.hpp"

namespace {

using asc_edge::compute_deltas;
using asc_edge::delta_weights;
using asc_edge::DeltaEdge;

} // namespace

// Catches wrong weights: the derivative of x^order is order!, and that of any lower power is 0.
TEST_CASE("deltas of a polynomial are its derivative") {
  for (const std::size_t width : {3U, 5U, 9U, 31U}) {
    double factorial = 1.0;
    for (std::size_t order = 1; order <= 4 && order < width; ++order) {
      factorial *= static_cast<double>(order);
      const std::vector<double> weights = delta_weights(width, order);
      for (std::size_t power = 0; power <= order; ++power) {
        double sum = 0.0;
        for (std::size_t n = 0; n < width; ++n) {
          const double at = static_cast<double>(n) - static_cast<double>(width / 2);
          sum += weights[n] * std::pow(at, static_cast<double>(power));
        }
        CHECK(sum == doctest::Approx(power == order ? factorial : 0.0).epsilon(1e-10));
      }
    }
  }
}

// Catches rows that run into each other, and edges that read beside them.
TEST_CASE("each row has its own edges") {
  const std::vector<double> weights = delta_weights(5, 1);
  const std::vector<float> cells = float_noise(3 * 7, 1);
  for (const DeltaEdge edge : {DeltaEdge::interp, DeltaEdge::nearest}) {
    std::vector<float> together(cells.size());
    compute_deltas(cells.data(), 3, 7, weights, edge, together.data());
    for (std::size_t row = 0; row < 3; ++row) {
      const auto from = static_cast<std::ptrdiff_t>(7 * row);
      const std::vector<float> one(cells.begin() + from, cells.begin() + from + 7);
      std::vector<float> alone(7);
      compute_deltas(one.data(), 1, 7, weights, edge, alone.data());
      CHECK(alone == std::vector<float>(together.begin() + from, together.begin() + from + 7));
    }
  }
}

// Catches a clamp that wraps around: fewer frames than weights.
TEST_CASE("with nearest edges one frame is enough, and constant") {
  const float cell = 3.0F;
  float out = 1.0F;
  compute_deltas(&cell, 1, 1, delta_weights(9, 1), DeltaEdge::nearest, &out);
  CHECK(out == doctest::Approx(0.0));
}

TEST_CASE("weights that can't be are refused") {
  for (const std::size_t width : {0U, 1U, 2U, 4U}) {
    CHECK_THROWS_AS(delta_weights(width, 1), std::invalid_argument);
  }
  CHECK_THROWS_AS(delta_weights(5, 0), std::invalid_argument);
  CHECK_THROWS_AS(delta_weights(5, 5), std::invalid_argument);
}
