#include <pybind11/stl.h>

#include <cstdint>

#include "asc_edge/array_stats.hpp"
#include "exclusive.hpp"
#include "registry.hpp"
#include "samples.hpp"

namespace py = pybind11;

namespace {

using namespace asc_edge::bindings;
using asc_edge::ArrayStats;
using asc_edge::ChannelStats;

struct BoundStats {
  BoundStats(std::size_t channels, std::size_t window_samples, std::size_t segment_samples, float clip_level)
      : stats(channels, window_samples, segment_samples, clip_level) {}

  ArrayStats stats;
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
  PublicCount heard{0};
};

template <class Sample> void push(BoundStats& self, const py::array_t<Sample, 0>& samples) {
  const asc_edge::SampleView<Sample> view = view_of(samples, self.stats.channels());
  const Exclusive hold(self.busy);
  std::optional<asc_edge::SamplePosition> refused;
  {
    const py::gil_scoped_release release;
    refused = self.stats.push(view);
    self.heard = static_cast<std::size_t>(self.stats.heard());
  }
  if (refused) {
    refuse(*refused);
  }
}

/// (counted, statistics of the channels, correlation)
py::tuple measure(BoundStats& self) {
  const Exclusive hold(self.busy);
  const std::size_t channels = self.stats.channels();
  std::vector<ChannelStats> stats(channels);
  DoubleArray correlation({channels, channels});
  self.stats.measure(stats.data(), correlation.mutable_data());
  return py::make_tuple(self.stats.counted(), stats, correlation);
}

/// (counted, clipped counts, constant runs)
py::tuple counts(BoundStats& self) {
  const Exclusive hold(self.busy);
  std::vector<std::uint64_t> clipped(self.stats.channels()), constant_run(self.stats.channels());
  self.stats.count(clipped.data(), constant_run.data());
  return py::make_tuple(self.stats.counted(), clipped, constant_run);
}

} // namespace

void register_array_stats(py::module_& module) {
  py::class_<ChannelStats>(module, "ChannelStats")
      .def_readonly("mean", &ChannelStats::mean)
      .def_readonly("variance", &ChannelStats::variance)
      .def_readonly("peak", &ChannelStats::peak)
      .def_readonly("clipped", &ChannelStats::clipped)
      .def_readonly("constant_run", &ChannelStats::constant_run);
  py::class_<BoundStats>(module, "ArrayStats")
      .def(py::init<std::size_t, std::size_t, std::size_t, float>(), py::kw_only(), py::arg("channels"),
           py::arg("window_samples"), py::arg("segment_samples"), py::arg("clip_level"))
      .def("push", &push<float>, py::arg("samples").noconvert())
      .def("push", &push<std::int16_t>, py::arg("samples").noconvert())
      .def("counts", &counts)
      .def("measure", &measure)
      .def("reset",
           [](BoundStats& self) {
             const Exclusive hold(self.busy);
             self.stats.reset();
             self.heard = 0;
           })
      .def_property_readonly("heard", [](const BoundStats& self) { return self.heard.load(); });
}
