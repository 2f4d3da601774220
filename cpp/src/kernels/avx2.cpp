#include <utility>

#include "kernels.hpp"

namespace asc_edge::avx2 {
namespace {

constexpr int kFloats = 8;
constexpr const char* kName = "avx2";

#include "kernels.inl"

} // namespace

const Kernels& kernels() noexcept {
  return kTable;
}

} // namespace asc_edge::avx2
