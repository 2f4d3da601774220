// A SIMD register of N numbers, in the compiler's own vector type. Included once for each instruction set,
// inside its own namespace (see kernels.inl): nothing in here may be shared between them by the linker.

#define ASC_EDGE_INLINED __attribute__((always_inline))
#define ASC_EDGE_INLINE inline ASC_EDGE_INLINED

// Loops over an array of registers: left as loops, the array would live in memory.
#if defined(__clang__)
#define ASC_EDGE_UNROLL _Pragma("unroll")
#else
#define ASC_EDGE_UNROLL _Pragma("GCC unroll 16")
#endif

/// N numbers that take part in the same operations. Every operation acts on each number alone and rounds it
/// as the scalar operation would: so results don't depend on N.
template <class Real, int N> struct Vec {
  using Native [[gnu::vector_size(sizeof(Real) * N)]] = Real;
  static constexpr int size = N;
  Native v;

  static ASC_EDGE_INLINE Vec load(const Real* from) noexcept {
    Vec loaded;
    __builtin_memcpy(&loaded.v, from, sizeof(Native));
    return loaded;
  }
  static ASC_EDGE_INLINE Vec all(Real value) noexcept { return {value - Native{}}; }
  ASC_EDGE_INLINE void store(Real* to) const noexcept { __builtin_memcpy(to, &v, sizeof(Native)); }

  friend ASC_EDGE_INLINE Vec operator+(Vec a, Vec b) noexcept { return {a.v + b.v}; }
  friend ASC_EDGE_INLINE Vec operator-(Vec a, Vec b) noexcept { return {a.v - b.v}; }
  friend ASC_EDGE_INLINE Vec operator*(Vec a, Vec b) noexcept { return {a.v * b.v}; }
  friend ASC_EDGE_INLINE Vec operator*(Vec a, Real b) noexcept { return {a.v * b}; }
  friend ASC_EDGE_INLINE Vec max(Vec a, Vec b) noexcept { return {a.v > b.v ? a.v : b.v}; }
  friend ASC_EDGE_INLINE Vec min(Vec a, Vec b) noexcept { return {a.v < b.v ? a.v : b.v}; }
};

template <class Real> struct Vec<Real, 1> {
  static constexpr int size = 1;
  Real v;

  static ASC_EDGE_INLINE Vec load(const Real* from) noexcept { return {*from}; }
  static ASC_EDGE_INLINE Vec all(Real value) noexcept { return {value}; }
  ASC_EDGE_INLINE void store(Real* to) const noexcept { *to = v; }

  friend ASC_EDGE_INLINE Vec operator+(Vec a, Vec b) noexcept { return {a.v + b.v}; }
  friend ASC_EDGE_INLINE Vec operator-(Vec a, Vec b) noexcept { return {a.v - b.v}; }
  friend ASC_EDGE_INLINE Vec operator*(Vec a, Vec b) noexcept { return {a.v * b.v}; }
  friend ASC_EDGE_INLINE Vec operator*(Vec a, Real b) noexcept { return {a.v * b}; }
  friend ASC_EDGE_INLINE Vec max(Vec a, Vec b) noexcept { return {a.v > b.v ? a.v : b.v}; }
  friend ASC_EDGE_INLINE Vec min(Vec a, Vec b) noexcept { return {a.v < b.v ? a.v : b.v}; }
};

/// N floats from memory, as Real.
template <class Real, int N> ASC_EDGE_INLINE Vec<Real, N> load_as(const float* from) noexcept {
  if constexpr (sizeof(Real) == sizeof(float)) {
    return Vec<Real, N>::load(from);
  } else if constexpr (N == 1) {
    return {static_cast<Real>(*from)};
  } else {
    return {__builtin_convertvector(Vec<float, N>::load(from).v, typename Vec<Real, N>::Native)};
  }
}

