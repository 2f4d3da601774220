#include <pybind11/stl.h>

#include "arrays.hpp"
#include "asc_edge/fft.hpp"
#include "asc_edge/isa.hpp"
#include "exclusive.hpp"
#include "registry.hpp"

namespace py = pybind11;

namespace {

using namespace asc_edge::bindings;

struct BoundFft {
  BoundFft(std::size_t length, std::size_t channels, const std::string& isa) : fft(length, channels, isa) {}

  asc_edge::RealFft fft;
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
};

void require_shape(const FloatArray& array, std::size_t batch, std::size_t rows, std::size_t channels,
                   const char* what) {
  require_ndim(array, 3, what);
  if (extent(array, 0) != batch || extent(array, 1) != rows || extent(array, 2) != channels) {
    throw std::invalid_argument(std::string(what) + " must have the shape (" + std::to_string(batch) + ", " +
                                std::to_string(rows) + ", " + std::to_string(channels) + ")");
  }
}

void transform_into(BoundFft& self, const FloatArray& x, FloatArray& re, FloatArray& im) {
  asc_edge::RealFft& fft = self.fft;
  require_ndim(x, 3, "x");
  const std::size_t batch = extent(x, 0);
  require_shape(x, batch, fft.length(), fft.channels(), "x");
  require_shape(re, batch, fft.bins(), fft.channels(), "re");
  require_shape(im, batch, fft.bins(), fft.channels(), "im");
  const Exclusive hold(self.busy);
  const float* rows = x.data();
  float* re_out = re.mutable_data();
  float* im_out = im.mutable_data();
  const py::gil_scoped_release release;
  for (std::size_t i = 0; i < batch; ++i) {
    fft.execute(rows, re_out, im_out);
    rows += fft.length() * fft.channels();
    re_out += fft.bins() * fft.channels();
    im_out += fft.bins() * fft.channels();
  }
}

} // namespace

void register_fft(py::module_& module) {
  module.def("isa", &asc_edge::default_isa);
  module.def("available_isas", &asc_edge::available_isas);
  py::class_<BoundFft>(module, "RealFft")
      .def(py::init<std::size_t, std::size_t, const std::string&>(), py::arg("length"), py::arg("channels"),
           py::arg("isa") = "")
      .def("transform_into", &transform_into, py::arg("x").noconvert(), py::arg("re").noconvert(),
           py::arg("im").noconvert())
      .def(
          "transform",
          [](BoundFft& self, const FloatArray& x) {
            require_ndim(x, 3, "x");
            FloatArray re({extent(x, 0), self.fft.bins(), self.fft.channels()});
            FloatArray im({extent(x, 0), self.fft.bins(), self.fft.channels()});
            transform_into(self, x, re, im);
            return py::make_tuple(re, im);
          },
          py::arg("x").noconvert());
}
