// Everything an instruction set needs. The including file opens a namespace of its own and defines kName and
// kFloats, the floats in a register. Code in here must not call inline functions of the standard library: the
// linker would keep one copy of them for all instruction sets, and an old processor would stop at it.

#include "vec.hpp"

#include "butterflies.hpp"
#include "passes.hpp"

#include "transform.hpp"

#include "loaders.hpp"
#include "untangle.hpp"

#include "frame.hpp"
#include "level.hpp"
#include "samples.hpp"

template <int Lanes>
void real_fft_of(const FftView<float>& plan, const float* rows, float* re, float* im,
                 float* workspace) noexcept {
  const std::size_t size = buffer_size(plan.points, Lanes);
  Buffers<float> b{workspace, workspace + size, workspace + 2 * size, workspace + 3 * size};
  float unused[kMaxLanes + kPadding] = {};
  if (plan.length % 2 == 0) {
    transform<kFloats>(plan, Lanes, RowPairLoader<float, Lanes>{rows}, b);
    untangle<kFloats, Lanes>(plan, b.re, b.im, SpectrumSink<float>{re, im}, unused);
  } else {
    transform<kFloats>(plan, Lanes, RowLoader<float, Lanes>{rows}, b);
    copy_bins<Lanes>(plan, b.re, b.im, SpectrumSink<float>{re, im}, unused);
  }
}

void real_fft(const FftView<float>& plan, std::size_t lanes, const float* rows, float* re, float* im,
              float* workspace) noexcept {
  switch (lanes) {
  case 1:
    return real_fft_of<1>(plan, rows, re, im, workspace);
  case 2:
    return real_fft_of<2>(plan, rows, re, im, workspace);
  case 4:
    return real_fft_of<4>(plan, rows, re, im, workspace);
  default:
    return real_fft_of<8>(plan, rows, re, im, workspace);
  }
}

template <int W, class Real>
unsigned bands_of(const FrameView<Real>& frame, std::size_t lanes, const float* even, const float* odd,
                  Real* bands, Real* workspace) noexcept {
  switch (lanes) {
  case 1:
    return frame_bands<W, 1>(frame, even, odd, bands, workspace);
  case 2:
    return frame_bands<W, 2>(frame, even, odd, bands, workspace);
  case 4:
    return frame_bands<W, 4>(frame, even, odd, bands, workspace);
  default:
    return frame_bands<W, 8>(frame, even, odd, bands, workspace);
  }
}

void levels(const LevelView& level, std::size_t lanes, std::size_t count, const float* bands,
            float* out) noexcept {
  switch (lanes) {
  case 1:
    return frame_levels<kFloats, 1>(level, count, bands, out);
  case 2:
    return frame_levels<kFloats, 2>(level, count, bands, out);
  case 4:
    return frame_levels<kFloats, 4>(level, count, bands, out);
  default:
    return frame_levels<kFloats, 8>(level, count, bands, out);
  }
}

void precise_levels(const LevelView& level, std::size_t lanes, std::size_t lane, std::size_t count,
                    const double* bands, float* out) noexcept {
  for (std::size_t m = 0; m < count; ++m) {
    out[m] = precise_level_of(level, bands[m * lanes + lane]);
  }
}

void split_rows(const float* rows, std::size_t stride, std::size_t pairs, std::size_t lanes, float* even,
                float* odd) noexcept {
  switch (lanes) {
  case 1:
    return split_rows_of<kFloats, 1>(rows, stride, pairs, even, odd);
  case 2:
    return split_rows_of<kFloats, 2>(rows, stride, pairs, even, odd);
  case 4:
    return split_rows_of<kFloats, 4>(rows, stride, pairs, even, odd);
  default:
    return split_rows_of<kFloats, 8>(rows, stride, pairs, even, odd);
  }
}

bool all_finite(const float* numbers, std::size_t count) noexcept {
  return numbers_finite<kFloats>(numbers, count);
}

void transpose(const float* rows, std::size_t count, std::size_t columns, float* out,
               std::size_t stride) noexcept {
  transpose_rows<kFloats>(rows, count, columns, out, stride);
}

constexpr Kernels kTable{kName,
                         all_finite,
                         split_rows,
                         transpose,
                         real_fft,
                         bands_of<kFloats, float>,
                         bands_of<kFloats / 2, double>,
                         levels,
                         precise_levels};
