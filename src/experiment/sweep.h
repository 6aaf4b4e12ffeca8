// What a sweep is: a file of lists that multiply to runs. Not how they are run: sweep_local.h and sweep_slurm.h do
// that.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "eaudeqn/config.h"

namespace eaudeqn {

struct SweepRun {
  std::string name;       // of its directory: atari_Pong_eaudedqn_small_sparsity.max_speed=0.01_seed1
  std::string algorithm;  // as the sweep names it: "eaudedqn_small"
  std::vector<std::pair<std::string, std::string>> grid;  // the keys of [grid] and this run's values, as in the name
  Config config;
};

// The [slurm] table: what every task of the job array asks for. Empty strings are left to the cluster.
struct SlurmSettings {
  std::string partition;
  std::string time;    // "2-12:00:00"
  std::string memory;  // "4G"
  std::int64_t cpus = 1;
  std::int64_t throttle = 0;          // tasks at a time; 0: as many as the cluster gives
  std::int64_t signal_seconds = 120;  // before the time limit: save and queue again
  std::vector<std::string> options;   // more arguments of sbatch: "--constraint=avx512"
  std::vector<std::string> setup;     // shell lines before the run: "module load gcc"
};

struct Sweep {
  std::string text;  // the file as it was read
  std::vector<SweepRun> runs;
  SlurmSettings slurm;
};

// The runs of a sweep file, a pure function of its text (and of the configs that are built in): for each seed all
// combinations, so that one of each is there before the second of any. docs/sweeps.md describes the file. `origin`
// appears in errors. Throws Error::usage: syntax, unknown keys with the nearest known one, wrong types, values or
// combinations that a config refuses, lists that are empty or give the same run twice.
Sweep parse_sweep(const std::string& text, const std::string& origin);

}  // namespace eaudeqn
