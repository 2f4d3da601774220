#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "asc_edge/linear_svm.hpp"
#include "noise.hpp"

using asc_edge::LinearSvm;

// Catches a swapped weight matrix, a wrong standardisation and rows that leak into each other.
TEST_CASE("decision values are the affine map of the standardised features") {
  const LinearSvm svm({1.0, -2.0}, {2.0, 4.0}, {1.0, 2.0, 3.0, -4.0, 0.0, 5.0}, {0.5, 0.0, -1.0});
  CHECK(svm.features() == 2);
  CHECK(svm.outputs() == 3);
  const double x[] = {3.0, 2.0, 1.0, -2.0}; // standardised: (1, 1) and (0, 0)
  double d[6];
  svm.decide(x, 2, d);
  const double expected[] = {3.5, -1.0, 4.0, 0.5, 0.0, -1.0};
  for (int i = 0; i < 6; ++i) {
    CHECK(d[i] == expected[i]);
  }
}

// Catches a mean folded into the bias: at this ratio of mean to scale that would lose six digits.
TEST_CASE("features far from zero with a small spread keep their digits") {
  const LinearSvm svm({1e6}, {1e-6}, {1.0}, {0.0});
  const double x = 1e6 + 1.0 / 1048576.0; // representable
  double d = 0.0;
  svm.decide(&x, 1, &d);
  CHECK(d == doctest::Approx(1e6 / 1048576.0).epsilon(1e-13));
}

TEST_CASE("an SVM whose parts don't fit is refused") {
  CHECK_THROWS_AS(LinearSvm({}, {}, {}, {0.0}), std::invalid_argument);
  CHECK_THROWS_AS(LinearSvm({0.0}, {1.0, 1.0}, {1.0}, {0.0}), std::invalid_argument);
  CHECK_THROWS_AS(LinearSvm({0.0}, {1.0}, {1.0, 1.0}, {0.0}), std::invalid_argument);
  CHECK_THROWS_AS(LinearSvm({0.0}, {1.0}, {}, {}), std::invalid_argument);
}

// Catches weights read from another panel or block, padding that leaks, and a sum whose order depends on how
// many rows come at once: sizes lie around every edge of the blocking, and the plain loop is the oracle.
TEST_CASE("a batch is its rows one by one, to the last bit") {
  for (const std::size_t features : {1U, 3U, 255U, 256U, 257U, 600U}) {
    for (const std::size_t outputs : {1U, 2U, 3U, 4U, 5U, 8U, 9U, 11U, 17U}) {
      const std::vector<double> mean = noise(features, 1), weights = noise(features * outputs, 2);
      const std::vector<double> bias = noise(outputs, 3);
      const LinearSvm svm(mean, std::vector<double>(features, 0.5), weights, bias);
      const std::vector<double> x = noise(35 * features, 4);
      std::vector<double> alone(35 * outputs);
      for (std::size_t row = 0; row < 35; ++row) {
        svm.decide(x.data() + row * features, 1, alone.data() + row * outputs);
        for (std::size_t k = 0; k < outputs; ++k) {
          double expected = bias[k];
          for (std::size_t f = 0; f < features; ++f) {
            expected += (x[row * features + f] - mean[f]) * (weights[k * features + f] / 0.5);
          }
          const double error = std::fabs(alone[row * outputs + k] - expected);
          REQUIRE(error < 1e-11); // this loop may be compiled into fused multiply-adds
        }
      }
      for (const std::size_t rows : {0U, 2U, 3U, 4U, 7U, 16U, 17U, 35U}) {
        std::vector<double> together(rows * outputs + 1, -77.0);
        svm.decide(x.data(), rows, together.data());
        CHECK(together.back() == -77.0);
        CHECK(std::equal(together.begin(), together.end() - 1, alone.begin()));
      }
    }
  }
}
