// See sweep.h. The file is read into groups of lists, the groups are multiplied out, and every run's settings go
// through the parser of configs, which knows all keys and what they allow.
#include "experiment/sweep.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <sstream>
#include <string_view>

#include "core/config_keys.h"
#include "core/nearest.h"
#include "core/toml.h"
#include "eaudeqn/error.h"
#include "environments/environment.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kMostRuns = 100'000;  // more is a slip of the pen

// One value of a setting: as an override wants it, and as a name shows it.
struct Value {
  std::string toml;
  std::string label;
};

using Settings = std::vector<std::pair<std::string, Value>>;
using Grid = std::vector<std::pair<std::string, std::vector<Value>>>;

struct Group {
  std::vector<std::string> environments, algorithms;
  std::vector<std::int64_t> seeds;
  Settings settings;
  Grid grid;
};

std::string place(const std::string& origin, const toml::node& node) {
  return fmt::format("{}:{}: ", origin, node.source().begin.line);
}

[[noreturn]] void fail_unknown(const std::string& where, const std::string& name,
                               const std::vector<std::string>& known) {
  const std::string nearest = nearest_match(name, known);
  fail_usage(fmt::format("{}{}: unknown key; {}there are {}", where, name,
                         nearest.empty() ? "" : "did you mean " + nearest + "? ", fmt::join(known, ", ")));
}

void check_keys(const toml::table& table, const std::string& prefix, const std::vector<std::string>& known,
                const std::string& origin) {
  for (const auto& [key, node] : table) {
    if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
    const std::string where = fmt::format("{}:{}: ", origin, key.source().begin.line);
    std::vector<std::string> names = known;
    for (std::string& name : names) name.insert(0, prefix);
    fail_unknown(where, prefix + std::string(key.str()), names);
  }
}

// What a run's name may hold; anything else becomes a dash.
std::string name_part(std::string text) {
  for (char& c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                       c == '_' || c == '-' || c == '=' || c == '+';
    if (!plain) c = c == '/' ? '_' : '-';
  }
  return text;
}

std::string number_label(double value) {
  const bool whole = std::abs(value) < 1e15 && value == std::trunc(value);
  return whole ? fmt::format("{}", static_cast<std::int64_t>(value)) : fmt::format("{}", value);
}

// Nothing for what no setting can be (tables, dates).
std::optional<Value> value_of(const toml::node& node) {
  Value value;
  if (const auto* list = node.as_array()) {
    for (const toml::node& element : *list) {
      const std::optional<Value> inner = element.is_array() ? std::nullopt : value_of(element);
      if (!inner) return std::nullopt;
      value.toml += fmt::format("{}{}", value.toml.empty() ? "" : ", ", inner->toml);
      value.label += fmt::format("{}{}", value.label.empty() ? "" : "x", inner->label);
    }
    value.toml = fmt::format("[{}]", value.toml);
    return value;
  }
  std::ostringstream out;
  if (const auto* text = node.as_string()) {
    out << *text;
    value.label = name_part(text->get());
  } else if (const auto* integer = node.as_integer()) {
    out << integer->get();
    value.label = out.str();
  } else if (const auto* number = node.as_floating_point()) {
    out << *number;
    value.label = number_label(number->get());
  } else if (const auto* boolean = node.as_boolean()) {
    out << (boolean->get() ? "true" : "false");
    value.label = out.str();
  } else {
    return std::nullopt;
  }
  value.toml = out.str();
  return value;
}

// Calls `found(name, node)` for every setting of [settings] or [grid], however it is nested: "training.steps" = 1 or
// [settings.training] steps = 1.
template <typename Found>
void each_setting(const toml::table& table, const std::string& section, const std::string& prefix,
                  const std::string& origin, const Found& found) {
  static const std::vector<std::string> known = [] {
    std::vector<std::string> names;
    for (const ConfigKey& key : config_keys()) names.push_back(key.name);
    return names;
  }();
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    const std::string where = fmt::format("{}:{}: [{}] ", origin, key.source().begin.line, section);
    if (name == "environment" || name == "algorithm" || name == "seed") {
      fail_usage(fmt::format("{}{}: is listed above the sections: {}s = [...]", where, name, name));
    }
    if (std::find(known.begin(), known.end(), name) != known.end()) {
      found(name, node, where);
    } else if (node.is_table()) {
      each_setting(*node.as_table(), section, name + ".", origin, found);
    } else {
      const std::string nearest = nearest_match(name, known);
      fail_usage(
          fmt::format("{}{}: unknown key; {}", where, name,
                      nearest.empty() ? "docs/configuration.md lists them" : fmt::format("did you mean {}?", nearest)));
    }
  }
}

