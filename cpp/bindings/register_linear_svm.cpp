#include "arrays.hpp"
#include "asc_edge/linear_svm.hpp"
#include "registry.hpp"

namespace py = pybind11;

void register_linear_svm(py::module_& module) {
  using asc_edge::LinearSvm;
  using namespace asc_edge::bindings;
  py::class_<LinearSvm>(module, "LinearSvm")
      .def(py::init([](const DoubleArray& mean, const DoubleArray& scale, const DoubleArray& weights,
                       const DoubleArray& bias) {
             return LinearSvm(to_vector(mean), to_vector(scale), to_vector(weights), to_vector(bias));
           }),
           py::arg("mean").noconvert(), py::arg("scale").noconvert(), py::arg("weights").noconvert(),
           py::arg("bias").noconvert())
      .def(
          "decision_function",
          [](const LinearSvm& self, const DoubleArray& x) {
            const std::size_t rows = rows_of(x, self.features());
            DoubleArray decisions({rows, self.outputs()});
            double* out = decisions.mutable_data();
            const double* data = x.data();
            const py::gil_scoped_release release;
            require_finite(data, rows * self.features());
            self.decide(data, rows, out);
            return decisions;
          },
          py::arg("x").noconvert());
}
