#pragma once

#include <atomic>
#include <cstddef>
#include <stdexcept>

namespace asc_edge::bindings {

/// Another thread is inside the same object. A stream of samples has one order, so waiting would not help.
struct BusyError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Holds an object with a state while the interpreter lock is released; never waits.
class Exclusive {
public:
  explicit Exclusive(std::atomic_flag& flag) : flag_(flag) {
    if (flag_.test_and_set(std::memory_order_acquire)) {
      throw BusyError("in use by another thread");
    }
  }
  ~Exclusive() { flag_.clear(std::memory_order_release); }
  Exclusive(const Exclusive&) = delete;
  Exclusive& operator=(const Exclusive&) = delete;

private:
  std::atomic_flag& flag_;
};

/// A count for readers in other threads, who see it as it was when the last work was done.
using PublicCount = std::atomic<std::size_t>;

} // namespace asc_edge::bindings
