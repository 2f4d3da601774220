#pragma once

#include <cstddef>
#include <vector>

namespace asc_edge {

/// One pass of the transform, see kernels/passes.hpp.
template <class Real> struct FftStage {
  int radix;
  std::size_t groups;     // product of the radices of the passes before
  std::size_t stride;     // product of the radices of the passes after
  const Real* twiddle_re; // (radix - 1, groups)
  const Real* twiddle_im;
  const Real* roots; // cosines and sines of 2 pi j / radix, for a radix without a butterfly
};

/// What the kernels see of a plan: they must not call into the standard library, whose inline functions the
/// linker shares between instruction sets.
template <class Real> struct FftView {
  std::size_t length;
  std::size_t points; // of the complex transform: half the length when that is even
  std::size_t stages;
  const FftStage<Real>* stage;
  const Real* untangle_re; // exp(-2 pi i k / length), k = 0 .. points, for even lengths
  const Real* untangle_im;
};

/// Tables of a real transform. Immutable: one plan serves any number of threads, lanes and instruction sets.
template <class Real> class FftPlan {
public:
  /// Throws std::invalid_argument when length is 0.
  explicit FftPlan(std::size_t length);
  FftPlan(const FftPlan&) = delete;
  FftPlan& operator=(const FftPlan&) = delete;

  const FftView<Real>& view() const noexcept { return view_; }
  std::size_t length() const noexcept { return view_.length; }
  std::size_t bins() const noexcept { return view_.length / 2 + 1; }

private:
  std::vector<FftStage<Real>> stages_;
  std::vector<Real> tables_;
  FftView<Real> view_;
};

extern template class FftPlan<float>;
extern template class FftPlan<double>;

/// Numbers behind the end of a table, or of a row of samples, that a kernel may load and ignore.
constexpr std::size_t kPadding = 16;

/// Lane counts that have kernels: the sequences of a group lie interleaved.
constexpr std::size_t kMaxLanes = 8;
constexpr std::size_t lanes_for(std::size_t channels) noexcept {
  return channels <= 1 ? 1 : channels <= 2 ? 2 : channels <= 4 ? 4 : kMaxLanes;
}

/// Reals that a transform of a plan needs as workspace.
constexpr std::size_t buffer_size(std::size_t points, std::size_t lanes) noexcept {
  // Apart from each other modulo the page, so that a pass doesn't load what shares a cache set with its
  // stores.
  return (points + 8) * lanes + 5 * kPadding;
}
constexpr std::size_t workspace_size(std::size_t points, std::size_t lanes) noexcept {
  return 4 * buffer_size(points, lanes);
}

} // namespace asc_edge
