#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "asc_edge/isa.hpp"
#include "kernels/kernels.hpp"

namespace {

using asc_edge::Kernels;
using asc_edge::kernels_for;
using asc_edge::LevelView;

// As the plan makes them for 10 log10 and for ln: the step of one octave in two parts, the first of few
// digits.
constexpr LevelView kDb{0.0F, 1e-16F, 3.00976562F, 0.000534331F, 4.34294482F, 0.0F, 1.0F};

float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// Largest error of the levels of bands first, first + step, ... (as bits) in dB, less half a unit in the
/// last place.
double worst_error(const Kernels& kernels, std::uint32_t first, std::uint32_t last, std::uint32_t step) {
  constexpr std::size_t count = 1024;
  std::vector<float> bands(count + 16), out(count);
  double worst = 0.0;
  for (std::uint64_t start = first; start <= last; start += count * step) {
    for (std::size_t i = 0; i < count; ++i) {
      bands[i] = float_of(static_cast<std::uint32_t>(std::min<std::uint64_t>(start + i * step, last)));
    }
    kernels.levels(kDb, 1, count, bands.data(), out.data());
    for (std::size_t i = 0; i < count; ++i) {
      const double exact = 10.0 * std::log10(static_cast<double>(bands[i]));
      worst = std::max(worst, std::abs(static_cast<double>(out[i]) - exact));
    }
  }
  return worst;
}

} // namespace

// Catches a wrong coefficient or a wrong split: all 8 388 608 mantissas of three octaves, which is every
// input there is but for the exponent, and then all exponents. The bound is the spacing of floats at the
// level (1.5e-5 dB at 160 dB).
TEST_CASE("the fast logarithm keeps its error bound for every float") {
  const Kernels& kernels = kernels_for("");
  CHECK(worst_error(kernels, 0x3f000000, 0x3f7fffff, 1) < 1.0e-6); // 0.5 .. 1: levels of -3 .. 0 dB
  CHECK(worst_error(kernels, 0x3f800000, 0x3fffffff, 1) < 1.0e-6); // 1 .. 2
  CHECK(worst_error(kernels, 0x2e000000, 0x2e7fffff, 1) < 1.2e-5); // about 3e-11: -105 dB
  CHECK(worst_error(kernels, 0x24e69595, 0x7f7fffff, 977) < 4e-5); // 1e-16 .. the largest float
}

// Catches an exponent that leaves float's range on the way from double.
TEST_CASE("levels of double bands equal those of float bands, and go further") {
  for (const std::string& isa : asc_edge::available_isas()) {
    const Kernels& kernels = kernels_for(isa);
    std::vector<float> bands(16 + 16), single(16), precise(1);
    for (std::size_t i = 0; i < 16; ++i) {
      bands[i] = float_of(0x25000000U + static_cast<std::uint32_t>(i) * 0x05a5a5a5U);
    }
    kernels.levels(kDb, 1, 16, bands.data(), single.data());
    for (std::size_t i = 0; i < 16; ++i) {
      const double band = static_cast<double>(bands[i]);
      kernels.precise_levels(kDb, 1, 0, 1, &band, precise.data());
      CHECK(precise[0] == single[i]);
    }
    for (const double band : {1e60, 1e-16, 0.0, 3e200}) {
      kernels.precise_levels(kDb, 1, 0, 1, &band, precise.data());
      CHECK(static_cast<double>(precise[0]) ==
            doctest::Approx(10.0 * std::log10(std::max(band, 1e-16))).epsilon(1e-7));
    }
  }
}
