#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
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
  for (const MelScale scale : {MelScale::htk, MelScale::slaney, MelScale::kaldi, MelScale::gammatone}) {
    const bool over_hz = scale == MelScale::htk || scale == MelScale::slaney;
    const MelBank bank(params(scale, over_hz ? MelNorm::area : MelNorm::peak));
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

// Catches triangles of Kaldi's scale that are straight over Hz, and a weight at half the sample rate.
TEST_CASE("Kaldi's triangles are straight over mel and end before half the sample rate") {
  const MelBank bank({16000.0, 16, 1, MelScale::kaldi, MelNorm::peak, 0.0, 8000.0});
  const std::vector<double> dense = bank.dense();
  const double half = std::log(1.0 + 8000.0 / 700.0) / 2.0;
  for (std::size_t k = 0; k < 8; ++k) {
    const double at = std::log(1.0 + 1000.0 * static_cast<double>(k) / 700.0);
    CHECK(dense[k] == doctest::Approx(1.0 - std::abs(at - half) / half).epsilon(1e-12));
  }
  // Here the middle bin's frequency rounds to less than half the rate, and would weigh something.
  const MelBank rounded({32000.0, 38, 4, MelScale::kaldi, MelNorm::peak, 0.0, 16000.0});
  for (std::size_t m = 0; m < 4; ++m) {
    CHECK(rounded.dense()[m * rounded.bins() + 19] == 0.0);
  }
}

// Catches filters that peak beside their centre, or a spacing in the wrong direction or on another scale.
TEST_CASE("gammatone bands are 1 at centres that rise from the lowest frequency") {
  // A transform so long that every centre is near a bin.
  const MelBank bank({16000.0, 1 << 16, 8, MelScale::gammatone, MelNorm::peak, 50.0, 8000.0});
  const std::vector<double> dense = bank.dense();
  const auto erb_rate = [](double hz) { return std::log(1.0 + hz / (9.26449 * 24.7)); };
  const double low = erb_rate(50.0), step = (erb_rate(8000.0) - low) / 8.0;
  for (std::size_t m = 0; m < 8; ++m) {
    const double centre_hz = (std::exp(low + step * static_cast<double>(m)) - 1.0) * 9.26449 * 24.7;
    const auto bin = static_cast<std::size_t>(std::lround(centre_hz / 16000.0 * (1 << 16)));
    CHECK(dense[m * bank.bins() + bin] == doctest::Approx(1.0).epsilon(1e-3));
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
  for (const MelScale scale : {MelScale::kaldi, MelScale::gammatone}) {
    CHECK_THROWS_AS(MelBank(params(scale, MelNorm::area)), std::invalid_argument);
  }
}
