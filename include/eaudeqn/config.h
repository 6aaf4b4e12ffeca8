// The typed configuration of a run: every setting that can change a result, and nothing that cannot (the number of
// threads, the output directory and the verbosity are arguments, not configuration).
// Key names are those of the TOML files: `training.gamma` is Config::training.gamma.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace eaudeqn {

// Periods and durations are in environment steps (agent steps: one action, four Atari frames), for offline algorithms
// in gradient steps, unless a name says otherwise. Defaults are the released Atari settings of Eau De Q-Network
// (medium).
struct TrainingConfig {
  std::int64_t steps = 10'000'000;        // H, the whole run; schedules refer to it
  std::int64_t initial_samples = 20'000;  // uniformly random steps before learning starts
  std::int64_t gradient_period = 4;       // G, steps between updates
  std::int64_t batch_size = 32;           // B
  double learning_rate = 6.25e-5;
  double adam_epsilon = 1.5e-4;
  double gamma = 0.99;
  std::int64_t n_step = 1;
  double epsilon_start = 1.0;
  double epsilon_end = 0.01;
  std::int64_t epsilon_duration = 250'000;
  std::int64_t target_update_period = 8'000;  // T
  std::int64_t horizon = 27'000;              // an episode is truncated after this many steps

  bool operator==(const TrainingConfig&) const = default;
};

struct ReplayConfig {
  std::int64_t capacity = 1'000'000;  // transitions

  bool operator==(const ReplayConfig&) const = default;
};

struct NetworkConfig {
  std::string kind = "nature";                    // nature | impala | mlp
  std::int64_t features = 512;                    // F, width of the last hidden layer (nature, impala)
  std::int64_t width = 1;                         // multiplies the channels 16, 32, 32 (impala)
  std::vector<std::int64_t> hidden = {256, 256};  // hidden sizes (mlp)

  bool operator==(const NetworkConfig&) const = default;
};

struct PopulationConfig {
  std::int64_t networks = 5;                // K
  bool reset_optimizer = true;              // of all K at each target update
  std::string selection = "smallest_loss";  // smallest_loss | random

  bool operator==(const PopulationConfig&) const = default;
};

struct SparsityConfig {
  std::string method = "eaude";          // dense | eaude | distill | polynomial | static | set | rigl
  double max_noise = 3.0;                // U_max (eaude)
  double max_speed = 0.01;               // S_max, largest gain of sparsity per target update (eaude)
  double final = 0.95;                   // distill, polynomial: at `end`; static, set, rigl: all the time
  std::int64_t start = 2'000'000;        // distill, polynomial: where the schedule is 0; set, rigl: first move
  std::int64_t end = 8'000'000;          // distill, polynomial: where it arrives; set, rigl: no moves from here on
  std::int64_t period = 4'000;           // between prunings (polynomial) or moves (set, rigl)
  double drop_share = 0.3;               // zeta at `start`, falling to 0 at `end` by a cosine (set, rigl)
  std::string distribution = "uniform";  // uniform | erk | global
  std::string granularity = "weight";    // weight | unit

  bool operator==(const SparsityConfig&) const = default;
};

// Soft actor-critic alone. Actions count as lying in [-1, 1] in every dimension.
struct SacConfig {
  double tau = 0.005;                 // the target moves by this share of the way each update; window of the losses
  double initial_temperature = 1.0;   // alpha; learned
  double target_entropy_scale = 1.0;  // target entropy = -scale * action dimensions
  double actor_learning_rate = 1e-3;  // training.learning_rate is the critics'
  double temperature_learning_rate = 1e-3;
  std::string actor_pruning = "follow";  // follow | polynomial | none
  bool normalize_observations = false;   // by the mean and deviation of those that training has acted on

  bool operator==(const SacConfig&) const = default;
};

// Offline algorithms alone (cql and its sparse relatives): steps are gradient steps, nothing acts but in evaluations.
struct CqlConfig {
  double alpha = 0.1;  // weight of the conservative penalty

  bool operator==(const CqlConfig&) const = default;
};

struct DatasetConfig {
  std::string path;                      // folder of the DQN Replay Dataset's files
  std::int64_t buffer = 50'000;          // entries
  std::int64_t loaded = 5;               // buffers in memory
  std::int64_t refresh_period = 12'500;  // gradient steps until the next buffer replaces the oldest one

  bool operator==(const DatasetConfig&) const = default;
};

struct EvaluationConfig {
  std::int64_t period = 1'000'000;  // 0: only at the end
  std::int64_t episodes = 10;
  double epsilon = 0.01;

  bool operator==(const EvaluationConfig&) const = default;
};

struct CheckpointConfig {
  std::int64_t period = 100'000;  // 0: only at the end and on signals
  std::int64_t keep = 2;          // newest checkpoints kept

  bool operator==(const CheckpointConfig&) const = default;
};

struct Config {
  std::string environment = "atari/Pong";
  std::string algorithm = "eaudedqn";
  std::int64_t seed = 1;
  TrainingConfig training;
  ReplayConfig replay;
  NetworkConfig network;
  PopulationConfig population;
  SparsityConfig sparsity;
  SacConfig sac;
  CqlConfig cql;
  DatasetConfig dataset;
  EvaluationConfig evaluation;
  CheckpointConfig checkpoint;

  bool operator==(const Config&) const = default;
};

// Whether `algorithm` is soft actor-critic on a population (continuous actions), else deep Q-learning.
bool is_sac(const std::string& algorithm);

// Whether `algorithm` learns from a dataset and does not act (cql and its relatives).
bool is_offline(const std::string& algorithm);

// Whether a run with these settings can depend on that of `key` ("sac.tau": only if the algorithm is soft
// actor-critic). What is not a key has one, for all this knows.
bool has_effect(const std::string& key, const Config& config);

// Parses TOML `text`; absent keys keep the defaults above. `origin` (a file name) appears in errors. `overrides` are
// "key=value" strings (`training.gamma=0.9`, strings may be unquoted), applied last, in order. A key `base` above the
// sections names a config that ships with the program ("mujoco/eaudesac"), whose settings come before all others.
// Throws Error::usage: syntax (with line and column), an unknown key (with the nearest known one), a wrong type, a
// value out of range or not among the allowed ones (both with the key and what is allowed), combinations that cannot
// work.
Config parse_config(const std::string& text, const std::string& origin, const std::vector<std::string>& overrides = {});
Config load_config(const std::filesystem::path& file, const std::vector<std::string>& overrides = {});

// The fully resolved config as TOML, every key in a fixed order; parse_config(to_toml(c)) equals c exactly.
std::string to_toml(const Config& config);

// The config that ships with the program for an environment and an algorithm ("mujoco/Hopper-v5", "eaudesac"): the text
// of configs/mujoco/Hopper-v5_eaudesac.toml, or where the task has none of its own configs/<family>/<algorithm>.toml,
// compiled in. The text names the environment that the file names: override `environment`. Any file of the family can
// be asked for ("eaudedqn_small"). Throws Error::usage that lists what exists.
std::string builtin_config(const std::string& environment, const std::string& algorithm);

// One line of the manual per key, in the order of to_toml.
struct ConfigKey {
  std::string name;           // "training.gamma"
  std::string type;           // "integer", "number", "boolean", "string", "list of integers"
  std::string range;          // "in [0, 1]", "\"dense\" or \"eaude\""; empty when anything of the type will do
  std::string default_value;  // as TOML
  std::string help;
};
std::vector<ConfigKey> config_keys();

}  // namespace eaudeqn
