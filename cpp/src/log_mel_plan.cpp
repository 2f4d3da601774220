#include "asc_edge/log_mel_plan.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "aligned.hpp"
#include "asc_edge/isa.hpp"
#include "kernels/kernels.hpp"

namespace asc_edge {
namespace {

// A band this far below the strongest bin (in power) may show single precision's rounding by 1e-4 dB;
// measured in the tests against double precision on the signals that are worst for it.
constexpr double kWeakestPower = 1e-7;

LogMelParams checked(LogMelParams params) {
  const bool finite = std::isfinite(params.shift) && std::isfinite(params.scale);
  if (!finite || params.scale == 0.0) {
    throw std::invalid_argument("the shift and the scale of a cell must be finite, and the scale not 0");
  }
  if (params.level == LevelKind::natural_log &&
      !(params.log_offset > 0.0 && std::isfinite(params.log_offset))) {
    throw std::invalid_argument("a natural logarithm needs an offset above 0");
  }
  if (params.interpolation == 0) {
    throw std::invalid_argument("an interpolation is by a factor of 1 or more");
  }
  params.fft_length = params.fft_length == 0 ? params.window_samples : params.fft_length;
  return params;
}

/// The factor of the pre-emphasis of the samples that there are; dense_bank() makes up for the rest.
double framed_preemphasis(const LogMelParams& params) {
  // What is below 0 stays so, to be refused.
  const double factor = params.preemphasis;
  return factor <= 0.0 ? factor : std::pow(factor, static_cast<double>(params.interpolation));
}

/// The bank, row-major (mels, bins), over the bins that there are.
///
/// With N the interpolation and z = exp(-j w) at the higher rate, the frames' pre-emphasis is
/// 1 - a^N z^N = (1 - a z) (1 + a z + .. + (a z)^(N-1)). The right factor, without a zero below pi / N, is
/// divided out of each bin.
std::vector<double> dense_bank(const LogMelParams& params) {
  const std::size_t factor = params.interpolation;
  const MelBank bank({params.sample_rate_hz * static_cast<double>(factor), params.fft_length * factor,
                      params.mels, params.mel_scale, params.mel_norm, params.fmin_hz, params.fmax_hz});
  const std::vector<double> whole = bank.dense();
  const std::size_t bins = params.fft_length / 2 + 1;
  const double pi = std::acos(-1.0);
  std::vector<double> rows(params.mels * bins);
  for (std::size_t k = 0; k < bins; ++k) {
    const double angle = -2.0 * pi * static_cast<double>(k) / static_cast<double>(params.fft_length * factor);
    std::complex<double> sum = 0.0;
    for (std::size_t i = 0; i < factor; ++i) {
      sum += std::polar(std::pow(params.preemphasis, static_cast<double>(i)), angle * static_cast<double>(i));
    }
    const double divisor = params.spectrum == SpectrumKind::magnitude ? std::abs(sum) : std::norm(sum);
    for (std::size_t m = 0; m < params.mels; ++m) {
      rows[m * bins + k] = whole[m * bank.bins() + k] / divisor;
    }
  }
  return rows;
}

/// The window over the transform's whole length, scaled so that the kernels' twice the spectrum comes out
/// right: even samples, then odd ones, each with padding; or all of them when the length is odd.
template <class Real> AlignedVector<Real> window_table(const LogMelParams& params) {
  const std::vector<double> window = make_window(params.window_shape, params.window_samples);
  double sum = 0.0;
  for (const double weight : window) {
    sum += weight;
  }
  // So many times as many samples, so much larger a spectrum; full scale makes up for it.
  const double scale = 0.5 * (params.full_scale ? 2.0 / sum : static_cast<double>(params.interpolation));
  const std::size_t parts = params.fft_length % 2 == 0 ? 2 : 1;
  const std::size_t part = params.fft_length / parts + kPadding;
  AlignedVector<Real> table(parts * part, Real{0});
  for (std::size_t n = 0; n < window.size(); ++n) {
    table[n % parts * part + n / parts] = static_cast<Real>(window[n] * scale);
  }
  return table;
}

template <class Real> struct BankTable {
  explicit BankTable(const LogMelParams& params) {
    const std::vector<double> dense = dense_bank(params);
    const std::size_t bins = params.fft_length / 2 + 1;
    for (std::size_t m = 0; m < params.mels; ++m) {
      const double* row = dense.data() + m * bins;
      std::size_t first = 0, end = bins;
      while (first < end && row[first] == 0.0) {
        ++first;
      }
      while (end > first && row[end - 1] == 0.0) {
        --end;
      }
      const std::size_t first_block = first / 4;
      const std::size_t blocks = end == first ? 0 : (end + 3) / 4 - first_block;
      bands.push_back({first_block, blocks, weights.size()});
      ignored.push_back(static_cast<Real>(blocks == 0 ? kIgnored : 0.0F));
      for (std::size_t k = 4 * first_block; k < 4 * (first_block + blocks); ++k) {
        weights.push_back(static_cast<Real>(k < bins ? row[k] : 0.0));
      }
    }
    while (bands.size() % 4 != 0) {
      bands.push_back({0, 0, 0});
      ignored.push_back(static_cast<Real>(kIgnored));
    }
    weights.resize(weights.size() + kPadding);
    ignored.resize(ignored.size() + kPadding);
  }

  BankView<Real> view() const { return {bands.size(), bands.data(), weights.data(), ignored.data()}; }

  std::vector<typename BankView<Real>::Band> bands;
  AlignedVector<Real> weights;
  AlignedVector<Real> ignored;
};

template <class Real> struct FrameTables {
  explicit FrameTables(const LogMelParams& params)
      : fft(params.fft_length), window(window_table<Real>(params)), bank(params) {
    const bool magnitude = params.spectrum == SpectrumKind::magnitude;
    const double power_floor = params.level == LevelKind::db ? kPowerFloor : 1e-5 * params.log_offset;
    const double magnitude_floor = params.level == LevelKind::db ? kMagnitudeFloor : 1e-5 * params.log_offset;
    view = {fft.view(),
            bank.view(),
            window.data(),
            window.data() + params.fft_length / 2 + kPadding,
            params.window_samples,
            params.remove_mean,
            magnitude,
            static_cast<Real>(magnitude ? std::sqrt(kWeakestPower) : kWeakestPower),
            static_cast<Real>(magnitude ? magnitude_floor : power_floor)};
    if (params.fft_length % 2 != 0) {
      view.window_odd = nullptr;
    }
  }

  FftPlan<Real> fft;
  AlignedVector<Real> window;
  BankTable<Real> bank;
  FrameView<Real> view;
};

/// value with its last 13 bits cleared: times a float's exponent, the product is exact.
float without_tail(double value) {
  const float rounded = static_cast<float>(value);
  std::uint32_t bits = 0;
  std::memcpy(&bits, &rounded, sizeof bits);
  bits &= 0xffffe000U;
  float high = 0;
  std::memcpy(&high, &bits, sizeof high);
  return high;
}

LevelView level_view(const LogMelParams& params) {
  const bool magnitude = params.spectrum == SpectrumKind::magnitude;
  const bool db = params.level == LevelKind::db;
  const double gain = db ? (magnitude ? 20.0 : 10.0) / std::log(10.0) : 1.0;
  const double step = gain * std::log(2.0);
  const float high = without_tail(step);
  const double floor = magnitude ? kMagnitudeFloor : kPowerFloor;
  return {static_cast<float>(db ? 0.0 : params.log_offset),
          static_cast<float>(db ? floor : params.log_offset),
          high,
          static_cast<float>(step - static_cast<double>(high)),
          static_cast<float>(gain),
          static_cast<float>(params.shift),
          static_cast<float>(params.scale)};
}

} // namespace

struct LogMelPlan::Tables {
  Tables(const LogMelParams& params, const std::string& isa)
      : kernels(kernels_for(isa)), single(params), precise(params), level(level_view(params)) {}

