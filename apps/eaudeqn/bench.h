// What the benchmarks of `eaudeqn bench` share: repeated timings and how they are reported. Each lives in a file of its
// own, bench_<name>.cc.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "commands.h"
#include "engine/network_spec.h"

namespace eaudeqn {

// Each adds one benchmark to the `bench` command.
void add_bench_update(CLI::App& bench, Run& run);
void add_bench_act(CLI::App& bench, Run& run);
void add_bench_environment(CLI::App& bench, Run& run);
void add_bench_replay(CLI::App& bench, Run& run);
void add_bench_step(CLI::App& bench, Run& run);

// Wall-clock milliseconds of `repeats` calls, after `warm_up` more that do not count.
template <typename Work>
std::vector<double> measure_milliseconds(std::size_t warm_up, std::size_t repeats, Work&& work) {
  std::vector<double> times;
  for (std::size_t i = 0; i < warm_up + repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
    if (i >= warm_up) times.push_back(time.count());
  }
  return times;
}

// What the options of a benchmark describe: images for nature and impala, vectors of `observation` floats for mlp.
Architecture random_architecture(const std::string& kind, std::size_t features, const std::vector<std::int64_t>& hidden,
                                 std::size_t observation, std::size_t actions);

// What "features" says: F, or null for a kind of network that has none.
nlohmann::ordered_json features_json(const std::string& kind, std::size_t features);

double median(std::vector<double> values);
double minimum(const std::vector<double>& values);

// {"cpu", "isa", "threads", "build"}: how a number was obtained.
nlohmann::ordered_json describe_machine(int threads);
std::string machine_text(const nlohmann::ordered_json& machine);  // the same as one line

}  // namespace eaudeqn
