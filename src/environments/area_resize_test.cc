// Area averaging against OpenCV's own numbers (opencv-python-headless 4.14.0.94 and 5.0.0.93 agree on them) and against
// its definition. tests/conformance compares whole episodes with OpenCV itself.
#include "environments/area_resize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/files.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

using Image = std::vector<std::uint8_t>;

// A deterministic image that any language can make.
Image noise(std::size_t pixels) {
  Image image(pixels);
  std::uint32_t state = 1;
  for (std::uint8_t& pixel : image) {
    state = state * 1664525U + 1013904223U;
    pixel = static_cast<std::uint8_t>(state >> 24U);
  }
  return image;
}

Image shrunk(const Image& image, std::size_t rows, std::size_t columns) {
  Image out(84 * 84);
  AreaResize(rows, columns, 84, 84).run(image, out);
  return out;
}

std::uint64_t polynomial_hash(const Image& image) {
  std::uint64_t hash = 0;
  for (const std::uint8_t pixel : image) hash = hash * 1099511628211U + pixel;
  return hash;
}

TEST(AreaResize, GivesOpenCvsPixelsForAScreenOf210Rows) {
  EXPECT_EQ(polynomial_hash(shrunk(noise(210 * 160), 210, 160)), 0x278630a4d191cdc5U);
}

TEST(AreaResize, GivesOpenCvsPixelsForAScreenOf250Rows) {
  EXPECT_EQ(polynomial_hash(shrunk(noise(250 * 160), 250, 160)), 0x7318501699279426U);
}

TEST(AreaResize, RoundsHalvesToEven) {
  // 168 -> 84 rows: destination row k is the mean of rows of k and of k + 1.
  Image image(168 * 126);
  for (std::size_t row = 0; row < 168; ++row) {
    const auto pair = static_cast<std::uint8_t>(row / 2);
    const std::uint8_t value = row % 2 == 0 ? pair : static_cast<std::uint8_t>(pair + 1);
    std::fill_n(image.begin() + static_cast<std::ptrdiff_t>(row * 126), 126, value);
  }
  const Image out = shrunk(image, 168, 126);
  EXPECT_EQ(out[0 * 84], 0);    // 0.5
  EXPECT_EQ(out[1 * 84], 2);    // 1.5
  EXPECT_EQ(out[2 * 84], 2);    // 2.5
  EXPECT_EQ(out[3 * 84], 4);    // 3.5
  EXPECT_EQ(out[82 * 84], 82);  // 82.5
}

TEST(AreaResize, IsTheMeanOverTheCoveredAreaUpToRounding) {
  const Image image = noise(210 * 160);
  const Image out = shrunk(image, 210, 160);
  for (int row = 0; row < 84; ++row) {
    for (int column = 0; column < 84; ++column) {
      double sum = 0;
      for (int y = 0; y < 210; ++y) {
        const double height = std::min((row + 1) * 2.5, y + 1.0) - std::max(row * 2.5, double{1} * y);
        if (height <= 0) continue;
        for (int x = 0; x < 160; ++x) {
          const double scale = 160.0 / 84;
          const double width = std::min((column + 1) * scale, x + 1.0) - std::max(column * scale, double{1} * x);
          if (width > 0) sum += height * width * image[static_cast<std::size_t>(y * 160 + x)];
        }
      }
      ASSERT_NEAR(out[static_cast<std::size_t>(row * 84 + column)], sum / (2.5 * 160 / 84), 0.5 + 1e-2)
          << "row " << row << " column " << column;
    }
  }
}

TEST(AreaResize, KeepsAUniformImageEvenWhiteOnes) {
  for (const int value : {0, 1, 127, 255}) {
    const Image image(210 * 160, static_cast<std::uint8_t>(value));
    EXPECT_THAT(shrunk(image, 210, 160), testing::Each(value));
  }
}

TEST(AreaResize, DoesNotRememberTheImageBefore) {
  AreaResize resize(210, 160, 84, 84);
  Image first(84 * 84);
  Image again(84 * 84);
  const Image image = noise(210 * 160);
  resize.run(image, first);
  Image other = image;
  std::fill(other.begin() + 160, other.end(), std::uint8_t{9});
  resize.run(other, again);
  resize.run(image, again);
  EXPECT_EQ(again, first);
}

TEST(AreaResize, RefusesWhatItWouldGetWrong) {
  EXPECT_THROW(AreaResize(80, 160, 84, 84), Error);   // enlarges
  EXPECT_THROW(AreaResize(168, 168, 84, 84), Error);  // whole factors: OpenCV averages in integers
  AreaResize resize(210, 160, 84, 84);
  Image out(84 * 84);
  EXPECT_THROW(resize.run(Image(100), out), Error);
}

}  // namespace
}  // namespace eaudeqn
