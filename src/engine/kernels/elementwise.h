// Kernels of the forward pass without weights to walk: ReLU, max-pooling and the input stage; those of training are in
// elementwise_training.h, the sums in rows.h. Plain versions for tests: reference.h. Thread safety: pure apart from the
// outputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/tensor_layout.h"

namespace eaudeqn {

// output = max(0, input), one block, every channel.
void relu_forward(const TensorLayout& input_layout, const float* input, const TensorLayout& output_layout,
                  float* output);

// 3x3, stride 2, SAME (cells outside do not count); one block.
void max_pool_forward(const TensorLayout& input_layout, const float* input, const TensorLayout& output_layout,
                      float* output);

// Observations [B][C][H*W] of bytes or floats -> one channel row of the batch-innermost tensor: row `row` of channel
// `channel`, all blocks. Lanes past B are zero. Bytes stay bytes (byte_input.h) or are divided by 255.
void arrange_byte_row(const TensorLayout& layout, std::span<const std::byte> observations, std::size_t batch,
                      std::size_t channel, std::size_t row, std::uint8_t* tensor);
void load_byte_row(const TensorLayout& layout, std::span<const std::byte> observations, std::size_t batch,
                   std::size_t channel, std::size_t row, float* tensor);
void load_float_row(const TensorLayout& layout, std::span<const std::byte> observations, std::size_t batch,
                    std::size_t channel, std::size_t row, float* tensor);

}  // namespace eaudeqn
