#include <utility>

#include "kernels.hpp"

namespace asc_edge::avx512 {
namespace {

constexpr int kFloats = 16;

#include "kernels.inl"

} // namespace

const Kernels& kernels() noexcept {
  static constexpr Kernels table{"avx512",
                                 all_finite,
                                 split_rows,
                                 transpose,
                                 real_fft,
                                 bands_of<kFloats, float>,
                                 bands_of<kFloats / 2, double>,
                                 levels,
                                 precise_levels};
  return table;
}

} // namespace asc_edge::avx512
