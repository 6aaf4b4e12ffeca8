// See run_reader.h.
#include "report/run_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <climits>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/files.h"
#include "deploy/policy.h"
#include "eaudeqn/error.h"
#include "engine/network_spec.h"
#include "report/statistics.h"

namespace eaudeqn {
namespace {

using Path = std::filesystem::path;

constexpr std::size_t kShownProblems = 5;  // per file
constexpr int kDeepest = 4;                // folders below a path in which runs are looked for

std::string read_text(const Path& file) {
  const auto bytes = read_file(file);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string unquoted(const std::string& value) {
  return value.size() >= 2 && value.front() == '"' ? value.substr(1, value.size() - 2) : value;
}

// config.toml is what to_toml wrote: sections and "key = value". Reading it so, and not as a Config, lets a report show
// runs of other versions of this program, whose keys this one may not know.
std::map<std::string, std::string> read_config_lines(const std::string& text) {
  std::map<std::string, std::string> config;
  std::istringstream lines(text);
  std::string section;
  for (std::string line; std::getline(lines, line);) {
    line = trimmed(line);
    if (line.empty() || line.front() == '#') continue;
    if (line.front() == '[') {
      section = line.substr(1, line.find(']') - 1) + ".";
    } else if (const auto equals = line.find('='); equals != std::string::npos) {
      config[section + trimmed(line.substr(0, equals))] = trimmed(line.substr(equals + 1));
    }
  }
  return config;
}

std::int64_t integer_or(const std::map<std::string, std::string>& config, const std::string& key, std::int64_t other) {
  const auto found = config.find(key);
  if (found == config.end()) return other;
  std::string digits = found->second;
  std::erase(digits, '_');
  try {
    return std::stoll(digits);
  } catch (const std::exception&) {
    return other;
  }
}

// Calls `row` with each line's object. What it throws is a problem of that line.
class LineReader {
 public:
  LineReader(RunRecord& run, std::string file) : run_(run), file_(std::move(file)) {}

  template <typename Row>
  void read(const Row& row) {
    std::string text;
    try {
      text = read_text(run_.directory / file_);
    } catch (const Error& error) {
      add(0, error.what());
      return;
    }
    std::size_t number = 0;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = text.find('\n', begin);
      if (end == std::string::npos) break;  // being written
      ++number;
      read_line(text.substr(begin, end - begin), number, row);
      begin = end + 1;
    }
    if (problems_ > kShownProblems) {
      run_.problems.push_back({file_, 0, fmt::format("{} more lines could not be used", problems_ - kShownProblems)});
    }
  }

 private:
  template <typename Row>
  void read_line(const std::string& line, std::size_t number, const Row& row) {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_discarded() || !json.is_object()) {
      add(number, "not a JSON object: the line is damaged and was left out");
      return;
    }
    try {
      row(json);
    } catch (const std::exception&) {  // the parser's, or this file's
      add(number, "a field is missing or of another type: the line was left out");
    }
  }

  void add(std::size_t line, const std::string& what) {
    if (++problems_ <= kShownProblems) run_.problems.push_back({file_, line, what});
  }

  RunRecord& run_;
  std::string file_;
  std::size_t problems_ = 0;
};

std::optional<double> number_or_none(const nlohmann::json& value) {
  if (!value.is_number()) return std::nullopt;
  return value.get<double>();
}

// A conversion from a fraction or from a number out of range could give anything.
std::int64_t whole_number(const nlohmann::json& value) {
  if (!value.is_number_integer() || (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX)) {
    throw Error::failure("not a whole number");
  }
  return value.get<std::int64_t>();
}

void read_metrics_line(const nlohmann::json& line, RunRecord& run) {
  const auto event = line.at("event").get<std::string>();
  const std::int64_t step = whole_number(line.at("step"));
  if (event == "episode") {
    run.episodes.push_back({step, line.at("return").get<double>()});
  } else if (event == "evaluation") {
    run.evaluations.push_back({step, line.at("mean_return").get<double>(), line.value("returns", std::vector<double>{}),
                               number_or_none(line.value("sparsity", nlohmann::json()))});
  } else if (event == "target_update" || event == "mask_change") {
    UpdateRow row;
    row.step = step;
    row.sparsities = line.at("sparsities").get<std::vector<double>>();
    if (event == "target_update") {
      const std::int64_t selected = whole_number(line.at("selected"));
      if (selected < -1 || selected > INT_MAX) throw Error::failure("no network's number");
      row.selected = static_cast<int>(selected);
      row.sparsity = number_or_none(line.at("sparsity"));
      row.actor_sparsity = number_or_none(line.value("actor_sparsity", nlohmann::json()));
      for (const nlohmann::json& loss : line.at("losses")) row.losses.push_back(number_or_none(loss));
    }
    run.updates.push_back(std::move(row));
  }
  run.step = std::max(run.step, step);
}

// Each process counts its seconds from its own start and says so when it resumes: where they fall another one began.
void read_timing(RunRecord& run) {
  std::vector<double> rates;
  double before = 0, last = 0;
  LineReader(run, "timing.jsonl").read([&](const nlohmann::json& line) {
    const double seconds = line.at("seconds").get<double>();
    const double rate = line.at("steps_per_second").get<double>();
    if (seconds < last) before += last;
    last = seconds;
    if (rate > 0) rates.push_back(rate);
  });
  run.wall_seconds = before + last;
  if (rates.empty()) return;
  std::sort(rates.begin(), rates.end());
  run.steps_per_second = quantile_of_sorted(rates, 0.5);
}

void read_policy_file(RunRecord& run) {
  const Path file = run.directory / "policy.safetensors";
  if (!std::filesystem::exists(file)) return;  // written with the first checkpoint
  try {
    run.policy = summarise_policy(file);
  } catch (const std::exception& error) {
    run.problems.push_back({"policy.safetensors", 0, error.what()});
  }
}

bool is_run(const Path& directory) { return std::filesystem::is_regular_file(directory / "config.toml"); }

// "seed2" before "seed10".
bool by_name_and_number(const Path& a, const Path& b) {
  const std::string x = a.string(), y = b.string();
  std::size_t i = 0, j = 0;
  while (i < x.size() && j < y.size()) {
    if (std::isdigit(static_cast<unsigned char>(x[i])) && std::isdigit(static_cast<unsigned char>(y[j]))) {
      const auto number_end = [](const std::string& text, std::size_t at) {
        while (at < text.size() && std::isdigit(static_cast<unsigned char>(text[at]))) ++at;
        return at;
      };
      const std::string m = x.substr(i, number_end(x, i) - i), n = y.substr(j, number_end(y, j) - j);
      const double u = std::stod(m), v = std::stod(n);
      if (u != v) return u < v;
      i += m.size(), j += n.size();
    } else if (x[i] != y[j]) {
      return x[i] < y[j];
    } else {
      ++i, ++j;
    }
  }
  return x.size() - i < y.size() - j;
}

void find_below(const Path& directory, int depth, std::vector<Path>& found) {
  if (is_run(directory)) {
    found.push_back(directory);
    return;
  }
  if (depth == 0) return;
  std::error_code code;
  for (std::filesystem::directory_iterator entry(directory, code), end; !code && entry != end; entry.increment(code)) {
    if (!entry->is_directory(code)) continue;
    // A link may be to a run, kept on another disk perhaps, but is not followed to look for some: it may lead back.
    find_below(entry->path(), entry->is_symlink(code) ? 0 : depth - 1, found);
  }
}

}  // namespace

