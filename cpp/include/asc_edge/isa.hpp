#pragma once

#include <string>
#include <vector>

namespace asc_edge {

struct Kernels;

/// Names of the instruction sets that this build has kernels for and this processor runs, the best one last:
/// "sse2", "avx2" and "avx512", or "neon". Their results are the same to the last bit.
std::vector<std::string> available_isas();

/// Kernels of the named instruction set. An empty name stands for the environment variable ASC_EDGE_ISA or,
/// where that is not set, for the best one. Throws std::invalid_argument when the name is none of
/// available_isas().
const Kernels& kernels_for(const std::string& name);

/// The name that kernels_for("") stands for.
std::string default_isa();

} // namespace asc_edge
