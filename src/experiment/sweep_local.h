// A sweep on this machine: some runs at a time, each a process of this very program, until all are finished.
#pragma once

#include <filesystem>
#include <vector>

#include "experiment/run_directory.h"
#include "experiment/sweep.h"

namespace eaudeqn {

// Makes the sweep's directory and keeps the sweep file in it as sweep.toml. Throws Error: usage if run directories
// there hold runs of other settings, failure if a directory cannot be made. A run whose dataset the sweep looks for
// elsewhere than before goes on there if it is the same dataset, and is one of other settings if not.
void prepare_sweep(const Sweep& sweep, const std::filesystem::path& directory);

// Gives the run its directory with its config.toml, so that `eaudeqn train DIRECTORY --resume` is the run. Throws
// Error::failure.
void prepare_run(const SweepRun& run, const std::filesystem::path& run_directory);

struct LocalOptions {
  std::filesystem::path directory;
  std::filesystem::path program;  // eaudeqn
  int processes = 1;              // at a time
  int threads = 1;                // of each
};

enum class SweepOutcome { finished, failed, stopped };

struct LocalResult {
  SweepOutcome outcome = SweepOutcome::finished;
  std::vector<RunStatus> statuses;  // of the sweep's runs; those that could not even be begun have failed, too
};

// Starts what is not finished, goes on with what was begun, leaves alone what is finished; a run that another process
// is at is waited for. Shows one live table on stderr, or lines where that is no terminal. A run that fails is told,
// the others go on. After stop_requested() the processes are asked to save (SIGTERM) and waited for; if this process is
// killed, the system asks them instead. Throws Error::failure when another sweep holds the directory. Call
// install_stop_handlers first; no other children, no other threads.
LocalResult run_locally(const Sweep& sweep, const LocalOptions& options);

}  // namespace eaudeqn