  const Kernels& kernels;
  FrameTables<float> single;
  FrameTables<double> precise;
  LevelView level;
};

struct LogMelPlan::Workspace::Memory {
  Memory(std::size_t points, std::size_t mels, std::size_t lanes_)
      : lanes(lanes_), single(workspace_size(points, lanes)), precise(workspace_size(points, lanes)),
        bands((mels + 4) * lanes + kPadding), precise_bands((mels + 4) * lanes + kPadding),
        cells(lanes * mels) {}

  std::size_t lanes;
  AlignedVector<float> single;
  AlignedVector<double> precise;
  AlignedVector<float> bands;
  AlignedVector<double> precise_bands;
  AlignedVector<float> cells;
};

LogMelPlan::Workspace::Workspace(const LogMelPlan& plan, std::size_t lanes)
    : memory_(std::make_unique<Memory>(plan.tables_->single.fft.view().points, plan.mels_, lanes)) {}
LogMelPlan::Workspace::~Workspace() = default;
LogMelPlan::Workspace::Workspace(Workspace&&) noexcept = default;

LogMelPlan::LogMelPlan(const LogMelParams& given, const std::string& isa)
    : framing_({given.window_samples, given.hop_samples, checked(given).fft_length, framed_preemphasis(given),
                given.centred}),
      mels_(given.mels) {
  tables_ = std::make_unique<const Tables>(checked(given), isa);
}

LogMelPlan::~LogMelPlan() = default;

const Kernels& LogMelPlan::kernels() const noexcept {
  return tables_->kernels;
}

void LogMelPlan::frame(const float* even, const float* odd, std::size_t channels, Workspace& workspace,
                       float* out) const noexcept {
  const Tables& t = *tables_;
  Workspace::Memory& m = *workspace.memory_;
  const unsigned weak = t.kernels.bands(t.single.view, m.lanes, even, odd, m.bands.data(), m.single.data());
  // The levels of all lanes; those of lanes without a channel may only go where nothing is behind.
  float* const cells = channels == m.lanes ? out : m.cells.data();
  t.kernels.levels(t.level, m.lanes, mels_, m.bands.data(), cells);
  if (cells != out) {
    std::copy_n(cells, channels * mels_, out);
  }
  const unsigned wanted = weak & ((1U << channels) - 1U);
  if (wanted == 0) {
    return;
  }
  t.kernels.precise_bands(t.precise.view, m.lanes, even, odd, m.precise_bands.data(), m.precise.data());
  for (std::size_t lane = 0; lane < channels; ++lane) {
    if ((wanted >> lane & 1U) != 0) {
      t.kernels.precise_levels(t.level, m.lanes, lane, mels_, m.precise_bands.data(), out + lane * mels_);
    }
  }
}

} // namespace asc_edge
