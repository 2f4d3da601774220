#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "asc_edge/late_fusion.hpp"
#include "noise.hpp"

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

// Catches decision values that are overwritten before they are read: they lie where the posteriors go.
TEST_CASE("a batch's posteriors are those of its rows, to the last bit") {
  constexpr std::size_t features = 5, rows = 37;
  for (const std::size_t outputs : {1U, 2U, 3U, 9U}) {
    const LateFusion fusion(LinearSvm(noise(features, 1), {0.1, 0.2, 0.3, 0.4, 0.5},
                                      noise(features * outputs, 2), noise(outputs, 3)),
                            noise(outputs, 4), noise(outputs, 5));
    const std::size_t classes = fusion.classes();
    const std::vector<double> x = noise(rows * features, 6);
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{2}, rows}) {
      std::vector<double> together(count * classes + 1, -77.0), alone(classes);
      fusion.predict(x.data(), count, together.data());
      CHECK(together.back() == -77.0);
      for (std::size_t row = 0; row < count; ++row) {
        fusion.predict(x.data() + row * features, 1, alone.data());
        CHECK(std::equal(alone.begin(), alone.end(), together.data() + row * classes));
      }
    }
  }
}

// Catches NaN where decision values overflow, infinity minus infinity.
TEST_CASE("posteriors of decision values that overflow are uniform") {
  const double x[] = {1e308, 1e308};
  for (const std::size_t outputs : {1U, 3U}) {
    std::vector<double> weights;
    for (std::size_t k = 0; k < outputs; ++k) {
      weights.insert(weights.end(), {1e308, -1e308});
    }
    const std::vector<double> zeros(outputs, 0.0);
    const LateFusion fusion(LinearSvm({0.0, 0.0}, {1.0, 1.0}, weights, zeros),
                            std::vector<double>(outputs, -1.0), zeros);
    std::vector<double> p(fusion.classes());
    fusion.predict(x, 1, p.data());
    for (const double value : p) {
      CHECK(value == 1.0 / static_cast<double>(fusion.classes()));
    }
  }
}

TEST_CASE("coefficients that don't fit the SVM are refused") {
  CHECK_THROWS_AS(LateFusion(three_outputs(), {1.0}, {0.0, 0.0, 0.0}), std::invalid_argument);
  CHECK_THROWS_AS(LateFusion(three_outputs(), {1.0, 1.0, 1.0}, {0.0}), std::invalid_argument);
}