// Replaces or appends, so that a group's entries win over the ones above.
template <typename List, typename Item>
void put(List& list, const std::string& name, Item item) {
  for (auto& [key, value] : list) {
    if (key != name) continue;
    value = std::move(item);
    return;
  }
  list.emplace_back(name, std::move(item));
}

const toml::table& section_of(const toml::node& node, const std::string& name, const std::string& origin) {
  if (node.is_table()) return *node.as_table();
  fail_usage(fmt::format("{}{}: wants to be a section, [{}]", place(origin, node), name, name));
}

Settings read_settings(const toml::node& node, const std::string& origin) {
  Settings settings;
  each_setting(section_of(node, "settings", origin), "settings", "", origin,
               [&](const std::string& name, const toml::node& setting, const std::string& where) {
                 const std::optional<Value> value = value_of(setting);
                 if (!value) fail_usage(where + name + ": wants a number, a string, true, false or a list");
                 put(settings, name, *value);
               });
  return settings;
}

Grid read_grid(const toml::node& node, const std::string& origin) {
  Grid grid;
  each_setting(section_of(node, "grid", origin), "grid", "", origin,
               [&](const std::string& name, const toml::node& list, const std::string& where) {
                 std::vector<Value> values;
                 for (const toml::node& element : list.is_array() ? *list.as_array() : toml::array()) {
                   const std::optional<Value> value = value_of(element);
                   if (value) values.push_back(*value);
                 }
                 if (!list.is_array() || values.empty() || values.size() != list.as_array()->size()) {
                   fail_usage(where + name + ": wants a list of values, such as [0.01, 0.1]");
                 }
                 put(grid, name, values);
               });
  return grid;
}

template <typename T>
void read_list(const toml::table& table, const char* name, const char* example, const std::string& origin,
               std::vector<T>& list) {
  const toml::node* node = table.get(name);
  if (node == nullptr) return;
  list.clear();
  const auto* array = node->as_array();
  for (const toml::node& element : array != nullptr ? *array : toml::array()) {
    const auto* value = element.as<T>();
    if (value == nullptr) {
      list.clear();
      break;
    }
    if (std::find(list.begin(), list.end(), value->get()) != list.end()) {
      fail_usage(fmt::format("{}{}: {} is there twice", place(origin, *node), name, value->get()));
    }
    list.push_back(value->get());
  }
  if (list.empty()) fail_usage(fmt::format("{}{}: wants a list such as {}", place(origin, *node), name, example));
}

const std::vector<std::string> kGroupKeys = {"environments", "algorithms", "seeds", "settings", "grid"};

// Adds what a table says to what `group` has from above: the table wins, its settings over a grid from there too.
void read_group(const toml::table& table, const std::string& origin, Group& group) {
  read_list(table, "environments", R"(["atari/Pong", "atari/Boxing"])", origin, group.environments);
  read_list(table, "algorithms", R"(["eaudedqn", "dqn"])", origin, group.algorithms);
  read_list(table, "seeds", "[1, 2, 3]", origin, group.seeds);
  if (const toml::node* node = table.get("settings")) {
    for (const auto& [name, value] : read_settings(*node, origin)) {
      put(group.settings, name, value);
      std::erase_if(group.grid, [&key = name](const auto& of_grid) { return of_grid.first == key; });
    }
  }
  if (const toml::node* node = table.get("grid")) {
    for (const auto& [name, values] : read_grid(*node, origin)) put(group.grid, name, values);
  }
}

// The file's groups; without any [[group]] what stands above them is the only one.
std::vector<Group> read_groups(const toml::table& file, const std::string& origin) {
  Group common;
  read_group(file, origin, common);
  const toml::node* node = file.get("group");
  if (node == nullptr) return {common};
  const auto* list = node->as_array();
  if (list == nullptr || !list->is_array_of_tables()) {
    fail_usage(place(origin, *node) + "group: is written [[group]], as often as there are groups");
  }
  std::vector<Group> groups;
  for (const toml::node& element : *list) {
    check_keys(*element.as_table(), "group.", kGroupKeys, origin);
    groups.push_back(common);
    read_group(*element.as_table(), origin, groups.back());
  }
  return groups;
}

