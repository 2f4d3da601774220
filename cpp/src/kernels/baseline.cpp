#include <utility>

#include "kernels.hpp"

namespace asc_edge::baseline {
namespace {

constexpr int kFloats = 4;
#ifdef __ARM_NEON
constexpr const char* kName = "neon";
#else
constexpr const char* kName = "sse2";
#endif

#include "kernels.inl"

} // namespace

const Kernels& kernels() noexcept {
  return kTable;
}

} // namespace asc_edge::baseline
