// See run_directory.h.
#include "experiment/run_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "core/files.h"
#include "eaudeqn/error.h"
#include "experiment/checkpoints.h"

namespace eaudeqn {
namespace {

using Path = std::filesystem::path;

constexpr std::size_t kTailBytes = 256 * 1024;  // hundreds of episodes

// The whole lines among the last kTailBytes of a file that may be growing; none if it cannot be read.
std::vector<std::string> last_lines(const Path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {};
  struct stat status {};
  std::string text;
  if (::fstat(descriptor, &status) == 0) {
    const auto size = static_cast<std::size_t>(status.st_size);
    text.resize(std::min(size, kTailBytes));
    const ssize_t got = ::pread(descriptor, text.data(), text.size(), static_cast<off_t>(size - text.size()));
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    if (size > kTailBytes) text.erase(0, text.find('\n') + 1);
  }
  ::close(descriptor);
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (!stream.eof()) lines.push_back(line);  // a line without its end is still being written
  }
  return lines;
}

std::optional<double> number(const nlohmann::json& event, const char* key) {
  const auto found = event.find(key);
  if (found == event.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

// Fills what metrics.jsonl tells; returns the step of its last evaluation, -1 if there is none.
std::int64_t read_metrics(const Path& directory, RunStatus& status) {
  std::int64_t evaluated = -1;
  std::vector<double> returns;
  for (const std::string& line : last_lines(directory / "metrics.jsonl")) {
    const nlohmann::json event = nlohmann::json::parse(line, nullptr, false);
    if (!event.is_object() || !event.contains("event") || !event["event"].is_string()) continue;
    const std::string kind = event["event"];
    const double said = number(event, "step").value_or(0);
    const auto step = said >= 0 && said < 0x1p53 ? static_cast<std::int64_t>(said) : 0;  // a damaged number is none
    status.step = std::max(status.step, step);
    if (kind == "episode") {
      if (const auto value = number(event, "return")) returns.push_back(*value);
    } else if (kind == "target_update" || kind == "evaluation") {
      const auto actor = number(event, "actor_sparsity");
      if (const auto value = actor ? actor : number(event, "sparsity")) status.sparsity = value;
      if (kind == "evaluation") {
        status.evaluation = number(event, "mean_return");
        evaluated = step;
      }
    }
  }
  const std::size_t recent = std::min(returns.size(), kRecentEpisodes);
  double sum = 0;
  for (std::size_t i = returns.size() - recent; i < returns.size(); ++i) sum += returns[i];
  if (recent > 0) status.mean_return = sum / static_cast<double>(recent);
  return evaluated;
}

void read_timing(const Path& directory, RunStatus& status) {
  const std::vector<std::string> lines = last_lines(directory / "timing.jsonl");
  if (lines.empty()) return;
  const nlohmann::json last = nlohmann::json::parse(lines.back(), nullptr, false);
  if (!last.is_object()) return;
  status.steps_per_second = number(last, "steps_per_second").value_or(0);
}

std::optional<double> seconds_since_change(const Path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return std::nullopt;
  return std::max(0.0, std::difftime(::time(nullptr), status.st_mtime));
}

std::int64_t newest_checkpoint(const Path& directory) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(directory / "checkpoints" / "replay", ignored)) return -1;
  return CheckpointFolder(directory).newest().value_or(-1);
}

}  // namespace

std::string config_difference(const Config& ours, Config theirs) {
  theirs.dataset.path = ours.dataset.path;
  std::istringstream a(to_toml(ours));
  std::istringstream b(to_toml(theirs));
  std::string section;
  for (std::string line_a, line_b; std::getline(a, line_a) && std::getline(b, line_b);) {
    if (line_a.starts_with('[')) section = line_a.substr(1, line_a.find(']') - 1) + ".";
    if (line_a != line_b) return section + line_a + " here," + line_b.substr(line_b.find('=') + 1) + " there";
  }
  return "";
}

std::string dataset_difference(const Config& ours, const Config& theirs) {
  if (ours.dataset.path == theirs.dataset.path) return "";
  return fmt::format("dataset.path = \"{}\" here, \"{}\" there", ours.dataset.path, theirs.dataset.path);
}

std::optional<Config> config_of_run(const Path& run_directory) {
  const Path file = run_directory / "config.toml";
  if (!std::filesystem::exists(file)) return std::nullopt;
  return load_config(file);
}

const char* phase_name(RunPhase phase) {
  switch (phase) {
    case RunPhase::waiting:
      return "waiting";
    case RunPhase::queued:
      return "queued";
    case RunPhase::running:
      return "running";
    case RunPhase::stopped:
      return "stopped";
    case RunPhase::finished:
      return "finished";
    case RunPhase::failed:
      return "failed";
    case RunPhase::foreign:
      return "foreign";
  }
  return "";
}

std::string last_error(const Path& run_directory) {
  std::string error;
  for (const std::string& line : last_lines(run_directory / kLogName)) {
    if (line.starts_with(kAttemptMark)) error.clear();
    if (line.starts_with(kErrorMark)) error = line.substr(std::string(kErrorMark).size());
  }
  return error;
}

RunStatus read_status(const Config& config, const Path& run_directory) {
  RunStatus status;
  try {
    if (const std::optional<Config> held = config_of_run(run_directory)) {
      status.error = config_difference(config, *held);
      if (status.error.empty()) status.error = dataset_difference(config, *held);
    }
    if (!status.error.empty()) status.phase = RunPhase::foreign;
  } catch (const Error& error) {
    status.error = error.what();
    status.phase = RunPhase::foreign;
  }
  if (status.phase == RunPhase::foreign) return status;

  const bool running = directory_in_use(run_directory);
  const std::int64_t evaluated = read_metrics(run_directory, status);
  read_timing(run_directory, status);
  status.idle_seconds = seconds_since_change(run_directory / "metrics.jsonl");
  std::error_code ignored;
  std::int64_t saved = -1;
  try {
    saved = newest_checkpoint(run_directory);
  } catch (const std::exception&) {  // a folder that goes away meanwhile
  }
  const bool complete = saved == config.training.steps && evaluated == saved &&
                        std::filesystem::exists(run_directory / "policy.safetensors", ignored);
  if (running) {
    status.phase = RunPhase::running;
  } else if (complete) {
    status.phase = RunPhase::finished;
  } else if (status.error = last_error(run_directory); !status.error.empty()) {
    status.phase = RunPhase::failed;
  } else if (status.step > 0 || saved >= 0) {
    status.phase = RunPhase::stopped;
  }
  return status;
}

}  // namespace eaudeqn