PolicyRow summarise_policy(const Path& file) {
  const Policy policy = read_policy(file);
  const auto architecture = policy.metadata.find("architecture");
  if (architecture == policy.metadata.end()) throw Error::failure(file.string() + ": the metadata has no architecture");
  const NetworkSpec spec = make_network_spec(architecture_from_json(architecture->second));
  PolicyRow row;
  const auto step = policy.metadata.find("step");
  row.step = step == policy.metadata.end() ? 0 : step_of(step->second, file.string());
  row.bytes = std::filesystem::file_size(file);
  row.sparsity = policy.sparsity();
  for (std::size_t l = 0; l < policy.layers.size(); ++l) {
    const PolicyLayer& layer = policy.layers[l];
    const std::size_t positions = l < spec.layers.size() ? spec.positions(l) : 0;
    const std::size_t active = layer.values.size();
    row.layers.push_back({layer.name, layer.shape, layer.parameters(), active, 2 * active * positions});
    row.parameters += layer.parameters();
    row.active += active;
    row.flops += row.layers.back().flops;
  }
  return row;
}

RunRecord read_run(const Path& directory) {
  RunRecord run;
  run.directory = directory;
  run.config_text = read_text(directory / "config.toml");
  run.config = read_config_lines(run.config_text);
  run.environment = unquoted(run.config["environment"]);
  run.algorithm = unquoted(run.config["algorithm"]);
  if (run.environment.empty() || run.algorithm.empty()) {
    throw Error::failure((directory / "config.toml").string() +
                         ": says no environment or no algorithm; is it a run's?");
  }
  run.seed = integer_or(run.config, "seed", 0);
  run.planned_steps = integer_or(run.config, "training.steps", 0);
  // A run that waits its turn has only its config.
  if (std::filesystem::exists(directory / "metrics.jsonl")) {
    LineReader(run, "metrics.jsonl").read([&](const nlohmann::json& line) { read_metrics_line(line, run); });
  }
  if (std::filesystem::exists(directory / "timing.jsonl")) read_timing(run);
  read_policy_file(run);
  run.finished = !run.evaluations.empty() && run.evaluations.back().step == run.planned_steps;
  for (const char* name : {"video.mp4", "video.webm", "video.webp", "video.gif"}) {
    if (run.video.empty() && std::filesystem::is_regular_file(directory / name)) run.video = directory / name;
  }
  return run;
}

std::vector<Path> find_runs(const std::vector<Path>& paths) {
  std::vector<Path> runs;
  std::set<Path> seen;
  for (const Path& path : paths) {
    if (!std::filesystem::exists(path)) throw Error::usage(path.string() + ": no such run or folder of runs");
    if (!std::filesystem::is_directory(path)) continue;  // a log beside the runs, caught by a shell's "*"
    std::vector<Path> found;
    find_below(path, kDeepest, found);
    if (found.empty()) {
      throw Error::usage(
          path.string() +
          ": holds no run: a run directory has a config.toml; give run directories, or a folder of them");
    }
    std::sort(found.begin(), found.end(), by_name_and_number);
    for (const Path& run : found) {
      if (seen.insert(std::filesystem::weakly_canonical(run)).second) runs.push_back(run);
    }
  }
  if (runs.empty())
    throw Error::usage(fmt::format("{}{}: no run directory: files alone say too little", paths.front().string(),
                                   paths.size() > 1 ? " and the others" : ""));
  return runs;
}

}  // namespace eaudeqn
