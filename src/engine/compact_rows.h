// The parts of compact layers as the kernels take them: rows, for the forward pass and for the input gradient, and
// columns. Inside the engine only; the sums themselves are in kernels/rows.h and kernels/columns.h.
#pragma once

#include <algorithm>
#include <cstddef>

#include "engine/kernels/column_rows.h"
#include "engine/kernels/columns.h"
#include "engine/kernels/rows.h"
#include "engine/network.h"

namespace eaudeqn {

// Rows first .. first + rows.rows - 1 of `index`, whose weights stand in its order, segment by segment.
inline void compact_rows(const LayerIndex& index, const float* weights, std::size_t first, const PixelRow& row,
                         const OutputRows& rows) {
  for (std::size_t segment = 0; segment < index.segments; ++segment) {
    sparse_rows({index.starts.data() + segment * index.rows + first, index.offsets.data(), weights}, row,
                part_of(rows, segment == 0, segment + 1 == index.segments));
  }
}

// A segment of a layer stored by input.
inline ColumnWeights columns_of(const Layer& layer, std::size_t segment) {
  return {layer.columns.starts.data() + segment * layer.columns.columns, layer.columns.outputs.data(),
          layer.weights.data()};
}

// The same by output; only if the layer has them.
inline ColumnRows column_rows_of(const Layer& layer, std::size_t segment, std::size_t outputs) {
  const std::size_t blocks = (layer.columns.columns + kRowInputs - 1) / kRowInputs;
  return {layer.columns.row_starts.data() + segment * kColumnOutputs * blocks, layer.columns.row_entries.data(),
          outputs};
}

}  // namespace eaudeqn
