// The same network with other scales between its layers: dividing a channel by a factor and multiplying what reads it
// by the same changes nothing but how well the weights of the reading layer lie on a grid of whole numbers. Needed
// before rounding (quantize_observed.h); useless without.
#pragma once

#include <cstddef>
#include <vector>

#include "core/parallel.h"
#include "deploy/layer_samples.h"
#include "deploy/policy.h"

namespace eaudeqn {

// Outputs stay the same to float rounding. Every layer but the last whose inputs are the outputs of one other layer,
// which nothing else reads, through ReLU or nothing, gets the factors that make the sum over its rows of (scale^2 x
// variances of what the weights multiply) least, each row in the units that it came with, as far as changing one factor
// at a time finds. Source: Nagel et al. 2019,
// "Data-Free Quantization Through Weight Equalization and Bias Correction", with measured variances in place of their
// ranges.
Policy equalize(Policy policy, const ObservedPolicy& observed, ThreadPool& pool);

}  // namespace eaudeqn
