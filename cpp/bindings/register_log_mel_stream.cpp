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
    }
  }
  if (refused) {
    asc_edge::bindings::refuse(*refused);
  }
  return frames;
}

asc_edge::bindings::FloatArray finish(BoundStream& self) {
  asc_edge::LogMelStream& stream = self.stream;
  const Exclusive hold(self.busy);
  require_unfinished(stream);
  asc_edge::bindings::FloatArray frames({stream.frames_due_at_finish(), stream.channels(), stream.mels()});
  float* out = frames.mutable_data();
  const py::gil_scoped_release release;
  stream.finish(out);
  return frames;
}

} // namespace

void register_log_mel_stream(py::module_& module) {
  using namespace asc_edge;
  py::register_exception<NonFiniteError>(module, "NonFiniteSampleError", PyExc_ValueError);
  py::register_exception<FinishedError>(module, "FinishedError", PyExc_RuntimeError);
  py::register_exception<bindings::BusyError>(module, "BusyError", PyExc_RuntimeError);
  py::class_<BoundStream>(module, "LogMelStream")
      .def(py::init<std::shared_ptr<LogMelPlan>, std::size_t>(), py::arg("plan"), py::arg("channels"))
      .def("push", &push<float>, py::arg("samples").noconvert())
      .def("push", &push<std::int16_t>, py::arg("samples").noconvert())
      .def("finish", &finish)
      .def("reset",
           [](BoundStream& self) {
             const Exclusive hold(self.busy);
             self.stream.reset();
           })
      .def_property_readonly("frames_emitted",
                             [](const BoundStream& self) { return self.stream.frames_emitted(); });
}
