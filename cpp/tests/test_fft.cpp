#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

#include "asc_edge/fft.hpp"
#include "noise.hpp"

namespace {

struct Spectrum {
  std::vector<double> re;
  std::vector<double> im;
};

Spectrum transform(const std::vector<double>& input) {
  const asc_edge::RealFft fft(input.size());
  Spectrum spectrum{std::vector<double>(fft.bins()), std::vector<double>(fft.bins())};
  std::vector<double> workspace(fft.workspace_size());
  fft.execute(input.data(), spectrum.re.data(), spectrum.im.data(), workspace.data());
  return spectrum;
}

/// One bin by the definition, in long double; the angle is reduced in whole turns first.
void direct_bin(const std::vector<double>& input, std::size_t k, long double& re, long double& im) {
  constexpr long double two_pi = 6.283185307179586476925286766559L;
  const std::size_t length = input.size();
  re = 0;
  im = 0;
  for (std::size_t n = 0; n < length; ++n) {
    const long double angle =
        two_pi * static_cast<long double>((k * n) % length) / static_cast<long double>(length);
    re += input[n] * std::cos(angle);
    im -= input[n] * std::sin(angle);
  }
}

/// Largest error over every step-th bin, relative to the root of the signal's energy.
double worst_error(std::size_t length, std::size_t step) {
  const std::vector<double> input = noise(length, static_cast<unsigned>(length));
  const Spectrum spectrum = transform(input);
  double energy = 0.0;
  for (const double value : input) {
    energy += value * value;
  }
  double worst = 0.0;
  for (std::size_t k = 0; k < spectrum.re.size(); k += step) {
    long double re = 0, im = 0;
    direct_bin(input, k, re, im);
    worst = std::max(worst, std::abs(spectrum.re[k] - static_cast<double>(re)));
    worst = std::max(worst, std::abs(spectrum.im[k] - static_cast<double>(im)));
  }
  return worst / std::sqrt(energy);
}

} // namespace

// Catches a wrong butterfly, twiddle, stage order or untangling: every length up to 130 takes each of the
// radices, their mixtures, odd and even lengths, primes and squares of primes without a kernel.
TEST_CASE("every short length equals the direct transform") {
  for (std::size_t length = 1; length <= 130; ++length) {
    CAPTURE(length);
    CHECK(worst_error(length, 1) < 1e-14 * (1.0 + static_cast<double>(length)));
  }
}

// Catches errors that only many passes show, at the front end's own lengths (0.32 s and 0.032 s at common
// rates).
TEST_CASE("the front end's lengths equal the direct transform") {
  for (const std::size_t length : {512U, 1024U, 1411U, 2560U, 3528U, 5120U, 7056U, 10240U, 14112U, 15360U}) {
    CAPTURE(length);
    CHECK(worst_error(length, 97) < 2e-14);
  }
  CHECK(worst_error(353, 1) < 1e-13);   // prime
  CHECK(worst_error(4394, 53) < 1e-13); // 2 * 13^3
}

// Catches a phase that depends on the bin: the transform of an impulse at n is exp(-2 pi i k n / N).
TEST_CASE("a late impulse turns once a bin") {
  std::vector<double> input(14112, 0.0);
  input[1] = 1.0;
  const Spectrum spectrum = transform(input);
  for (std::size_t k = 0; k < spectrum.re.size(); k += 7) {
    const double angle = 6.28318530717958647692 * static_cast<double>(k) / 14112.0;
    REQUIRE(spectrum.re[k] == doctest::Approx(std::cos(angle)).epsilon(1e-12));
    REQUIRE(spectrum.im[k] == doctest::Approx(-std::sin(angle)).epsilon(1e-12));
  }
}

// Catches state in the plan: two transforms with one plan must not see each other.
TEST_CASE("a plan keeps nothing of the transform before") {
  const asc_edge::RealFft fft(5120);
  std::vector<double> re(fft.bins()), im(fft.bins()), workspace(fft.workspace_size());
  const std::vector<double> first = noise(5120, 1), second = noise(5120, 2);
  fft.execute(first.data(), re.data(), im.data(), workspace.data());
  fft.execute(second.data(), re.data(), im.data(), workspace.data());
  const Spectrum fresh = transform(second);
  CHECK(re == fresh.re);
  CHECK(im == fresh.im);
}

TEST_CASE("a transform of nothing is refused") {
  CHECK_THROWS_AS(asc_edge::RealFft(0), std::invalid_argument);
}
