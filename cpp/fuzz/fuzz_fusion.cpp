// Any sizes and values of an SVM and its Platt coefficients: what doesn't fit is an invalid_argument and
// nothing else; what fits gives posteriors of sum 1, also where decision values overflow.

#include <cmath>
#include <memory>
#include <stdexcept>
#include <vector>

#include "asc_edge/late_fusion.hpp"
#include "fuzz_input.hpp"

namespace {

using asc_edge::LateFusion;
using asc_edge::LinearSvm;
using asc_edge::fuzz::FuzzInput;

/// The size that fits, or now and then another one.
std::size_t take_size(FuzzInput& input, std::size_t fitting) {
  return input.take<std::uint8_t>() % 32 == 0 ? input.whole(0, 40) : fitting;
}

std::vector<double> take_values(FuzzInput& input, std::size_t count) {
  std::vector<double> values(count);
  for (double& value : values) {
    const double number = input.number();
    value = std::isfinite(number) ? number : 0.0;
  }
  return values;
}

/// Scales are positive: the Python side sees to that.
std::vector<double> take_scale(FuzzInput& input, std::size_t count) {
  std::vector<double> scale = take_values(input, count);
  for (double& value : scale) {
    value = value == 0.0 ? 1.0 : std::fabs(value);
  }
  return scale;
}

std::unique_ptr<LateFusion> take_fusion(FuzzInput& input) {
  const std::size_t features = input.whole(0, 40);
  const std::size_t outputs = input.whole(0, 12);
  const std::vector<double> mean = take_values(input, take_size(input, features));
  const std::vector<double> scale = take_scale(input, take_size(input, features));
  const std::vector<double> weights = take_values(input, take_size(input, features * outputs));
  const std::vector<double> bias = take_values(input, take_size(input, outputs));
  const std::vector<double> platt_a = take_values(input, take_size(input, outputs));
  const std::vector<double> platt_b = take_values(input, take_size(input, outputs));
  const bool svm_fits = !mean.empty() && !bias.empty() && scale.size() == mean.size() &&
                        weights.size() == mean.size() * bias.size();
  const bool fits = svm_fits && platt_a.size() == bias.size() && platt_b.size() == bias.size();
  try {
    auto fusion = std::make_unique<LateFusion>(LinearSvm(mean, scale, weights, bias), platt_a, platt_b);
    FUZZ_REQUIRE(fits);
    return fusion;
  } catch (const std::invalid_argument&) {
    FUZZ_REQUIRE(!fits);
    return nullptr;
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const std::unique_ptr<LateFusion> fusion = take_fusion(input);
  if (fusion == nullptr) {
    return 0;
  }
  const std::size_t features = fusion->svm().features();
  const std::size_t classes = fusion->classes();
  const std::size_t rows = input.whole(0, 20);
  const std::vector<double> x = take_values(input, rows * features);
  std::vector<double> posteriors(rows * classes);
  fusion->predict(x.data(), rows, posteriors.data());
  for (std::size_t row = 0; row < rows; ++row) {
    double sum = 0.0;
    for (std::size_t k = 0; k < classes; ++k) {
      const double posterior = posteriors[row * classes + k];
      FUZZ_REQUIRE(posterior >= 0.0 && posterior <= 1.0); // false for NaN
      sum += posterior;
    }
    FUZZ_REQUIRE(std::fabs(sum - 1.0) <= 1e-9);
  }
  // A batch is its rows one by one, to the last bit.
  std::vector<double> alone(classes);
  for (std::size_t row = 0; row < rows; ++row) {
    fusion->predict(x.data() + row * features, 1, alone.data());
    FUZZ_REQUIRE(std::memcmp(alone.data(), posteriors.data() + row * classes, classes * sizeof(double)) == 0);
  }
  return 0;
}
