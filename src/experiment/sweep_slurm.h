// A sweep as job arrays of a Slurm cluster: one task per run, each of which goes on from its checkpoint when it was
// preempted or its time was up. Submits and looks; it does not wait.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "experiment/run_directory.h"
#include "experiment/sweep.h"

namespace eaudeqn {

struct SlurmArray {
  std::string job;
  std::size_t runs = 0;
};

// Submits what is not finished, running or queued already; `directory` has been prepared (prepare_sweep). An array is
// as long as the cluster allows, the rest goes into further ones, one after the other if there is a throttle. The job
// script and the names of the runs, fixed at this moment, are kept in directory/slurm/NNN. None if there is nothing to
// do. Throws Error::failure: no Slurm here, what sbatch says, another sweep of the directory; arrays that were
// submitted before remain so, and the same call submits the rest.
std::vector<SlurmArray> submit_to_slurm(const Sweep& sweep, const std::filesystem::path& directory,
                                        const std::filesystem::path& program);

// Marks runs that the cluster holds as queued or running. Does nothing where there is no Slurm.
void add_queue_states(const Sweep& sweep, const std::filesystem::path& directory, std::vector<RunStatus>& statuses);

}  // namespace eaudeqn
