// See sweep_table.h.
#include "experiment/sweep_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "experiment/progress.h"

namespace eaudeqn {
namespace {

using Json = nlohmann::ordered_json;

struct Column {
  std::string title;
  int rank;  // the highest is left out first
  std::vector<std::string> cells;

  std::size_t width() const {
    std::size_t width = title.size();
    for (const std::string& cell : cells) width = std::max(width, cell.size());
    return width;
  }
};

std::string one_decimal(const std::optional<double>& value) { return value ? fmt::format("{:.1f}", *value) : "-"; }

std::int64_t steps_of(const SweepRun& run) { return run.config.training.steps; }

std::int64_t steps_left(const SweepRun& run, const RunStatus& status) {
  if (status.phase == RunPhase::finished) return 0;
  return std::max<std::int64_t>(0, steps_of(run) - status.step);
}

std::string eta(const SweepRun& run, const RunStatus& status) {
  if (status.phase != RunPhase::running || status.steps_per_second <= 0) return "-";
  return format_duration(static_cast<double>(steps_left(run, status)) / status.steps_per_second);
}

std::string shortened(const std::string& name, std::size_t width) {
  if (name.size() <= width) return name;
  if (width < 4) return name.substr(0, width);
  const std::size_t front = (width - 2) / 2;
  return name.substr(0, front) + ".." + name.substr(name.size() - (width - 2 - front));
}

std::string after_last(const std::string& text, char separator) {
  return text.substr(text.find_last_of(separator) + 1);
}

// The runs' names without what they all share: "eaudedqn learning_rate=0.001 seed1".
std::vector<std::string> short_names(const Sweep& sweep) {
  std::set<std::string> environments, algorithms;
  for (const SweepRun& run : sweep.runs) {
    environments.insert(run.config.environment);
    algorithms.insert(run.algorithm);
  }
  std::vector<std::string> names;
  for (const SweepRun& run : sweep.runs) {
    std::string name;
    if (environments.size() > 1) name += after_last(run.config.environment, '/') + " ";
    if (algorithms.size() > 1) name += run.algorithm + " ";
    for (const auto& [key, value] : run.grid) name += fmt::format("{}={} ", after_last(key, '.'), value);
    names.push_back(name + fmt::format("seed{}", run.config.seed));
  }
  return names;
}

std::vector<Column> columns_of(const Sweep& sweep, const std::vector<RunStatus>& statuses,
                               const std::vector<std::size_t>& shown) {
  std::vector<Column> columns = {{"run", 0, {}},    {"state", 1, {}},      {"done", 2, {}},
                                 {"step", 7, {}},   {"steps/s", 6, {}},    {"ETA", 3, {}},
                                 {"return", 5, {}}, {"evaluation", 8, {}}, {"sparsity", 4, {}}};
  for (const std::size_t i : shown) {
    const SweepRun& run = sweep.runs[i];
    const RunStatus& status = statuses[i];
    const bool running = status.phase == RunPhase::running;
    const std::vector<std::string> cells = {
        run.name,
        phase_name(status.phase),
        fmt::format("{} %", 100 * (steps_of(run) - steps_left(run, status)) / steps_of(run)),
        fmt::format("{}/{}", steps_of(run) - steps_left(run, status), steps_of(run)),
        running && status.steps_per_second > 0 ? fmt::format("{:.0f}", status.steps_per_second) : "-",
        eta(run, status),
        one_decimal(status.mean_return),
        one_decimal(status.evaluation),
        status.sparsity ? fmt::format("{:.3f}", *status.sparsity) : "-"};
    for (std::size_t c = 0; c < columns.size(); ++c) columns[c].cells.push_back(cells[c]);
  }
  return columns;
}

std::size_t total_width(const std::vector<Column>& columns) {
  std::size_t total = 2 * (columns.size() - 1);
  for (const Column& column : columns) total += column.width();
  return total;
}

// When the window is narrow the names become short ones, then the last ranks go, then names are cut.
void fit(std::vector<Column>& columns, std::size_t width, const std::vector<std::string>& short_names) {
  const auto too_wide = [&] { return total_width(columns) > width; };
  if (too_wide()) columns[0].cells = short_names;
  while (columns.size() > 2 && too_wide()) {
    const auto last = std::max_element(columns.begin(), columns.end(),
                                       [](const Column& a, const Column& b) { return a.rank < b.rank; });
    columns.erase(last);
  }
  const std::size_t others = total_width(columns) - columns[0].width();
  const std::size_t room = width > others + 1 ? width - others : 1;
  for (std::string& name : columns[0].cells) name = shortened(name, room);
}

std::vector<std::string> rows_of(const std::vector<Column>& columns, std::size_t width) {
  std::vector<std::string> rows;
  for (std::size_t row = 0; row <= columns[0].cells.size(); ++row) {
    std::string line;
    for (const Column& column : columns) {
      const std::string& cell = row == 0 ? column.title : column.cells[row - 1];
      const bool left = column.rank <= 1;  // words to the left, numbers to the right
      line += (line.empty() ? "" : "  ") +
              (left ? fmt::format("{:<{}}", cell, column.width()) : fmt::format("{:>{}}", cell, column.width()));
    }
    line.erase(line.find_last_not_of(' ') + 1);
    rows.push_back(line.substr(0, width));
  }
  return rows;
}

bool stands_out(const RunStatus& status) {
  return status.phase == RunPhase::running || status.phase == RunPhase::failed || status.phase == RunPhase::foreign;
}

}  // namespace

std::vector<RunStatus> read_statuses(const Sweep& sweep, const std::filesystem::path& directory) {
  std::vector<RunStatus> statuses;
  for (const SweepRun& run : sweep.runs) statuses.push_back(read_status(run.config, directory / run.name));
  return statuses;
}

double estimate_seconds(const Sweep& sweep, const std::vector<RunStatus>& statuses, std::size_t slots) {
  struct Mean {
    double sum = 0;
    double count = 0;
  };
  std::map<std::string, Mean> rates;  // "" is the mean of all
  const auto kind = [](const SweepRun& run) { return run.config.environment + " " + run.algorithm; };
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    if (statuses[i].steps_per_second <= 0) continue;
    for (const std::string& name : {kind(sweep.runs[i]), std::string()}) {
      rates[name].sum += statuses[i].steps_per_second;
      rates[name].count += 1;
    }
  }
  // Those that run go first: that is what they do.
  std::vector<double> busy(std::max<std::size_t>(1, slots), 0.0);
  for (const bool running : {true, false}) {
    for (std::size_t i = 0; i < statuses.size(); ++i) {
      const auto left = static_cast<double>(steps_left(sweep.runs[i], statuses[i]));
      const bool over = statuses[i].phase == RunPhase::failed || statuses[i].phase == RunPhase::foreign;
      if (over || left <= 0 || (statuses[i].phase == RunPhase::running) != running) continue;
      double rate = statuses[i].steps_per_second;
      if (rate <= 0) {
        const auto found = rates.find(kind(sweep.runs[i]));
        const Mean mean = found != rates.end() ? found->second : rates[""];
        if (mean.count == 0) return -1;
        rate = mean.sum / mean.count;
      }
      *std::min_element(busy.begin(), busy.end()) += left / rate;
    }
  }
  return *std::max_element(busy.begin(), busy.end());
}

