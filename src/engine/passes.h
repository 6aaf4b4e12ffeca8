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

// One Adam step of every network with the gradients of the last backward pass (optimizer_steps advances by 1).
void adam_step(std::span<const Pass> passes, double learning_rate, double epsilon, ThreadPool& pool);

}  // namespace eaudeqn