/// The larger of a, which is not negative, and the magnitude of b: as integers, since comparing floats would
/// cost the adders' time.
template <int N> ASC_EDGE_INLINE Vec<float, N> max_magnitude(Vec<float, N> a, Vec<float, N> b) noexcept {
  using Ints [[gnu::vector_size(sizeof(std::int32_t) * N)]] = std::int32_t;
  Ints left, right;
  __builtin_memcpy(&left, &a.v, sizeof left);
  __builtin_memcpy(&right, &b.v, sizeof right);
  right &= 0x7fffffff;
  left = left > right ? left : right;
  __builtin_memcpy(&a.v, &left, sizeof left);
  return a;
}

// Shuffles, all in blocks of Block numbers; the index lists are made at compile time.

/// Blocks 0, 2, 4, ... (Odd = 0) or 1, 3, 5, ... (Odd = 1) of a followed by b.
template <int Block, int Odd, class Real, int N, std::size_t... I>
ASC_EDGE_INLINE Vec<Real, N> every_second(Vec<Real, N> a, Vec<Real, N> b,
                                          std::index_sequence<I...>) noexcept {
  return {__builtin_shufflevector(
      a.v, b.v, (2 * (static_cast<int>(I) / Block) + Odd) * Block + static_cast<int>(I) % Block...)};
}

template <int Block, class Real, int N, std::size_t... I>
ASC_EDGE_INLINE Vec<Real, N> reverse(Vec<Real, N> a, std::index_sequence<I...>) noexcept {
  return {__builtin_shufflevector(
      a.v, a.v, (N / Block - 1 - static_cast<int>(I) / Block) * Block + static_cast<int>(I) % Block...)};
}

/// The vector's blocks in reverse order; with Block 0 as it is.
template <int Block, class Real, int N> ASC_EDGE_INLINE Vec<Real, N> reverse(Vec<Real, N> a) noexcept {
  if constexpr (Block == 0 || N <= Block) {
    return a;
  } else {
    return reverse<Block>(a, std::make_index_sequence<N>());
  }
}

template <int Block, class Real, int N, std::size_t... I>
ASC_EDGE_INLINE Vec<Real, N> repeat(Vec<Real, N> a, std::index_sequence<I...>) noexcept {
  return {__builtin_shufflevector(a.v, a.v, static_cast<int>(I) / Block...)};
}

/// N / Block numbers from memory, each of them Block times. Reads N numbers: a shorter load would have to be
/// widened, which compilers do through memory.
template <int N, int Block, class Real>
ASC_EDGE_INLINE Vec<Real, N> load_repeated(const Real* from) noexcept {
  if constexpr (Block >= N) {
    return Vec<Real, N>::all(*from);
  } else if constexpr (Block == 1) {
    return Vec<Real, N>::load(from);
  } else {
    return repeat<Block>(Vec<Real, N>::load(from), std::make_index_sequence<N>());
  }
}

/// Takes R vectors that hold a stream of blocks b0 b1 b2 ..., and leaves in vector k the blocks k, k + R,
/// k + 2R, ... (R a power of two, at most N / Block).
template <int R, int Block, class Real, int N>
ASC_EDGE_INLINE void deinterleave(Vec<Real, N> (&a)[R]) noexcept {
  if constexpr (R > 1) {
    Vec<Real, N> even[R / 2], odd[R / 2];
    ASC_EDGE_UNROLL
    for (int r = 0; r < R / 2; ++r) {
      even[r] = every_second<Block, 0>(a[2 * r], a[2 * r + 1], std::make_index_sequence<N>());
      odd[r] = every_second<Block, 1>(a[2 * r], a[2 * r + 1], std::make_index_sequence<N>());
    }
    deinterleave<R / 2, Block>(even);
    deinterleave<R / 2, Block>(odd);
    ASC_EDGE_UNROLL
    for (int r = 0; r < R / 2; ++r) {
      a[2 * r] = even[r];
      a[2 * r + 1] = odd[r];
    }
  }
}
