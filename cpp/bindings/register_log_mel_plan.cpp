#include <memory>

#include "asc_edge/log_mel_plan.hpp"
#include "registry.hpp"

namespace py = pybind11;

namespace {

using namespace asc_edge;

std::shared_ptr<LogMelPlan> make_plan(double sample_rate_hz, std::size_t window_samples,
                                      std::size_t hop_samples, std::size_t mels, MelScale mel_scale,
                                      MelNorm mel_norm, double fmin_hz, double fmax_hz,
                                      std::size_t interpolation, std::size_t fft_length,
                                      WindowShape window_shape, bool remove_mean, double preemphasis,
                                      bool centred, SpectrumKind spectrum, bool full_scale, LevelKind level,
                                      double log_offset, double shift, double scale, const std::string& isa) {
  LogMelParams params{sample_rate_hz, window_samples, hop_samples, mels,       mel_scale,
                      mel_norm,       fmin_hz,        fmax_hz,     fft_length, window_shape,
                      remove_mean,    preemphasis,    centred,     spectrum,   full_scale,
                      level,          log_offset,     shift,       scale};
  params.interpolation = interpolation;
  return std::make_shared<LogMelPlan>(params, isa);
}

} // namespace

void register_log_mel_plan(py::module_& module) {
  py::enum_<WindowShape>(module, "WindowShape")
      .value("hann_periodic", WindowShape::hann_periodic)
      .value("hann_symmetric", WindowShape::hann_symmetric);
  py::enum_<SpectrumKind>(module, "SpectrumKind")
      .value("power", SpectrumKind::power)
      .value("magnitude", SpectrumKind::magnitude);
  py::enum_<LevelKind>(module, "LevelKind")
      .value("db", LevelKind::db)
      .value("natural_log", LevelKind::natural_log);
  const LogMelParams usual{};
  py::class_<LogMelPlan, std::shared_ptr<LogMelPlan>>(module, "LogMelPlan")
      .def(py::init(&make_plan), py::kw_only(), py::arg("sample_rate_hz"), py::arg("window_samples"),
           py::arg("hop_samples"), py::arg("mels"), py::arg("mel_scale"), py::arg("mel_norm"),
           py::arg("fmin_hz"), py::arg("fmax_hz"), py::arg("interpolation") = usual.interpolation,
           py::arg("fft_length") = usual.fft_length, py::arg("window_shape") = usual.window_shape,
           py::arg("remove_mean") = usual.remove_mean, py::arg("preemphasis") = usual.preemphasis,
           py::arg("centred") = usual.centred, py::arg("spectrum") = usual.spectrum,
           py::arg("full_scale") = usual.full_scale, py::arg("level") = usual.level,
           py::arg("log_offset") = usual.log_offset, py::arg("shift") = usual.shift,
           py::arg("scale") = usual.scale, py::arg("isa") = "");
}
