// Forward and backward passes of several networks at once, so that one parallel loop has K x (parts of a layer) tasks
// and two cores share five networks evenly. Results do not depend on the number of threads. No losses, no environment.
#pragma once

#include <span>
#include <vector>

#include "core/parallel.h"
#include "engine/network.h"
#include "engine/workspace.h"

namespace eaudeqn {

// One network and the workspace it runs in. All passes of a call share one NetworkPlan and batch size.
struct Pass {
  Network* network = nullptr;  // forward only reads it
  Workspace* workspace = nullptr;
};

// Needs workspace->set_input. Afterwards workspace->output(sample, unit) holds the outputs.
void forward(std::span<const Pass> passes, ThreadPool& pool);

// Needs a forward pass and the output gradients. Afterwards every layer's gradient (of active weights) and
// bias_gradient are set: sums over the batch of d loss / d weight.
void backward(std::span<const Pass> passes, ThreadPool& pool);

// The other direction alone: needs the same, and workspace->keep_input_gradient. Afterwards
// workspace->input_gradient(sample, unit) holds d loss / d input for the units from `first_unit` on, of networks whose
// input is a vector; weights and their gradients stay as they are.
void backward_to_input(std::span<const Pass> passes, std::size_t first_unit, ThreadPool& pool);

// After passes with compute_unread(true): d loss / d weight of ALL weights, by layer and in full order, inactive ones
// as if they were 0 and active (where active, equal to layer.gradient but for the rounding of another order of
// summation). Costs as much as the gradient of a dense network.
std::vector<std::vector<float>> all_weight_gradients(const Pass& pass, ThreadPool& pool);

// One Adam step of every network with the gradients of the last backward pass (optimizer_steps advances by 1).
void adam_step(std::span<const Pass> passes, double learning_rate, double epsilon, ThreadPool& pool);

// backward() and adam_step() in one, with the same results but for the gradients, which are not all kept: the weights
// and moments of large layers pass through the caches once.
void backward_and_adam(std::span<const Pass> passes, double learning_rate, double epsilon, ThreadPool& pool);

}  // namespace eaudeqn
