#include <cstdint>

#include "asc_edge/log_mel_stream.hpp"
#include "exclusive.hpp"
#include "registry.hpp"
#include "samples.hpp"

namespace py = pybind11;

namespace {

using asc_edge::bindings::Exclusive;

struct NonFiniteError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

struct FinishedError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct BoundStream {
  BoundStream(std::shared_ptr<asc_edge::LogMelPlan> plan, std::size_t channels)
      : stream(std::move(plan), channels) {}

  asc_edge::LogMelStream stream;
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
  asc_edge::bindings::PublicCount frames_emitted{0};
};

/// Call it while holding the stream.
void require_unfinished(const asc_edge::LogMelStream& stream) {
  if (stream.finished()) {
    throw FinishedError("the stream is finished");
  }
}

template <class Sample>
asc_edge::bindings::FloatArray push(BoundStream& self, const py::array_t<Sample, 0>& samples) {
  asc_edge::LogMelStream& stream = self.stream;
  const asc_edge::SampleView<Sample> view = asc_edge::bindings::view_of(samples, stream.channels());
  const Exclusive hold(self.busy);
  require_unfinished(stream);
  asc_edge::bindings::FloatArray frames({stream.frames_due(view.frames), stream.channels(), stream.mels()});
  float* out = frames.mutable_data();
  std::optional<asc_edge::SamplePosition> refused;
  {
    const py::gil_scoped_release release;
    refused = stream.find_non_finite(view);
    if (!refused) {
      stream.push(view, out);
      self.frames_emitted = stream.frames_emitted();
    }
  }
  if (refused) {
    asc_edge::bindings::refuse(*refused);
  }
  return frames;
}

/// Cells (channels, mels, frames) of a whole signal.
template <class Sample>
asc_edge::bindings::FloatArray log_mel(const std::shared_ptr<asc_edge::LogMelPlan>& plan,
                                       const py::array_t<Sample, 0>& samples) {
  asc_edge::bindings::require_ndim(samples, 2, "samples");
  const std::size_t channels = asc_edge::bindings::extent(samples, 1);
  const asc_edge::SampleView<Sample> view = asc_edge::bindings::view_of(samples, channels);
  asc_edge::LogMelStream stream(plan, channels);
  asc_edge::bindings::FloatArray cells({channels, stream.mels(), stream.frames_in_all(view.frames)});
  float* out = cells.mutable_data();
  std::optional<asc_edge::SamplePosition> refused;
  {
    const py::gil_scoped_release release;
    refused = stream.find_non_finite(view);
    if (!refused) {
      stream.whole(view, out);
    }
  }
  if (refused) {
    asc_edge::bindings::refuse(*refused);
  }
  return cells;
}

asc_edge::bindings::FloatArray finish(BoundStream& self) {
  asc_edge::LogMelStream& stream = self.stream;
  const Exclusive hold(self.busy);
  require_unfinished(stream);
  asc_edge::bindings::FloatArray frames({stream.frames_due_at_finish(), stream.channels(), stream.mels()});
  float* out = frames.mutable_data();
  const py::gil_scoped_release release;
  stream.finish(out);
  self.frames_emitted = stream.frames_emitted();
  return frames;
}

} // namespace

void register_log_mel_stream(py::module_& module) {
  using namespace asc_edge;
  py::register_exception<NonFiniteError>(module, "NonFiniteSampleError", PyExc_ValueError);
  py::register_exception<FinishedError>(module, "FinishedError", PyExc_RuntimeError);
  py::register_exception<bindings::BusyError>(module, "BusyError", PyExc_RuntimeError);
  module.def("log_mel", &log_mel<float>, py::arg("plan"), py::arg("samples").noconvert());
  module.def("log_mel", &log_mel<std::int16_t>, py::arg("plan"), py::arg("samples").noconvert());
  py::class_<BoundStream>(module, "LogMelStream")
      .def(py::init<std::shared_ptr<LogMelPlan>, std::size_t>(), py::arg("plan"), py::arg("channels"))
      .def("push", &push<float>, py::arg("samples").noconvert())
      .def("push", &push<std::int16_t>, py::arg("samples").noconvert())
      .def("finish", &finish)
      .def("reset",
           [](BoundStream& self) {
             const Exclusive hold(self.busy);
             self.stream.reset();
             self.frames_emitted = 0;
           })
      .def_property_readonly("frames_emitted",
                             [](const BoundStream& self) { return self.frames_emitted.load(); });
}
