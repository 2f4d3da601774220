#pragma once

#include <cstddef>
#include <random>
#include <vector>

/// White noise in (-0.5, 0.5), the same everywhere: the standard fixes this generator's bits, not a
/// distribution's.
inline std::vector<double> noise(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<double> values(count);
  for (double& value : values) {
    value = static_cast<double>(generator()) / 4294967296.0 - 0.5;
  }
  return values;
}

inline std::vector<float> float_noise(std::size_t count, unsigned seed) {
  const std::vector<double> values = noise(count, seed);
  std::vector<float> result;
  for (const double value : values) {
    result.push_back(static_cast<float>(value));
  }
  return result;
}
