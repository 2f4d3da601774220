// From the complex transform Z of the pairs x[2n] + i x[2n + 1] to the spectrum X of x: with E and O the
// transforms of the even and the odd samples, X[k] = E[k] + w^k O[k] and X[H - k] = conj(E[k] - w^k O[k]),
// H = N / 2, w = exp(-2 pi i / N). The bins below and above H / 2 are always found as first and as second of
// such a pair, so that their rounding is the same in every layout.

// The sinks get twice the spectrum: halving is exact, and best done where it costs nothing.

/// Writes the power of what it gets, and keeps the largest.
template <class Real> struct PowerSink {
  Real* power;

  /// Reverse: the blocks of that many numbers are to be stored in reverse order.
  template <int Reverse = 0, class V>
  ASC_EDGE_INLINE void put(std::size_t at, V re, V im, V& largest) const noexcept {
    const V value = re * re + im * im;
    largest = max(largest, value);
    reverse<Reverse>(value).store(power + at);
  }
};

/// Writes half of what it gets: the spectrum.
template <class Real> struct SpectrumSink {
  Real* re;
  Real* im;

  template <int Reverse = 0, class V>
  ASC_EDGE_INLINE void put(std::size_t at, V value_re, V value_im, V&) const noexcept {
    reverse<Reverse>(value_re * static_cast<Real>(0.5)).store(re + at);
    reverse<Reverse>(value_im * static_cast<Real>(0.5)).store(im + at);
  }
};

/// Bins 1 .. (H - 1) / 2 and their mirrors; of more lanes than fit a register, those from `offset` on.
template <int W, int Lanes, class Real, class Sink>
void untangle_pairs(const FftView<Real>& plan, std::size_t offset, const Real* z_re, const Real* z_im,
                    const Sink& sink, Real* peak) noexcept {
  using V = Vec<Real, W>;
  constexpr int Block = Lanes < W ? Lanes : W;
  constexpr std::size_t step = W / Block, lanes = Lanes;
  const std::size_t half = plan.points;
  const std::size_t last = (half - 1) / 2;
  if (last < step) {
    if constexpr (W > Block) { // fewer pairs than a register holds
      if (last > 0) {
        untangle_pairs<W / 2, Lanes>(plan, offset, z_re, z_im, sink, peak);
      }
    }
    return;
  }
  V largest = V::load(peak);
  for (std::size_t start = 1; start <= last; start += step) {
    const std::size_t k = start + step <= last + 1 ? start : last + 1 - step;
    const std::size_t low = k * lanes + offset, high = (half - k - (step - 1)) * lanes + offset;
    const V a_re = V::load(z_re + low), a_im = V::load(z_im + low);
    const V b_re = reverse<Block>(V::load(z_re + high)), b_im = reverse<Block>(V::load(z_im + high));
    const V w_re = load_repeated<W, Block>(plan.untangle_re + k);
    const V w_im = load_repeated<W, Block>(plan.untangle_im + k);
    const V even_re = a_re + b_re, even_im = a_im - b_im;
    V odd_re = a_im + b_im, odd_im = b_re - a_re;
    turn<V, Real>(odd_re, odd_im, w_re, w_im);
    sink.put(low, even_re + odd_re, even_im + odd_im, largest);
    sink.template put<Block>(high, even_re - odd_re, odd_im - even_im, largest);
  }
  largest.store(peak);
}

/// All bins of even lengths; z has (H, lanes) numbers, the spectrum (H + 1, lanes).
template <int W, int Lanes, class Real, class Sink>
void untangle(const FftView<Real>& plan, const Real* z_re, const Real* z_im, const Sink& sink,
              Real* peak) noexcept {
  using One = Vec<Real, 1>;
  for (std::size_t offset = 0; offset < Lanes; offset += W) {
    untangle_pairs<W, Lanes>(plan, offset, z_re, z_im, sink, peak + offset);
  }
  const std::size_t half = plan.points, lanes = Lanes;
  const Real two = 2;
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    One largest = One::load(peak + lane);
    const One first_re = One::load(z_re + lane), first_im = One::load(z_im + lane);
    sink.put(lane, (first_re + first_im) * two, One::all(0), largest);
    sink.put(half * lanes + lane, (first_re - first_im) * two, One::all(0), largest);
    if (half % 2 == 0) {
      const std::size_t middle = half / 2 * lanes + lane;
      sink.put(middle, One::load(z_re + middle) * two, One::load(z_im + middle) * -two, largest);
    }
    largest.store(peak + lane);
  }
}

/// Odd lengths have no pairs to untangle: the first half of the complex transform is the spectrum.
template <int Lanes, class Real, class Sink>
void copy_bins(const FftView<Real>& plan, const Real* z_re, const Real* z_im, const Sink& sink,
               Real* peak) noexcept {
  using One = Vec<Real, 1>;
  constexpr std::size_t lanes = Lanes;
  const Real two = 2;
  for (std::size_t k = 0; k < plan.length / 2 + 1; ++k) {
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      One largest = One::load(peak + lane);
      sink.put(k * lanes + lane, One::load(z_re + k * lanes + lane) * two,
               One::load(z_im + k * lanes + lane) * two, largest);
      largest.store(peak + lane);
    }
  }
}
