// `eaudeqn bench`: how fast the parts are on this machine. What is measured is the code that trains, not a copy of it.
#include "bench.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/dqn.h"
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

nlohmann::ordered_json features_json(const std::string& kind, std::size_t features) {
  if (kind == "mlp") return nullptr;
  return features;
}

Architecture random_architecture(const std::string& kind, std::size_t features, const std::vector<std::int64_t>& hidden,
                                 std::size_t observation, std::size_t actions) {
  NetworkConfig network;
  network.kind = kind;
  network.features = static_cast<std::int64_t>(features);
  network.hidden = hidden;
  const bool vectors = kind == "mlp";
  const std::vector<std::size_t> image = {4, 84, 84};
  return make_architecture(network, vectors ? std::vector<std::size_t>{observation, 1, 1} : image, !vectors, actions);
}

std::string machine_text(const nlohmann::ordered_json& machine) {
  return fmt::format("{}, {}, {} thread{}, {}", machine["cpu"].get<std::string>(), machine["isa"].get<std::string>(),
                     machine["threads"].get<int>(), machine["threads"].get<int>() == 1 ? "" : "s",
                     machine["build"].get<std::string>());
}

void add_bench(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "bench",
      "Measure the parts on this machine: update, act, environment, replay, step. Times vary on a shared machine: "
      "compare minima, and ratios of one run.");
  command->require_subcommand(1);
  add_bench_update(*command, run);
  add_bench_act(*command, run);
  add_bench_environment(*command, run);
  add_bench_replay(*command, run);
  add_bench_step(*command, run);
}

}  // namespace eaudeqn
