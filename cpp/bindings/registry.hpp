#pragma once

#include <pybind11/pybind11.h>

// One function for each concept; module.cpp calls them, in this order.
void register_mel(pybind11::module_& module);
void register_log_mel_plan(pybind11::module_& module);
void register_log_mel_stream(pybind11::module_& module);
void register_fft(pybind11::module_& module);
void register_frame_window(pybind11::module_& module);
void register_array_stats(pybind11::module_& module);
void register_deltas(pybind11::module_& module);
void register_linear_svm(pybind11::module_& module);
void register_late_fusion(pybind11::module_& module);
