// Max-pooling of batches, 3x3 with stride 2 and SAME padding (cells outside do not count), and its gradient, which goes
// to the first largest cell of a window in row order. One sample: plane_moves.h. A plain version for tests:
// reference.h. Thread safety: pure apart from the outputs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/tensor_layout.h"

namespace eaudeqn {

// Which cell of its window every output took: 3 x row + column, one byte, [channel][row][column][lane] without borders.
inline std::size_t pool_choices_size(const TensorLayout& output_layout) {
  return output_layout.channels * output_layout.height * output_layout.width * output_layout.lanes;
}

// Row `row` of the output, every channel, one block. `choices`: of the block, or nullptr where they are not wanted.
void max_pool_row(const TensorLayout& input_layout, const float* input, const TensorLayout& output_layout,
                  float* output, std::uint8_t* choices, std::size_t row);

// input_gradient = what arrives from the outputs, one block, inside the border.
void max_pool_backward(const TensorLayout& output_gradient_layout, const float* output_gradient,
                       const std::uint8_t* choices, const TensorLayout& input_gradient_layout, float* input_gradient);

}  // namespace eaudeqn
