#include "arrays.hpp"
#include "asc_edge/frame_window.hpp"
#include "exclusive.hpp"
#include "registry.hpp"

namespace py = pybind11;

namespace {

using namespace asc_edge::bindings;

struct BoundWindow {
  BoundWindow(std::size_t channels, std::size_t mels, std::size_t frames) : window(channels, mels, frames) {}

  asc_edge::FrameWindow window;
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
  PublicCount held{0};
};

FloatArray draw(const asc_edge::CellView& cells, float floor_db) {
  FloatArray picture({cells.channels, cells.mels, cells.frames});
  float* out = picture.mutable_data();
  const py::gil_scoped_release release;
  asc_edge::draw_picture(cells, floor_db, out);
  return picture;
}

void push(BoundWindow& self, const FloatArray& frames_db) {
  require_ndim(frames_db, 3, "frames_db");
  if (extent(frames_db, 1) != self.window.channels() || extent(frames_db, 2) != self.window.mels()) {
    throw std::invalid_argument("frames_db does not have the window's channels and mel bands");
  }
  const Exclusive hold(self.busy);
  const float* data = frames_db.data();
  const std::size_t count = extent(frames_db, 0);
  const py::gil_scoped_release release;
  self.window.push(data, count);
  self.held = self.window.held();
}

FloatArray peak_db(BoundWindow& self) {
  const Exclusive hold(self.busy);
  FloatArray peaks(static_cast<py::ssize_t>(self.window.channels()));
  float* out = peaks.mutable_data();
  const py::gil_scoped_release release;
  asc_edge::find_peaks(self.window.cells(), out);
  return peaks;
}

} // namespace

void register_frame_window(py::module_& module) {
  py::class_<BoundWindow>(module, "FrameWindow")
      .def(py::init<std::size_t, std::size_t, std::size_t>(), py::kw_only(), py::arg("channels"),
           py::arg("mels"), py::arg("frames"))
      .def("push", &push, py::arg("frames_db").noconvert())
      .def("peak_db", &peak_db)
      .def(
          "picture",
          [](BoundWindow& self, float floor_db) {
            const Exclusive hold(self.busy);
            return draw(self.window.cells(), floor_db);
          },
          py::arg("floor_db"))
      .def("clear",
           [](BoundWindow& self) {
             const Exclusive hold(self.busy);
             self.window.clear();
             self.held = 0;
           })
      .def_property_readonly("held", [](const BoundWindow& self) { return self.held.load(); });
  module.def(
      "picture",
      [](const FloatArray& frames_db, float floor_db) {
        require_ndim(frames_db, 3, "frames_db");
        const std::size_t mels = extent(frames_db, 1);
        const std::size_t frames = extent(frames_db, 2);
        return draw({frames_db.data(), extent(frames_db, 0), mels, frames, mels * frames, frames, 1},
                    floor_db);
      },
      py::arg("frames_db").noconvert(), py::arg("floor_db"));
}
