// What a run directory holds, read for reports: config, metrics, timing, policy. It reads whatever is there, of runs
// that still go on too, and writes nothing. No judgement and no statistics.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace eaudeqn {

// Something in a run's files that could not be used.
struct ReadProblem {
  std::string file;      // within the run directory
  std::size_t line = 0;  // from 1; 0: the whole file
  std::string what;
};

struct EpisodeRow {
  std::int64_t step = 0;
  double episode_return = 0;
};

struct UpdateRow {  // target updates and mask changes
  std::int64_t step = 0;
  int selected = -1;                          // -1: a mask change, which selects nothing
  std::vector<std::optional<double>> losses;  // empty for a mask change; none: not a number
  std::vector<double> sparsities;             // of all networks, after the event
  std::optional<double> sparsity;             // of the selected network
  std::optional<double> actor_sparsity;       // soft actor-critic: of the network that ships
};

struct EvaluationRow {
  std::int64_t step = 0;
  double mean_return = 0;
  std::vector<double> returns;
  std::optional<double> sparsity;
};

struct LayerRow {
  std::string name;
  std::vector<std::size_t> shape;
  std::size_t parameters = 0, active = 0;
  std::size_t flops = 0;  // of one forward pass: two per active weight and position

  double sparsity() const { return 1.0 - static_cast<double>(active) / static_cast<double>(parameters); }
};

struct PolicyRow {
  std::int64_t step = 0;
  std::size_t bytes = 0;  // of the file
  double sparsity = 0;    // over the weights of all layers
  std::size_t parameters = 0, active = 0, flops = 0;
  std::vector<LayerRow> layers;
};

struct RunRecord {
  std::filesystem::path directory;
  std::string config_text;                    // config.toml as it is
  std::map<std::string, std::string> config;  // "training.gamma" -> its value as TOML
  std::string environment, algorithm;
  std::int64_t seed = 0;
  std::int64_t planned_steps = 0;

  std::vector<EpisodeRow> episodes;
  std::vector<UpdateRow> updates;
  std::vector<EvaluationRow> evaluations;
  std::int64_t step = 0;        // the last one that any metric tells of
  bool finished = false;        // evaluated at planned_steps
  double wall_seconds = 0;      // of all processes that worked at it, as far as they wrote timing
  double steps_per_second = 0;  // median of the rates in timing.jsonl, 0 if there is none
  std::optional<PolicyRow> policy;
  std::filesystem::path video;  // video.mp4, .webm, .webp or .gif in the directory; empty: none

  std::vector<ReadProblem> problems;  // at most a few per file; the last one then counts the rest
};

// Throws Error::failure when config.toml is missing or says neither environment nor algorithm: then it is no run. All
// other damage goes to `problems`. A last line without its newline is a line being written and no problem.
RunRecord read_run(const std::filesystem::path& directory);

// The run directories at or below each path, in the order given, those of one path by name (numbers in names by
// value); a directory of several names counts once; files are passed over. Throws Error::usage for a directory without
// any.
std::vector<std::filesystem::path> find_runs(const std::vector<std::filesystem::path>& paths);

// What of a policy a report shows. Throws Error as read_policy does.
PolicyRow summarise_policy(const std::filesystem::path& file);

}  // namespace eaudeqn
