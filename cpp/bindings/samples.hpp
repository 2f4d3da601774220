#pragma once

#include <string>

#include "arrays.hpp"
#include "asc_edge/sample_view.hpp"

namespace asc_edge::bindings {

/// The samples (frames, channels) where they lie, with whatever strides.
template <class Sample>
SampleView<Sample> view_of(const pybind11::array_t<Sample, 0>& samples, std::size_t channels) {
  require_ndim(samples, 2, "samples");
  if (extent(samples, 1) != channels) {
    throw std::invalid_argument("samples must have " + std::to_string(channels) + " channels, not " +
                                std::to_string(extent(samples, 1)));
  }
  return {reinterpret_cast<const char*>(samples.data()), extent(samples, 0), samples.strides(0),
          samples.strides(1)};
}

/// Raises NonFiniteSampleError of the module.
[[noreturn]] inline void refuse(const SamplePosition& position) {
  const std::string message = "sample " + std::to_string(position.frame) + " of channel " +
                              std::to_string(position.channel) + " is NaN or infinite";
  pybind11::set_error(pybind11::module_::import("asc_edge._core").attr("NonFiniteSampleError"),
                      message.c_str());
  throw pybind11::error_already_set();
}

} // namespace asc_edge::bindings
