// The way of samples into the stream's memory.

template <int W> bool numbers_finite(const float* numbers, std::size_t count) noexcept {
  using V = Vec<float, W>;
  // Infinity and NaN times zero are NaN, and stay it; everything else stays zero.
  V sums[4] = {V::all(0), V::all(0), V::all(0), V::all(0)};
  std::size_t i = 0;
  for (; i + 4 * W <= count; i += 4 * W) {
    ASC_EDGE_UNROLL
    for (std::size_t part = 0; part < 4; ++part) {
      sums[part] = sums[part] + V::load(numbers + i + part * W) * 0.0F;
    }
  }
  float rest = 0;
  for (; i < count; ++i) {
    rest += numbers[i] * 0.0F;
  }
  float sum[W];
  ((sums[0] + sums[1]) + (sums[2] + sums[3])).store(sum);
  for (int lane = 0; lane < W; ++lane) {
    rest += sum[lane];
  }
  return rest == 0.0F;
}

template <int W, int Lanes>
void split_rows_of(const float* rows, std::size_t stride, std::size_t pairs, float* even,
                   float* odd) noexcept {
  std::size_t i = 0;
  if constexpr (W > Lanes) {
    constexpr std::size_t step = W / Lanes;
    for (; stride == Lanes && i + step <= pairs; i += step) {
      Vec<float, W> re, im;
      RowPairLoader<float, Lanes>{rows}.load(i * Lanes, re, im);
      re.store(even + i * Lanes);
      im.store(odd + i * Lanes);
    }
  }
  using Row = Vec<float, (Lanes < W ? Lanes : W)>;
  for (; i < pairs; ++i) {
    for (std::size_t lane = 0; lane < Lanes; lane += Row::size) {
      Row::load(rows + 2 * i * stride + lane).store(even + i * Lanes + lane);
      Row::load(rows + (2 * i + 1) * stride + lane).store(odd + i * Lanes + lane);
    }
  }
}
