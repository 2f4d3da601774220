#pragma once

#include <cstring>

namespace asc_edge {

/// Two doubles in one register, which every machine has. Compilers keep these in registers where of an array
/// of numbers they don't; each operation rounds each number as the scalar one would.
using Pair [[gnu::vector_size(2 * sizeof(double))]] = double;

/// From memory of any alignment.
inline Pair load_pair(const double* from) noexcept {
  Pair pair;
  std::memcpy(&pair, from, sizeof pair);
  return pair;
}

inline void store_pair(double* to, const Pair& pair) noexcept {
  std::memcpy(to, &pair, sizeof pair);
}

} // namespace asc_edge
