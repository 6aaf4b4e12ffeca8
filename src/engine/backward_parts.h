// The two gradients of one layer, each in its own file (input_gradient.cc, weight_gradients.cc); backward.cc calls
// them in order. Inside the engine only.
#pragma once

#include <span>
#include <vector>

#include "engine/passes.h"

namespace eaudeqn {

// d loss / d input of operation `index`, a convolution or dense layer; of a dense layer only for the inputs from
// `first_feature` on, where they are a vector.
void input_gradient(std::span<const Pass> passes, std::size_t index, std::size_t first_feature, ThreadPool& pool);

// d loss / d weight (of active weights) and d loss / d bias of a convolution or dense layer.
void weight_gradient(std::span<const Pass> passes, const Operation& operation, ThreadPool& pool);

}  // namespace eaudeqn
