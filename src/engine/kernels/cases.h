// The one table of layer shapes that drives forward agreement, gradients (kernels_test.cc) and timing
// (bench/), and the network that each case stands for.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/network_spec.h"

namespace eaudeqn {

struct LayerCase {
  std::size_t in, height, width, out, kernel, stride;
  std::size_t batch;
  double density;  // share of active weights; 0: one weight
  bool timed = false;
};

inline const std::vector<LayerCase>& layer_cases() {
  static const std::vector<LayerCase> kCases = {
      // odd shapes, strides 1, 2, 4, SAME padding that is even, odd and absent
      {1, 1, 1, 1, 1, 1, 1, 1.0},
      {3, 7, 5, 4, 3, 1, 5, 1.0},
      {3, 7, 5, 4, 3, 1, 5, 0.5},
      {2, 9, 13, 5, 4, 2, 32, 1.0},
      {2, 9, 13, 5, 4, 2, 32, 0.3},
      {5, 11, 11, 7, 2, 2, 16, 0.6},
      {4, 17, 19, 3, 8, 4, 1, 0.2},
      {4, 16, 20, 6, 8, 4, 33, 1.0},
      {4, 16, 20, 6, 8, 4, 33, 0.1},
      {3, 6, 6, 5, 1, 1, 64, 0.9},
      {2, 5, 5, 3, 5, 1, 17, 0.0},
      {1, 30, 3, 2, 3, 2, 32, 0.79},
      {8, 12, 25, 13, 3, 1, 32, 0.81},
      // dense layers (height = width = kernel = 1)
      {7, 1, 1, 3, 1, 1, 1, 1.0},
      {33, 1, 1, 17, 1, 1, 5, 1.0},
      {33, 1, 1, 17, 1, 1, 5, 0.4},
      {2500, 1, 1, 50, 1, 1, 32, 1.0},
      {2500, 1, 1, 51, 1, 1, 32, 0.05},
      {2500, 1, 1, 51, 1, 1, 256, 0.02},
      {70, 1, 1, 40, 1, 1, 256, 0.3},
      {70, 1, 1, 9, 1, 1, 250, 0.1},
      {70, 1, 1, 9, 1, 1, 300, 0.5},
      {40, 1, 1, 9, 1, 1, 530, 0.5},
      {64, 1, 1, 64, 1, 1, 256, 1.0},
      {64, 1, 1, 64, 1, 1, 256, 0.0},
      // the layers of the nature network, as trained
      {4, 84, 84, 32, 8, 4, 32, 1.0, true},
      {4, 84, 84, 32, 8, 4, 32, 0.1, true},
      {32, 21, 21, 64, 4, 2, 32, 1.0, true},
      {32, 21, 21, 64, 4, 2, 32, 0.1, true},
      {64, 11, 11, 64, 3, 1, 32, 1.0, true},
      {64, 11, 11, 64, 3, 1, 32, 0.5, true},
      {64, 11, 11, 64, 3, 1, 32, 0.1, true},
      {64, 11, 11, 64, 3, 1, 32, 0.05, true},
      {64, 11, 11, 64, 3, 1, 32, 0.01, true},
      {7744, 1, 1, 512, 1, 1, 32, 1.0, true},
      {7744, 1, 1, 512, 1, 1, 32, 0.1, true},
      {7744, 1, 1, 512, 1, 1, 32, 0.05, true},
      {7744, 1, 1, 512, 1, 1, 32, 0.01, true},
  };
  return kCases;
}

// A network of this layer alone, of images of bytes or of floats. With `behind_relu` the layer's input is not the
// network's, so that its gradient is computed too: tensor 0 -> ReLU -> 1 -> layer -> 2.
inline NetworkSpec one_layer(const LayerCase& c, bool behind_relu, bool bytes = false) {
  NetworkSpec spec;
  spec.architecture.byte_input = bytes;
  const bool convolution = c.height > 1 || c.width > 1 || c.kernel > 1;
  spec.architecture.input = {c.in, c.height, c.width};
  spec.tensors.push_back({c.in, c.height, c.width});
  if (behind_relu) {
    spec.tensors.push_back({c.in, c.height, c.width});
    spec.operations.push_back({OperationKind::relu, 0, 1, 0, 1, false, -1});
  }
  spec.tensors.push_back(
      {c.out, same_padding(c.height, c.kernel, c.stride).outputs, same_padding(c.width, c.kernel, c.stride).outputs});
  spec.layers.push_back({"layer", c.out, c.in, c.kernel, c.kernel, convolution});
  spec.operations.push_back({convolution ? OperationKind::convolution : OperationKind::dense, behind_relu ? 1U : 0U,
                             behind_relu ? 2U : 1U, 0, c.stride, false, -1});
  return spec;
}

}  // namespace eaudeqn
