#pragma once

#include <cstddef>
#include <vector>

namespace asc_edge {

/// Centre frequencies in Hz, rising, of `bands` gammatone filters equally spaced on the ERB scale of Glasberg
/// and Moore (1990), after Slaney (1993, Apple technical report 35): the lowest at fmin_hz, and fmax_hz one
/// step above the highest.
std::vector<double> gammatone_centres_hz(double fmin_hz, double fmax_hz, std::size_t bands);

/// Magnitude response at `hz` of Slaney's digital fourth-order gammatone filter, 1 at its centre.
double gammatone_response(double hz, double centre_hz, double sample_rate_hz);

} // namespace asc_edge
