// A picture to draw on: rectangles, enlarged images and small text. Pixels only; no files.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace eaudeqn {

using Colour = std::array<std::uint8_t, 3>;  // red, green, blue

// Rows from the top. What lies outside is not drawn. Letters are 5 x 7 pixels times `scale` with one column between
// them; small letters look like large ones, characters without a picture like a space.
class Canvas {
 public:
  Canvas(std::size_t width, std::size_t height, Colour background);

  void fill(int x, int y, int width, int height, Colour colour);
  // `rgb` has `width` columns; each of its pixels becomes a block.
  void draw_rgb(int x, int y, std::span<const std::uint8_t> rgb, std::size_t width, int block_width, int block_height);
  void draw_gray(int x, int y, std::span<const std::uint8_t> gray, std::size_t width, int block);
  void text(int x, int y, std::string_view text, Colour colour, int scale = 1);
  static int text_width(std::string_view text, int scale = 1);

  std::size_t width() const { return width_; }
  std::size_t height() const { return height_; }
  std::span<const std::uint8_t> pixels() const { return pixels_; }  // three bytes each

 private:
  std::size_t width_, height_;
  std::vector<std::uint8_t> pixels_;
};

}  // namespace eaudeqn
