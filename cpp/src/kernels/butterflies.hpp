// Butterflies: transforms of a handful of points held in registers, on split real and imaginary parts.

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

/// In-place transform of Radix points. V is a Vec; the general form is for odd radices, where points j and
/// Radix - j share their products.
template <int Radix, class Real, class V> struct Butterfly {
  static ASC_EDGE_INLINE void apply(V (&re)[Radix], V (&im)[Radix]) noexcept {
    constexpr int half = Radix / 2;
    using Roots = OddRoots<Radix>;
    V sum_re[half], sum_im[half], diff_re[half], diff_im[half];
    const V first_re = re[0], first_im = im[0];
    ASC_EDGE_UNROLL
    for (int j = 0; j < half; ++j) {
      sum_re[j] = re[j + 1] + re[Radix - 1 - j];
      sum_im[j] = im[j + 1] + im[Radix - 1 - j];
      diff_re[j] = re[j + 1] - re[Radix - 1 - j];
      diff_im[j] = im[j + 1] - im[Radix - 1 - j];
      re[0] = re[0] + sum_re[j];
      im[0] = im[0] + sum_im[j];
    }
    ASC_EDGE_UNROLL
    for (int k = 1; k <= half; ++k) {
      V even_re = first_re, even_im = first_im;
      V odd_re = diff_im[0] * static_cast<Real>(Roots::sine[k]);
      V odd_im = diff_re[0] * static_cast<Real>(Roots::sine[k]);
      ASC_EDGE_UNROLL
      for (int j = 0; j < half; ++j) {
        const int turn = ((j + 1) * k) % Radix;
        even_re = even_re + sum_re[j] * static_cast<Real>(Roots::cosine[turn]);
        even_im = even_im + sum_im[j] * static_cast<Real>(Roots::cosine[turn]);
        if (j > 0) {
          odd_re = odd_re + diff_im[j] * static_cast<Real>(Roots::sine[turn]);
          odd_im = odd_im + diff_re[j] * static_cast<Real>(Roots::sine[turn]);
        }
      }
      re[k] = even_re + odd_re;
      im[k] = even_im - odd_im;
      re[Radix - k] = even_re - odd_re;
      im[Radix - k] = even_im + odd_im;
    }
  }
};

template <class Real, class V> struct Butterfly<2, Real, V> {
  static ASC_EDGE_INLINE void apply(V (&re)[2], V (&im)[2]) noexcept {
    const V re1 = re[1], im1 = im[1];
    re[1] = re[0] - re1;
    im[1] = im[0] - im1;
    re[0] = re[0] + re1;
    im[0] = im[0] + im1;
  }
};

template <class Real, class V> struct Butterfly<4, Real, V> {
  static ASC_EDGE_INLINE void apply(V (&re)[4], V (&im)[4]) noexcept {
    const V a_re = re[0] + re[2], a_im = im[0] + im[2];
    const V b_re = re[0] - re[2], b_im = im[0] - im[2];
    const V c_re = re[1] + re[3], c_im = im[1] + im[3];
    const V d_re = re[1] - re[3], d_im = im[1] - im[3];
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

template <class Real, class V> struct Butterfly<8, Real, V> {
  /// fetch(k, re, im) gives point k, put(j, re, im) takes point j: one after another, so that registers
  /// suffice.
  template <class Fetch, class Put>
  static ASC_EDGE_INLINE void run(const Fetch& fetch, const Put& put) noexcept {
    constexpr Real half_root = static_cast<Real>(0.70710678118654752440); // sqrt(1/2)
    V odd_re[4], odd_im[4], even_re[4], even_im[4];
    fetch(1, odd_re[0], odd_im[0]);
    fetch(5, odd_re[2], odd_im[2]);
    fetch(3, odd_re[1], odd_im[1]);
    fetch(7, odd_re[3], odd_im[3]);
    Butterfly<4, Real, V>::apply(odd_re, odd_im);
    // odd[k] exp(-2 pi i k / 8); the turn by -i of odd[2] is in the signs below.
    const V one_re = (odd_re[1] + odd_im[1]) * half_root, one_im = (odd_im[1] - odd_re[1]) * half_root;
    const V three_re = (odd_im[3] - odd_re[3]) * half_root, three_im = (odd_re[3] + odd_im[3]) * half_root;
    fetch(0, even_re[0], even_im[0]);
    fetch(4, even_re[2], even_im[2]);
    fetch(2, even_re[1], even_im[1]);
    fetch(6, even_re[3], even_im[3]);
    Butterfly<4, Real, V>::apply(even_re, even_im);
    put(0, even_re[0] + odd_re[0], even_im[0] + odd_im[0]);
    put(4, even_re[0] - odd_re[0], even_im[0] - odd_im[0]);
    put(1, even_re[1] + one_re, even_im[1] + one_im);
    put(5, even_re[1] - one_re, even_im[1] - one_im);
    put(2, even_re[2] + odd_im[2], even_im[2] - odd_re[2]);
    put(6, even_re[2] - odd_im[2], even_im[2] + odd_re[2]);
    put(3, even_re[3] + three_re, even_im[3] - three_im);
    put(7, even_re[3] - three_re, even_im[3] + three_im);
  }
};

/// Any butterfly, by fetch(k, re, im) and put(j, re, im).
template <int Radix, class Real, class V, class Fetch, class Put>
ASC_EDGE_INLINE void butterfly(const Fetch& fetch, const Put& put) noexcept {
  if constexpr (Radix == 8) {
    Butterfly<8, Real, V>::run(fetch, put);
  } else {
    V re[Radix], im[Radix];
    ASC_EDGE_UNROLL
    for (std::size_t k = 0; k < Radix; ++k) {
      fetch(k, re[k], im[k]);
    }
    Butterfly<Radix, Real, V>::apply(re, im);
    ASC_EDGE_UNROLL
    for (std::size_t j = 0; j < Radix; ++j) {
      put(j, re[j], im[j]);
    }
  }
}
