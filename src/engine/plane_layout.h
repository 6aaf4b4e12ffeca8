// Where the values of ONE sample lie: [channel][row][column], rows `pitch` floats apart. Layout only, no data; why it
// is so: single_geometry.h. Batches: tensor_layout.h.
#pragma once

#include <cstddef>

namespace eaudeqn {

// A tensor that only dense layers touch is one row of all its elements.
struct PlaneLayout {
  std::size_t channels = 0, height = 0, width = 0;
  std::size_t top = 0, left = 0;  // before the first cell: rows and columns of zeros
  std::size_t pitch = 0;          // between rows
  std::size_t plane = 0;          // between channels

  std::size_t offset(std::size_t channel, std::size_t row, std::size_t column) const {
    return channel * plane + (row + top) * pitch + left + column;
  }
  // From the first cell of a plane to its last.
  std::size_t run() const { return (height - 1) * pitch + width; }
  // What a buffer for it must have: kernels read and write whole vectors.
  std::size_t buffer_size() const { return channels * plane + pitch + 64; }
};

// Planes of one strided convolution's input: channel c, phase (row, column) is plane (c * stride + row) * stride +
// column; padded cell (Y, X) lies in phase (Y % stride, X % stride) at (Y / stride, X / stride).
inline constexpr std::size_t kMaxStride = 8;
struct SplitLayout {
  std::size_t stride = 1, pitch = 0, plane = 0;
  std::size_t before_rows = 0, before_columns = 0;  // SAME padding
  std::size_t buffer = 0;                           // floats
};

}  // namespace eaudeqn
