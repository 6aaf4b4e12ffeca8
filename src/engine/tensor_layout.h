// Where the elements of a batch-innermost tensor lie: [block][channel][row][column][lane], the batch being blocks x
// lanes. Rows and columns may have a border of zeros, so that a convolution never tests for an edge. Layout only, no
// data.
#pragma once

#include <cstddef>

namespace eaudeqn {

// Samples per block. Sixteen floats are one cache line and whole vectors on every supported machine; a wider block
// would fill the first-level cache with fewer pixels.
constexpr std::size_t kLanes = 16;
inline std::size_t blocks_for_batch(std::size_t batch) { return (batch + kLanes - 1) / kLanes; }

struct Border {
  std::size_t top = 0, bottom = 0, left = 0, right = 0;
};

struct TensorLayout {
  std::size_t channels = 0, height = 0, width = 0;
  Border border;
  std::size_t lanes = kLanes, blocks = 1;  // plans count in pixels: lanes = 1

  std::size_t row_pitch() const { return (width + border.left + border.right) * lanes; }
  std::size_t channel_pitch() const { return (height + border.top + border.bottom) * row_pitch(); }
  // One pixel more than it takes: blocks a multiple of 4 KB apart would meet in the same places of the first-level
  // cache.
  std::size_t block_pitch() const { return channels * channel_pitch() + lanes; }
  std::size_t size() const { return blocks * block_pitch(); }
  // First lane of (channel, row, column) within a block; row and column count from the first one inside the border.
  std::size_t offset(std::size_t channel, std::size_t row, std::size_t column) const {
    return channel * channel_pitch() + (row + border.top) * row_pitch() + (column + border.left) * lanes;
  }
};

}  // namespace eaudeqn
