// `eaudeqn bench`: how fast the parts are on this machine. What is measured is the code that trains, not a copy of it.
#include "bench.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/machine.h"
#include "engine/kernels/instruction_set.h"

namespace eaudeqn {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double minimum(const std::vector<double>& values) { return *std::min_element(values.begin(), values.end()); }

nlohmann::ordered_json describe_machine(int threads) {
  return {{"cpu", cpu_name()}, {"isa", instruction_set()}, {"threads", threads}, {"build", build_name()}};
}

std::string machine_text(const nlohmann::ordered_json& machine) {
  return fmt::format("{}, {}, {} thread{}, {}", machine["cpu"].get<std::string>(), machine["isa"].get<std::string>(),
                     machine["threads"].get<int>(), machine["threads"].get<int>() == 1 ? "" : "s",
                     machine["build"].get<std::string>());
}

void prune(Network& network, double sparsity, Distribution distribution) {
  std::vector<LayerWeights> all;
  std::vector<PrunableLayer> layers;
  for (std::size_t l = 0; l < network.layers().size(); ++l) all.push_back(network.layer_weights(l));
  for (std::size_t l = 0; l < all.size(); ++l) {
    layers.push_back({network.spec().layers[l].shape(), all[l].weights, all[l].mask});
  }
  const auto masks = magnitude_masks(layers, sparsity, distribution);
  for (std::size_t l = 0; l < all.size(); ++l) {
    all[l].mask = masks[l];
    for (std::size_t i = 0; i < masks[l].size(); ++i) {
      if (masks[l][i] == 0) all[l].weights[i] = 0;
    }
    network.set_layer(l, all[l]);
  }
}

void add_bench(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "bench",
      "Measure the parts on this machine: update, act, environment, replay. Times vary on a shared machine: compare "
      "minima, and ratios of one run.");
  command->require_subcommand(1);
  add_bench_update(*command, run);
  add_bench_act(*command, run);
  add_bench_environment(*command, run);
  add_bench_replay(*command, run);
}

}  // namespace eaudeqn
