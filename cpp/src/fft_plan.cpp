#include "fft_plan.hpp"

#include <cmath>
#include <stdexcept>

namespace asc_edge {
namespace {

constexpr double kTwoPi = 6.28318530717958647692;

double cosine(std::size_t turn, std::size_t full) {
  return std::cos(kTwoPi * static_cast<double>(turn % full) / static_cast<double>(full));
}

double sine(std::size_t turn, std::size_t full) {
  return std::sin(kTwoPi * static_cast<double>(turn % full) / static_cast<double>(full));
}

/// Radices in the order of their passes: what has no fast kernel comes first, where rows are longest and
/// nothing is turned; the powers of two come last, because only they can share a register between short rows.
std::vector<std::size_t> radices_of(std::size_t points) {
  std::vector<std::size_t> radices;
  std::size_t odd = points, twos = 0;
  for (; odd % 2 == 0; odd /= 2) {
    ++twos;
  }
  std::vector<std::size_t> small;
  for (const std::size_t radix : {7U, 5U, 3U}) {
    for (; odd % radix == 0; odd /= radix) {
      small.push_back(radix);
    }
  }
  for (std::size_t prime = 11; odd > 1; prime += 2) {
    prime = prime * prime > odd ? odd : prime;
    for (; odd % prime == 0; odd /= prime) {
      radices.push_back(prime);
    }
  }
  radices.insert(radices.end(), small.begin(), small.end());
  if (twos == 1) {
    radices.push_back(2);
    twos = 0;
  }
  for (; twos % 3 != 0; twos -= 2) {
    radices.push_back(4);
  }
  radices.insert(radices.end(), twos / 3, 8);
  return radices;
}

/// Appends a table and the padding behind it; returns where it begins.
template <class Real, class Value>
std::size_t append(std::vector<Real>& tables, std::size_t count, const Value& value) {
  const std::size_t begin = tables.size();
  for (std::size_t i = 0; i < count; ++i) {
    tables.push_back(static_cast<Real>(value(i)));
  }
  tables.resize(tables.size() + kPadding);
  return begin;
}

} // namespace

template <class Real> FftPlan<Real>::FftPlan(std::size_t length) : view_{} {
  if (length == 0) {
    throw std::invalid_argument("the length of a Fourier transform must be at least 1");
  }
  const std::size_t points = length % 2 == 0 ? length / 2 : length;
  struct Offsets {
    std::size_t re, im, roots;
  };
  std::vector<Offsets> offsets;
  std::size_t groups = 1;
  for (const std::size_t radix : radices_of(points)) {
    const std::size_t n = radix * groups;
    const auto turns = [groups](std::size_t i) { return (i / groups + 1) * (i % groups); };
    const std::size_t count = (radix - 1) * groups;
    Offsets at{};
    at.re = append(tables_, count, [&](std::size_t i) { return cosine(turns(i), n); });
    at.im = append(tables_, count, [&](std::size_t i) { return -sine(turns(i), n); });
    if (radix > 8) {
      at.roots = append(tables_, 2 * radix,
                        [&](std::size_t i) { return i < radix ? cosine(i, radix) : sine(i - radix, radix); });
    }
    offsets.push_back(at);
    stages_.push_back({static_cast<int>(radix), groups, points / n, nullptr, nullptr, nullptr});
    groups = n;
  }
  const std::size_t pairs = length % 2 == 0 ? points + 1 : 0;
  const std::size_t untangle_re = append(tables_, pairs, [&](std::size_t k) { return cosine(k, length); });
  const std::size_t untangle_im = append(tables_, pairs, [&](std::size_t k) { return -sine(k, length); });
  for (std::size_t i = 0; i < stages_.size(); ++i) { // now the tables don't move any more
    stages_[i].twiddle_re = tables_.data() + offsets[i].re;
    stages_[i].twiddle_im = tables_.data() + offsets[i].im;
    stages_[i].roots = tables_.data() + offsets[i].roots;
  }
  view_ = {length,
           points,
           stages_.size(),
           stages_.data(),
           tables_.data() + untangle_re,
           tables_.data() + untangle_im};
}

template class FftPlan<float>;
template class FftPlan<double>;

} // namespace asc_edge
