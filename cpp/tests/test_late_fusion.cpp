#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

#include "asc_edge/late_fusion.hpp"

namespace {

using asc_edge::LateFusion;
using asc_edge::LinearSvm;

/// d = (x, -x, 0)
LinearSvm three_outputs() {
  return LinearSvm({0.0}, {1.0}, {1.0, -1.0, 0.0}, {0.0, 0.0, 0.0});
}

double sigmoid(double z) {
  return 1.0 / (1.0 + std::exp(z));
}

} // namespace

// Catches a wrong sign of a or b, a softmax in the sigmoid's place, and a missing normalisation.
TEST_CASE("posteriors are normalised sigmoids") {
  const LateFusion fusion(three_outputs(), {-1.0, -2.0, 1.0}, {0.0, 0.5, 1.0});
  const double x = 0.7;
  double p[3];
  fusion.predict(&x, 1, p);
  const double s[] = {sigmoid(-0.7), sigmoid(2.0 * 0.7 + 0.5), sigmoid(1.0)};
  for (int k = 0; k < 3; ++k) {
    CHECK(p[k] == doctest::Approx(s[k] / (s[0] + s[1] + s[2])).epsilon(1e-14));
  }
}

// Catches swapped columns: the second class is the one that a positive decision value speaks for.
TEST_CASE("one decision value gives two posteriors") {
  const LateFusion fusion(LinearSvm({0.0}, {1.0}, {1.0}, {0.0}), {-3.0}, {0.25});
  CHECK(fusion.classes() == 2);
  const double x[] = {2.0, -2.0};
  double p[4];
  fusion.predict(x, 2, p);
  CHECK(p[1] == doctest::Approx(sigmoid(-5.75)).epsilon(1e-14));
  CHECK(p[0] + p[1] == 1.0);
  CHECK(p[2] > 0.9);
}

// Catches 0 / 0 and an overflow of exp far from the boundary.
TEST_CASE("sigmoids of zero give uniform posteriors") {
  const LateFusion fusion(three_outputs(), {0.0, 0.0, 0.0}, {800.0, 900.0, 1e300});
  const double x = 1.0;
  double p[3];
  fusion.predict(&x, 1, p);
  for (const double value : p) {
    CHECK(value == doctest::Approx(1.0 / 3.0));
  }
}

TEST_CASE("coefficients that don't fit the SVM are refused") {
  CHECK_THROWS_AS(LateFusion(three_outputs(), {1.0}, {0.0, 0.0, 0.0}), std::invalid_argument);
  CHECK_THROWS_AS(LateFusion(three_outputs(), {1.0, 1.0, 1.0}, {0.0}), std::invalid_argument);
}
