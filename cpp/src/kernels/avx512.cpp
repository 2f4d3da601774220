#include <utility>

#include "kernels.hpp"

namespace asc_edge::avx512 {
namespace {

constexpr int kFloats = 16;
constexpr const char* kName = "avx512";

#include "kernels.inl"

} // namespace

const Kernels& kernels() noexcept {
  return kTable;
}

} // namespace asc_edge::avx512
