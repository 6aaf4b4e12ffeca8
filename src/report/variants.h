// Which runs are repetitions of each other, how to call them, in what their settings differ, how to repeat them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "report/run_reader.h"

namespace eaudeqn {

// Runs of one environment that differ in nothing but the seed and when they wrote checkpoints.
struct Variant {
  std::string environment;
  std::string label;  // the algorithm, and in brackets the settings that tell it from others of the algorithm
  std::vector<std::size_t> runs;  // places in the vector given
};

// By environment, then label. Every run is in exactly one variant.
std::vector<Variant> group_runs(const std::vector<RunRecord>& runs);

// [{"key", "values": [text or null, one per variant]}, ...]: the settings in which variants differ, but for those that
// tell the variants' names and the seed. null: the config has no such key.
nlohmann::ordered_json config_differences(const std::vector<RunRecord>& runs, const std::vector<Variant>& variants);

// {"commands": [one per run], "config": config.toml of the first run}. The commands name the built-in config that is
// nearest and what to change in it; a config that this version cannot read is trained from a file.
nlohmann::ordered_json reproduction(const std::vector<RunRecord>& runs, const Variant& variant);

}  // namespace eaudeqn
