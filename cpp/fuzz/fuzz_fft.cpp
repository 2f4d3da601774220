// Any length, channels and samples: the transform must keep the energy (Parseval), and give each channel the
// bits that it has alone, on every instruction set.

#include <cmath>
#include <string>
#include <vector>

#include "asc_edge/fft.hpp"
#include "asc_edge/isa.hpp"
#include "fuzz_input.hpp"

namespace {

using asc_edge::RealFft;
using asc_edge::fuzz::FuzzInput;

constexpr std::size_t kMaxLength = 6000;
constexpr double kTolerance = 1e-5; // large primes are summed by the definition

/// Mostly a product of small factors; now and then any length, whose prime factors cost their squares.
std::size_t take_length(FuzzInput& input) {
  const std::size_t kind = input.take<std::uint8_t>();
  if (kind % 64 == 0) {
    return input.whole(1, kMaxLength);
  }
  if (kind % 4 == 0) {
    return input.whole(1, 300);
  }
  constexpr std::size_t factors[] = {2, 3, 4, 5, 7, 8, 11, 13};
  std::size_t length = 1;
  for (;;) {
    const std::size_t factor = factors[input.whole(0, 7)];
    if (length * factor > kMaxLength || (length > 1 && input.take<std::uint8_t>() % 8 == 0)) {
      return length;
    }
    length *= factor;
  }
}

struct Spectrum {
  std::vector<float> re;
  std::vector<float> im;

  bool operator==(const Spectrum& other) const {
    const std::size_t bytes = re.size() * sizeof(float);
    return re.size() == other.re.size() && std::memcmp(re.data(), other.re.data(), bytes) == 0 &&
           std::memcmp(im.data(), other.im.data(), bytes) == 0;
  }
};

/// Buffers of exactly the promised sizes, so that a step beyond them is seen.
Spectrum transform(const std::vector<float>& rows, std::size_t channels, const std::string& isa = "") {
  RealFft fft(rows.size() / channels, channels, isa);
  Spectrum spectrum{std::vector<float>(fft.bins() * channels), std::vector<float>(fft.bins() * channels)};
  fft.execute(rows.data(), spectrum.re.data(), spectrum.im.data());
  return spectrum;
}

template <class Value>
std::vector<Value> channel_of(const std::vector<Value>& rows, std::size_t channel, std::size_t channels) {
  std::vector<Value> alone;
  for (std::size_t n = channel; n < rows.size(); n += channels) {
    alone.push_back(rows[n]);
  }
  return alone;
}

std::vector<float> take_signal(FuzzInput& input, std::size_t count) {
  std::vector<float> signal(count);
  for (float& value : signal) {
    const double number = input.number();
    // Squares are summed below: the largest numbers would only prove that floats overflow, and the smallest
    // that they lose digits.
    const bool tame = std::fabs(number) < 1e15 && std::fabs(number) > 1e-15;
    value = tame ? static_cast<float>(number) : 0.0F;
  }
  return signal;
}

double energy(const std::vector<float>& signal) {
  double sum = 0.0;
  for (const double value : signal) {
    sum += value * value;
  }
  return sum;
}

/// Energy of the whole spectrum, of which a real transform gives the first half.
double energy(const Spectrum& spectrum, std::size_t length) {
  double sum = 0.0;
  for (std::size_t k = 0; k < spectrum.re.size(); ++k) {
    const double re = spectrum.re[k];
    const double im = spectrum.im[k];
    const bool mirrored = k != 0 && 2 * k != length;
    sum += (mirrored ? 2.0 : 1.0) * (re * re + im * im);
  }
  return sum / static_cast<double>(length);
}

void check_channel(const std::vector<float>& signal, const Spectrum& spectrum) {
  FUZZ_REQUIRE(transform(signal, 1) == spectrum);
  const double expected = energy(signal);
  FUZZ_REQUIRE(std::fabs(energy(spectrum, signal.size()) - expected) <= kTolerance * expected);
}

void check_linear(const std::vector<float>& first, const std::vector<float>& second) {
  std::vector<float> sum(first.size());
  for (std::size_t n = 0; n < sum.size(); ++n) {
    sum[n] = first[n] - second[n];
  }
  const Spectrum of_first = transform(first, 1);
  const Spectrum of_second = transform(second, 1);
  const Spectrum of_sum = transform(sum, 1);
  const double length = static_cast<double>(first.size());
  const double limit = kTolerance * std::sqrt(length * (energy(first) + energy(second)));
  for (std::size_t k = 0; k < of_sum.re.size(); ++k) {
    const double re = static_cast<double>(of_first.re[k]) - static_cast<double>(of_second.re[k]);
    const double im = static_cast<double>(of_first.im[k]) - static_cast<double>(of_second.im[k]);
    FUZZ_REQUIRE(std::fabs(static_cast<double>(of_sum.re[k]) - re) <= limit);
    FUZZ_REQUIRE(std::fabs(static_cast<double>(of_sum.im[k]) - im) <= limit);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const std::size_t length = take_length(input);
  const std::size_t channels = input.whole(1, 16);
  const std::vector<float> rows = take_signal(input, length * channels);
  const Spectrum together = transform(rows, channels);
  for (const std::string& isa : asc_edge::available_isas()) {
    FUZZ_REQUIRE(transform(rows, channels, isa) == together);
  }
  const std::size_t channel = input.whole(0, channels - 1);
  const std::vector<float> signal = channel_of(rows, channel, channels);
  check_channel(signal,
                {channel_of(together.re, channel, channels), channel_of(together.im, channel, channels)});
  check_linear(signal, take_signal(input, length));
  return 0;
}
