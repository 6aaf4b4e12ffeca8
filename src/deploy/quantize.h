// Weights of 8 bits: every output of a layer has one scale, every weight is a whole number from -127 to 127 times it.
// Symmetric, without zero points; biases, activations and the last layer stay floats: its weights are few, and their
// errors are what tells one output from another. What it costs in accuracy is for the caller to
// measure: `eaudeqn export --observations` does, and fits the whole numbers to them (quantize_observed.h).
#pragma once

#include <cstdint>
#include <vector>

#include "deploy/policy.h"

namespace eaudeqn {

constexpr float kLargestInteger = 127.0F;  // of a weight of 8 bits, in steps of its scale

// The same policy with every weight but the last layer's at the nearest multiple of its output's scale. The scale is
// the one of least squared error among those that give the output's largest |weight| 96 to 127 steps; the error of a
// weight is at most half a scale. Active weights stay active even where they become 0. The result has
// PolicyLayer::scales, and write_policy stores it with 8 bits a weight. A policy that has scales already is returned as
// it is.
Policy quantize(Policy policy);

// The whole numbers of a layer with scales, in the order of its values: values[i] == float(integers[i]) * scale
// exactly. Throws Error::failure saying what is wrong where that does not hold, or a scale is not positive and normal.
std::vector<std::int8_t> integers_of(const PolicyLayer& layer);

// values = integers * scale of their row, for a layer whose row_starts and scales are set.
std::vector<float> dequantize(const PolicyLayer& layer, const std::vector<std::int8_t>& integers);

}  // namespace eaudeqn
