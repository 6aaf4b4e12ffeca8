// The parts of compact layers as the kernels take them: rows, for the forward pass and for the input gradient, and
// columns. Inside the engine only; the sums themselves are in kernels/rows.h and kernels/columns.h.
#pragma once

#include <algorithm>
#include <cstddef>

#include "engine/kernels/byte_window.h"
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

// The same, all rows, of a layer that reads bytes and has window offsets. image: the shape of its windows, all
// channels.
inline void compact_rows_of_windows(const LayerIndex& index, const float* weights, const WindowShape& image,
                                    const PixelRow& row, const OutputRows& rows) {
  alignas(64) float window[kWindowFloats];
  const std::size_t channels = (image.channels + index.segments - 1) / index.segments;
  for (std::size_t pixel = 0; pixel < row.pixels; pixel += kWindowPixels) {
    const auto first_pixel = static_cast<std::ptrdiff_t>(pixel);
    PixelRow part = row;
    part.pixels = std::min(kWindowPixels, row.pixels - pixel);
    part.bytes = nullptr;
    part.input = window;
    part.output += first_pixel * row.output_step;
    OutputRows outputs = rows;
    if (rows.residual != nullptr) outputs.residual += first_pixel * rows.residual_step;
    for (std::size_t segment = 0; segment < index.segments; ++segment) {
      const std::size_t first = segment * channels;
      WindowShape shape = image;
      shape.channels = std::min(channels, image.channels - first);
      const std::uint8_t* bytes = row.bytes + static_cast<std::ptrdiff_t>(first) * image.channel_pitch;
      widen_window(shape, bytes + first_pixel * row.input_step, part.pixels, row.input_step, window);
      sparse_rows({index.starts.data() + segment * index.rows, index.window_offsets.data(), weights}, part,
                  part_of(outputs, segment == 0, segment + 1 == index.segments));
    }
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
