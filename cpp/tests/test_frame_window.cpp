#include <doctest/doctest.h>

#include <limits>
#include <stdexcept>

#include "asc_edge/frame_window.hpp"
#include "noise.hpp"

namespace {

using asc_edge::FrameWindow;

/// (frame, channel, mel) noise around -50 dB, and its last `frames` frames as a (channel, mel, frame) array.
std::vector<float> levels(std::size_t count) {
  std::vector<float> cells = float_noise(count, 8);
  for (float& cell : cells) {
    cell = 80.0F * cell - 50.0F;
  }
  return cells;
}

} // namespace

// Catches a ring that hands out frames in the wrong order or of the wrong channel, after any number of
// pushes, in blocks shorter and longer than the window.
TEST_CASE("the window's picture is the picture of the last frames") {
  constexpr std::size_t channels = 3, mels = 4, length = 7, total = 40;
  const std::vector<float> cells = levels(total * channels * mels);
  for (const std::size_t block : {1U, 2U, 5U, 7U, 20U}) {
    FrameWindow window(channels, mels, length);
    std::size_t pushed = 0;
    for (; pushed + block <= total; pushed += block) {
      window.push(cells.data() + pushed * channels * mels, block);
      CHECK(window.held() == std::min(pushed + block, length));
    }
    std::vector<float> drawn(channels * mels * length), expected(drawn.size());
    asc_edge::draw_picture(window.cells(), -60.0F, drawn.data());
    const float* last = cells.data() + (pushed - length) * channels * mels;
    asc_edge::draw_picture({last, channels, mels, length, mels, 1, channels * mels}, -60.0F, expected.data());
    CHECK(drawn == expected);
  }
}

// Catches a peak taken over all channels, a wrong floor, and cells outside 0 .. 1.
TEST_CASE("each channel's loudest cell is 1 and the floor is 0") {
  const std::vector<float> cells = {-20.0F, -50.0F, -80.0F, -200.0F, -5.0F, -6.0F, -35.0F, -65.0F};
  std::vector<float> picture(8);
  asc_edge::draw_picture({cells.data(), 2, 2, 2, 4, 2, 1}, -60.0F, picture.data());
  CHECK(picture == std::vector<float>{1.0F, 0.5F, 0.0F, 0.0F, 1.0F, 59.0F / 60.0F, 0.5F, 0.0F});
}

// Catches peaks that forget to leave with their frame.
TEST_CASE("peaks are those of the frames held") {
  FrameWindow window(1, 1, 2);
  float peak = 0.0F;
  asc_edge::find_peaks(window.cells(), &peak);
  CHECK(peak == -std::numeric_limits<float>::infinity());
  for (const auto& [cell, expected] : {std::pair{-10.0F, -10.0F}, {-30.0F, -10.0F}, {-40.0F, -30.0F}}) {
    window.push(&cell, 1);
    asc_edge::find_peaks(window.cells(), &peak);
    CHECK(peak == expected);
  }
  window.clear();
  CHECK(window.held() == 0);
  CHECK_FALSE(window.full());
}

TEST_CASE("a window without extent is refused") {
  CHECK_THROWS_AS(FrameWindow(0, 1, 1), std::invalid_argument);
  CHECK_THROWS_AS(FrameWindow(1, 0, 1), std::invalid_argument);
  CHECK_THROWS_AS(FrameWindow(1, 1, 0), std::invalid_argument);
}
