// What this machine's floating point units can do at most, for one instruction set: independent chains on
// registers, nothing loaded or stored. Compiled by peak.py, once for each instruction set, with its LANES.

namespace {

constexpr int kLanes = LANES;
using Lane = float __attribute__((vector_size(sizeof(float) * kLanes)));

// Enough chains to hide a latency of four cycles on two units, few enough to stay in 16 registers.
constexpr int kChains = 12;
constexpr int kFusedBesideAdds = 8;
constexpr int kAddsBesideFused = 6;

template <int Count> float folded(const Lane (&chains)[Count]) {
  float sum = 0.0f;
  for (const Lane& chain : chains) {
    for (int lane = 0; lane < kLanes; ++lane) {
      sum += chain[lane];
    }
  }
  return sum;
}

template <int Count> void start(Lane (&chains)[Count]) {
  for (int k = 0; k < Count; ++k) {
    chains[k] = Lane{} + static_cast<float>(k + 1);
  }
}

} // namespace

extern "C" {

// `one` is 1 and `zero` is 0, which the compiler doesn't know: so no value ever leaves the normal range.

double flops_per_step_fma() {
  return 2.0 * kChains * kLanes;
}
float run_fma(long steps, float one, float zero) {
  const Lane factor = Lane{} + one, term = Lane{} + zero;
  Lane chains[kChains];
  start(chains);
  for (long step = 0; step < steps; ++step) {
    for (int k = 0; k < kChains; ++k) {
      chains[k] = chains[k] * factor + term;
    }
  }
  return folded(chains);
}

double flops_per_step_mul_add() {
  return 1.0 * kChains * kLanes;
}
float run_mul_add(long steps, float one, float zero) {
  const Lane factor = Lane{} + one, term = Lane{} + zero;
  Lane products[kChains / 2], sums[kChains / 2];
  start(products);
  start(sums);
  for (long step = 0; step < steps; ++step) {
    for (int k = 0; k < kChains / 2; ++k) {
      products[k] = products[k] * factor;
      sums[k] = sums[k] + term;
    }
  }
  return folded(products) + folded(sums);
}

double flops_per_step_fma_and_add() {
  return (2.0 * kFusedBesideAdds + kAddsBesideFused) * kLanes;
}
float run_fma_and_add(long steps, float one, float zero) {
  const Lane factor = Lane{} + one, term = Lane{} + zero;
  Lane chains[kFusedBesideAdds], sums[kAddsBesideFused];
  start(chains);
  start(sums);
  for (long step = 0; step < steps; ++step) {
    for (int k = 0; k < kFusedBesideAdds; ++k) {
      chains[k] = chains[k] * factor + term;
    }
    for (int k = 0; k < kAddsBesideFused; ++k) {
      sums[k] = sums[k] + term;
    }
  }
  return folded(chains) + folded(sums);
}

} // extern "C"
