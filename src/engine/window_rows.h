// Output rows of a convolution that reads bytes, computed from windows of floats (kernels/byte_window.h): all output
// channels of a few pixels and one segment of input channels at a time. Inside the engine only.
#pragma once

#include <algorithm>
#include <cstddef>

#include "engine/kernels/byte_window.h"
#include "engine/kernels/rows.h"
#include "engine/layer_plan.h"
#include "engine/network_spec.h"
#include "engine/tensor_layout.h"

namespace eaudeqn {

// The windows of segment number `segment` of the layer's input channels, LayerPlan::window_channels each.
inline WindowShape window_of(const LayerSpec& spec, const LayerPlan& plan, const TensorLayout& input,
                             std::size_t segment) {
  const std::size_t first = segment * plan.window_channels;
  return {first,
          std::min(plan.window_channels, spec.in - first),
          spec.rows,
          plan.window_columns,
          static_cast<std::ptrdiff_t>(input.row_pitch()),
          static_cast<std::ptrdiff_t>(input.channel_pitch())};
}

// Calls compute(segment, some pixels of `row`, their outputs) for every window; its inputs are floats then.
template <typename Compute>
void for_each_window(const LayerSpec& spec, const LayerPlan& plan, const TensorLayout& input, const PixelRow& row,
                     const OutputRows& rows, const Compute& compute) {
  alignas(64) float window[kWindowFloats];
  for (std::size_t pixel = 0; pixel < row.pixels; pixel += kWindowPixels) {
    const auto first_pixel = static_cast<std::ptrdiff_t>(pixel);
    PixelRow part = row;
    part.pixels = std::min(kWindowPixels, row.pixels - pixel);
    part.bytes = nullptr;
    part.input = window;
    part.output += first_pixel * row.output_step;
    OutputRows outputs = rows;
    if (rows.residual != nullptr) outputs.residual += first_pixel * rows.residual_step;
    const std::size_t segments = plan.windows(spec);
    for (std::size_t segment = 0; segment < segments; ++segment) {
      widen_window(window_of(spec, plan, input, segment), row.bytes + first_pixel * row.input_step, part.pixels,
                   row.input_step, window);
      compute(segment, part, part_of(outputs, segment == 0, segment + 1 == segments));
    }
  }
}

}  // namespace eaudeqn
