// See sweep_local.h.
#include "experiment/sweep_local.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ctime>
#include <optional>
#include <system_error>
#include <tuple>
#include <vector>

#include "core/command.h"
#include "core/files.h"
#include "eaudeqn/error.h"
#include "experiment/append_file.h"
#include "experiment/checkpoints.h"
#include "experiment/progress.h"
#include "experiment/run_directory.h"
#include "experiment/run_state.h"
#include "experiment/signals.h"
#include "experiment/sweep_table.h"

namespace eaudeqn {
namespace {

using Path = std::filesystem::path;
using Clock = std::chrono::steady_clock;

constexpr timespec kPause = {0, 50'000'000};
constexpr double kLookSeconds = 1;    // between looks at the run directories
constexpr double kPlainSeconds = 60;  // between summaries where there is no live table

std::string system_message(int code) { return std::generic_category().message(code); }

// Child side of the fork: async-signal-safe calls only. Does not return.
[[noreturn]] void become(char* const* arguments, int log, pid_t parent) {
  setpgid(0, 0);  // Ctrl-C goes to the sweep alone, which then asks once: a second SIGINT would end a run unsaved
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(kExitStopped);  // killed in between
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing >= 0) dup2(nothing, STDIN_FILENO);
  execv(arguments[0], arguments);
  _exit(127);
}

// "disk full" is said by nobody if the log is on that disk too.
std::string reason_unsaid(const Path& directory) {
  struct statvfs disk {};
  const bool full = statvfs(directory.c_str(), &disk) == 0 && disk.f_bavail * disk.f_frsize < 1'000'000;
  return full ? "; its disk is full: free space" : "; see " + (directory / kLogName).string();
}

class LocalSweep {
 public:
  LocalSweep(const Sweep& sweep, const LocalOptions& options)
      : sweep_(sweep), options_(options), lock_(options.directory), children_(sweep.runs.size()) {
    statuses_ = read_statuses(sweep_, options_.directory);
  }

  LocalResult run() {
    const auto finished = count(RunPhase::finished);
    if (finished > 0) table_.print(fmt::format("{} of {} runs are finished already", finished, statuses_.size()));
    while (true) {
      if (stop_requested()) ask_to_stop();
      reap();
      if (!stopping_) fill();
      if (running() == 0 && (stopping_ || !anything_left())) break;
      look();
      nanosleep(&kPause, nullptr);
    }
    table_.show({});  // the caller prints the final table
    const bool all = count(RunPhase::finished) == static_cast<std::ptrdiff_t>(statuses_.size());
    const bool stopped = stopping_ || count(RunPhase::stopped) > 0;
    return {stopped ? SweepOutcome::stopped : all ? SweepOutcome::finished : SweepOutcome::failed, statuses_};
  }

 private:
  struct Child {
    pid_t process = 0;   // 0: none
    bool tried = false;  // in this call: failed and stopped runs are not started again
  };

  std::ptrdiff_t count(RunPhase phase) const {
    return std::count_if(statuses_.begin(), statuses_.end(), [&](const RunStatus& s) { return s.phase == phase; });
  }
  int running() const {
    return static_cast<int>(
        std::count_if(children_.begin(), children_.end(), [](const Child& child) { return child.process != 0; }));
  }
  Path directory(std::size_t i) const { return options_.directory / sweep_.runs[i].name; }

  // Runs to be started still, or that somebody else is at.
  bool anything_left() const {
    for (std::size_t i = 0; i < children_.size(); ++i) {
      if (!children_[i].tried && statuses_[i].phase != RunPhase::finished) return true;
    }
    return false;
  }

  void fill() {
    for (std::size_t i = 0; i < children_.size() && running() < options_.processes; ++i) {
      const RunPhase phase = statuses_[i].phase;
      if (children_[i].tried || phase == RunPhase::finished || phase == RunPhase::running) continue;
      // It may have been finished, or begun by another, since the last look.
      statuses_[i] = read_status(sweep_.runs[i].config, directory(i));
      if (statuses_[i].phase == RunPhase::finished || statuses_[i].phase == RunPhase::running) continue;
      children_[i].tried = true;
      try {
        start(i);
      } catch (const Error& error) {
        fail(i, error.what());
      }
    }
  }

  void start(std::size_t i) {
    const SweepRun& run = sweep_.runs[i];
    const std::string goal = directory(i).string();
    prepare_run(run, directory(i));
    const std::string threads = std::to_string(options_.threads);
    const std::array<std::string, 6> words = {
        options_.program.string(), "train", goal, "--resume", "--threads", threads};
    note(i, fmt::format("{}{:%Y-%m-%d %H:%M:%S}: {} {} {} --resume --threads {}", kAttemptMark,
                        fmt::localtime(std::time(nullptr)), words[0], words[1], shell_quoted(goal), threads));
    std::array<char*, std::tuple_size_v<decltype(words)> + 1> arguments{};  // ends with a null pointer
    for (std::size_t w = 0; w < words.size(); ++w) arguments[w] = const_cast<char*>(words[w].c_str());

    const int log = open((directory(i) / kLogName).c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (log < 0) {
      const std::string reason = system_message(errno);
      throw Error::failure(fmt::format("{}/{}: cannot write it: {}", goal, kLogName, reason));
    }
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child == 0) become(arguments.data(), log, parent);
    const int code = errno;
    close(log);
    if (child < 0) throw Error::failure("cannot start a process: " + system_message(code));
    children_[i].process = child;
    statuses_[i].phase = RunPhase::running;
    statuses_[i].error.clear();
    if (!table_.live()) table_.print(fmt::format("started {}{}", run.name, statuses_[i].step > 0 ? " again" : ""));
  }

