// The transform of interleaved sequences (lanes): passes over two buffers, then the untangling of a real
// transform of twice the length.

/// Two complex buffers of (points, lanes), with real and imaginary parts apart.
template <class Real> struct Buffers {
  Real* re;
  Real* im;
  Real* spare_re;
  Real* spare_im;
};

/// Runs the pass over rows of Block numbers, or of the next power of two below W, if it is one for that.
template <int Radix, int W, int Block, class Real>
ASC_EDGE_INLINE bool try_narrow(const PassView<Real>& pass, Buffers<Real>& b) noexcept {
  if constexpr (Block < W) {
    if (pass.row != Block) {
      return try_narrow<Radix, W, 2 * Block>(pass, b);
    }
    if (pass.groups >= W / Block) {
      narrow_pass<Radix, Block, W>(pass, b.re, b.im, b.spare_re, b.spare_im);
      return true;
    }
  }
  return false;
}

template <int Radix, int W, class Real>
void run_radix(const PassView<Real>& pass, Buffers<Real>& b) noexcept {
  if (pass.row >= W) {
    if (pass.groups == 1) {
      wide_pass<Radix, false, W>(pass, b.re, b.im, b.spare_re, b.spare_im);
    } else {
      wide_pass<Radix, true, W>(pass, b.re, b.im, b.spare_re, b.spare_im);
    }
    return;
  }
  if constexpr (Radix == 4 || Radix == 8) {
    if (try_narrow<Radix, W, 1>(pass, b)) {
      return;
    }
  }
  if constexpr (W > 1) {
    run_radix<Radix, W / 2>(pass, b);
  }
}

template <int W, class Real> void run_odd(const PassView<Real>& pass, Buffers<Real>& b) noexcept {
  if constexpr (W > 1) {
    if (pass.row < W) {
      run_odd<W / 2>(pass, b);
      return;
    }
  }
  odd_pass<W>(pass, b.re, b.im, b.spare_re, b.spare_im);
}

template <class Real> ASC_EDGE_INLINE void swap_buffers(Buffers<Real>& b) noexcept {
  Real* const re = b.re;
  Real* const im = b.im;
  b.re = b.spare_re;
  b.im = b.spare_im;
  b.spare_re = re;
  b.spare_im = im;
}

/// Runs the passes from `first` on; the result is in b.re and b.im, which may have changed places.
template <int W, class Real>
void run_passes(const FftView<Real>& plan, std::size_t first, std::size_t lanes, Buffers<Real>& b) noexcept {
  for (std::size_t i = first; i < plan.stages; ++i) {
    const FftStage<Real>& stage = plan.stage[i];
    const PassView<Real> pass{static_cast<std::size_t>(stage.radix),
                              stage.groups,
                              stage.stride * lanes,
                              stage.twiddle_re,
                              stage.twiddle_im,
                              stage.roots};
    switch (stage.radix) {
    case 2:
      run_radix<2, W>(pass, b);
      break;
    case 3:
      run_radix<3, W>(pass, b);
      break;
    case 4:
      run_radix<4, W>(pass, b);
      break;
    case 5:
      run_radix<5, W>(pass, b);
      break;
    case 7:
      run_radix<7, W>(pass, b);
      break;
    case 8:
      run_radix<8, W>(pass, b);
      break;
    default:
      run_odd<W>(pass, b);
    }
    swap_buffers(b);
  }
}

/// The whole complex transform of what the loader gives.
template <int W, class Real, class Loader>
void transform(const FftView<Real>& plan, std::size_t lanes, const Loader& loader,
               Buffers<Real>& b) noexcept {
  const std::size_t row = plan.stages == 0 ? 0 : plan.stage[0].stride * lanes;
  if (row < W || plan.stage[0].radix > 8) {
    for (std::size_t at = 0; at < plan.points * lanes; ++at) {
      Vec<Real, 1> re, im;
      loader.load(at, re, im);
      re.store(b.re + at);
      im.store(b.im + at);
    }
    run_passes<W>(plan, 0, lanes, b);
    return;
  }
  switch (plan.stage[0].radix) {
  case 2:
    first_pass<2, W>(row, loader, b.spare_re, b.spare_im);
    break;
  case 3:
    first_pass<3, W>(row, loader, b.spare_re, b.spare_im);
    break;
  case 4:
    first_pass<4, W>(row, loader, b.spare_re, b.spare_im);
    break;
  case 5:
    first_pass<5, W>(row, loader, b.spare_re, b.spare_im);
    break;
  case 7:
    first_pass<7, W>(row, loader, b.spare_re, b.spare_im);
    break;
  default:
    first_pass<8, W>(row, loader, b.spare_re, b.spare_im);
  }
  swap_buffers(b);
  run_passes<W>(plan, 1, lanes, b);
}
