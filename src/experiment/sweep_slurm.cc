// See sweep_slurm.h. Slurm is used by its commands (sbatch, squeue, scontrol), which every cluster has.
#include "experiment/sweep_slurm.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

#include "core/command.h"
#include "core/files.h"
#include "eaudeqn/error.h"
#include "experiment/sweep_local.h"
#include "experiment/sweep_table.h"

namespace eaudeqn {
namespace {

using Path = std::filesystem::path;

constexpr const char* kFolder = "slurm";
constexpr const char* kRunsFile = "runs.txt";
constexpr const char* kJobFile = "job_id";

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string text_of(const Path& file) {
  const std::vector<std::byte> bytes = read_file(file);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

CommandResult slurm_command(const std::vector<std::string>& words) {
  CommandResult result;
  try {
    result = run_command(words);
  } catch (const Error& error) {
    throw Error::failure(std::string(error.what()) +
                         "; --slurm wants a machine that can submit to Slurm, --local N does not");
  }
  if (result.exit_code != 0) {
    throw Error::failure(fmt::format("{} ended with exit code {}: {}", words[0], result.exit_code,
                                     first_line(result.errors.empty() ? result.output : result.errors)));
  }
  return result;
}

// The number of the first "key=number"; `spaces` may stand around the "=".
std::optional<std::size_t> number_after(const std::string& text, const std::string& key, const char* spaces) {
  for (std::size_t at = text.find(key); at != std::string::npos; at = text.find(key, at + 1)) {
    const std::size_t equals = std::min(text.find_first_not_of(spaces, at + key.size()), text.size());
    if (text.substr(equals, 1) != "=") continue;
    const std::size_t digit = std::min(text.find_first_not_of(spaces, equals + 1), text.size());
    const std::string number = text.substr(digit, text.find_first_not_of("0123456789", digit) - digit);
    if (!number.empty()) return std::stoul(number);
  }
  return std::nullopt;
}

// The most tasks of one array; their numbers must stay below MaxArraySize.
std::size_t max_array_size() {
  const std::string config = "\n" + slurm_command({"scontrol", "show", "config"}).output;
  std::size_t most = number_after(config, "\nMaxArraySize", " \t").value_or(1001);  // Slurm's default
  most = std::min(most, number_after(config, "max_array_tasks", "").value_or(most));
  if (most == 0) throw Error::failure("this Slurm takes no job arrays (MaxArraySize=0); ask its administrator");
  return most;
}

// What every task of an array does. It stays beside the program (srun) and not in its place, because it has to queue
// itself again afterwards.
std::string job_script(const SlurmSettings& slurm, const Path& directory, const Path& folder, const Path& program) {
  std::string setup;
  for (const std::string& line : slurm.setup) setup += line + "\n";
  return fmt::format(
      R"script(#!/bin/bash
# One run of a sweep: task N is the run that line N + 1 of {runs} names. Made by `eaudeqn sweep --slurm`.
name=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {folder}/{runs})
run={directory}/$name
task=${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID
log=$run/{log}
# These ask the program to save and to end with exit code {stopped}; this shell stays for what comes then.
trap : USR1 USR2 TERM
{setup}echo "{attempt}$(date '+%F %T'): $name, job $task on $(hostname)" | tee -a "$log"
srun --ntasks=1 --cpus-per-task={cpus} --mpi=none {program} train "$run" --resume --threads {cpus} >>"$log" 2>&1
status=$?
if [[ $status == {stopped} ]]; then
  # Its time was up. A job that was cancelled, or that Slurm itself queues again, is not running any more.
  if [[ $(squeue --noheader --jobs="$task" --format=%T) == RUNNING ]]; then
    echo "saved, queued again"
    exec scontrol requeue "$task"
  fi
  echo "saved"
elif [[ $status != 0 ]] && ! awk '/^{attempt}/ {{said = 0}} /^{error}/ {{said = 1}} END {{exit !said}}' "$log"; then
  echo "{error}ended with exit code $status (above 128: signal $((status > 128 ? status - 128 : 0)))" >>"$log"
fi
exit $status
)script",
      fmt::arg("runs", kRunsFile), fmt::arg("folder", shell_quoted(folder.string())),
      fmt::arg("directory", shell_quoted(directory.string())), fmt::arg("log", kLogName), fmt::arg("stopped", 75),
      fmt::arg("setup", setup), fmt::arg("attempt", kAttemptMark), fmt::arg("error", kErrorMark),
      fmt::arg("cpus", slurm.cpus), fmt::arg("program", shell_quoted(program.string())));
}

std::vector<std::string> sbatch_words(const SlurmSettings& slurm, const Path& directory, const Path& folder,
                                      std::size_t tasks, const std::string& after) {
  std::string log;  // in which Slurm reads % as its own
  for (const char c : folder.string()) log += c == '%' ? "%%" : std::string(1, c);
  log += "/%a.log";
  std::vector<std::string> words = {"sbatch",
                                    "--parsable",
                                    "--job-name=" + directory.filename().string(),
                                    fmt::format("--array=0-{}", tasks - 1),
                                    "--ntasks=1",
                                    fmt::format("--cpus-per-task={}", slurm.cpus),
                                    fmt::format("--signal=USR1@{}", slurm.signal_seconds),
                                    "--requeue",
                                    "--open-mode=append",
                                    "--output=" + log};
  if (slurm.throttle > 0) words[3] += fmt::format("%{}", slurm.throttle);
  if (!slurm.partition.empty()) words.push_back("--partition=" + slurm.partition);
  if (!slurm.time.empty()) words.push_back("--time=" + slurm.time);
  if (!slurm.memory.empty()) words.push_back("--mem=" + slurm.memory);
  if (!after.empty()) words.push_back("--dependency=afterany:" + after);
  words.insert(words.end(), slurm.options.begin(), slurm.options.end());
  words.push_back((folder / "job.sh").string());
  return words;
}

// slurm/001, slurm/002, ...: those there are, and the next one.
std::vector<Path> submissions(const Path& directory) {
  std::vector<Path> folders;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(directory / kFolder, none)) {
    if (std::filesystem::exists(entry.path() / kRunsFile)) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

Path new_submission(const Path& directory) {
  for (std::size_t number = submissions(directory).size() + 1;; ++number) {
    Path folder = directory / kFolder / fmt::format("{:03}", number);
    if (std::filesystem::create_directories(folder)) return folder;
  }
}

std::string submit(const Sweep& sweep, const std::vector<const SweepRun*>& runs, const Path& directory,
                   const Path& program, const std::string& after) {
  const Path folder = new_submission(directory);
  std::string names;
  for (const SweepRun* run : runs) {
    prepare_run(*run, directory / run->name);
    names += run->name + "\n";
  }
  write_file_atomically(folder / kRunsFile, names);
  write_file_atomically(folder / "job.sh", job_script(sweep.slurm, directory, folder, program));
  const CommandResult said = slurm_command(sbatch_words(sweep.slurm, directory, folder, runs.size(), after));
  const std::string line = first_line(said.output);  // "id" or "id;cluster"
  std::string job = line.substr(0, line.find(';'));
  if (job.empty() || job.find_first_not_of("0123456789") != std::string::npos) {
    throw Error::failure(fmt::format("sbatch said \"{}\" where a job's number should be", line));
  }
  try {
    write_file_atomically(folder / kJobFile, job + "\n");
  } catch (const Error&) {  // a job that nobody knows of would be submitted again
    run_command({"scancel", job});
    throw;
  }
  return job;
}

// The state of every task of this user's jobs that the cluster still holds: "job_task" -> "PENDING".
std::map<std::string, std::string> queue() {
  std::map<std::string, std::string> states;
  const CommandResult result =
      slurm_command({"squeue", "--noheader", "--array", "--me", "--states=all", "--format=%F_%K %T"});
  std::istringstream lines(result.output);
  for (std::string task, state; lines >> task >> state;) states[task] = state;
  return states;
}

RunPhase phase_of(const std::string& state) {
  static const std::map<std::string, RunPhase> phases = {
      {"PENDING", RunPhase::queued},     {"REQUEUED", RunPhase::queued},     {"REQUEUE_HOLD", RunPhase::queued},
      {"REQUEUE_FED", RunPhase::queued}, {"SPECIAL_EXIT", RunPhase::queued}, {"CONFIGURING", RunPhase::queued},
      {"SUSPENDED", RunPhase::queued},   {"STOPPED", RunPhase::queued},      {"RUNNING", RunPhase::running},
      {"COMPLETING", RunPhase::running}, {"SIGNALING", RunPhase::running},   {"RESIZING", RunPhase::running},
      {"STAGE_OUT", RunPhase::running}};
  const auto found = phases.find(state);
  return found == phases.end() ? RunPhase::waiting : found->second;  // waiting: it is over for the cluster
}

}  // namespace

void add_queue_states(const Sweep& sweep, const Path& directory, std::vector<RunStatus>& statuses) {
  const std::vector<Path> folders = submissions(directory);
  if (folders.empty()) return;
  std::map<std::string, std::string> states;
  try {
    states = queue();
  } catch (const Error&) {
    return;
  }
  std::map<std::string, RunPhase> held;
  for (const Path& folder : folders) {
    if (!std::filesystem::exists(folder / kJobFile)) continue;
    const std::string job = first_line(text_of(folder / kJobFile));
    std::istringstream names(text_of(folder / kRunsFile));
    std::size_t task = 0;
    for (std::string name; std::getline(names, name); ++task) {
      const auto found = states.find(fmt::format("{}_{}", job, task));
      const RunPhase phase = found == states.end() ? RunPhase::waiting : phase_of(found->second);
      if (phase != RunPhase::waiting) held[name] = phase;
    }
  }
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    const auto found = held.find(sweep.runs[i].name);
    const RunPhase here = statuses[i].phase;
    if (found == held.end() || here == RunPhase::finished || here == RunPhase::running || here == RunPhase::foreign) {
      continue;
    }
    statuses[i].phase = found->second;
    statuses[i].error.clear();
  }
}

std::vector<SlurmArray> submit_to_slurm(const Sweep& sweep, const Path& relative, const Path& program) {
  const DirectoryLock lock(relative);
  const Path directory = std::filesystem::canonical(relative);
  const std::size_t longest = max_array_size();
  std::vector<RunStatus> statuses = read_statuses(sweep, directory);
  add_queue_states(sweep, directory, statuses);
  std::vector<const SweepRun*> left;
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    const RunPhase phase = statuses[i].phase;
    if (phase == RunPhase::finished || phase == RunPhase::running || phase == RunPhase::queued) continue;
    left.push_back(&sweep.runs[i]);
  }
  std::vector<SlurmArray> arrays;
  for (std::size_t first = 0; first < left.size(); first += longest) {
    const std::size_t tasks = std::min(longest, left.size() - first);
    const std::vector<const SweepRun*> runs(left.begin() + static_cast<std::ptrdiff_t>(first),
                                            left.begin() + static_cast<std::ptrdiff_t>(first + tasks));
    // A throttle holds within one array only.
    const std::string after = sweep.slurm.throttle > 0 && !arrays.empty() ? arrays.back().job : "";
    try {
      arrays.push_back({submit(sweep, runs, directory, program, after), tasks});
    } catch (const Error& error) {
      if (arrays.empty()) throw;
      throw Error::failure(fmt::format("{}; {} runs have been submitted, the same call submits the other {}",
                                       error.what(), first, left.size() - first));
    }
  }
  return arrays;
}

}  // namespace eaudeqn
