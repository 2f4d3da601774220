#include "registry.hpp"

PYBIND11_MODULE(_core, module) {
  module.doc() = "Compiled core of asc_edge; the public names are in asc_edge.frontend and asc_edge.fusion.";
  register_mel(module);
  register_log_mel_plan(module);
  register_log_mel_stream(module);
  register_fft(module);
  register_frame_window(module);
  register_array_stats(module);
  register_deltas(module);
  register_linear_svm(module);
  register_late_fusion(module);
}
