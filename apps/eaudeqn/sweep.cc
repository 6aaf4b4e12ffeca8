// `eaudeqn sweep`: a file of lists, run on this machine or by Slurm, or only looked at.
#include "experiment/sweep.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "commands.h"
#include "core/command.h"
#include "core/files.h"
#include "core/machine.h"
#include "eaudeqn/error.h"
#include "eaudeqn/train.h"
#include "experiment/progress.h"
#include "experiment/signals.h"
#include "experiment/sweep_local.h"
#include "experiment/sweep_slurm.h"
#include "experiment/sweep_table.h"

namespace eaudeqn {
namespace {

struct Arguments {
  std::string subject;  // sweep file or sweep directory
  std::string output;
  int local = 0;
  int threads = 0;
  bool slurm = false;
  bool status = false;
  bool json = false;
};

std::string text_of(const std::filesystem::path& file) {
  const std::vector<std::byte> bytes = read_file(file);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::filesystem::path sweep_file(const Arguments& arguments) {
  std::filesystem::path subject(arguments.subject);
  if (!std::filesystem::is_directory(subject)) return subject;
  if (std::filesystem::exists(subject / "sweep.toml")) return subject / "sweep.toml";
  throw Error::failure(arguments.subject + ": has no sweep.toml, so it is no sweep's directory");
}

std::filesystem::path directory_of(const Arguments& arguments) {
  if (!arguments.output.empty()) return arguments.output;
  std::filesystem::path subject(arguments.subject);
  if (std::filesystem::is_directory(subject)) return subject;
  return sweep_directory(subject);
}

std::filesystem::path this_program() {
  std::filesystem::path program = program_file();
  if (program.empty()) throw Error::failure("the system does not say where this program is; is /proc mounted?");
  return program;
}

// All processors, shared out; no run gets more than pays for it.
int threads_each(const Sweep& sweep, const Arguments& arguments) {
  if (arguments.threads > 0) return arguments.threads;
  int useful = 1;
  for (const SweepRun& run : sweep.runs) useful = std::max(useful, default_threads(run.config));
  return std::clamp(available_processors() / arguments.local, 1, useful);
}

void print_result(const Sweep& sweep, const std::filesystem::path& directory, const std::vector<RunStatus>& statuses,
                  std::size_t slots, bool json) {
  if (json) {
    // Paths and what runs said may be no UTF-8.
    const auto replace = nlohmann::ordered_json::error_handler_t::replace;
    fmt::print("{}\n", sweep_json(sweep, directory, statuses).dump(-1, ' ', false, replace));
    return;
  }
  constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
  const std::size_t width = isatty(STDOUT_FILENO) != 0 ? window_size(STDOUT_FILENO, {}).columns : kAll;
  for (const std::string& line : sweep_table(sweep, statuses, slots, width, kAll)) {
    fmt::print("{}\n", line);
  }
}

int show_status(const Sweep& sweep, const std::filesystem::path& directory, bool json) {
  std::vector<RunStatus> statuses = read_statuses(sweep, directory);
  add_queue_states(sweep, directory, statuses);
  const auto running = std::count_if(statuses.begin(), statuses.end(),
                                     [](const RunStatus& status) { return status.phase == RunPhase::running; });
  print_result(sweep, directory, statuses, static_cast<std::size_t>(running), json);
  return 0;
}

// Runs that differ in such a key alone are the same run again.
void warn_of_keys_without_effect(const Sweep& sweep) {
  std::set<std::string> said;
  for (const SweepRun& run : sweep.runs) {
    for (const auto& [key, value] : run.grid) {
      if (has_effect(key, run.config) || !said.insert(key + " " + run.algorithm).second) continue;
      fmt::print(stderr, "warning: [grid] {} changes nothing in runs of {}, which then are alike\n", key,
                 run.algorithm);
    }
  }
}

int submit(const Sweep& sweep, const std::filesystem::path& directory, bool json) {
  prepare_sweep(sweep, directory);
  const std::vector<SlurmArray> arrays = submit_to_slurm(sweep, directory, this_program());
  for (const SlurmArray& array : arrays) {
    fmt::print(stderr, "submitted job {}: {} run{}\n", array.job, array.runs, array.runs == 1 ? "" : "s");
  }
  if (arrays.empty()) fmt::print(stderr, "nothing to submit: every run is finished, running or queued\n");
  if (json) return show_status(sweep, directory, json);
  fmt::print(stderr, "look at it with: eaudeqn sweep {} --status\n", shell_quoted(directory.string()));
  return 0;
}

int run_sweep(const Arguments& arguments) {
  install_stop_handlers();
  const std::filesystem::path file = sweep_file(arguments);
  const Sweep sweep = parse_sweep(text_of(file), file.string());
  const std::filesystem::path directory = directory_of(arguments);
  warn_of_keys_without_effect(sweep);
  if (arguments.status) return show_status(sweep, directory, arguments.json);
  if (arguments.slurm) return submit(sweep, directory, arguments.json);
  if (arguments.local == 0) {
    throw Error::usage(
        fmt::format("{}: {} runs; say how: --local 2 runs two at a time on this machine, --slurm submits "
                    "them to a cluster, --status shows them",
                    file.string(), sweep.runs.size()));
  }
  prepare_sweep(sweep, directory);
  LocalOptions options;
  options.directory = directory;
  options.program = this_program();
  options.processes = arguments.local;
  options.threads = threads_each(sweep, arguments);
  fmt::print(stderr, "{} run{}, {} at a time with {} thread{} each -> {}\n", sweep.runs.size(),
             sweep.runs.size() == 1 ? "" : "s", options.processes, options.threads, options.threads == 1 ? "" : "s",
             directory.string());
  const LocalResult result = run_locally(sweep, options);
  print_result(sweep, directory, result.statuses, 0, arguments.json);
  if (result.outcome == SweepOutcome::stopped) {
    fmt::print(stderr, "stopped; the same command goes on from the checkpoints\n");
    return kExitStopped;
  }
  return result.outcome == SweepOutcome::finished ? 0 : 1;
}

}  // namespace

void add_sweep(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "sweep", "Train all combinations of environments, algorithms, seeds and settings that a file lists.");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("subject", arguments->subject, "A sweep file, or the directory of a sweep that was begun")
      ->required()
      ->type_name("SWEEP.toml|DIR");
  auto* local = command->add_option("--local", arguments->local, "Run this many at a time on this machine")
                    ->check(CLI::Range(1, 1024));
  auto* slurm = command->add_flag("--slurm", arguments->slurm, "Submit a job array to Slurm, one task per run");
  command->add_flag("--status", arguments->status, "Show the table of all runs and start nothing")
      ->excludes(local)
      ->excludes(slurm);
  slurm->excludes(local);
  command->add_option("--output", arguments->output, "Where the run directories go (default runs/NAME of NAME.toml)")
      ->type_name("DIR");
  command->add_option("--threads", arguments->threads, "Threads of each run (default: the processors shared out)")
      ->check(CLI::Range(1, 256))
      ->needs(local);
  command->add_flag("--json", arguments->json, "At the end one JSON object on stdout in place of the table");
  command->footer(
      "A sweep file:\n"
      "  environments = [\"atari/Pong\", \"atari/Boxing\"]\n"
      "  algorithms = [\"eaudedqn_small\", \"dqn_small\"]\n"
      "  seeds = [1, 2, 3]\n"
      "  [settings]                       # of every run; any key of `train --set`\n"
      "  \"training.steps\" = 100_000\n"
      "  [grid]                           # every value of each with every other\n"
      "  \"training.learning_rate\" = [1e-4, 1e-3]\n"
      "What is finished is not run again; what was interrupted goes on from its checkpoint. Exit codes: 0 all runs "
      "are\n"
      "finished, 1 some failed, 75 stopped by a signal after saving.");
  command->callback([arguments, &run] { run = [arguments] { return run_sweep(*arguments); }; });
}

}  // namespace eaudeqn