void check_lists(const Group& group, const std::string& origin) {
  const auto want = [&](bool there, const char* what) {
    if (!there) fail_usage(fmt::format("{}: no {}; a sweep wants them as {} = [...]", origin, what, what));
  };
  want(!group.environments.empty(), "environments");
  want(!group.algorithms.empty(), "algorithms");
  want(!group.seeds.empty(), "seeds");
  const std::vector<std::string> known = list_environments();
  for (const std::string& name : group.environments) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::vector<std::string> close = close_names(name, known);
    fail_usage(fmt::format(
        "{}: environments: there is no {}; {}", origin, name,
        close.empty() ? "see `eaudeqn list environments`" : fmt::format("did you mean {}?", fmt::join(close, ", "))));
  }
}

std::size_t size_of(const Group& group) {
  double size = static_cast<double>(group.environments.size() * group.algorithms.size() * group.seeds.size());
  for (const auto& [name, values] : group.grid) size *= static_cast<double>(values.size());
  return size > kMostRuns ? kMostRuns + 1 : static_cast<std::size_t>(size);
}

// The run of one combination; `choice` indexes the values of each grid key.
SweepRun make_run(const Group& group, const std::string& environment, const std::string& algorithm, std::int64_t seed,
                  const std::vector<std::size_t>& choice, const std::string& origin) {
  SweepRun run;
  run.algorithm = algorithm;
  run.name = name_part(environment + "_" + algorithm);
  std::vector<std::string> overrides = {fmt::format("environment=\"{}\"", environment), fmt::format("seed={}", seed)};
  for (const auto& [key, value] : group.settings) overrides.push_back(key + "=" + value.toml);
  for (std::size_t i = 0; i < group.grid.size(); ++i) {
    const auto& [key, values] = group.grid[i];
    const Value& value = values[choice[i]];
    overrides.push_back(key + "=" + value.toml);
    run.grid.emplace_back(key, value.label);
    run.name += fmt::format("_{}={}", name_part(key), value.label);
  }
  run.name += fmt::format("_seed{}", seed);
  try {
    run.config = parse_config(builtin_config(environment, algorithm), "its config", overrides);
  } catch (const Error& error) {
    fail_usage(fmt::format("{}: run {}: {}", origin, run.name, error.what()));
  }
  return run;
}

// All combinations of a group for one seed, the last grid key fastest.
void multiply(const Group& group, std::int64_t seed, const std::string& origin, std::vector<SweepRun>& runs) {
  for (const std::string& environment : group.environments) {
    for (const std::string& algorithm : group.algorithms) {
      std::vector<std::size_t> choice(group.grid.size(), 0);
      while (true) {
        runs.push_back(make_run(group, environment, algorithm, seed, choice, origin));
        std::size_t i = choice.size();
        while (i > 0 && ++choice[i - 1] == group.grid[i - 1].second.size()) choice[--i] = 0;
        if (i == 0) break;
      }
    }
  }
}

void check_names(const std::vector<SweepRun>& runs, const std::string& origin) {
  std::map<std::string, bool> seen;
  for (const SweepRun& run : runs) {
    if (run.name.size() > 200) {
      fail_usage(
          fmt::format("{}: run {}: a name of {} letters is too long for a directory; put fewer keys "
                      "into [grid]",
                      origin, run.name, run.name.size()));
    }
    if (!seen.emplace(run.name, true).second) {
      fail_usage(
          fmt::format("{}: run {} is there twice: two groups or two values of a list give it", origin, run.name));
    }
  }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_partition(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("_.,-").find(c) != std::string_view::npos;
  });
}

// Slurm's "minutes", "hours:minutes:seconds", "days-hours:minutes", ...: groups of up to six digits, of which a "-" may
// only end the first.
bool is_time(const std::string& text) {
  std::size_t digits = 0, dashes = 0, colons = 0;
  for (const char c : text) {
    if (is_digit(c)) {
      if (++digits > 6) return false;
      continue;
    }
    if (digits == 0 || (c != '-' && c != ':')) return false;
    if (c == '-' && (++dashes > 1 || colons > 0)) return false;
    if (c == ':' && ++colons > 2) return false;
    digits = 0;
  }
  return digits > 0;
}

bool is_memory(const std::string& text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string unit = text.substr(digits);
  return digits > 0 && (unit.empty() || unit == "K" || unit == "M" || unit == "G" || unit == "T");
}

std::string text_of(const toml::table& table, const char* name, bool (*good)(const std::string&), const char* example,
                    const std::string& origin) {
  const toml::node* node = table.get(name);
  if (node == nullptr) return "";
  const auto* text = node->as_string();
  if (text != nullptr && good(text->get())) return text->get();
  fail_usage(fmt::format("{}slurm.{}: wants a string such as \"{}\"", place(origin, *node), name, example));
}

