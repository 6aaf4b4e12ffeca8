// The forward pass of a compact dense layer stored by input whose rows are not too sparse: for a block of inputs that
// fits the first-level cache, each output's sums stay in registers while its weights pass. Columns (columns.h) load and
// store the sums at every weight instead, which costs more than the multiply-adds, but need no second index.
//
// The weights stay where the columns have them; an entry says where. Every output element is ONE chain of fused
// multiply-adds by ascending input, as everywhere: the same bits as forward_columns.
// Thread safety: pure apart from what is written. Pointers are aligned to 64 bytes at pixel starts.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/kernels/columns.h"
#include "engine/tensor_layout.h"

namespace eaudeqn {

constexpr std::size_t kRowInputs = 128;                       // of a block: 16 KB for a batch of 32
constexpr std::size_t kRowScratch = kRowInputs * 2 * kLanes;  // floats

// An entry holds where its input lies in the scratch, in floats, and from bit 16 on the place of its weight among those
// of its block of columns. Row (input block b, output o) has the entries starts[b * outputs + o] .. starts[b * outputs
// + o + 1].
struct ColumnRows {
  const std::uint32_t* starts = nullptr;
  const std::uint32_t* entries = nullptr;
  std::size_t outputs = 0;
};

// outputs += weight x input over all `count` columns, for rows first .. last - 1 of each block; the caller has put the
// biases there. offsets: [count]; output pixels are those of rows 0 .. rows.outputs - 1. scratch: kRowScratch floats,
// aligned to 64 bytes, destroyed.
void forward_column_rows(const ColumnRows& rows, std::size_t first, std::size_t last, const ColumnWeights& weights,
                         std::size_t count, const std::int32_t* offsets, const ConstUnitPixels& inputs,
                         const UnitPixels& outputs, std::size_t blocks, float* scratch);

}  // namespace eaudeqn
