// Any memory layout, cut and samples: samples that are not finite are refused and leave no trace; the others
// give the same statistics to the last bit for the whole input and for any cut of it, and none of them is
// impossible.

#include <memory>
#include <vector>

#include "asc_edge/array_stats.hpp"
#include "fuzz_input.hpp"
#include "layout.hpp"

namespace {

using namespace asc_edge;
using namespace asc_edge::fuzz;

struct Measured {
  std::vector<ChannelStats> stats;
  std::vector<double> correlation;
};

Measured measure(ArrayStats& array) {
  const std::size_t channels = array.channels();
  Measured measured{std::vector<ChannelStats>(channels), std::vector<double>(channels * channels)};
  array.measure(measured.stats.data(), measured.correlation.data());
  return measured;
}

bool same_bits(double left, double right) {
  return std::memcmp(&left, &right, sizeof left) == 0 || (std::isnan(left) && std::isnan(right));
}

void require_same(const Measured& left, const Measured& right) {
  for (std::size_t c = 0; c < left.stats.size(); ++c) {
    FUZZ_REQUIRE(same_bits(left.stats[c].mean, right.stats[c].mean));
    FUZZ_REQUIRE(same_bits(left.stats[c].variance, right.stats[c].variance));
    FUZZ_REQUIRE(same_bits(left.stats[c].peak, right.stats[c].peak));
    FUZZ_REQUIRE(left.stats[c].clipped == right.stats[c].clipped);
    FUZZ_REQUIRE(left.stats[c].constant_run == right.stats[c].constant_run);
  }
  for (std::size_t pair = 0; pair < left.correlation.size(); ++pair) {
    FUZZ_REQUIRE(same_bits(left.correlation[pair], right.correlation[pair]));
  }
}

void require_possible(const Measured& measured, const ArrayStats& array) {
  for (const ChannelStats& stats : measured.stats) {
    FUZZ_REQUIRE(stats.variance >= 0.0 && stats.peak >= 0.0);
    FUZZ_REQUIRE(std::fabs(stats.mean) <= stats.peak * (1.0 + 1e-6));
    FUZZ_REQUIRE(stats.clipped <= array.counted() && stats.constant_run <= array.heard());
  }
  for (const double correlation : measured.correlation) {
    FUZZ_REQUIRE(std::isnan(correlation) || std::fabs(correlation) <= 1.0 + 1e-9);
  }
}

template <class Sample> void check(FuzzInput& input, std::size_t channels) {
  const std::size_t window_samples = input.whole(1, 1500);
  const std::size_t segment_samples = input.whole(1, 300);
  const std::vector<std::size_t> cuts = take_cuts(input);
  const Layout<Sample> samples(input, input.whole(0, 2000), channels);
  ArrayStats whole(channels, window_samples, segment_samples, 0.999F);
  const Measured fresh = measure(whole);
  const bool finite = all_finite_by_one(samples.view(), channels);
  FUZZ_REQUIRE(whole.push(samples.view()).has_value() == !finite);
  if (!finite) {
    FUZZ_REQUIRE(whole.heard() == 0);
    require_same(measure(whole), fresh);
    return;
  }
  const Measured expected = measure(whole);
  require_possible(expected, whole);
  ArrayStats pieces(channels, window_samples, segment_samples, 0.999F);
  for_each_block(samples, cuts, [&](const SampleView<Sample>& block) {
    FUZZ_REQUIRE(!pieces.push(block).has_value());
    measure(pieces); // looking must not change what is seen
  });
  require_same(measure(pieces), expected);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const std::size_t channels = input.whole(1, 9);
  if (input.coin()) {
    check<float>(input, channels);
  } else {
    check<std::int16_t>(input, channels);
  }
  return 0;
}
