// What a run directory says about its run to anyone who looks at its files: whose it is, how far, whether it failed. It
// is not needed to train or to resume.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "eaudeqn/config.h"

namespace eaudeqn {

// The first setting in which two configs differ, as "training.gamma = 0.5 here, 0.99 there"; empty if none does. Where
// a dataset lies is none: checkpoints know what it holds.
std::string config_difference(const Config& ours, Config theirs);

// How the datasets' places differ: "dataset.path = "b" here, "a" there"; empty if they do not.
std::string dataset_difference(const Config& ours, const Config& theirs);

// The run's config.toml; nothing if there is none. Throws Error for one that cannot be read or parsed.
std::optional<Config> config_of_run(const std::filesystem::path& run_directory);

// What tables and progress lines call "return" is the mean of this many training episodes.
inline constexpr std::size_t kRecentEpisodes = 20;

enum class RunPhase {
  waiting,   // nothing done yet
  queued,    // waits for the cluster
  running,   // a process holds the directory's lock
  stopped,   // begun, not finished, no error: it goes on from its checkpoint
  finished,  // all steps, the last evaluation and the policy are there
  failed,    // its last attempt ended with an error
  foreign    // the directory holds a run of another config
};
const char* phase_name(RunPhase phase);

struct RunStatus {
  RunPhase phase = RunPhase::waiting;
  std::int64_t step = 0;
  double steps_per_second = 0;         // lately; 0 if unknown
  std::optional<double> mean_return;   // of the last kRecentEpisodes training episodes
  std::optional<double> evaluation;    // mean return of the last evaluation
  std::optional<double> sparsity;      // of what ships: the actor, or the network selected last
  std::optional<double> idle_seconds;  // since it last wrote metrics
  std::string error;                   // failed: the last attempt's; foreign: what differs
};

// Reads only the ends of the run's files. Never throws for what is missing or damaged: that counts as not done. It may
// lag a running process by an episode; it never disturbs one. Phase `queued` is not told from files.
RunStatus read_status(const Config& config, const std::filesystem::path& run_directory);

// Who runs a run for somebody else sends its stderr to this file of the run directory, after a line that starts with
// kAttemptMark. A line that starts with kErrorMark is why an attempt failed.
inline constexpr const char* kLogName = "train.log";
inline constexpr const char* kAttemptMark = "--- ";
inline constexpr const char* kErrorMark = "error: ";

// The last error of the last attempt in the log; empty if it has none, or there is no log.
std::string last_error(const std::filesystem::path& run_directory);

}  // namespace eaudeqn
