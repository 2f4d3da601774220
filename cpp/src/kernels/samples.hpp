// The way of samples into the stream's memory, and of a clip's cells out of it.

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

/// Writes rows (count, columns) as columns: number c of row r goes to out[c * stride + r].
template <int W>
void transpose_rows(const float* rows, std::size_t count, std::size_t columns, float* out,
                    std::size_t stride) noexcept {
  using V = Vec<float, W>;
  std::size_t r = 0;
  for (; r + W <= count && columns >= W; r += W) {
    for (std::size_t start = 0; start < columns; start += W) {
      const std::size_t c = start + W <= columns ? start : columns - W;
      V block[W];
      ASC_EDGE_UNROLL
      for (std::size_t i = 0; i < W; ++i) {
        block[i] = V::load(rows + (r + i) * columns + c);
      }
      deinterleave<W, 1>(block);
      ASC_EDGE_UNROLL
      for (std::size_t i = 0; i < W; ++i) {
        block[i].store(out + (c + i) * stride + r);
      }
    }
  }
  for (; r < count; ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      out[c * stride + r] = rows[r * columns + c];
    }
  }
}
