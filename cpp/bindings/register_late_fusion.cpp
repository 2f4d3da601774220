#include "arrays.hpp"
#include "asc_edge/late_fusion.hpp"
#include "registry.hpp"

namespace py = pybind11;

void register_late_fusion(py::module_& module) {
  using asc_edge::LateFusion;
  using namespace asc_edge::bindings;
  py::class_<LateFusion>(module, "LateFusion")
      .def(py::init(
               [](const asc_edge::LinearSvm& svm, const DoubleArray& platt_a, const DoubleArray& platt_b) {
                 return LateFusion(svm, to_vector(platt_a), to_vector(platt_b));
               }),
           py::arg("svm"), py::arg("platt_a").noconvert(), py::arg("platt_b").noconvert())
      .def(
          "predict_proba",
          [](const LateFusion& self, const DoubleArray& x) {
            const std::size_t rows = rows_of(x, self.svm().features());
            DoubleArray posteriors({rows, self.classes()});
            double* out = posteriors.mutable_data();
            const double* data = x.data();
            const py::gil_scoped_release release;
            require_finite(data, rows * self.svm().features());
            self.predict(data, rows, out);
            return posteriors;
          },
          py::arg("x").noconvert());
}
