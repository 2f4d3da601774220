#include "asc_edge/isa.hpp"

#include <cstdlib>
#include <stdexcept>

#include "kernels/kernels.hpp"

namespace asc_edge {
namespace {

std::vector<const Kernels*> available() {
  std::vector<const Kernels*> found = {&baseline::kernels()};
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2")) {
    found.push_back(&avx2::kernels());
  }
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    found.push_back(&avx512::kernels());
  }
#endif
  return found;
}

} // namespace

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Kernels* kernels : available()) {
    names.emplace_back(kernels->name);
  }
  return names;
}

const Kernels& kernels_for(const std::string& name) {
  // Nothing in here sets variables. NOLINTNEXTLINE(concurrency-mt-unsafe)
  const char* const variable = std::getenv("ASC_EDGE_ISA");
  const bool from_variable = name.empty() && variable != nullptr && *variable != '\0';
  const std::string wanted = from_variable ? variable : name;
  std::string names;
  const std::vector<const Kernels*> found = available();
  for (const Kernels* kernels : found) {
    if (wanted == kernels->name) {
      return *kernels;
    }
    names += (names.empty() ? "" : ", ") + std::string(kernels->name);
  }
  if (wanted.empty()) {
    return *found.back();
  }
  throw std::invalid_argument((from_variable ? "ASC_EDGE_ISA is \"" : "the instruction set is \"") + wanted +
                              "\": this processor has " + names);
}

std::string default_isa() {
  return kernels_for("").name;
}

} // namespace asc_edge
