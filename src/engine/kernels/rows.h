// The forward pass and the input gradient, sparse and dense: rows of output pixels = sums over weights of weight x
// input. Both passes are the same sum with other offsets (layer_plan.h), so these kernels serve both. The weight
// gradient is weight_gradient.h. Plain C++ versions of whole layers, for tests: reference.h.
//
// A "pixel" is kLanes = 16 consecutive floats: one element of a tensor for 16 samples. The pixels of a row are
// neighbours in an image, or, where a layer is dense, the blocks of the batch. Every output element is ONE chain of
// fused multiply-adds in the order of the weights, whatever the instruction set, the tile or the form, so the dense
// form, the sparse form and the reference give the same bits (a zero weight adds nothing).
// Thread safety: pure apart from the output. Pointers are aligned to 64 bytes at pixel starts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace eaudeqn {

// Pixel p reads input + p * input_step + offset * kLanes for each weight's offset (in pixels) and writes
// output + p * output_step. Steps are in floats.
struct PixelRow {
  const float* input = nullptr;
  const std::uint8_t* bytes = nullptr;  // instead of `input`: the elements are bytes, see byte_input.h
  std::ptrdiff_t input_step = 0;
  float* output = nullptr;
  std::ptrdiff_t output_step = 0;
  std::size_t pixels = 0;
};

// `rows` rows of pixels from one input: row r is written output + r * output_pitch, and so on for what else it meets.
// Steps are floats between pixels, pitches between rows.
struct OutputRows {
  std::size_t rows = 1;
  std::ptrdiff_t output_pitch = 0;
  const float* biases = nullptr;       // [rows] the sums start here (nullptr: at 0) ...
  bool accumulate = false;             // ... or, if set, from what the output holds
  const float* byte_biases = nullptr;  // [rows] inputs are whole numbers (byte_input.h): then sum x kByteScale + bias
  const float* residual = nullptr;     // added after the sum
  std::ptrdiff_t residual_step = 0, residual_pitch = 0;
  bool relu = false;                   // then max(0, .)
  const float* relu_source = nullptr;  // then 0 where this activation is not positive (the derivative of ReLU)
  std::ptrdiff_t relu_source_step = 0, relu_source_pitch = 0;
};

// A sum taken in several segments of weights: the first starts it, the last finishes it, between them it waits in the
// output.
OutputRows part_of(const OutputRows& rows, bool first, bool last);

// Row r has the entries starts[r] .. starts[r + 1].
struct SparseWeights {
  const std::size_t* starts = nullptr;
  const std::int32_t* offsets = nullptr;
  const float* values = nullptr;
};
void sparse_rows(const SparseWeights& weights, const PixelRow& row, const OutputRows& rows);

// Weight i of row r is at weights + r * pitch + i * step and meets the input at offsets[i].
struct DenseWeights {
  const float* weights = nullptr;
  std::ptrdiff_t pitch = 0;
  std::ptrdiff_t step = 1;
  const std::int32_t* offsets = nullptr;
  std::size_t count = 0;
};
void dense_rows(const DenseWeights& weights, const PixelRow& row, const OutputRows& rows);

// The same for many weights: in segments whose inputs stay in the first-level cache, sums waiting in the output
// meanwhile.
void dense_rows_in_segments(const DenseWeights& weights, const PixelRow& row, const OutputRows& rows);

}  // namespace eaudeqn
