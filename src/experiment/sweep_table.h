// A sweep as a person or a script looks at it: the table and the JSON of all runs' states. It looks; it starts nothing.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "experiment/run_directory.h"
#include "experiment/sweep.h"

namespace eaudeqn {

// The states of a sweep's runs, in their order. `directory` holds their run directories.
std::vector<RunStatus> read_statuses(const Sweep& sweep, const std::filesystem::path& directory);

// Seconds until all runs are finished, `slots` at a time, at the rates seen so far; of a run that has not begun the
// rate is that of the runs of its environment and algorithm, else of all. Negative if nothing is known yet.
double estimate_seconds(const Sweep& sweep, const std::vector<RunStatus>& statuses, std::size_t slots);

// "12 runs: 3 finished, 2 running, 7 waiting | 31 % | ETA 1 h 02 min"
std::string sweep_summary(const Sweep& sweep, const std::vector<RunStatus>& statuses, std::size_t slots);

// The table's lines, no wider than `width`: names lose what all share, and columns that find no room are left out. Why
// runs failed follows the table. If that is more than `height` lines, only the runs that run or failed are shown, and
// errors are cut to the width, as a window wants it; without a limit they are whole.
std::vector<std::string> sweep_table(const Sweep& sweep, const std::vector<RunStatus>& statuses, std::size_t slots,
                                     std::size_t width, std::size_t height);

// {"directory", "finished", "runs": [{"name", "directory", "environment", "algorithm", "seed", "grid", "state", "step",
// "steps", "steps_per_second", "return", "evaluation", "sparsity", "error"}]}; null for what is not known.
nlohmann::ordered_json sweep_json(const Sweep& sweep, const std::filesystem::path& directory,
                                  const std::vector<RunStatus>& statuses);

}  // namespace eaudeqn
