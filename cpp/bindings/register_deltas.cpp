#include "arrays.hpp"
#include "asc_edge/deltas.hpp"
#include "registry.hpp"

namespace py = pybind11;

void register_deltas(py::module_& module) {
  using namespace asc_edge;
  py::enum_<DeltaEdge>(module, "DeltaEdge")
      .value("interp", DeltaEdge::interp)
      .value("nearest", DeltaEdge::nearest);
  module.def(
      "deltas",
      [](const bindings::FloatArray& cells, std::size_t width, std::size_t order, DeltaEdge edge) {
        bindings::require_ndim(cells, 3, "cells");
        const std::size_t channels = bindings::extent(cells, 0);
        const std::size_t mels = bindings::extent(cells, 1);
        const std::size_t frames = bindings::extent(cells, 2);
        if (frames < (edge == DeltaEdge::interp ? width : 1)) {
          throw std::invalid_argument("cells have fewer frames than these deltas need");
        }
        const std::vector<double> weights = delta_weights(width, order);
        bindings::FloatArray out({channels, mels, frames});
        float* written = out.mutable_data();
        const float* data = cells.data();
        const py::gil_scoped_release release;
        compute_deltas(data, channels * mels, frames, weights, edge, written);
        return out;
      },
      py::arg("cells").noconvert(), py::kw_only(), py::arg("width"), py::arg("order"), py::arg("edge"));
}
