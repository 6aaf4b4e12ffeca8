// Where each weight of a layer finds its input and its output gradient: geometry shared by all networks of one spec, in
// pixels (units of `lanes` floats), so that it serves every batch size. Computed once. No weights, no activations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/network_spec.h"
#include "engine/tensor_layout.h"
#include "engine/unit_classes.h"

namespace eaudeqn {

// The input gradient of a strided convolution falls apart into stride x stride phases: cells (row, column) + stride *
// (i, j) meet only the taps whose kernel row and column have the right remainder.
struct GradientPhase {
  std::size_t row = 0, column = 0;        // first input cell of the phase
  std::vector<std::size_t> taps;          // kernel row * columns + kernel column, ascending
  std::vector<std::int32_t> tap_offsets;  // pixels from output-gradient pixel (i, j), channel 0, for each tap
};

// What a kernel brings into the first-level cache for each channel while it sums a tile of output pixels.
struct TileFootprint {
  std::size_t pixels = 0, channel_bytes = 0;
};

struct LayerPlan {
  std::size_t pad_top = 0, pad_left = 0;
  bool reads_bytes = false;                          // NetworkPlan::byte_planes, and this layer reads the input
  std::vector<std::int32_t> offsets;                 // [row_size] pixels from the first cell of the window, channel 0
  std::vector<std::int32_t> input_gradient_offsets;  // dense layers: the same in the gradient of the input
  std::vector<GradientPhase> phases;
  std::int32_t gradient_channel_pitch = 0;  // pixels between channels of the output gradient
  // Of a layer that reads bytes: its windows of floats (kernels/byte_window.h). No channels if not even one fits.
  std::size_t window_columns = 0;            // what kWindowPixels of an output row read
  std::size_t window_channels = 0;           // of one window
  std::vector<std::int32_t> window_offsets;  // as `offsets`, in the window of the channel
  TileFootprint forward_tile;                // of input channels (a dense layer: inputs)
  TileFootprint backward_tile;               // of channels of the output gradient

  // Into how many windows the input channels are cut; 0 if there are none.
  std::size_t windows(const LayerSpec& spec) const {
    return window_channels == 0 ? 0 : (spec.in + window_channels - 1) / window_channels;
  }
};

// Geometry of a whole network: for every tensor the borders of its activation and of its gradient, for every layer a
// plan.
struct NetworkPlan {
  // batch: samples that passes through the network usually have. Results do not depend on it, speed does.
  explicit NetworkPlan(const NetworkSpec& spec, std::size_t batch = 32);

  TensorLayout activation(std::size_t tensor, std::size_t lanes, std::size_t blocks) const;
  TensorLayout gradient(std::size_t tensor, std::size_t lanes, std::size_t blocks) const;

  NetworkSpec spec;
  std::vector<UnitClass> unit_classes;
  std::vector<Border> activation_borders, gradient_borders;
  std::vector<LayerPlan> layers;
  std::vector<bool> gradient_is_first;   // per operation: it writes its input's gradient (else it adds)
  std::vector<bool> residual_is_first;   // per operation: the same for its residual tensor
  bool dense_by_input = false;           // compact dense layers are stored by input (kernels/columns.h)
  bool byte_planes = false;              // the input stays bytes: it is bytes, and convolutions alone read it
  std::vector<bool> activation_is_relu;  // per tensor: the gradient is kept with respect to the value before ReLU
};

}  // namespace eaudeqn
