// One frame of the front end: mean, window, transform, power, filter bank.

/// Adds the rows (count, Lanes) up, in double, into totals (Lanes), and finds the largest magnitude of each
/// lane. Unless Precise, pieces of eight rows are first added as a tree of eight in single precision: exact
/// for a constant, and else so close that the error drowns in that of a transform in single precision.
template <int W, int Lanes, bool Precise>
void add_rows(const float* rows, std::size_t count, double* totals, float* largest) noexcept {
  constexpr int piece = 8 * Lanes;
  constexpr int width = W < piece ? W : piece;
  using V = Vec<float, width>;
  double sums[piece] = {};
  float top[piece] = {};
  std::size_t row = 0;
  for (; !Precise && row + 64 <= count; row += 64) {
    const float* from = rows + row * Lanes;
    float tree[piece];
    for (int c = 0; c < piece; c += width) {
      V p[8];
      V magnitude = V::load(top + c);
      ASC_EDGE_UNROLL
      for (int i = 0; i < 8; ++i) {
        p[i] = V::load(from + i * piece + c);
        magnitude = max_magnitude(magnitude, p[i]);
      }
      magnitude.store(top + c);
      (((p[0] + p[1]) + (p[2] + p[3])) + ((p[4] + p[5]) + (p[6] + p[7]))).store(tree + c);
    }
    for (int i = 0; i < piece; ++i) {
      sums[i] += static_cast<double>(tree[i]);
    }
  }
  for (; row + 8 <= count; row += 8) {
    for (std::size_t i = 0; i < piece; ++i) {
      const float sample = rows[row * Lanes + i];
      sums[i] += static_cast<double>(sample);
      const float magnitude = sample < 0 ? -sample : sample;
      top[i] = magnitude > top[i] ? magnitude : top[i];
    }
  }
  for (; row < count; ++row) {
    for (std::size_t lane = 0; lane < Lanes; ++lane) {
      const float sample = rows[row * Lanes + lane];
      sums[(row % 8) * Lanes + lane] += static_cast<double>(sample);
      const float magnitude = sample < 0 ? -sample : sample;
      top[lane] = magnitude > top[lane] ? magnitude : top[lane];
    }
  }
  for (std::size_t i = 0; i < 8; ++i) {
    for (std::size_t lane = 0; lane < Lanes; ++lane) {
      totals[lane] += sums[i * Lanes + lane];
      largest[lane] = top[i * Lanes + lane] > largest[lane] ? top[i * Lanes + lane] : largest[lane];
    }
  }
}

/// Bands (bands, Lanes) of the bins (4 * blocks, Lanes), and for each lane the least of those that hold a
/// bin. Each band is the sum of four partial sums, over the bins of equal remainder by four.
template <int W, int Lanes, class Real>
void apply_bank(const BankView<Real>& bank, const Real* bins, Real* bands, Real* smallest) noexcept {
  constexpr int lanes = Lanes < W ? Lanes : W;         // in one register
  constexpr int width = 4 * lanes < W ? 4 * lanes : W; // numbers in a register
  constexpr int together = width / lanes;              // bins in a register, and bands at a time
  constexpr int parts = 4 / together;                  // registers for four bins
  using V = Vec<Real, width>;
  for (std::size_t lane = 0; lane < Lanes; lane += lanes) {
    V least = V::all(kIgnored);
    for (std::size_t m = 0; m < bank.bands; m += together) {
      V sum[parts][together];
      ASC_EDGE_UNROLL
      for (std::size_t i = 0; i < together; ++i) {
        const auto& band = bank.band[m + i];
        V partial[parts];
        ASC_EDGE_UNROLL
        for (std::size_t part = 0; part < parts; ++part) {
          partial[part] = V::all(0);
        }
        const Real* weights = bank.weights + band.weights;
        const Real* from = bins + 4 * band.first_block * Lanes + lane;
        for (std::size_t block = 0; block < band.blocks; ++block) {
          ASC_EDGE_UNROLL
          for (std::size_t part = 0; part < parts; ++part) {
            partial[part] = partial[part] + V::load(from + part * together * Lanes) *
                                                load_repeated<width, lanes>(weights + part * together);
          }
          from += 4 * Lanes;
          weights += 4;
        }
        ASC_EDGE_UNROLL
        for (std::size_t part = 0; part < parts; ++part) {
          sum[part][i] = partial[part];
        }
      }
      V quarter[4];
      ASC_EDGE_UNROLL
      for (std::size_t part = 0; part < parts; ++part) {
        deinterleave<together, lanes>(sum[part]);
        ASC_EDGE_UNROLL
        for (std::size_t i = 0; i < together; ++i) {
          quarter[part * together + i] = sum[part][i];
        }
      }
      const V value = (quarter[0] + quarter[1]) + (quarter[2] + quarter[3]);
      value.store(bands + m * Lanes + lane);
      least = min(least, value + load_repeated<width, lanes>(bank.ignored + m));
    }
    Real partial[width];
    least.store(partial);
    for (std::size_t i = 0; i < width; ++i) {
      Real& own = smallest[lane + i % lanes];
      own = partial[i] < own ? partial[i] : own;
    }
  }
}

