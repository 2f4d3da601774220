#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

#include "asc_edge/fft.hpp"
#include "asc_edge/isa.hpp"
#include "noise.hpp"

namespace {

struct Spectrum {
  std::vector<float> re;
  std::vector<float> im;
};

Spectrum transform(const std::vector<float>& rows, std::size_t channels, const std::string& isa = "") {
  asc_edge::RealFft fft(rows.size() / channels, channels, isa);
  Spectrum spectrum{std::vector<float>(fft.bins() * channels), std::vector<float>(fft.bins() * channels)};
  fft.execute(rows.data(), spectrum.re.data(), spectrum.im.data());
  return spectrum;
}

/// One bin by the definition; the angle is reduced in whole turns first.
void direct_bin(const std::vector<float>& input, std::size_t k, double& re, double& im) {
  const std::size_t length = input.size();
  re = 0;
  im = 0;
  for (std::size_t n = 0; n < length; ++n) {
    const double angle =
        6.28318530717958647692 * static_cast<double>((k * n) % length) / static_cast<double>(length);
    re += static_cast<double>(input[n]) * std::cos(angle);
    im -= static_cast<double>(input[n]) * std::sin(angle);
  }
}

/// Largest error over every step-th bin, relative to the root of the signal's energy.
double worst_error(std::size_t length, std::size_t step) {
  const std::vector<float> input = float_noise(length, static_cast<unsigned>(length));
  const Spectrum spectrum = transform(input, 1);
  double energy = 0.0;
  for (const float value : input) {
    energy += static_cast<double>(value) * static_cast<double>(value);
  }
  double worst = 0.0;
  for (std::size_t k = 0; k < spectrum.re.size(); k += step) {
    double re = 0, im = 0;
    direct_bin(input, k, re, im);
    worst = std::max(worst, std::abs(static_cast<double>(spectrum.re[k]) - re));
    worst = std::max(worst, std::abs(static_cast<double>(spectrum.im[k]) - im));
  }
  return worst / std::sqrt(energy);
}

} // namespace

// Catches a wrong butterfly, twiddle, pass order or untangling: every length up to 200 takes each of the
// radices, their mixtures, odd and even lengths, primes and squares of primes without a kernel.
TEST_CASE("every short length equals the direct transform") {
  for (std::size_t length = 1; length <= 200; ++length) {
    CAPTURE(length);
    CHECK(worst_error(length, 1) < 5e-7 + 3e-9 * static_cast<double>(length));
  }
}

// Catches errors that only many passes show, at the front ends' own lengths (at 16, 22.05, 32 and 44.1 kHz).
TEST_CASE("the front ends' lengths equal the direct transform") {
  for (const std::size_t length :
       {400U, 512U, 1024U, 1102U, 1411U, 2560U, 3528U, 5120U, 7056U, 10240U, 14112U, 15360U}) {
    CAPTURE(length);
    CHECK(worst_error(length, 97) < 5e-7);
  }
  CHECK(worst_error(353, 1) < 2e-6);   // prime
  CHECK(worst_error(4394, 53) < 1e-6); // 2 * 13^3
}

// Catches a phase that depends on the bin: the transform of an impulse at 1 is exp(-2 pi i k / N).
TEST_CASE("a late impulse turns once a bin") {
  std::vector<float> input(14112, 0.0F);
  input[1] = 1.0F;
  const Spectrum spectrum = transform(input, 1);
  for (std::size_t k = 0; k < spectrum.re.size(); k += 7) {
    const double angle = 6.28318530717958647692 * static_cast<double>(k) / 14112.0;
    REQUIRE(static_cast<double>(spectrum.re[k]) == doctest::Approx(std::cos(angle)).epsilon(1e-6));
    REQUIRE(static_cast<double>(spectrum.im[k]) == doctest::Approx(-std::sin(angle)).epsilon(1e-6));
  }
}

// Catches lanes that mix, registers part filled, and a layout whose arithmetic differs: every number of
// channels, on every instruction set, gives each channel the bits that it has alone on the first one.
TEST_CASE("neither channels nor instruction sets change a bit") {
  const std::vector<std::string> isas = asc_edge::available_isas();
  for (const std::size_t length : {2U, 6U, 16U, 30U, 64U, 98U, 242U, 243U, 400U, 512U, 1411U, 5120U, 7056U}) {
    for (std::size_t channels = 1; channels <= 16; ++channels) {
      CAPTURE(length);
      CAPTURE(channels);
      const std::vector<float> rows = float_noise(length * channels, 3);
      for (const std::string& isa : isas) {
        CAPTURE(isa);
        const Spectrum all = transform(rows, channels, isa);
        for (std::size_t channel = 0; channel < channels; ++channel) {
          std::vector<float> own;
          for (std::size_t n = 0; n < length; ++n) {
            own.push_back(rows[n * channels + channel]);
          }
          const Spectrum alone = transform(own, 1, isas.front());
          std::size_t differing = 0;
          for (std::size_t k = 0; k < alone.re.size(); ++k) {
            differing += all.re[k * channels + channel] == alone.re[k] ? 0U : 1U;
            differing += all.im[k * channels + channel] == alone.im[k] ? 0U : 1U;
          }
          REQUIRE(differing == 0);
        }
      }
    }
  }
}

// Catches state in the workspace: two transforms with one object must not see each other.
TEST_CASE("nothing is kept of the transform before") {
  for (const std::size_t length : {5120U, 1411U}) {
    asc_edge::RealFft fft(length, 1);
    std::vector<float> re(fft.bins()), im(fft.bins());
    const std::vector<float> first = float_noise(length, 1), second = float_noise(length, 2);
    fft.execute(first.data(), re.data(), im.data());
    fft.execute(second.data(), re.data(), im.data());
    const Spectrum fresh = transform(second, 1);
    CHECK(re == fresh.re);
    CHECK(im == fresh.im);
  }
}

TEST_CASE("a transform that can't be is refused") {
  CHECK_THROWS_AS(asc_edge::RealFft(0, 1), std::invalid_argument);
  CHECK_THROWS_AS(asc_edge::RealFft(16, 0), std::invalid_argument);
  CHECK_THROWS_AS(asc_edge::RealFft(16, 17), std::invalid_argument);
  CHECK_THROWS_AS(asc_edge::RealFft(16, 1, "mmx"), std::invalid_argument);
}
