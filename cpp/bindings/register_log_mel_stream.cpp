#include <cstdint>

#include "arrays.hpp"
#include "asc_edge/log_mel_stream.hpp"
#include "exclusive.hpp"
#include "registry.hpp"

namespace py = pybind11;

namespace {

using asc_edge::bindings::Exclusive;

struct NonFiniteError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

struct BoundStream {
  BoundStream(const asc_edge::LogMelParams& params, std::size_t channels) : stream(params, channels) {}

  asc_edge::LogMelStream stream;
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
};

template <class Sample>
asc_edge::SampleView<Sample> view_of(const py::array_t<Sample, 0>& samples, std::size_t channels) {
  using namespace asc_edge::bindings;
  require_ndim(samples, 2, "samples");
  if (extent(samples, 1) != channels) {
    throw std::invalid_argument("samples must have " + std::to_string(channels) + " channels, not " +
                                std::to_string(extent(samples, 1)));
  }
  return {static_cast<const char*>(static_cast<const void*>(samples.data())), extent(samples, 0),
          samples.strides(0), samples.strides(1)};
}

template <class Sample>
asc_edge::bindings::FloatArray push(BoundStream& self, const py::array_t<Sample, 0>& samples) {
  asc_edge::LogMelStream& stream = self.stream;
  const asc_edge::SampleView<Sample> view = view_of(samples, stream.channels());
  const Exclusive hold(self.busy);
  asc_edge::bindings::FloatArray frames({stream.frames_due(view.frames), stream.channels(), stream.mels()});
  float* out = frames.mutable_data();
  std::optional<asc_edge::SamplePosition> refused;
  {
    const py::gil_scoped_release release;
    refused = asc_edge::find_non_finite(view, stream.channels());
    if (!refused) {
      stream.push(view, out);
    }
  }
  if (refused) {
    throw NonFiniteError("sample " + std::to_string(refused->frame) + " of channel " +
                         std::to_string(refused->channel) + " is NaN or infinite");
  }
  return frames;
}

} // namespace

void register_log_mel_stream(py::module_& module) {
  using namespace asc_edge;
  py::register_exception<NonFiniteError>(module, "NonFiniteSampleError", PyExc_ValueError);
  py::register_exception<bindings::BusyError>(module, "BusyError", PyExc_RuntimeError);
  py::class_<BoundStream>(module, "LogMelStream")
      .def(py::init([](double sample_rate_hz, std::size_t window_samples, std::size_t hop_samples,
                       std::size_t mels, MelScale mel_scale, MelNorm mel_norm, double fmin_hz, double fmax_hz,
                       std::size_t channels) {
             const LogMelParams params{sample_rate_hz, window_samples, hop_samples, mels,
                                       mel_scale,      mel_norm,       fmin_hz,     fmax_hz};
             return std::make_unique<BoundStream>(params, channels);
           }),
           py::kw_only(), py::arg("sample_rate_hz"), py::arg("window_samples"), py::arg("hop_samples"),
           py::arg("mels"), py::arg("mel_scale"), py::arg("mel_norm"), py::arg("fmin_hz"), py::arg("fmax_hz"),
           py::arg("channels"))
      .def("push", &push<float>, py::arg("samples").noconvert())
      .def("push", &push<std::int16_t>, py::arg("samples").noconvert())
      .def("reset",
           [](BoundStream& self) {
             const Exclusive hold(self.busy);
             self.stream.reset();
           })
      .def_property_readonly("frames_emitted",
                             [](const BoundStream& self) { return self.stream.frames_emitted(); });
}
