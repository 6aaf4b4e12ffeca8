// A dense layer in dense form, batches of samples: its weights are stored in panels of 16 outputs, [panel][input][16],
// outputs padded with zero weights. So the forward pass reads them as one stream, a range of inputs is a few long
// pieces for the backward pass and Adam, and acting takes 16 outputs at a time (matrix_vector.h). Compact dense layers:
// columns.h, rows.h.
//
// Pixels are those of rows.h. Every output, and every element of the input gradient, is ONE chain of fused
// multiply-adds by ascending input (output): the same bits as the compact forms. A weight gradient is one chain over
// the samples in order. Thread safety: pure apart from what is written. Pointers are aligned to 64 bytes at pixel
// starts.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/kernels/columns.h"

namespace eaudeqn {

constexpr std::size_t kPanelOutputs = 16;

struct PanelWeights {
  const float* data = nullptr;
  std::size_t inputs = 0, outputs = 0;

  std::size_t panels() const { return (outputs + kPanelOutputs - 1) / kPanelOutputs; }
  std::size_t panel_pitch() const { return inputs * kPanelOutputs; }
  std::size_t size() const { return panels() * panel_pitch(); }
  // Where weight (output, input) is stored.
  std::size_t place(std::size_t output, std::size_t input) const {
    return output / kPanelOutputs * panel_pitch() + input * kPanelOutputs + output % kPanelOutputs;
  }
};

// Outputs of panels [first, last) = biases + weights x inputs, then max(0, .) if relu. offsets: [inputs], in pixels.
void forward_panels(const PanelWeights& weights, std::size_t first, std::size_t last, const std::int32_t* offsets,
                    const ConstUnitPixels& inputs, const float* biases, bool relu, const UnitPixels& outputs,
                    std::size_t blocks);

// d loss / d input of inputs [first, last); `gradients.weights` is not read.
void input_gradient_panels(const PanelWeights& weights, std::size_t first, std::size_t last,
                           const ColumnGradients& gradients);

// transposed[sample * pitch + output] = the gradient of that output and sample; 0 for outputs up to the next multiple
// of 32, which `pitch` is at least.
void transpose_output_gradients(const ConstUnitPixels& output_gradients, std::size_t outputs, std::size_t blocks,
                                std::size_t pitch, float* transposed);

// Weight gradients of panels [panel, panel + count), count 1 or 2, and inputs [first, last):
// gradient[p * (last - first) * 16 + (i - first) * 16 + o]. `transposed` from above.
void weight_gradient_panels(const float* transposed, std::size_t pitch, std::size_t samples, std::size_t panel,
                            std::size_t count, std::size_t first, std::size_t last, const std::int32_t* offsets,
                            const ConstUnitPixels& inputs, float* gradient);

}  // namespace eaudeqn
