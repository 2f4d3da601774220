#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>

#include "asc_edge/mel.hpp"
#include "noise.hpp"

namespace {

using asc_edge::MelBank;
using asc_edge::MelBankParams;
using asc_edge::MelNorm;
using asc_edge::MelScale;

MelBankParams params(MelScale scale, MelNorm norm, std::size_t fft_length = 5120) {
  return {16000.0, fft_length, 128, scale, norm, 0.0, 8000.0};
}

std::size_t empty_bands(const MelBank& bank) {
  const std::vector<double> dense = bank.dense();
  std::size_t empty = 0;
  for (std::size_t m = 0; m < bank.mels(); ++m) {
    const auto row = dense.begin() + static_cast<std::ptrdiff_t>(m * bank.bins());
    empty +=
        std::all_of(row, row + static_cast<std::ptrdiff_t>(bank.bins()), [](double w) { return w == 0.0; });
  }
  return empty;
}

} // namespace

// Catches a sparse product that misses a bin of a band or takes one too many.
TEST_CASE("the sparse bank multiplies as its full matrix does") {
  for (const MelScale scale : {MelScale::htk, MelScale::slaney}) {
    const MelBank bank(params(scale, MelNorm::area));
    const std::vector<double> power = noise(bank.bins(), 3);
    const std::vector<double> dense = bank.dense();
    std::vector<double> bands(bank.mels());
    bank.apply(power.data(), bands.data());
    for (std::size_t m = 0; m < bank.mels(); ++m) {
      double sum = 0.0;
      for (std::size_t k = 0; k < bank.bins(); ++k) {
        sum += dense[m * bank.bins() + k] * power[k];
      }
      CHECK(bands[m] == doctest::Approx(sum).epsilon(1e-12));
    }
  }
}

// Catches triangles that leave gaps or overlap: with peak normalisation, two neighbours' weights add up to 1.
TEST_CASE("peak-normalised bands share out every bin between the first and the last centre") {
  const MelBank bank(params(MelScale::htk, MelNorm::peak));
  const std::vector<double> dense = bank.dense();
  for (std::size_t k = 10; k < 2400; ++k) { // about 31 Hz to 7500 Hz
    double sum = 0.0;
    for (std::size_t m = 0; m < bank.mels(); ++m) {
      sum += dense[m * bank.bins() + k];
    }
    REQUIRE(sum == doctest::Approx(1.0).epsilon(1e-9));
  }
}

// Catches swapped scales and bins lost to rounding: the numbers of bands without a bin are known.
TEST_CASE("the HTK bank has an empty band at 512 points, the Slaney bank none") {
  CHECK(empty_bands(MelBank(params(MelScale::htk, MelNorm::peak, 512))) == 1);
  CHECK(empty_bands(MelBank(params(MelScale::slaney, MelNorm::peak, 512))) == 0);
  CHECK(empty_bands(MelBank(params(MelScale::htk, MelNorm::peak, 5120))) == 0);
}

// Catches an area normalisation over bins or over mel instead of Hz.
TEST_CASE("area-normalised bands have unit area over Hz") {
  const MelBank bank(params(MelScale::slaney, MelNorm::area, 51200));
  const std::vector<double> dense = bank.dense();
  for (std::size_t m = 0; m < bank.mels(); ++m) {
    double area = 0.0;
    for (std::size_t k = 0; k < bank.bins(); ++k) {
      area += dense[m * bank.bins() + k] * 16000.0 / 51200.0;
    }
    REQUIRE(area == doctest::Approx(1.0).epsilon(1e-3));
  }
}

TEST_CASE("a bank that can't be is refused") {
  MelBankParams wrong = params(MelScale::htk, MelNorm::peak);
  wrong.mels = 0;
  CHECK_THROWS_AS(MelBank{wrong}, std::invalid_argument);
  wrong = params(MelScale::htk, MelNorm::peak);
  wrong.fmax_hz = 8000.1; // above half the rate
  CHECK_THROWS_AS(MelBank{wrong}, std::invalid_argument);
  wrong.fmax_hz = wrong.fmin_hz;
  CHECK_THROWS_AS(MelBank{wrong}, std::invalid_argument);
  wrong = params(MelScale::htk, MelNorm::peak);
  wrong.fmin_hz = -1.0;
  CHECK_THROWS_AS(MelBank{wrong}, std::invalid_argument);
}
