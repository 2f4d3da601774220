#include "asc_edge/fft.hpp"

#include <algorithm>
#include <stdexcept>

#include "aligned.hpp"
#include "asc_edge/isa.hpp"
#include "kernels/kernels.hpp"

namespace asc_edge {

struct RealFft::Memory {
  Memory(std::size_t length, std::size_t channels, const std::string& isa)
      : kernels(kernels_for(isa)), plan(length), lanes(lanes_for(channels)),
        workspace(workspace_size(plan.view().points, lanes)) {
    if (lanes != channels) {
      rows.resize(length * lanes + kPadding);
      re.resize(plan.bins() * lanes);
      im.resize(plan.bins() * lanes);
    }
  }

  const Kernels& kernels;
  FftPlan<float> plan;
  std::size_t lanes;
  AlignedVector<float> workspace;
  // One group of lanes, where the channels don't fill it exactly.
  AlignedVector<float> rows;
  AlignedVector<float> re;
  AlignedVector<float> im;
};

RealFft::RealFft(std::size_t length, std::size_t channels, const std::string& isa)
    : length_(length), channels_(channels) {
  if (channels == 0 || channels > 2 * kMaxLanes) {
    throw std::invalid_argument("a Fourier transform takes 1 to 16 channels");
  }
  memory_ = std::make_unique<Memory>(length, channels, isa);
}

RealFft::~RealFft() = default;

void RealFft::execute(const float* rows, float* re, float* im) noexcept {
  Memory& m = *memory_;
  if (m.lanes == channels_) {
    m.kernels.real_fft(m.plan.view(), m.lanes, rows, re, im, m.workspace.data());
    return;
  }
  for (std::size_t first = 0; first < channels_; first += m.lanes) {
    const std::size_t count = std::min(m.lanes, channels_ - first);
    for (std::size_t n = 0; n < length_; ++n) {
      std::copy_n(rows + n * channels_ + first, count, m.rows.data() + n * m.lanes);
    }
    m.kernels.real_fft(m.plan.view(), m.lanes, m.rows.data(), m.re.data(), m.im.data(), m.workspace.data());
    for (std::size_t k = 0; k < bins(); ++k) {
      std::copy_n(m.re.data() + k * m.lanes, count, re + k * channels_ + first);
      std::copy_n(m.im.data() + k * m.lanes, count, im + k * channels_ + first);
    }
  }
}

} // namespace asc_edge