std::string sweep_summary(const Sweep& sweep, const std::vector<RunStatus>& statuses, std::size_t slots) {
  std::vector<std::string> counts;
  for (const RunPhase phase : {RunPhase::finished, RunPhase::running, RunPhase::queued, RunPhase::waiting,
                               RunPhase::stopped, RunPhase::failed, RunPhase::foreign}) {
    const auto count =
        std::count_if(statuses.begin(), statuses.end(), [&](const RunStatus& s) { return s.phase == phase; });
    if (count > 0) counts.push_back(fmt::format("{} {}", count, phase_name(phase)));
  }
  double done = 0;
  double all = 0;
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    all += static_cast<double>(steps_of(sweep.runs[i]));
    done += static_cast<double>(steps_of(sweep.runs[i]) - steps_left(sweep.runs[i], statuses[i]));
  }
  std::string line = fmt::format("{} run{}: {} | {:.0f} % of all steps", statuses.size(),
                                 statuses.size() == 1 ? "" : "s", fmt::join(counts, ", "), 100 * done / all);
  if (slots == 0) return line;
  const double seconds = estimate_seconds(sweep, statuses, slots);
  if (seconds > 0) line += " | ETA " + format_duration(seconds);
  return line;
}

std::vector<std::string> sweep_table(const Sweep& sweep, const std::vector<RunStatus>& statuses, std::size_t slots,
                                     std::size_t width, std::size_t height) {
  std::vector<std::size_t> shown;
  std::vector<std::string> errors;
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    shown.push_back(i);
    if (!statuses[i].error.empty()) errors.push_back(fmt::format("  {}: {}", sweep.runs[i].name, statuses[i].error));
  }
  const std::size_t frame = 2;  // the titles and the summary
  if (shown.size() + errors.size() + frame > height) {
    std::erase_if(shown, [&](std::size_t i) { return !stands_out(statuses[i]); });
    errors.resize(std::min(errors.size(), height / 4));
    shown.resize(std::min(shown.size(), height > errors.size() + frame ? height - errors.size() - frame : 0));
  }
  std::vector<Column> columns = columns_of(sweep, statuses, shown);
  std::vector<std::string> names = short_names(sweep);
  std::vector<std::string> shown_names;
  shown_names.reserve(shown.size());
  for (const std::size_t i : shown) shown_names.push_back(std::move(names[i]));
  fit(columns, width, shown_names);
  std::vector<std::string> lines = rows_of(columns, width);
  lines.push_back(sweep_summary(sweep, statuses, slots).substr(0, width));
  const bool window = height < std::numeric_limits<std::size_t>::max();
  for (const std::string& error : errors) lines.push_back(window ? error.substr(0, width) : error);
  return lines;
}

nlohmann::ordered_json sweep_json(const Sweep& sweep, const std::filesystem::path& directory,
                                  const std::vector<RunStatus>& statuses) {
  const auto or_null = [](const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); };
  Json json;
  json["directory"] = directory.string();
  json["finished"] = std::all_of(statuses.begin(), statuses.end(),
                                 [](const RunStatus& status) { return status.phase == RunPhase::finished; });
  json["runs"] = Json::array();
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    const SweepRun& run = sweep.runs[i];
    const RunStatus& status = statuses[i];
    Json grid = Json::object();
    for (const auto& [key, value] : run.grid) grid[key] = value;
    json["runs"].push_back({{"name", run.name},
                            {"directory", (directory / run.name).string()},
                            {"environment", run.config.environment},
                            {"algorithm", run.algorithm},
                            {"seed", run.config.seed},
                            {"grid", grid},
                            {"state", phase_name(status.phase)},
                            {"step", status.step},
                            {"steps", steps_of(run)},
                            {"steps_per_second", status.steps_per_second > 0 ? Json(status.steps_per_second) : Json()},
                            {"return", or_null(status.mean_return)},
                            {"evaluation", or_null(status.evaluation)},
                            {"sparsity", or_null(status.sparsity)},
                            {"error", status.error.empty() ? Json() : Json(status.error)}});
  }
  return json;
}

}  // namespace eaudeqn
