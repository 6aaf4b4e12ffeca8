// Kernels without weights to walk: Adam, ReLU and the input stage. Max-pooling: max_pool.h. The sums are in rows.h and
// weight_gradient.h. Plain versions for tests: reference.h. Thread safety: pure apart from the outputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/tensor_layout.h"

namespace eaudeqn {

// One step of Adam (Kingma & Ba 2015, algorithm 1, the order of the end of its section 2: both bias corrections go into
// the rate and epsilon; epsilon outside the root as in optax), b1 0.9, b2 0.999.
struct AdamStep {
  float rate = 0;     // learning rate x sqrt(1 - b2^t) / (1 - b1^t)
  float epsilon = 0;  // x sqrt(1 - b2^t)

  AdamStep(double learning_rate, double epsilon_, std::int64_t step);  // step counts from 1
};
// w -= rate x m / (sqrt(v) + epsilon) with the moments m and v moved first; moments nearer to 0 than the smallest
// normal number become 0. (Those of weights behind dead units shrink for ever, and processors are slow below it.)
// Arrays of `count` floats.
void adam_update(const AdamStep& step, std::size_t count, const float* gradient, float* weights, float* first_moment,
                 float* second_moment);

// values[i] = 0 where mask[i] is 0.
void keep_masked(const std::uint8_t* mask, std::size_t count, float* values);

// output = max(0, input), one row of every channel of one block.
void relu_row(const TensorLayout& input_layout, const float* input, const TensorLayout& output_layout, float* output,
              std::size_t row);
// input_gradient (+)= output_gradient where input > 0.
void relu_backward(const TensorLayout& input_layout, const float* input, const TensorLayout& output_gradient_layout,
                   const float* output_gradient, const TensorLayout& input_gradient_layout, float* input_gradient,
                   bool accumulate);
// target (+)= source, same shape.
void copy_or_add(const TensorLayout& source_layout, const float* source, const TensorLayout& target_layout,
                 float* target, bool accumulate);

// Observations [B][C][H*W] of bytes or floats -> one channel row of the batch-innermost tensor: row `row` of channel
// `channel`, all blocks. Lanes past B are zero. Bytes stay bytes (byte_input.h) or are divided by 255.
void arrange_byte_row(const TensorLayout& layout, std::span<const std::byte> observations, std::size_t batch,
                      std::size_t channel, std::size_t row, std::uint8_t* tensor);
void load_byte_row(const TensorLayout& layout, std::span<const std::byte> observations, std::size_t batch,
                   std::size_t channel, std::size_t row, float* tensor);
void load_float_row(const TensorLayout& layout, std::span<const std::byte> observations, std::size_t batch,
                    std::size_t channel, std::size_t row, float* tensor);
// All of one block where observations are vectors of floats: height and width are 1.
void load_float_vectors(const TensorLayout& layout, std::span<const std::byte> observations, std::size_t batch,
                        std::size_t block, float* tensor);

}  // namespace eaudeqn
