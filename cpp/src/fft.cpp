#include "asc_edge/fft.hpp"

#include <cmath>
#include <stdexcept>

#include "fft_kernels.hpp"

namespace asc_edge {
namespace {

constexpr double kTwoPi = 6.28318530717958647692;

/// Appends exp(-2 pi i turn / full) to the tables.
void append_root(std::vector<double>& re, std::vector<double>& im, std::size_t turn, std::size_t full) {
  const double angle = kTwoPi * static_cast<double>(turn % full) / static_cast<double>(full);
  re.push_back(std::cos(angle));
  im.push_back(-std::sin(angle));
}

/// The next radix to split off: the widest kernel that divides, else the smallest prime factor.
std::size_t next_radix(std::size_t points) {
  for (const std::size_t radix : {8U, 4U, 2U, 3U, 5U, 7U}) {
    if (points % radix == 0) {
      return radix;
    }
  }
  std::size_t prime = 11;
  while (prime * prime <= points && points % prime != 0) {
    prime += 2;
  }
  return points % prime == 0 ? prime : points;
}

bool has_kernel(std::size_t radix) {
  return radix <= 8;
}

} // namespace

RealFft::RealFft(std::size_t length) : length_(length), points_(length % 2 == 0 ? length / 2 : length) {
  if (length == 0) {
    throw std::invalid_argument("the length of a Fourier transform must be at least 1");
  }
  plan_stages();
  if (length_ % 2 == 0) {
    for (std::size_t k = 0; k <= points_; ++k) {
      append_root(untangle_re_, untangle_im_, k, length_);
    }
  }
}

void RealFft::plan_stages() {
  std::size_t stride = 1;
  for (std::size_t points = points_; points > 1;) {
    const std::size_t radix = next_radix(points);
    const std::size_t groups = points / radix;
    Stage stage{radix, groups, stride, twiddle_re_.size(), 0};
    for (std::size_t p = 0; p < groups; ++p) {
      for (std::size_t k = 1; k < radix; ++k) {
        append_root(twiddle_re_, twiddle_im_, p * k, points);
      }
    }
    stage.roots = twiddle_re_.size();
    if (!has_kernel(radix)) {
      for (std::size_t j = 0; j < radix; ++j) {
        append_root(twiddle_re_, twiddle_im_, j, radix);
      }
    }
    stages_.push_back(stage);
    points = groups;
    stride *= radix;
  }
}

void RealFft::run_stage(const Stage& stage, const double* in_re, const double* in_im, double* out_re,
                        double* out_im) const noexcept {
  const double* w_re = twiddle_re_.data() + stage.twiddles;
  const double* w_im = twiddle_im_.data() + stage.twiddles;
  const std::size_t groups = stage.groups;
  const std::size_t stride = stage.stride;
  switch (stage.radix) {
  case 2:
    return fft_kernels::pass<2>(groups, stride, w_re, w_im, in_re, in_im, out_re, out_im);
  case 3:
    return fft_kernels::pass<3>(groups, stride, w_re, w_im, in_re, in_im, out_re, out_im);
  case 4:
    return fft_kernels::pass<4>(groups, stride, w_re, w_im, in_re, in_im, out_re, out_im);
  case 5:
    return fft_kernels::pass<5>(groups, stride, w_re, w_im, in_re, in_im, out_re, out_im);
  case 7:
    return fft_kernels::pass<7>(groups, stride, w_re, w_im, in_re, in_im, out_re, out_im);
  case 8:
    return fft_kernels::pass<8>(groups, stride, w_re, w_im, in_re, in_im, out_re, out_im);
  default:
    return fft_kernels::pass_any(stage.radix, groups, stride, w_re, w_im, twiddle_re_.data() + stage.roots,
                                 twiddle_im_.data() + stage.roots, in_re, in_im, out_re, out_im);
  }
}

void RealFft::untangle(const double* re, const double* im, double* spectrum_re,
                       double* spectrum_im) const noexcept {
  for (std::size_t k = 0; k <= points_; ++k) {
    const std::size_t a = k == points_ ? 0 : k;
    const std::size_t b = k == 0 ? 0 : points_ - k;
    const double even_re = 0.5 * (re[a] + re[b]);
    const double even_im = 0.5 * (im[a] - im[b]);
    const double odd_re = 0.5 * (im[a] + im[b]);
    const double odd_im = 0.5 * (re[b] - re[a]);
    spectrum_re[k] = even_re + (odd_re * untangle_re_[k] - odd_im * untangle_im_[k]);
    spectrum_im[k] = even_im + (odd_re * untangle_im_[k] + odd_im * untangle_re_[k]);
  }
}

void RealFft::execute(const double* input, double* spectrum_re, double* spectrum_im,
                      double* workspace) const noexcept {
  double* re = workspace;
  double* im = re + points_;
  double* next_re = im + points_;
  double* next_im = next_re + points_;
  const bool halved = length_ % 2 == 0;
  for (std::size_t n = 0; n < points_; ++n) {
    re[n] = halved ? input[2 * n] : input[n];
    im[n] = halved ? input[2 * n + 1] : 0.0;
  }
  for (const Stage& stage : stages_) {
    run_stage(stage, re, im, next_re, next_im);
    double* const spare_re = re;
    double* const spare_im = im;
    re = next_re;
    im = next_im;
    next_re = spare_re;
    next_im = spare_im;
  }
  if (halved) {
    untangle(re, im, spectrum_re, spectrum_im);
    return;
  }
  for (std::size_t k = 0; k < bins(); ++k) {
    spectrum_re[k] = re[k];
    spectrum_im[k] = im[k];
  }
}

} // namespace asc_edge
