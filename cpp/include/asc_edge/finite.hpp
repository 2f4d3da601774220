#pragma once

#include <cstddef>
#include <cstring>

namespace asc_edge {

/// Whether `count` numbers at `data`, which needs no alignment, are all finite.
template <class Real> bool all_finite(const void* data, std::size_t count) noexcept {
  // x - x is 0 for a finite x and else NaN, which stays: no branch, so that a compiler can do it in lanes.
  constexpr std::size_t lanes = 16;
  const char* bytes = static_cast<const char*>(data);
  Real sums[lanes] = {};
  Real numbers[lanes];
  for (; count >= lanes; count -= lanes) {
    std::memcpy(numbers, bytes, sizeof numbers);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      sums[lane] += numbers[lane] - numbers[lane];
    }
    bytes += sizeof numbers;
  }
  for (std::size_t lane = 0; lane < count; ++lane) {
    std::memcpy(numbers, bytes + lane * sizeof(Real), sizeof(Real));
    sums[lane] += numbers[0] - numbers[0];
  }
  Real sum = 0;
  for (const Real lane : sums) {
    sum += lane;
  }
  return sum == 0;
}

} // namespace asc_edge
