// A policy as an ONNX model: opset 17, dense weights with zeros where they are inactive. For programs that run ONNX
// already; it computes every zero, so that it is slower than what runs the policy file.
#pragma once

#include <string>

#include "deploy/policy.h"

namespace eaudeqn {

// The model's bytes. Input "observation": uint8 (batch, H, W, C), newest frame last, or float32 (batch, n); output
// "outputs": float32 (batch, outputs), equal to `eaudeqn forward` but for rounding. Weights are int8 with a
// DequantizeLinear where the policy has scales (quantize.h). The metadata of the policy goes along. Throws
// Error::failure naming `origin`, the policy's file: layers that disagree with the architecture, images of floats, a
// model of 2 GB or more, for which the format has no place.
std::string onnx_model(const Policy& policy, const std::string& origin);

}  // namespace eaudeqn
