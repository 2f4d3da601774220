#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

/// Ends the program with the broken promise's text; the fuzzer keeps the input.
#define FUZZ_REQUIRE(promise)                                                                                \
  do {                                                                                                       \
    if (!(promise)) {                                                                                        \
      std::fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #promise);                     \
      std::abort();                                                                                          \
    }                                                                                                        \
  } while (false)

namespace asc_edge::fuzz {

/// Reads values off the fuzzer's bytes, front to back, and off a fixed random sequence behind their end, so
/// that a few bytes describe a long signal. Any bytes are a valid input: random ones make good seeds.
class FuzzInput {
public:
  FuzzInput(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  template <class Value> Value take() {
    std::uint8_t bytes[sizeof(Value)];
    for (std::uint8_t& byte : bytes) {
      byte = next_byte();
    }
    Value value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
  }

  std::size_t whole(std::size_t low, std::size_t high) {
    return low + take<std::uint32_t>() % (high - low + 1);
  }

  bool coin() { return (take<std::uint8_t>() & 1U) != 0; }

  /// Mostly tame values in (-2, 2); the rest any bits: NaN, infinity, subnormals, the largest.
  double number() {
    if (take<std::uint8_t>() % 4 == 0) {
      return take<double>();
    }
    return static_cast<double>(take<std::int16_t>()) / 16384.0;
  }

private:
  std::uint8_t next_byte() {
    if (size_ > 0) {
      --size_;
      return *data_++;
    }
    state_ ^= state_ << 13U; // Marsaglia's xorshift
    state_ ^= state_ >> 7U;
    state_ ^= state_ << 17U;
    return static_cast<std::uint8_t>(state_ >> 32U);
  }

  const std::uint8_t* data_;
  std::size_t size_;
  std::uint64_t state_ = 88172645463325252U;
};

} // namespace asc_edge::fuzz