/// Square roots of `count` numbers in place.
template <class Real> void take_roots(Real* numbers, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    if constexpr (sizeof(Real) == sizeof(float)) {
      numbers[i] = __builtin_sqrtf(numbers[i]);
    } else {
      numbers[i] = __builtin_sqrt(numbers[i]);
    }
  }
}

// Samples up to here can't overflow a float's range on the way to the power of any window that is allowed.
constexpr float kLargestSafe = 1e12F;

template <int W, int Lanes, class Real>
unsigned frame_bands(const FrameView<Real>& frame, const float* even, const float* odd, Real* bands,
                     Real* workspace) noexcept {
  const FftView<Real>& fft = frame.fft;
  constexpr bool precise = sizeof(Real) == sizeof(double);
  const bool paired = fft.length % 2 == 0;
  double totals[Lanes] = {};
  float largest[Lanes] = {};
  add_rows<kFloats, Lanes, precise>(even, paired ? (frame.window_samples + 1) / 2 : frame.window_samples,
                                    totals, largest);
  if (paired) {
    add_rows<kFloats, Lanes, precise>(odd, frame.window_samples / 2, totals, largest);
  }
  Real high[kMaxLanes + kPadding], low[kMaxLanes + kPadding];
  for (std::size_t i = 0; i < Lanes + W; ++i) {
    const double mean =
        frame.remove_mean ? totals[i % Lanes] / static_cast<double>(frame.window_samples) : 0.0;
    high[i] = static_cast<Real>(mean);
    low[i] = static_cast<Real>(mean - static_cast<double>(high[i]));
  }
  const std::size_t size = buffer_size(fft.points, Lanes);
  Buffers<Real> b{workspace, workspace + size, workspace + 2 * size, workspace + 3 * size};
  Real peak[kMaxLanes + kPadding] = {};
  Real* power;
  if (paired) {
    transform<W>(fft, Lanes,
                 WindowLoader<Real, Lanes, true>{even, odd, frame.window_even, frame.window_odd, high, low},
                 b);
    power = b.spare_re;
    untangle<W, Lanes>(fft, b.re, b.im, PowerSink<Real>{power}, peak);
  } else {
    transform<W>(fft, Lanes,
                 WindowLoader<Real, Lanes, false>{even, odd, frame.window_even, frame.window_odd, high, low},
                 b);
    power = b.spare_re;
    copy_bins<Lanes>(fft, b.re, b.im, PowerSink<Real>{power}, peak);
  }
  const std::size_t bins = fft.length / 2 + 1;
  for (std::size_t i = bins * Lanes; i < (bins + 3) * Lanes; ++i) {
    power[i] = 0; // the last block of four
  }
  for (std::size_t i = Lanes; i < W; ++i) {
    peak[i % Lanes] = peak[i] > peak[i % Lanes] ? peak[i] : peak[i % Lanes];
  }
  if (frame.magnitude) {
    take_roots(power, bins * Lanes);
    take_roots(peak, Lanes);
  }
  Real smallest[Lanes];
  for (Real& least : smallest) {
    least = kIgnored;
  }
  apply_bank<W, Lanes>(frame.bank, power, bands, smallest);
  unsigned weak = 0;
  for (std::size_t lane = 0; lane < Lanes; ++lane) {
    const Real limit = frame.weakest * peak[lane];
    const bool lost = largest[lane] > kLargestSafe || (smallest[lane] < limit && limit > frame.floor);
    weak |= (lost ? 1U : 0U) << lane;
  }
  return weak;
}
