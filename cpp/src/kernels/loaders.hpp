// Where a transform takes its points from. load(at, re, im) gives the numbers at .. at + W - 1 of the
// (points, lanes) complex input; Lanes is the number of interleaved sequences.

/// Pairs of successive rows of a (2 points, Lanes) array: the real transform's input as it comes.
template <class Real, int Lanes> struct RowPairLoader {
  const Real* rows;

  template <int W>
  ASC_EDGE_INLINE void load(std::size_t at, Vec<Real, W>& re, Vec<Real, W>& im) const noexcept {
    if constexpr (W <= Lanes) {
      const std::size_t from = 2 * at - at % Lanes;
      re = Vec<Real, W>::load(rows + from);
      im = Vec<Real, W>::load(rows + from + Lanes);
    } else {
      Vec<Real, W> pair[2] = {Vec<Real, W>::load(rows + 2 * at), Vec<Real, W>::load(rows + 2 * at + W)};
      deinterleave<2, Lanes>(pair);
      re = pair[0];
      im = pair[1];
    }
  }
};

/// Rows of a (points, Lanes) array as the real parts: for odd lengths.
template <class Real, int Lanes> struct RowLoader {
  const Real* rows;

  template <int W>
  ASC_EDGE_INLINE void load(std::size_t at, Vec<Real, W>& re, Vec<Real, W>& im) const noexcept {
    re = Vec<Real, W>::load(rows + at);
    im = Vec<Real, W>::all(0);
  }
};

/// Samples less their mean, times the window. Even and odd samples lie apart.
template <class Real, int Lanes, bool Paired> struct WindowLoader {
  const float* even;
  const float* odd;
  const Real* window_even;
  const Real* window_odd;
  // The mean as the sum of two numbers, each repeated over a register; one alone would leave its rounding
  // error in the lowest bins.
  const Real* mean_high;
  const Real* mean_low;

  template <int W>
  ASC_EDGE_INLINE void load(std::size_t at, Vec<Real, W>& re, Vec<Real, W>& im) const noexcept {
    const std::size_t lane = at % Lanes; // of the first number; Lanes and W are powers of two
    const auto high = Vec<Real, W>::load(mean_high + lane), low = Vec<Real, W>::load(mean_low + lane);
    re = ((load_as<Real, W>(even + at) - high) - low) * load_repeated<W, Lanes>(window_even + at / Lanes);
    if constexpr (Paired) {
      im = ((load_as<Real, W>(odd + at) - high) - low) * load_repeated<W, Lanes>(window_odd + at / Lanes);
    } else {
      im = Vec<Real, W>::all(0);
    }
  }
};
