// The weight gradient, only where a weight is active: d loss / d w = sum over blocks, pixels and lanes of
// output gradient x input at the weight's offset. The output-gradient tile stays in registers; one dot product per
// weight. The sum's order is fixed and the same for every instruction set and form: for each block 16 running sums (one
// per lane) over rows and columns in order, folded as in lane_sums.h; then the blocks in order. So blocks may be summed
// in one call or one after the other. Offsets and pixels are those of rows.h. Thread safety: pure apart from gradients
// and scratch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/kernels/byte_window.h"

namespace eaudeqn {

// The planes a gradient is summed over: pixel (block, y, x) of an output channel's gradient and the input pixel that a
// weight with offset 0 would meet there. Pitches and steps in floats. Dense layers: the blocks are one row of pixels.
struct GradientPlanes {
  const float* output_gradient = nullptr;  // channel 0 of the range, pixel (0, 0), block 0
  std::ptrdiff_t gradient_channel_pitch = 0, gradient_row_pitch = 0, gradient_step = 0, gradient_block_pitch = 0;
  const float* input = nullptr;
  const std::uint8_t* bytes = nullptr;  // instead of `input`: the elements are bytes, see byte_input.h
  // Sparse form of bytes, if given: offsets are those in a window of this shape, which is made of floats for many
  // weights at once.
  const WindowShape* window = nullptr;
  std::ptrdiff_t input_row_pitch = 0, input_step = 0,
                 input_block_pitch = 0;  // row pitch: of output rows (stride included)
  std::size_t height = 0, width = 0, blocks = 0;
  bool accumulate = false;  // these blocks are added to the gradients of those before them
};

constexpr std::size_t kSparseScratch = 192 * 16;  // floats: sums that stay in the first-level cache beside the inputs

// With a window: every scratch of sums makes all windows anew, so that more of them pay than stay in that cache.
constexpr std::size_t kWindowScratch = 512 * 16;

// Sparse form: output channels 0..channels-1; channel c's weights are the entries starts[c] .. starts[c + 1] of
// `offsets`, their gradients go to gradient[entry]. bias: also the bias gradient of each channel, unless nullptr.
// scratch: kSparseScratch floats (with a window kWindowScratch), contents destroyed, aligned to 64 bytes.
void sparse_weight_gradient(const GradientPlanes& planes, std::size_t channels, const std::size_t* starts,
                            const std::int32_t* offsets, float* scratch, float* gradient, float* bias);

// Dense form: all `weights` of each channel; weight i of channel c goes to gradient[c * weights + i]. scratch: 16
// floats per weight of all channels, as above. Dense layers have columns.h and panels.h.
void dense_weight_gradient(const GradientPlanes& planes, std::size_t channels, const std::int32_t* offsets,
                           std::size_t weights, float* scratch, float* gradient);

// Bias gradient of each channel: the same sum with input 1.
void bias_gradient(const GradientPlanes& planes, std::size_t channels, float* gradient);

}  // namespace eaudeqn
