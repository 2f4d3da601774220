// Decimation-in-time passes of Stockham's transform: each reads one buffer and writes the other, in natural
// order at both ends. With n = radix * groups and `row` numbers for each index (stride times lanes), a pass
// takes
//   out[p + groups j] = sum over k of in[radix p + k] exp(-2 pi i p k / n) exp(-2 pi i j k / radix)
// for all p < groups. The arithmetic of an element doesn't depend on how elements share registers.

/// A pass over interleaved sequences.
template <class Real> struct PassView {
  std::size_t radix;
  std::size_t groups;
  std::size_t row;
  const Real* twiddle_re; // (radix - 1, groups): exp(-2 pi i p k / n) at [k - 1][p]
  const Real* twiddle_im;
  const Real* roots; // cosines and sines of 2 pi j / radix, for radices without a butterfly
};

template <class V, class Real> ASC_EDGE_INLINE void turn(V& re, V& im, V by_re, V by_im) noexcept {
  const V turned = re * by_re - im * by_im;
  im = re * by_im + im * by_re;
  re = turned;
}

/// A pass whose rows fill whole registers of W numbers; a last part-filled register is moved back to the
/// row's end, where it writes the same values again.
template <int Radix, bool Turned, int W, class Real>
void wide_pass(const PassView<Real>& pass, const Real* in_re, const Real* in_im, Real* out_re,
               Real* out_im) noexcept {
  using V = Vec<Real, W>;
  const std::size_t row = pass.row, groups = pass.groups;
  for (std::size_t p = 0; p < groups; ++p) {
    const std::size_t from = Radix * p * row, to = p * row;
    Real w_re[Radix], w_im[Radix];
    ASC_EDGE_UNROLL
    for (std::size_t k = 1; k < Radix; ++k) {
      w_re[k] = pass.twiddle_re[(k - 1) * groups + p];
      w_im[k] = pass.twiddle_im[(k - 1) * groups + p];
    }
    // Eight rows from two pointers and two distances: with a pointer for each, they would not fit the
    // registers.
    const Real *low_re = in_re + from, *low_im = in_im + from;
    Real *to_re = out_re + to, *to_im = out_im + to;
    const std::size_t step = groups * row;
    for (std::size_t left = row;;) {
      const Real *high_re = low_re + 4 * row, *high_im = low_im + 4 * row;
      Real *above_re = to_re + 4 * step, *above_im = to_im + 4 * step;
      butterfly<Radix, Real, V>(
          [&](std::size_t k, V& re, V& im) ASC_EDGE_INLINED {
            re = V::load((k < 4 ? low_re : high_re) + k % 4 * row);
            im = V::load((k < 4 ? low_im : high_im) + k % 4 * row);
            if (Turned && k > 0) {
              turn<V, Real>(re, im, V::all(w_re[k]), V::all(w_im[k]));
            }
          },
          [&](std::size_t j, V re, V im) ASC_EDGE_INLINED {
            re.store((j < 4 ? to_re : above_re) + j % 4 * step);
            im.store((j < 4 ? to_im : above_im) + j % 4 * step);
          });
      left -= W;
      if (left == 0) {
        break;
      }
      const std::size_t on = left < W ? left : W;
      left += W - on;
      low_re += on;
      low_im += on;
      to_re += on;
      to_im += on;
    }
  }
}

/// The first pass: one group, nothing turned, and its input from wherever the loader takes it.
template <int Radix, int W, class Real, class Loader>
void first_pass(std::size_t row, const Loader& loader, Real* out_re, Real* out_im) noexcept {
  using V = Vec<Real, W>;
  for (std::size_t start = 0; start < row; start += W) {
    const std::size_t q = start + W <= row ? start : row - W;
    Real *to_re = out_re + q, *to_im = out_im + q;
    Real *above_re = to_re + 4 * row, *above_im = to_im + 4 * row;
    butterfly<Radix, Real, V>([&](std::size_t k, V& re, V& im)
                                  ASC_EDGE_INLINED { loader.load(k * row + q, re, im); },
                              [&](std::size_t j, V re, V im) ASC_EDGE_INLINED {
                                re.store((j < 4 ? to_re : above_re) + j % 4 * row);
                                im.store((j < 4 ? to_im : above_im) + j % 4 * row);
                              });
  }
}

/// Loads Radix vectors for each of the W / Block indices p: vector k holds in[radix p + k] of all of them.
template <int Radix, int Block, int W, class Real>
ASC_EDGE_INLINE void load_transposed(const Real* from, Vec<Real, W> (&a)[Radix]) noexcept {
  constexpr int indices = W / Block;
  constexpr int sets = Radix > indices ? Radix / indices : 1;
  constexpr int taken = Radix / sets;
  ASC_EDGE_UNROLL
  for (int set = 0; set < sets; ++set) {
    Vec<Real, W> part[taken];
    ASC_EDGE_UNROLL
    for (int i = 0; i < taken; ++i) {
      part[i] = Vec<Real, W>::load(from + (i * sets + set) * W);
    }
    deinterleave<taken, Block>(part);
    ASC_EDGE_UNROLL
    for (int i = 0; i < taken; ++i) {
      a[set * taken + i] = part[i];
    }
  }
}

