// The weight gradient of a dense layer in dense form: every weight of a range, vectors over neighbouring weights
// instead of samples, so that nothing is summed across a vector. The other forms are weight_gradient.h.
#pragma once

#include <cstddef>

namespace eaudeqn {

// gradient[o * gradient_pitch + i] = sum over samples of output_gradient(o, sample) x inputs[sample * inputs_pitch + i]
// for o < outputs, i < count: one chain of fused multiply-adds over the samples in order, the same bits on every
// instruction set. The gradient of output o and sample s is at
// output_gradient[s / kLanes * block_pitch + o * kLanes + s % kLanes]. inputs: aligned to 64 bytes, its pitch a
// multiple of 16 and at least `count` rounded up to 16. Pitches in floats. Thread safety: pure apart from gradient.
struct OuterProduct {
  const float* output_gradient = nullptr;
  std::ptrdiff_t block_pitch = 0;
  std::size_t outputs = 0, samples = 0;
  const float* inputs = nullptr;
  std::size_t inputs_pitch = 0, count = 0;
  float* gradient = nullptr;
  std::ptrdiff_t gradient_pitch = 0;
};
void outer_product(const OuterProduct& product);

}  // namespace eaudeqn
