#include <utility>

#include "kernels.hpp"

namespace asc_edge::baseline {
namespace {

constexpr int kFloats = 4;
#ifdef __ARM_NEON
constexpr const char* kBaselineName = "neon";
#else
constexpr const char* kBaselineName = "sse2";
#endif

#include "kernels.inl"

} // namespace

const Kernels& kernels() noexcept {
  static constexpr Kernels table{kBaselineName,
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

} // namespace asc_edge::baseline
