// Does on purpose what each sanitizer exists to see: a sanitizer that lets its canary live is not switched
// on.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "nonblocking.hpp"

namespace {

int read_past_the_end(std::size_t count) {
  const std::vector<int> numbers(count, 1);
  return *(numbers.data() + count); // not operator[], which the library itself would catch
}

int overflow(int most) {
  return most + 1;
}

int race() {
  int shared = 0;
  std::thread other([&shared] { ++shared; });
  ++shared;
  other.join();
  return shared;
}

int allocate() noexcept ASC_EDGE_NONBLOCKING {
  void* volatile memory = std::malloc(16);
  std::free(memory);
  return memory == nullptr;
}

} // namespace

int main(int argc, char** argv) {
  const char* deed = argc == 2 ? argv[1] : "";
  int result = 0;
  if (std::strcmp(deed, "read_past_the_end") == 0) {
    result = read_past_the_end(static_cast<std::size_t>(argc));
  } else if (std::strcmp(deed, "overflow") == 0) {
    result = overflow(std::numeric_limits<int>::max() - 2 + argc);
  } else if (std::strcmp(deed, "race") == 0) {
    result = race();
  } else if (std::strcmp(deed, "allocate") == 0) {
    result = allocate();
  }
  std::printf("%s gave %d and was not seen\n", deed, result);
  return 0;
}
