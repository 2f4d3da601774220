#include <doctest/doctest.h>

#include <stdexcept>

#include "asc_edge/linear_svm.hpp"

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
