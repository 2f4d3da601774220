#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "asc_edge/framing.hpp"
#include "asc_edge/mel.hpp"
#include "asc_edge/window_function.hpp"

namespace asc_edge {

enum class SpectrumKind {
  power,     ///< |X|^2
  magnitude, ///< |X|
};

enum class LevelKind {
  db,          ///< 10 log10 of a power, 20 log10 of a magnitude, never below -160 dB
  natural_log, ///< ln(band + log_offset)
};

/// What one cell is: (level of the band of the spectrum + shift) * scale.
struct LogMelParams {
  double sample_rate_hz = 0.0;
  std::size_t window_samples = 0;
  std::size_t hop_samples = 0;
  std::size_t mels = 0;
  MelScale mel_scale = MelScale::htk;
  MelNorm mel_norm = MelNorm::peak;
  double fmin_hz = 0.0;
  double fmax_hz = 0.0;
  std::size_t fft_length = 0; ///< at least the window, filled up with zeros; 0 is the window's length
  WindowShape window_shape = WindowShape::hann_periodic;
  bool remove_mean = true;  ///< of each frame's samples
  double preemphasis = 0.0; ///< a of y[n] = x[n + 1] - a x[n], over the whole signal; 0 is off
  bool centred = false;     ///< frames as torch.stft(center=True, pad_mode="reflect")
  SpectrumKind spectrum = SpectrumKind::power;
  bool full_scale = true; ///< scales so that a full-scale sine on a bin centre is 1
  LevelKind level = LevelKind::db;
  double log_offset = 1e-10; ///< of the natural logarithm
  double shift = 0.0;
  double scale = 1.0;
  /// Frames as of the signal interpolated to so many times the rate, where nothing lies above the old half:
  /// window, hop and transform are counted in samples as they are; the bank and the pre-emphasis are those of
  /// the higher rate, and fmax_hz may lie above what there is.
  std::size_t interpolation = 1;
};

/// Power below which a band counts as empty: -160 dB.
constexpr double kPowerFloor = 1e-16;
constexpr double kMagnitudeFloor = 1e-8;

struct Kernels;

/// Tables of a front end, and the arithmetic of one frame. Immutable: streams in any threads may share one.
class LogMelPlan {
public:
  /// isa: see kernels_for(). Throws std::invalid_argument on parameters that can't work.
  explicit LogMelPlan(const LogMelParams& params, const std::string& isa = "");
  ~LogMelPlan();
  LogMelPlan(const LogMelPlan&) = delete;
  LogMelPlan& operator=(const LogMelPlan&) = delete;

  const Framing& framing() const noexcept { return framing_; }
  std::size_t mels() const noexcept { return mels_; }
  const Kernels& kernels() const noexcept;

  /// Memory for the frames of one group of lanes, of one thread.
  class Workspace {
  public:
    Workspace(const LogMelPlan& plan, std::size_t lanes);
    ~Workspace();
    Workspace(Workspace&&) noexcept;

  private:
    friend class LogMelPlan;
    struct Memory;
    std::unique_ptr<Memory> memory_;
  };

  /// Cells (channels, mels) of one frame. even, odd: the interleaved samples under the window, as LaneRows
  /// gives them; the first `channels` lanes count. Neither allocates nor throws.
  ///
  /// The frame is computed in single precision. Where a band is so weak beside the strongest bin that single
  /// precision's rounding could be seen in it, its channel is computed again in double.
  void frame(const float* even, const float* odd, std::size_t channels, Workspace& workspace,
             float* out) const noexcept;

private:
  struct Tables;

  Framing framing_;
  std::size_t mels_;
  std::unique_ptr<const Tables> tables_;
};

} // namespace asc_edge
