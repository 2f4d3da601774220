#pragma once

#include <cstddef>

// Butterflies of the Stockham passes, on split real and imaginary parts. `Real` needs +, - and multiplication
// by a double only, so that a SIMD lane type can take the place of double.
namespace asc_edge::fft_kernels {

/// Cosines and sines of 2 pi j / Radix for the odd radices that have a kernel.
template <int Radix> struct OddRoots;

template <> struct OddRoots<3> {
  static constexpr double cosine[3] = {1.0, -0.5, -0.5};
  static constexpr double sine[3] = {0.0, 0.86602540378443864676, -0.86602540378443864676};
};

template <> struct OddRoots<5> {
  static constexpr double cosine[5] = {1.0, 0.30901699437494742410, -0.80901699437494742410,
                                       -0.80901699437494742410, 0.30901699437494742410};
  static constexpr double sine[5] = {0.0, 0.95105651629515357212, 0.58778525229247312917,
                                     -0.58778525229247312917, -0.95105651629515357212};
};

template <> struct OddRoots<7> {
  static constexpr double cosine[7] = {1.0,
                                       0.62348980185873353053,
                                       -0.22252093395631440429,
                                       -0.90096886790241912624,
                                       -0.90096886790241912624,
                                       -0.22252093395631440429,
                                       0.62348980185873353053};
  static constexpr double sine[7] = {0.0,
                                     0.78183148246802980871,
                                     0.97492791218182360702,
                                     0.43388373911755812048,
                                     -0.43388373911755812048,
                                     -0.97492791218182360702,
                                     -0.78183148246802980871};
};

/// In-place transform of an odd number of points: conjugate pairs share their products.
template <int Radix, class Real> struct Butterfly {
  static void apply(Real (&re)[Radix], Real (&im)[Radix]) noexcept {
    constexpr int half = Radix / 2;
    using Roots = OddRoots<Radix>;
    Real sum_re[half], sum_im[half], diff_re[half], diff_im[half];
    const Real first_re = re[0];
    const Real first_im = im[0];
    for (int j = 0; j < half; ++j) {
      sum_re[j] = re[j + 1] + re[Radix - 1 - j];
      sum_im[j] = im[j + 1] + im[Radix - 1 - j];
      diff_re[j] = re[j + 1] - re[Radix - 1 - j];
      diff_im[j] = im[j + 1] - im[Radix - 1 - j];
      re[0] = re[0] + sum_re[j];
      im[0] = im[0] + sum_im[j];
    }
    for (int k = 1; k <= half; ++k) {
      Real even_re = first_re, even_im = first_im;
      Real odd_re = diff_im[0] * Roots::sine[k];
      Real odd_im = diff_re[0] * Roots::sine[k];
      for (int j = 0; j < half; ++j) {
        const int turn = ((j + 1) * k) % Radix;
        even_re = even_re + sum_re[j] * Roots::cosine[turn];
        even_im = even_im + sum_im[j] * Roots::cosine[turn];
        if (j > 0) {
          odd_re = odd_re + diff_im[j] * Roots::sine[turn];
          odd_im = odd_im + diff_re[j] * Roots::sine[turn];
        }
      }
      re[k] = even_re + odd_re;
      im[k] = even_im - odd_im;
      re[Radix - k] = even_re - odd_re;
      im[Radix - k] = even_im + odd_im;
    }
  }
};

template <class Real> struct Butterfly<2, Real> {
  static void apply(Real (&re)[2], Real (&im)[2]) noexcept {
    const Real re1 = re[1], im1 = im[1];
    re[1] = re[0] - re1;
    im[1] = im[0] - im1;
    re[0] = re[0] + re1;
    im[0] = im[0] + im1;
  }
};

template <class Real> struct Butterfly<4, Real> {
  static void apply(Real (&re)[4], Real (&im)[4]) noexcept {
    const Real a_re = re[0] + re[2], a_im = im[0] + im[2];
    const Real b_re = re[0] - re[2], b_im = im[0] - im[2];
    const Real c_re = re[1] + re[3], c_im = im[1] + im[3];
    const Real d_re = re[1] - re[3], d_im = im[1] - im[3];
    re[0] = a_re + c_re;
    im[0] = a_im + c_im;
    re[1] = b_re + d_im;
    im[1] = b_im - d_re;
    re[2] = a_re - c_re;
    im[2] = a_im - c_im;
    re[3] = b_re - d_im;
    im[3] = b_im + d_re;
  }
};

template <class Real> struct Butterfly<8, Real> {
  static void apply(Real (&re)[8], Real (&im)[8]) noexcept {
    constexpr double half_root = 0.70710678118654752440; // sqrt(1/2)
    Real even_re[4] = {re[0], re[2], re[4], re[6]}, even_im[4] = {im[0], im[2], im[4], im[6]};
    Real odd_re[4] = {re[1], re[3], re[5], re[7]}, odd_im[4] = {im[1], im[3], im[5], im[7]};
    Butterfly<4, Real>::apply(even_re, even_im);
    Butterfly<4, Real>::apply(odd_re, odd_im);
    const Real turned_re[4] = {odd_re[0], (odd_re[1] + odd_im[1]) * half_root, odd_im[2],
                               (odd_im[3] - odd_re[3]) * half_root};
    const Real turned_im[4] = {odd_im[0], (odd_im[1] - odd_re[1]) * half_root, odd_re[2] * -1.0,
                               (odd_re[3] + odd_im[3]) * -half_root};
    for (int k = 0; k < 4; ++k) {
      re[k] = even_re[k] + turned_re[k];
      im[k] = even_im[k] + turned_im[k];
      re[k + 4] = even_re[k] - turned_re[k];
      im[k + 4] = even_im[k] - turned_im[k];
    }
  }
};

/// One decimation-in-frequency pass from `in` to `out` (Stockham: no bit reversal, unit-stride inner loop).
template <int Radix, class Real>
void pass(std::size_t groups, std::size_t stride, const double* twiddle_re, const double* twiddle_im,
          const Real* in_re, const Real* in_im, Real* out_re, Real* out_im) noexcept {
  constexpr std::size_t radix = Radix;
  for (std::size_t p = 0; p < groups; ++p) {
    const double* w_re = twiddle_re + p * (radix - 1);
    const double* w_im = twiddle_im + p * (radix - 1);
    const std::size_t from = stride * p;
    const std::size_t to = stride * radix * p;
    for (std::size_t q = 0; q < stride; ++q) {
      Real re[radix], im[radix];
      for (std::size_t j = 0; j < radix; ++j) {
        re[j] = in_re[from + q + stride * groups * j];
        im[j] = in_im[from + q + stride * groups * j];
      }
      Butterfly<Radix, Real>::apply(re, im);
      out_re[to + q] = re[0];
      out_im[to + q] = im[0];
      for (std::size_t k = 1; k < radix; ++k) {
        out_re[to + q + stride * k] = re[k] * w_re[k - 1] - im[k] * w_im[k - 1];
        out_im[to + q + stride * k] = re[k] * w_im[k - 1] + im[k] * w_re[k - 1];
      }
    }
  }
}

/// The same pass for any radix, by the definition: `radix` operations a point.
template <class Real>
void pass_any(std::size_t radix, std::size_t groups, std::size_t stride, const double* twiddle_re,
              const double* twiddle_im, const double* root_re, const double* root_im, const Real* in_re,
              const Real* in_im, Real* out_re, Real* out_im) noexcept {
  for (std::size_t p = 0; p < groups; ++p) {
    for (std::size_t k = 0; k < radix; ++k) {
      const double w_re = k == 0 ? 1.0 : twiddle_re[p * (radix - 1) + k - 1];
      const double w_im = k == 0 ? 0.0 : twiddle_im[p * (radix - 1) + k - 1];
      for (std::size_t q = 0; q < stride; ++q) {
        Real sum_re = in_re[stride * p + q];
        Real sum_im = in_im[stride * p + q];
        std::size_t turn = 0;
        for (std::size_t j = 1; j < radix; ++j) {
          turn += k;
          turn -= turn >= radix ? radix : 0;
          const Real re = in_re[stride * (p + groups * j) + q];
          const Real im = in_im[stride * (p + groups * j) + q];
          sum_re = sum_re + (re * root_re[turn] - im * root_im[turn]);
          sum_im = sum_im + (re * root_im[turn] + im * root_re[turn]);
        }
        const std::size_t to = stride * (radix * p + k) + q;
        out_re[to] = sum_re * w_re - sum_im * w_im;
        out_im[to] = sum_re * w_im + sum_im * w_re;
      }
    }
  }
}

} // namespace asc_edge::fft_kernels
