#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "asc_edge/finite.hpp"

namespace asc_edge::bindings {

// Exact dtypes only: with py::arg().noconvert() another dtype, byte order or memory order is a TypeError,
// never a silent copy.
using FloatArray = pybind11::array_t<float, pybind11::array::c_style>;
using DoubleArray = pybind11::array_t<double, pybind11::array::c_style>;

template <class Array> std::size_t extent(const Array& array, int axis) {
  return static_cast<std::size_t>(array.shape(axis));
}

inline void require_ndim(const pybind11::array& array, int ndim, const char* what) {
  if (array.ndim() != ndim) {
    throw std::invalid_argument(std::string(what) + " must have " + std::to_string(ndim) +
                                " dimensions, not " + std::to_string(array.ndim()));
  }
}

inline std::vector<double> to_vector(const DoubleArray& array) {
  return std::vector<double>(array.data(), array.data() + array.size());
}

/// The row count of features x (rows, features).
inline std::size_t rows_of(const DoubleArray& x, std::size_t features) {
  require_ndim(x, 2, "x");
  if (extent(x, 1) != features) {
    throw std::invalid_argument("x must have " + std::to_string(features) + " columns, not " +
                                std::to_string(extent(x, 1)));
  }
  return extent(x, 0);
}

/// Needs no interpreter lock.
inline void require_finite(const double* x, std::size_t count) {
  if (!all_finite<double>(x, count)) {
    throw std::invalid_argument("x must not hold NaN or infinity");
  }
}

} // namespace asc_edge::bindings