/// A pass whose rows of Block numbers are shorter than a register: a register holds several indices p.
template <int Radix, int Block, int W, class Real>
void narrow_pass(const PassView<Real>& pass, const Real* in_re, const Real* in_im, Real* out_re,
                 Real* out_im) noexcept {
  using V = Vec<Real, W>;
  constexpr std::size_t indices = W / Block;
  const std::size_t groups = pass.groups;
  for (std::size_t start = 0; start < groups; start += indices) {
    const std::size_t p = start + indices <= groups ? start : groups - indices;
    V re[Radix], im[Radix];
    load_transposed<Radix, Block>(in_re + Radix * p * Block, re);
    load_transposed<Radix, Block>(in_im + Radix * p * Block, im);
    butterfly<Radix, Real, V>(
        [&](std::size_t k, V& own_re, V& own_im) ASC_EDGE_INLINED {
          own_re = re[k];
          own_im = im[k];
          if (k > 0) {
            turn<V, Real>(own_re, own_im, load_repeated<W, Block>(pass.twiddle_re + (k - 1) * groups + p),
                          load_repeated<W, Block>(pass.twiddle_im + (k - 1) * groups + p));
          }
        },
        [&](std::size_t j, V own_re, V own_im) ASC_EDGE_INLINED {
          own_re.store(out_re + (p + j * groups) * Block);
          own_im.store(out_im + (p + j * groups) * Block);
        });
  }
}

/// Calls on(register type, offset) for the whole registers of a row and then for the numbers left over: for
/// work in place, which must not be done twice.
template <int W, class Real, class On> ASC_EDGE_INLINE void along(std::size_t row, const On& on) noexcept {
  std::size_t q = 0;
  for (; q + W <= row; q += W) {
    on(Vec<Real, W>{}, q);
  }
  for (; q < row; ++q) {
    on(Vec<Real, 1>{}, q);
  }
}

/// Of one group of an odd pass: turns point k and its mirror image radix - k, and leaves their sum and their
/// difference in their places.
template <int W, class Real>
void pair_up(const PassView<Real>& pass, std::size_t p, Real* re, Real* im) noexcept {
  const std::size_t row = pass.row, groups = pass.groups, radix = pass.radix;
  for (std::size_t k = 1; k <= radix / 2; ++k) {
    const std::size_t low = (k - 1) * groups + p, high = (radix - k - 1) * groups + p;
    const Real low_re = pass.twiddle_re[low], low_im = pass.twiddle_im[low];
    const Real high_re = pass.twiddle_re[high], high_im = pass.twiddle_im[high];
    along<W, Real>(row, [&](auto kind, std::size_t q) {
      using V = decltype(kind);
      const std::size_t a = k * row + q, b = (radix - k) * row + q;
      V a_re = V::load(re + a), a_im = V::load(im + a), b_re = V::load(re + b), b_im = V::load(im + b);
      if (groups > 1) {
        turn<V, Real>(a_re, a_im, V::all(low_re), V::all(low_im));
        turn<V, Real>(b_re, b_im, V::all(high_re), V::all(high_im));
      }
      (a_re + b_re).store(re + a);
      (a_im + b_im).store(im + a);
      (a_re - b_re).store(re + b);
      (a_im - b_im).store(im + b);
    });
  }
}

/// A pass of any odd radix by the definition, with about radix / 2 products a number. Uses up the input.
template <int W, class Real>
void odd_pass(const PassView<Real>& pass, Real* in_re, Real* in_im, Real* out_re, Real* out_im) noexcept {
  using V = Vec<Real, W>;
  const std::size_t row = pass.row, groups = pass.groups, radix = pass.radix;
  const Real* cosine = pass.roots;
  const Real* sine = pass.roots + radix;
  for (std::size_t p = 0; p < groups; ++p) {
    Real* const re = in_re + radix * p * row;
    Real* const im = in_im + radix * p * row;
    pair_up<W>(pass, p, re, im);
    for (std::size_t start = 0; start < row; start += W) {
      const std::size_t q = start + W <= row ? start : row - W;
      const V first_re = V::load(re + q), first_im = V::load(im + q);
      V total_re = first_re, total_im = first_im;
      for (std::size_t k = 1; k <= radix / 2; ++k) {
        total_re = total_re + V::load(re + k * row + q);
        total_im = total_im + V::load(im + k * row + q);
      }
      total_re.store(out_re + p * row + q);
      total_im.store(out_im + p * row + q);
      for (std::size_t j = 1; j <= radix / 2; ++j) {
        V even_re = first_re, even_im = first_im, odd_re = V::all(0), odd_im = V::all(0);
        std::size_t angle = 0;
        for (std::size_t k = 1; k <= radix / 2; ++k) {
          angle += j;
          angle -= angle >= radix ? radix : 0;
          even_re = even_re + V::load(re + k * row + q) * cosine[angle];
          even_im = even_im + V::load(im + k * row + q) * cosine[angle];
          odd_re = odd_re + V::load(im + (radix - k) * row + q) * sine[angle];
          odd_im = odd_im + V::load(re + (radix - k) * row + q) * sine[angle];
        }
        (even_re + odd_re).store(out_re + (p + j * groups) * row + q);
        (even_im - odd_im).store(out_im + (p + j * groups) * row + q);
        (even_re - odd_re).store(out_re + (p + (radix - j) * groups) * row + q);
        (even_im + odd_im).store(out_im + (p + (radix - j) * groups) * row + q);
      }
    }
  }
}
