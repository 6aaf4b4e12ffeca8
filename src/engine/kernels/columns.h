// A compact dense layer stored by input, for batches of few blocks: a "column" is all active weights that read one
// input. Its input's pixels stay in registers while the column passes over the outputs, whose sums (forward) or
// gradients (backward) are few enough for the first-level cache; so the weights are read as one stream in both
// directions, and one order of them serves all. Layers stored by output: rows.h, weight_gradient.h.
//
// Pixels are those of rows.h; the blocks of the batch are a row of pixels. Every output element, and every element of
// the input gradient, is ONE chain of fused multiply-adds by ascending input (output), and a weight gradient is 16
// running sums over the blocks that are folded as in lane_sums.h: the same bits as the other kernels'.
// Thread safety: pure apart from what is written. Pointers are aligned to 64 bytes at pixel starts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace eaudeqn {

// Column c has the entries starts[c] .. starts[c + 1]: outputs, ascending, and their weights.
struct ColumnWeights {
  const std::size_t* starts = nullptr;
  const std::uint16_t* outputs = nullptr;
  const float* values = nullptr;
};

// Pixel (block b, unit u) of a layer's inputs, outputs or their gradients is at data + b * block_pitch + place, where
// place is u * kLanes for outputs and offsets[u] * kLanes for inputs. Pitches in floats.
struct UnitPixels {
  float* data = nullptr;
  std::ptrdiff_t block_pitch = 0;
};
struct ConstUnitPixels {
  const float* data = nullptr;
  std::ptrdiff_t block_pitch = 0;
};

// outputs += weight x input over columns first .. last - 1; the caller has put the biases there. offsets: [columns].
void forward_columns(const ColumnWeights& weights, std::size_t first, std::size_t last, const std::int32_t* offsets,
                     const ConstUnitPixels& inputs, const UnitPixels& outputs, std::size_t blocks);

// What a backward pass of columns reads and writes.
struct ColumnGradients {
  const std::int32_t* offsets = nullptr;           // [columns] of inputs
  const std::int32_t* gradient_offsets = nullptr;  // [columns] of input gradients, whose borders may differ
  ConstUnitPixels inputs, output_gradients;
  UnitPixels input_gradients;  // data = nullptr: not wanted
  float* weights = nullptr;    // gradients of the entries, in their order; nullptr: not wanted
  bool accumulate = false;     // input gradients are added to what is there, else they replace it
  bool relu = false;           // they are 0 where the input is not positive (the derivative of ReLU)
  std::size_t blocks = 0;
};

// Entries whose sums are folded at once; a panel of columns may have more, `scratch` needs no more than this.
constexpr std::size_t kColumnScratch = 192 * 16;  // floats, aligned to 64 bytes, contents destroyed

// Columns first .. last - 1 of one segment of outputs; `weights.starts` are of this segment. Segments add up by
// `accumulate`, the last one applies `relu`.
void backward_columns(const ColumnWeights& weights, std::size_t first, std::size_t last,
                      const ColumnGradients& gradients, float* scratch);

}  // namespace eaudeqn