  // A line in the run's log; a disk that is full shall not keep the others from going on.
  void note(std::size_t i, const std::string& line) const {
    try {
      AppendFile(directory(i) / kLogName, AppendFile::Existing::append).append(line + "\n");
    } catch (const Error&) {
    }
  }

  void fail(std::size_t i, const std::string& reason) {
    statuses_[i].phase = RunPhase::failed;
    statuses_[i].error = reason;
    if (!table_.live()) table_.print(fmt::format("failed {}: {}", sweep_.runs[i].name, reason));
  }

  void reap() {
    for (std::size_t i = 0; i < children_.size(); ++i) {
      int result = 0;
      if (children_[i].process == 0 || waitpid(children_[i].process, &result, WNOHANG) != children_[i].process)
        continue;
      children_[i].process = 0;
      ended(i, result);
    }
  }

  void ended(std::size_t i, int result) {
    statuses_[i] = read_status(sweep_.runs[i].config, directory(i));
    const bool exited = WIFEXITED(result);
    if (exited && WEXITSTATUS(result) == 0 && statuses_[i].phase != RunPhase::finished) {
      return fail(i,
                  "it ended as finished, but its directory does not say so: metrics.jsonl or a checkpoint is damaged");
    }
    if (exited && (WEXITSTATUS(result) == 0 || WEXITSTATUS(result) == kExitStopped)) {
      if (!table_.live()) {
        table_.print(fmt::format("{} {} | {}", phase_name(statuses_[i].phase), sweep_.runs[i].name, summary()));
      }
      return;
    }
    std::string reason = last_error(directory(i));
    if (reason.empty()) {
      reason = exited ? fmt::format("ended with exit code {}{}", WEXITSTATUS(result), reason_unsaid(directory(i)))
                      : fmt::format("ended by signal {} ({}){}", WTERMSIG(result), strsignal(WTERMSIG(result)),
                                    WTERMSIG(result) == SIGKILL ? "; out of memory? fewer at a time need less" : "");
      note(i, kErrorMark + reason);
    }
    fail(i, reason);
  }

  void ask_to_stop() {
    if (stopping_) return;
    stopping_ = true;
    for (const Child& child : children_) {
      if (child.process != 0) kill(child.process, SIGTERM);
    }
    table_.print(fmt::format("stopping: waiting for {} run{} to save", running(), running() == 1 ? "" : "s"));
  }

  std::string summary() const { return sweep_summary(sweep_, statuses_, static_cast<std::size_t>(options_.processes)); }

  // Of what runs, here or elsewhere; the rest does not change by itself.
  void refresh() {
    for (std::size_t i = 0; i < statuses_.size(); ++i) {
      if (statuses_[i].phase != RunPhase::running) continue;
      statuses_[i] = read_status(sweep_.runs[i].config, directory(i));
      if (children_[i].process == 0) continue;
      statuses_[i].phase = RunPhase::running;  // it may not hold its lock yet, or no longer
      statuses_[i].error.clear();
    }
  }

  void look() {
    const auto now = Clock::now();
    if (std::chrono::duration<double>(now - looked_).count() < kLookSeconds) return;
    looked_ = now;
    refresh();
    if (table_.live()) {
      const WindowSize window = table_.window();
      table_.show(
          sweep_table(sweep_, statuses_, static_cast<std::size_t>(options_.processes), window.columns, window.rows));
    } else if (std::chrono::duration<double>(now - told_).count() >= kPlainSeconds) {
      told_ = now;
      table_.print(summary());
    }
  }

  const Sweep& sweep_;
  const LocalOptions& options_;
  DirectoryLock lock_;
  std::vector<Child> children_;
  std::vector<RunStatus> statuses_;
  ProgressTable table_;
  bool stopping_ = false;
  Clock::time_point looked_{};
  Clock::time_point told_ = Clock::now();
};

[[noreturn]] void refuse_foreign(const Path& run, const std::string& difference) {
  throw Error::usage(
      fmt::format("{} holds a run of other settings than the sweep's: {}; choose another --output, or "
                  "move that directory away to begin this run anew",
                  run.string(), difference));
}

// A run whose dataset the sweep looks for elsewhere than the run did: it has moved if it is the one that the run's
// newest checkpoint knows.
void follow_dataset(const Config& config, const Path& run, const std::string& difference) {
  CheckpointFolder checkpoints(run);
  RunState state(config);
  if (const auto newest = checkpoints.newest()) {
    try {
      state.load(config, checkpoints, *newest);
    } catch (const Error& error) {
      if (error.kind() != Error::Kind::usage) throw;
      refuse_foreign(run, fmt::format("{} ({})", difference, error.what()));
    }
  }
  write_file_atomically(run / "config.toml", to_toml(config));
}

}  // namespace

void prepare_sweep(const Sweep& sweep, const Path& directory) {
  for (const SweepRun& run : sweep.runs) {
    const Path place = directory / run.name;
    const std::optional<Config> held = config_of_run(place);
    if (!held) continue;
    const std::string difference = config_difference(run.config, *held);
    if (!difference.empty()) refuse_foreign(place, difference);
    const std::string moved = dataset_difference(run.config, *held);
    if (!moved.empty()) follow_dataset(run.config, place, moved);
  }
  make_output_directory(directory);
  write_file_atomically(directory / "sweep.toml", sweep.text);
}

void prepare_run(const SweepRun& run, const Path& run_directory) {
  make_output_directory(run_directory);
  const Path config_file = run_directory / "config.toml";
  if (!std::filesystem::exists(config_file)) write_file_atomically(config_file, to_toml(run.config));
}

LocalResult run_locally(const Sweep& sweep, const LocalOptions& options) { return LocalSweep(sweep, options).run(); }

}  // namespace eaudeqn
