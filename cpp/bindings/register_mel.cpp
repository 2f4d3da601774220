#include <algorithm>

#include "arrays.hpp"
#include "asc_edge/mel.hpp"
#include "registry.hpp"

namespace py = pybind11;

void register_mel(py::module_& module) {
  using namespace asc_edge;
  py::enum_<MelScale>(module, "MelScale")
      .value("htk", MelScale::htk)
      .value("slaney", MelScale::slaney)
      .value("kaldi", MelScale::kaldi)
      .value("gammatone", MelScale::gammatone);
  py::enum_<MelNorm>(module, "MelNorm").value("peak", MelNorm::peak).value("area", MelNorm::area);
  module.def(
      "mel_filter_bank",
      [](double sample_rate_hz, std::size_t fft_length, std::size_t mels, MelScale scale, MelNorm norm,
         double fmin_hz, double fmax_hz) {
        const MelBank bank({sample_rate_hz, fft_length, mels, scale, norm, fmin_hz, fmax_hz});
        const std::vector<double> dense = bank.dense();
        bindings::DoubleArray matrix({bank.mels(), bank.bins()});
        std::copy(dense.begin(), dense.end(), matrix.mutable_data());
        return matrix;
      },
      py::kw_only(), py::arg("sample_rate_hz"), py::arg("fft_length"), py::arg("mels"), py::arg("mel_scale"),
      py::arg("mel_norm"), py::arg("fmin_hz"), py::arg("fmax_hz"));
}
