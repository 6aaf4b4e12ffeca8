// The naive versions of everything that the kernels compute, on plain [C][H][W] arrays of one sample: for tests and for
// reading. Never used in training. T = float repeats the kernels' order of fused multiply-adds exactly; T = double
// serves finite differences.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "engine/network_spec.h"

namespace eaudeqn::reference {

template <typename T>
T weight_at(const std::vector<T>& weights, const LayerSpec& layer, std::size_t o, std::size_t c, std::size_t ky,
            std::size_t kx) {
  return weights[((o * layer.in + c) * layer.rows + ky) * layer.columns + kx];
}

// Input cell under kernel cell k of output cell o, or -1 outside.
inline std::ptrdiff_t input_cell(std::size_t o, std::size_t k, std::size_t inputs, std::size_t kernel,
                                 std::size_t stride) {
  const auto cell = static_cast<std::ptrdiff_t>(o * stride + k) -
                    static_cast<std::ptrdiff_t>(same_padding(inputs, kernel, stride).before);
  return cell >= 0 && cell < static_cast<std::ptrdiff_t>(inputs) ? cell : -1;
}

// output[o][y][x] = bias[o] + sum over c, ky, kx of weight x input. A dense layer is the case 1x1 on [features][1][1].
template <typename T>
std::vector<T> convolution(const LayerSpec& layer, std::size_t stride, const TensorShape& in, const TensorShape& out,
                           const std::vector<T>& weights, const std::vector<T>& bias, const std::vector<T>& input) {
  std::vector<T> output(out.channels * out.height * out.width);
  for (std::size_t o = 0; o < out.channels; ++o) {
    for (std::size_t y = 0; y < out.height; ++y) {
      for (std::size_t x = 0; x < out.width; ++x) {
        T sum = bias[o];
        for (std::size_t c = 0; c < layer.in; ++c) {
          for (std::size_t ky = 0; ky < layer.rows; ++ky) {
            for (std::size_t kx = 0; kx < layer.columns; ++kx) {
              const std::ptrdiff_t row = input_cell(y, ky, in.height, layer.rows, stride);
              const std::ptrdiff_t column = input_cell(x, kx, in.width, layer.columns, stride);
              if (row < 0 || column < 0) continue;
              const std::size_t at =
                  (c * in.height + static_cast<std::size_t>(row)) * in.width + static_cast<std::size_t>(column);
              sum = std::fma(weight_at(weights, layer, o, c, ky, kx), input[at], sum);
            }
          }
        }
        output[(o * out.height + y) * out.width + x] = sum;
      }
    }
  }
  return output;
}

// input_gradient[c][row][column] = sum over o, ky, kx of weight x output_gradient, in that order.
template <typename T>
std::vector<T> convolution_input_gradient(const LayerSpec& layer, std::size_t stride, const TensorShape& in,
                                          const TensorShape& out, const std::vector<T>& weights,
                                          const std::vector<T>& output_gradient) {
  std::vector<T> gradient(in.channels * in.height * in.width, T(0));
  for (std::size_t o = 0; o < out.channels; ++o) {
    for (std::size_t c = 0; c < layer.in; ++c) {
      for (std::size_t ky = 0; ky < layer.rows; ++ky) {
        for (std::size_t kx = 0; kx < layer.columns; ++kx) {
          for (std::size_t y = 0; y < out.height; ++y) {
            for (std::size_t x = 0; x < out.width; ++x) {
              const std::ptrdiff_t row = input_cell(y, ky, in.height, layer.rows, stride);
              const std::ptrdiff_t column = input_cell(x, kx, in.width, layer.columns, stride);
              if (row < 0 || column < 0) continue;
              T& cell = gradient[(c * in.height + static_cast<std::size_t>(row)) * in.width +
                                 static_cast<std::size_t>(column)];
              cell = std::fma(weight_at(weights, layer, o, c, ky, kx),
                              output_gradient[(o * out.height + y) * out.width + x], cell);
            }
          }
        }
      }
    }
  }
  return gradient;
}

// weight_gradient += sum over positions of output_gradient x input; bias_gradient += sum of output_gradient.
template <typename T>
void convolution_weight_gradient(const LayerSpec& layer, std::size_t stride, const TensorShape& in,
                                 const TensorShape& out, const std::vector<T>& input,
                                 const std::vector<T>& output_gradient, std::vector<T>& weight_gradient,
                                 std::vector<T>& bias_gradient) {
  for (std::size_t o = 0; o < out.channels; ++o) {
    for (std::size_t y = 0; y < out.height; ++y) {
      for (std::size_t x = 0; x < out.width; ++x) {
        const T g = output_gradient[(o * out.height + y) * out.width + x];
        bias_gradient[o] += g;
        for (std::size_t c = 0; c < layer.in; ++c) {
          for (std::size_t ky = 0; ky < layer.rows; ++ky) {
            for (std::size_t kx = 0; kx < layer.columns; ++kx) {
              const std::ptrdiff_t row = input_cell(y, ky, in.height, layer.rows, stride);
              const std::ptrdiff_t column = input_cell(x, kx, in.width, layer.columns, stride);
              if (row < 0 || column < 0) continue;
              weight_gradient[((o * layer.in + c) * layer.rows + ky) * layer.columns + kx] +=
                  g *
                  input[(c * in.height + static_cast<std::size_t>(row)) * in.width + static_cast<std::size_t>(column)];
            }
          }
        }
      }
    }
  }
}

template <typename T>
std::vector<T> max_pool(const TensorShape& in, const TensorShape& out, const std::vector<T>& input) {
  std::vector<T> output(out.channels * out.height * out.width, -std::numeric_limits<T>::infinity());
  for (std::size_t c = 0; c < out.channels; ++c) {
    for (std::size_t y = 0; y < out.height; ++y) {
      for (std::size_t x = 0; x < out.width; ++x) {
        for (std::size_t k = 0; k < 9; ++k) {
          const std::ptrdiff_t row = input_cell(y, k / 3, in.height, 3, 2);
          const std::ptrdiff_t column = input_cell(x, k % 3, in.width, 3, 2);
          if (row < 0 || column < 0) continue;
          T& cell = output[(c * out.height + y) * out.width + x];
          cell = std::max(
              cell,
              input[(c * in.height + static_cast<std::size_t>(row)) * in.width + static_cast<std::size_t>(column)]);
        }
      }
    }
  }
  return output;
}

// A whole network on one sample; weights and biases per layer, all entries. Returns every tensor.
template <typename T>
std::vector<std::vector<T>> run(const NetworkSpec& spec, const std::vector<std::vector<T>>& weights,
                                const std::vector<std::vector<T>>& biases, const std::vector<T>& input) {
  std::vector<std::vector<T>> tensors(spec.tensors.size());
  tensors[0] = input;
  for (const Operation& operation : spec.operations) {
    const TensorShape& out = spec.tensors[operation.output];
    TensorShape in = spec.tensors[operation.input];
    std::vector<T>& output = tensors[operation.output];
    if (operation.kind == OperationKind::max_pool) {
      output = max_pool(in, out, tensors[operation.input]);
      continue;
    }
    if (operation.kind == OperationKind::relu) {
      output = tensors[operation.input];
    } else {
      if (operation.kind == OperationKind::dense) in = {in.channels * in.height * in.width, 1, 1};
      output = convolution(spec.layers[operation.layer], operation.stride, in, out, weights[operation.layer],
                           biases[operation.layer], tensors[operation.input]);
    }
    if (operation.residual >= 0) {
      const auto& added = tensors[static_cast<std::size_t>(operation.residual)];
      for (std::size_t i = 0; i < output.size(); ++i) output[i] += added[i];
    }
    if (operation.relu || operation.kind == OperationKind::relu) {
      for (T& value : output) value = std::max(T(0), value);
    }
  }
  return tensors;
}

}  // namespace eaudeqn::reference
