// The logarithm of the bands, from +, - and * alone.

// (ln(1 + t) - t + t^2 / 2) / t^3 on [sqrt(1/2) - 1, sqrt(2) - 1], fitted for the least relative error of the
// logarithm: 6.5e-9 with these coefficients, a tenth of what rounding adds.
constexpr float kLogTail[8] = {0.333333313F, -0.250008196F, 0.200012267F, -0.166233569F,
                               0.142017573F, -0.131601825F, 0.127615765F, -0.0763449669F};

/// The level of mantissa * 2^exponent, mantissa in [sqrt(1/2), sqrt(2)].
template <class V> ASC_EDGE_INLINE V level_of(const LevelView& level, V mantissa, V exponent) noexcept {
  const V t = mantissa - V::all(1);
  const V square = t * t;
  const auto pair = [t](int i) { return V::all(kLogTail[i]) + t * kLogTail[i + 1]; };
  const V tail = (pair(0) + square * pair(2)) + (square * square) * (pair(4) + square * pair(6));
  const V log = t + (square * -0.5F + square * t * tail);
  const V value =
      exponent * level.exponent_high + (exponent * level.exponent_low + log * level.mantissa_gain);
  return (value + V::all(level.shift)) * level.scale;
}

// Splits a float x > 0 into an exponent e and a mantissa in [sqrt(1/2), sqrt(2)): adding this to its bits
// carries into the exponent just when the mantissa is sqrt(2) or more.
constexpr std::int32_t kRootBits = 0x3f3504f3; // sqrt(1/2)
constexpr std::int32_t kCarry = 0x3f800000 - kRootBits;

/// Levels of W bands.
template <int W>
ASC_EDGE_INLINE Vec<float, W> levels_of(const LevelView& level, Vec<float, W> bands) noexcept {
  using Floats = typename Vec<float, W>::Native;
  using Ints [[gnu::vector_size(sizeof(std::int32_t) * W)]] = std::int32_t;
  const Floats x = max(bands + Vec<float, W>::all(level.offset), Vec<float, W>::all(level.floor)).v;
  Ints bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  bits += kCarry;
  const Ints exponent = (bits >> 23) - 127;
  const Ints mantissa_bits = (bits & 0x007fffff) + kRootBits;
  Floats mantissa;
  __builtin_memcpy(&mantissa, &mantissa_bits, sizeof mantissa);
  return level_of(level, Vec<float, W>{mantissa}, Vec<float, W>{__builtin_convertvector(exponent, Floats)});
}

/// The level of a band in double precision, whose exponent may lie outside the range of float.
inline float precise_level_of(const LevelView& level, double band) noexcept {
  double x = band + static_cast<double>(level.offset);
  x = x > static_cast<double>(level.floor) ? x : static_cast<double>(level.floor);
  std::int64_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  std::int64_t exponent = (bits >> 52) - 1023;
  const std::int64_t mantissa_bits = (bits & 0x000fffffffffffff) | 0x3ff0000000000000;
  double mantissa;
  __builtin_memcpy(&mantissa, &mantissa_bits, sizeof mantissa);
  if (mantissa > 1.41421356237309504880) {
    mantissa *= 0.5;
    ++exponent;
  }
  return level_of(level, Vec<float, 1>{static_cast<float>(mantissa)},
                  Vec<float, 1>{static_cast<float>(exponent)})
      .v;
}

/// Levels (Lanes, count) of bands (count, Lanes).
template <int W, int Lanes>
void frame_levels(const LevelView& level, std::size_t count, const float* bands, float* out) noexcept {
  using V = Vec<float, W>;
  constexpr int together = Lanes < W ? Lanes : W;
  if (count < W) { // too few to fill a register of each lane
    for (std::size_t at = 0; at < count * Lanes; ++at) {
      float level_there[W];
      levels_of<W>(level, V::all(bands[at])).store(level_there);
      out[at % Lanes * count + at / Lanes] = level_there[0];
    }
    return;
  }
  for (std::size_t start = 0; start < count; start += W) {
    const std::size_t first = start + W <= count ? start : count - W;
    for (std::size_t lane = 0; lane < Lanes; lane += together) {
      V rows[together];
      ASC_EDGE_UNROLL
      for (std::size_t i = 0; i < together; ++i) {
        const std::size_t at = Lanes <= W ? first * Lanes + i * W : (first + i) * Lanes + lane;
        rows[i] = levels_of<W>(level, V::load(bands + at));
      }
      deinterleave<together, 1>(rows);
      ASC_EDGE_UNROLL
      for (std::size_t i = 0; i < together; ++i) {
        rows[i].store(out + (lane + i) * count + first);
      }
    }
  }
}
