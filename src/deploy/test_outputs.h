// For tests only: what the engine's passes for batches compute, to compare others with.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/parallel.h"
#include "engine/passes.h"

namespace eaudeqn {

// [sample][output]; `observations` are planes as the network reads them.
inline std::vector<float> engine_outputs(Network& network, std::span<const std::byte> observations, std::size_t count) {
  const auto plan = std::make_shared<NetworkPlan>(network.plan());
  ThreadPool pool(1);
  InputTensor input(plan, count);
  Workspace workspace(plan, count, false);
  workspace.set_input(input);
  input.load(observations, count, pool);
  const Pass pass{&network, &workspace};
  forward(std::span(&pass, 1), pool);
  std::vector<float> outputs;
  for (std::size_t b = 0; b < count; ++b) {
    for (std::size_t a = 0; a < plan->spec.architecture.outputs; ++a) outputs.push_back(workspace.output(b, a));
  }
  return outputs;
}

}  // namespace eaudeqn
