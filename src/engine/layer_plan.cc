// See layer_plan.h.
#include "engine/layer_plan.h"

#include <algorithm>

#include "engine/kernels/byte_window.h"
#include "engine/kernels/instruction_set.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kPixelBytes = kLanes * sizeof(float);
constexpr std::size_t kTileBlocks = 2;  // blocks of the batch that a dense layer sums at once: batch 32

// floor(a / b) for b > 0 and any a.
std::ptrdiff_t floor_divide(std::ptrdiff_t a, std::ptrdiff_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

void widen(Border& border, const Border& wanted) {
  border.top = std::max(border.top, wanted.top);
  border.bottom = std::max(border.bottom, wanted.bottom);
  border.left = std::max(border.left, wanted.left);
  border.right = std::max(border.right, wanted.right);
}

// How far outside 0..outputs-1 the input gradient looks, along one axis: before and after.
struct Reach {
  std::size_t before, after;
};
Reach gradient_reach(std::size_t inputs, std::size_t outputs, std::size_t kernel, std::size_t stride,
                     std::size_t padding) {
  std::ptrdiff_t lowest = 0;
  std::ptrdiff_t highest = static_cast<std::ptrdiff_t>(outputs) - 1;
  for (std::size_t i = 0; i < inputs; ++i) {
    for (std::size_t k = 0; k < kernel; ++k) {
      const auto shifted = static_cast<std::ptrdiff_t>(i + padding) - static_cast<std::ptrdiff_t>(k);
      if (floor_divide(shifted, static_cast<std::ptrdiff_t>(stride)) * static_cast<std::ptrdiff_t>(stride) != shifted)
        continue;
      const std::ptrdiff_t at = floor_divide(shifted, static_cast<std::ptrdiff_t>(stride));
      lowest = std::min(lowest, at);
      highest = std::max(highest, at);
    }
  }
  return {static_cast<std::size_t>(-lowest), static_cast<std::size_t>(highest) - (outputs - 1)};
}

std::int32_t pixels(std::size_t offset) { return static_cast<std::int32_t>(offset); }

// One GradientPhase for each remainder of (row, column) modulo the stride.
std::vector<GradientPhase> convolution_phases(const LayerSpec& layer, std::size_t stride, std::size_t pad_top,
                                              std::size_t pad_left, const TensorLayout& gradient) {
  std::vector<GradientPhase> phases;
  const auto s = static_cast<std::ptrdiff_t>(stride);
  const auto pitch = static_cast<std::ptrdiff_t>(gradient.row_pitch());
  for (std::size_t row = 0; row < stride; ++row) {
    for (std::size_t column = 0; column < stride; ++column) {
      GradientPhase phase{row, column, {}, {}};
      for (std::size_t ky = 0; ky < layer.rows; ++ky) {
        for (std::size_t kx = 0; kx < layer.columns; ++kx) {
          const auto y = static_cast<std::ptrdiff_t>(row + pad_top) - static_cast<std::ptrdiff_t>(ky);
          const auto x = static_cast<std::ptrdiff_t>(column + pad_left) - static_cast<std::ptrdiff_t>(kx);
          if (floor_divide(y, s) * s != y || floor_divide(x, s) * s != x) continue;
          phase.taps.push_back(ky * layer.columns + kx);
          phase.tap_offsets.push_back(static_cast<std::int32_t>(floor_divide(y, s) * pitch + floor_divide(x, s)));
        }
      }
      phases.push_back(phase);
    }
  }
  return phases;
}

// As many input channels to a window as fit, all windows alike.
void plan_windows(const LayerSpec& layer, std::size_t stride, LayerPlan& plan) {
  plan.window_columns = (kWindowPixels - 1) * stride + layer.columns;
  const std::size_t fit = kWindowFloats / (layer.rows * plan.window_columns * kLanes);
  if (fit == 0) return;
  const std::size_t windows = (layer.in + fit - 1) / fit;
  plan.window_channels = (layer.in + windows - 1) / windows;
  for (std::size_t c = 0; c < layer.in; ++c) {
    for (std::size_t ky = 0; ky < layer.rows; ++ky) {
      for (std::size_t kx = 0; kx < layer.columns; ++kx) {
        plan.window_offsets.push_back(
            static_cast<std::int32_t>((c % plan.window_channels * layer.rows + ky) * plan.window_columns + kx));
      }
    }
  }
}

// Pixels of a sparse kernel's tile on this machine, for a footprint. Results do not depend on it.
std::size_t tile_pixels() { return vector_floats() >= kLanes ? 11 : 6; }

LayerPlan plan_convolution(const NetworkPlan& plan, const Operation& operation) {
  const LayerSpec& layer = plan.spec.layers[operation.layer];
  const TensorLayout input = plan.activation(operation.input, 1, 1);
  const TensorLayout gradient = plan.gradient(operation.output, 1, 1);
  LayerPlan result;
  result.reads_bytes = plan.byte_planes && operation.input == 0;
  result.pad_top = same_padding(input.height, layer.rows, operation.stride).before;
  result.pad_left = same_padding(input.width, layer.columns, operation.stride).before;
  for (std::size_t c = 0; c < layer.in; ++c) {
    for (std::size_t ky = 0; ky < layer.rows; ++ky) {
      for (std::size_t kx = 0; kx < layer.columns; ++kx) {
        result.offsets.push_back(pixels(c * input.channel_pitch() + ky * input.row_pitch() + kx));
      }
    }
  }
  result.phases = convolution_phases(layer, operation.stride, result.pad_top, result.pad_left, gradient);
  result.gradient_channel_pitch = pixels(gradient.channel_pitch());
  const std::size_t phase_rows = (layer.rows + operation.stride - 1) / operation.stride;
  const std::size_t phase_columns = (layer.columns + operation.stride - 1) / operation.stride;
  const std::size_t pixels = tile_pixels();
  if (result.reads_bytes) plan_windows(layer, operation.stride, result);
  result.forward_tile = {pixels, layer.rows * ((pixels - 1) * operation.stride + layer.columns) * kPixelBytes};
  result.backward_tile = {pixels, phase_rows * (pixels - 1 + phase_columns) * kPixelBytes};
  return result;
}

std::vector<std::int32_t> element_offsets(const TensorLayout& layout) {
  std::vector<std::int32_t> offsets;
  for (std::size_t c = 0; c < layout.channels; ++c) {
    for (std::size_t y = 0; y < layout.height; ++y) {
      for (std::size_t x = 0; x < layout.width; ++x) offsets.push_back(pixels(layout.offset(c, y, x)));
    }
  }
  return offsets;
}

LayerPlan plan_dense(const NetworkPlan& plan, const Operation& operation) {
  LayerPlan result;
  result.offsets = element_offsets(plan.activation(operation.input, 1, 1));
  result.input_gradient_offsets = element_offsets(plan.gradient(operation.input, 1, 1));
  result.phases.push_back({0, 0, {0}, {0}});
  result.gradient_channel_pitch = 1;
  result.forward_tile = result.backward_tile = {kTileBlocks, kTileBlocks * kPixelBytes};
  return result;
}

}  // namespace

