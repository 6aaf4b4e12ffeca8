// The forward pass and the input gradient, sparse and dense: one output row of pixels = sum over weights of weight x
// input. Both passes are the same sum with other offsets (layer_index.h), so these kernels serve both. The weight
// gradient is weight_gradient.h. Plain C++ versions of whole layers, for tests: reference.h.
//
// A "pixel" is `lanes` consecutive floats (lanes_for_batch: 16 or 32). Every output element is ONE chain of fused
// multiply-adds in the order of the weights, whatever the instruction set, the tile or the form, so the dense form, the
// sparse form and the reference give the same bits (a zero weight adds nothing).
// Thread safety: pure apart from the output. Pointers are aligned to 64 bytes at pixel starts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace eaudeqn {

// One output row: pixel p reads input + p * input_step + offset * lanes for each weight's offset (in pixels, so that
// the same index serves every batch size) and writes output + p * output_step.
struct PixelRow {
  const float* input = nullptr;
  std::ptrdiff_t input_step = 0;  // in floats
  float* output = nullptr;
  std::ptrdiff_t output_step = 0;
  std::size_t pixels = 0;
  std::size_t lanes = 0;
};

// What happens before and after the sum. Steps are floats between pixels, of the row that belongs to the output row.
struct Epilogue {
  float bias = 0;                   // the sum starts here ...
  bool accumulate = false;          // ... or, if set, from what the output holds
  const float* residual = nullptr;  // added after the sum
  std::ptrdiff_t residual_step = 0;
  bool relu = false;                   // then max(0, .)
  const float* relu_source = nullptr;  // then 0 where this activation is not positive (the derivative of ReLU)
  std::ptrdiff_t relu_source_step = 0;
};

// Sum over `count` weights: values[i] x the input at offsets[i].
void sparse_row(const std::int32_t* offsets, const float* values, std::size_t count, const PixelRow& row,
                const Epilogue& epilogue);

// Two output rows of one pixel each at once (dense layers: one row alone cannot fill the FMA pipeline).
// Row r has counts[r] weights and the bias of epilogues[r].
void sparse_pixel_pair(const std::int32_t* const offsets[2], const float* const values[2], const std::size_t counts[2],
                       const PixelRow rows[2], const Epilogue epilogues[2]);

// `rows` output rows from one input: weight i of each row meets the input at offsets[i]; the
// outputs are rows[0].output + r * output_pitch; biases[r] (nullptr: 0) replace epilogue.bias; residual and relu_source
// are those of row 0 and advance by residual_pitch and relu_source_pitch.
struct DenseRows {
  const float* weights = nullptr;  // weight i of row r is at weights + r * weight_pitch + i * weight_step
  std::ptrdiff_t weight_pitch = 0;
  std::ptrdiff_t weight_step = 1;
  const std::int32_t* offsets = nullptr;
  std::size_t count = 0;
  std::size_t rows = 0;
  std::ptrdiff_t output_pitch = 0;
  const float* biases = nullptr;
  std::ptrdiff_t residual_pitch = 0;
  std::ptrdiff_t relu_source_pitch = 0;
};
void dense_rows(const DenseRows& dense, const PixelRow& row, const Epilogue& epilogue);

// The same for many weights: in segments whose inputs stay in the first-level cache, sums waiting in the output
// meanwhile.
void dense_rows_in_segments(const DenseRows& dense, const PixelRow& row, const Epilogue& epilogue);

}  // namespace eaudeqn
