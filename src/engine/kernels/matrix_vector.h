// Dense layers of ONE sample: matrix x vector, with the matrix arranged in one of five ways (engine/single_dense.h says
// when which). Batches: rows.h.
//
// Every output is the same chain of fused multiply-adds, in the order of the inputs, as in rows.h: same bits. Products
// that are left out (columns) or put in (padding) have a factor that is exactly 0.
// Thread safety: pure apart from the outputs. No alignment is needed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/kernels/columns.h"

namespace eaudeqn {

// Sums start from what the outputs hold.

// Sparse, groups of kGroup outputs side by side: step e of group g, starts[g] <= e < starts[g + 1], adds to output
// 8 g + i the product values[8 e + i] x input[indices[8 e + i]].
inline constexpr std::size_t kGroup = 8;
struct GroupedMatrix {
  const std::size_t* starts = nullptr;
  const float* values = nullptr;
  const std::uint16_t* indices = nullptr;
  std::size_t groups = 0;
};
void multiply_groups(const GroupedMatrix& matrix, const float* input, float* outputs);

// Sparse, for wide vectors: a part looks at window_inputs() inputs in one or two registers and each of width =
// window_width() outputs picks one of them. A step is a part for each of kWindowGroups groups of outputs side by side,
// or the multiply-adds would wait for each other; kWindowSteps steps make a block. Part p = (block * kWindowSteps +
// step) * kWindowGroups + group of set s adds to output (s * kWindowGroups + group) * width + lane the product
// values[p * width + lane] x input[bases[p] + pick], the pick being the p % kWordParts-th kPickBits bits of
// picks[p / kWordParts * width + lane]. `input` can be read up to window_inputs() - 1 floats past the last base.
inline constexpr std::size_t kWindowGroups = 4, kWindowSteps = 3, kPickBits = 5, kWordParts = 6;
inline constexpr std::size_t kMostWindowInputs = std::size_t{1} << kPickBits;
static_assert(kWindowGroups * kWindowSteps % kWordParts == 0, "a block has whole words");
struct WindowMatrix {
  const std::size_t* starts = nullptr;  // blocks of each set
  const float* values = nullptr;
  const std::uint32_t* picks = nullptr;
  const std::uint16_t* bases = nullptr;
  std::size_t sets = 0;
};
std::size_t window_width();   // of this machine; 0 where vectors are too narrow for it
std::size_t window_inputs();  // of this machine: width, or twice as many, whose bases should then be multiples of width
void multiply_windows(const WindowMatrix& matrix, const float* input, float* outputs);

// Dense: outputs[0, width) += sum over k of inputs[k] x values[columns[k] * width, + width). Width is a multiple of 8,
// at most kColumnBlock. Columns are fetched into the cache ahead, because skipped ones mislead the hardware: the
// kColumnsAhead entries after the last of `columns` must name columns too.
inline constexpr std::size_t kColumnBlock = 64;
inline constexpr std::size_t kColumnsAhead = 24;
void multiply_columns(const float* values, std::size_t width, const std::uint32_t* columns, const float* inputs,
                      std::size_t count, float* outputs);

// Sparse, as the batch kernels store one segment of inputs: to output o come values[i] x input[offsets[i]], starts[o]
// <= i < starts[o + 1].
struct RowMatrix {
  const std::size_t* starts = nullptr;
  const std::int32_t* offsets = nullptr;
  const float* values = nullptr;
  std::size_t rows = 0;
};
void multiply_rows(const RowMatrix& matrix, const float* input, float* outputs);

// Sparse, as the batch kernels store one segment of outputs (columns.h): each input that is not 0 is added, times its
// weights, to the outputs that read it.
void multiply_input_columns(const ColumnWeights& matrix, std::size_t columns, const float* input, float* outputs);

}  // namespace eaudeqn