NetworkPlan::NetworkPlan(const NetworkSpec& network_spec, std::size_t batch)
    : spec(network_spec), unit_classes(eaudeqn::unit_classes(spec)), dense_by_input(blocks_for_batch(batch) <= 2) {
  activation_borders.resize(spec.tensors.size());
  gradient_borders.resize(spec.tensors.size());
  activation_is_relu.resize(spec.tensors.size(), false);
  byte_planes =
      spec.architecture.byte_input &&
      std::all_of(spec.operations.begin(), spec.operations.end(), [](const Operation& operation) {
        return (operation.input != 0 || operation.kind == OperationKind::convolution) && operation.residual != 0;
      });
  for (const Operation& operation : spec.operations) {
    activation_is_relu[operation.output] = operation.relu;
    if (operation.kind != OperationKind::convolution) continue;
    const LayerSpec& layer = spec.layers[operation.layer];
    const TensorShape& from = spec.tensors[operation.input];
    const TensorShape& to = spec.tensors[operation.output];
    const SamePadding rows = same_padding(from.height, layer.rows, operation.stride);
    const SamePadding columns = same_padding(from.width, layer.columns, operation.stride);
    widen(activation_borders[operation.input], {rows.before, rows.after, columns.before, columns.after});
    const Reach vertical = gradient_reach(from.height, to.height, layer.rows, operation.stride, rows.before);
    const Reach horizontal = gradient_reach(from.width, to.width, layer.columns, operation.stride, columns.before);
    widen(gradient_borders[operation.output], {vertical.before, vertical.after, horizontal.before, horizontal.after});
  }
  layers.resize(spec.layers.size());
  for (const Operation& operation : spec.operations) {
    if (operation.kind == OperationKind::convolution) layers[operation.layer] = plan_convolution(*this, operation);
    if (operation.kind == OperationKind::dense) layers[operation.layer] = plan_dense(*this, operation);
  }
  std::vector<bool> written(spec.tensors.size(), false);
  gradient_is_first.resize(spec.operations.size());
  residual_is_first.resize(spec.operations.size());
  for (std::size_t i = spec.operations.size(); i-- > 0;) {
    const Operation& operation = spec.operations[i];
    if (operation.residual >= 0) {
      residual_is_first[i] = !written[static_cast<std::size_t>(operation.residual)];
      written[static_cast<std::size_t>(operation.residual)] = true;
    }
    gradient_is_first[i] = !written[operation.input];
    written[operation.input] = true;
  }
}

TensorLayout NetworkPlan::activation(std::size_t tensor, std::size_t lanes, std::size_t blocks) const {
  const TensorShape& shape = spec.tensors[tensor];
  return {shape.channels, shape.height, shape.width, activation_borders[tensor], lanes, blocks};
}

TensorLayout NetworkPlan::gradient(std::size_t tensor, std::size_t lanes, std::size_t blocks) const {
  const TensorShape& shape = spec.tensors[tensor];
  return {shape.channels, shape.height, shape.width, gradient_borders[tensor], lanes, blocks};
}

}  // namespace eaudeqn