std::int64_t integer_of(const toml::table& table, const char* name, std::int64_t lowest, std::int64_t otherwise,
                        const std::string& origin) {
  const toml::node* node = table.get(name);
  if (node == nullptr) return otherwise;
  const auto* integer = node->as_integer();
  if (integer != nullptr && integer->get() >= lowest && integer->get() <= 1'000'000) return integer->get();
  fail_usage(fmt::format("{}slurm.{}: wants an integer in [{}, 1000000]", place(origin, *node), name, lowest));
}

std::vector<std::string> lines_of(const toml::table& table, const char* name, const char* example,
                                  const std::string& origin) {
  std::vector<std::string> lines;
  read_list(table, name, example, origin, lines);
  return lines;
}

// Slurm's forms of a time limit: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]].
std::int64_t seconds_of(const std::string& time) {
  const std::size_t dash = time.find('-');
  std::istringstream stream(dash == std::string::npos ? time : time.substr(dash + 1));
  std::vector<std::int64_t> parts;
  for (std::string part; std::getline(stream, part, ':');) parts.push_back(std::stoll(part));
  if (dash != std::string::npos) {
    parts.resize(3);
    return ((std::stoll(time.substr(0, dash)) * 24 + parts[0]) * 60 + parts[1]) * 60 + parts[2];
  }
  if (parts.size() == 1) return parts[0] * 60;
  return parts.size() == 2 ? parts[0] * 60 + parts[1] : (parts[0] * 60 + parts[1]) * 60 + parts[2];
}

void check_time(const SlurmSettings& slurm, const std::string& origin) {
  constexpr std::int64_t kSlack = 60;  // Slurm may send the signal that much earlier
  if (slurm.time.empty() || seconds_of(slurm.time) > slurm.signal_seconds + kSlack) return;
  fail_usage(
      fmt::format("{}: slurm.time = \"{}\" leaves no time to train before the signal to save, "
                  "signal_seconds = {} and up to {} before its end; give more time",
                  origin, slurm.time, slurm.signal_seconds, kSlack));
}

SlurmSettings read_slurm(const toml::node& node, const std::string& origin) {
  const toml::table& table = section_of(node, "slurm", origin);
  check_keys(table, "slurm.", {"partition", "time", "memory", "cpus", "throttle", "signal_seconds", "options", "setup"},
             origin);
  SlurmSettings slurm;
  slurm.partition = text_of(table, "partition", is_partition, "cpu", origin);
  slurm.time = text_of(table, "time", is_time, "12:00:00", origin);
  slurm.memory = text_of(table, "memory", is_memory, "4G", origin);
  slurm.cpus = integer_of(table, "cpus", 1, slurm.cpus, origin);
  slurm.throttle = integer_of(table, "throttle", 0, slurm.throttle, origin);
  slurm.signal_seconds = integer_of(table, "signal_seconds", 1, slurm.signal_seconds, origin);
  slurm.options = lines_of(table, "options", R"(["--constraint=avx512"])", origin);
  slurm.setup = lines_of(table, "setup", R"(["module load gcc"])", origin);
  check_time(slurm, origin);
  for (const std::string& option : slurm.options) {
    if (option.starts_with("--")) continue;
    fail_usage(
        fmt::format("{}: slurm.options: \"{}\": wants long options of sbatch, such as "
                    "\"--constraint=avx512\"",
                    origin, option));
  }
  return slurm;
}

}  // namespace

Sweep parse_sweep(const std::string& text, const std::string& origin) {
  const toml::table file = parse_toml(text, origin);
  std::vector<std::string> known = kGroupKeys;
  known.insert(known.end(), {"group", "slurm"});
  check_keys(file, "", known, origin);
  const std::vector<Group> groups = read_groups(file, origin);
  std::size_t size = 0;
  std::size_t most_seeds = 0;
  for (const Group& group : groups) {
    check_lists(group, origin);
    size += size_of(group);
    most_seeds = std::max(most_seeds, group.seeds.size());
  }
  if (size > kMostRuns) fail_usage(fmt::format("{}: more than {} runs; shorten the lists", origin, kMostRuns));

  Sweep sweep;
  sweep.text = text;
  for (std::size_t i = 0; i < most_seeds; ++i) {
    for (const Group& group : groups) {
      if (i < group.seeds.size()) multiply(group, group.seeds[i], origin, sweep.runs);
    }
  }
  check_names(sweep.runs, origin);
  if (const toml::node* node = file.get("slurm")) sweep.slurm = read_slurm(*node, origin);
  return sweep;
}

}  // namespace eaudeqn
