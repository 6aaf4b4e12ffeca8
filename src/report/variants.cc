// See variants.h.
#include "report/variants.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/config_keys.h"
#include "eaudeqn/config.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

using Json = nlohmann::ordered_json;
using Settings = std::map<std::string, std::string>;

constexpr std::size_t kLabelledSettings = 3;  // more than these would hide the name
constexpr std::size_t kLongestCommand = 12;   // settings; beyond it a config file is easier to read

bool tells_variants_apart(const std::string& key) {
  return key != "seed" && key != "environment" && !key.starts_with("checkpoint.");
}

Settings settings_of(const Config& config) {
  Settings settings;
  for (const KeyRow& row : key_rows()) {
    settings[row.name()] = value_as_toml(row, config);
  }
  return settings;
}

// None where this version does not understand the config.
std::optional<Settings> parsed_settings(const std::string& text, const std::vector<std::string>& overrides) {
  try {
    return settings_of(parse_config(text, "config.toml", overrides));
  } catch (const Error&) {
    return std::nullopt;
  }
}

// What tells a run from others but for its seed. Settings that an older version did not write have their defaults; a
// config that this version cannot read counts as it is written.
Settings identity(const RunRecord& run) {
  const auto parsed = parsed_settings(run.config_text, {});
  Settings settings = parsed ? *parsed : run.config;
  std::erase_if(settings, [](const auto& entry) { return !tells_variants_apart(entry.first); });
  return settings;
}

std::optional<std::string> value_of(const Settings& settings, const std::string& key) {
  const auto found = settings.find(key);
  if (found == settings.end()) return std::nullopt;
  return found->second;
}

// The keys whose values are not all equal, absent counting as a value.
std::vector<std::string> differing_keys(const std::vector<const Settings*>& all) {
  std::set<std::string> keys;
  for (const Settings* settings : all) {
    for (const auto& [key, value] : *settings) keys.insert(key);
  }
  std::vector<std::string> differing;
  for (const std::string& key : keys) {
    const auto first = value_of(*all.front(), key);
    const auto other = [&](const Settings* settings) { return value_of(*settings, key) != first; };
    if (std::any_of(all.begin(), all.end(), other)) differing.push_back(key);
  }
  return differing;
}

std::string without_quotes(std::string value) {
  std::erase(value, '"');
  return value;
}

// "eaudedqn (selection=random)"; `peers` are the settings of all variants of this algorithm and environment.
std::string make_label(const std::string& algorithm, const Settings& settings,
                       const std::vector<const Settings*>& peers) {
  if (peers.size() < 2) return algorithm;
  std::string text;
  std::size_t shown = 0;
  for (const std::string& key : differing_keys(peers)) {
    const auto value = value_of(settings, key);
    if (!value) continue;
    if (++shown > kLabelledSettings) return algorithm + " (" + text + ", ...)";
    text += (text.empty() ? "" : ", ") + key.substr(key.find('.') + 1) + "=" + without_quotes(*value);
  }
  return text.empty() ? algorithm : algorithm + " (" + text + ")";
}

// Names must be unique: where shortened settings do not tell variants apart, a number does.
void number_equal_labels(std::vector<Variant>& variants) {
  std::map<std::pair<std::string, std::string>, int> times;
  for (Variant& variant : variants) {
    const int time = ++times[{variant.environment, variant.label}];
    if (time > 1) variant.label += fmt::format(" #{}", time);
  }
}

std::string shell_word(const std::string& word) {
  const auto harmless = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("._-/=+:,@%").find(c) != std::string::npos;
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), harmless)) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

struct Nearest {
  std::string name;       // of the built-in config
  std::string overrides;  // " --set ..."
  std::size_t count = 0;
};

std::optional<Nearest> nearest_builtin(const RunRecord& run) {
  const auto wanted = parsed_settings(run.config_text, {});
  if (!wanted) return std::nullopt;
  const std::string family = run.environment.substr(0, run.environment.find('/') + 1);
  std::optional<Nearest> best;
  for (const EmbeddedConfig& builtin : embedded_configs()) {
    if (!builtin.name.starts_with(family) || builtin.has_base()) continue;
    Nearest candidate{builtin.name.substr(family.size()), "", 0};
    const auto there =
        parsed_settings(builtin_config(run.environment, candidate.name), {"environment=\"" + run.environment + "\""});
    if (!there) continue;  // one that needs more than an environment
    for (const std::string& key : differing_keys({&*wanted, &*there})) {
      if (key == "seed") continue;
      candidate.overrides += " --set " + shell_word(key + "=" + without_quotes(wanted->at(key)));
      ++candidate.count;
    }
    if (!best || candidate.count < best->count) best = candidate;
  }
  return best;
}

}  // namespace

std::vector<Variant> group_runs(const std::vector<RunRecord>& runs) {
  std::map<std::pair<std::string, Settings>, std::vector<std::size_t>> groups;
  for (std::size_t r = 0; r < runs.size(); ++r) groups[{runs[r].environment, identity(runs[r])}].push_back(r);
  std::vector<Variant> variants;
  for (const auto& [key, members] : groups) {
    const std::string& algorithm = runs[members.front()].algorithm;
    std::vector<const Settings*> peers;
    for (const auto& [other, other_members] : groups) {
      if (other.first == key.first && runs[other_members.front()].algorithm == algorithm)
        peers.push_back(&other.second);
    }
    variants.push_back({key.first, make_label(algorithm, key.second, peers), members});
  }
  std::stable_sort(variants.begin(), variants.end(), [](const Variant& a, const Variant& b) {
    return std::pair(a.environment, a.label) < std::pair(b.environment, b.label);
  });
  number_equal_labels(variants);
  return variants;
}

Json config_differences(const std::vector<RunRecord>& runs, const std::vector<Variant>& variants) {
  std::vector<Settings> settings;
  settings.reserve(variants.size());
  for (const Variant& variant : variants) settings.push_back(identity(runs[variant.runs.front()]));
  std::vector<const Settings*> all;
  all.reserve(settings.size());
  for (const Settings& one : settings) all.push_back(&one);
  Json rows = Json::array();
  for (const std::string& key : differing_keys(all)) {
    if (key == "environment" || key == "algorithm") continue;
    Json values = Json::array();
    for (const Settings& one : settings) {
      const auto value = value_of(one, key);
      values.push_back(value ? Json(*value) : Json());
    }
    rows.push_back({{"key", key}, {"values", values}});
  }
  return rows;
}

Json reproduction(const std::vector<RunRecord>& runs, const Variant& variant) {
  const RunRecord& first = runs[variant.runs.front()];
  const auto builtin = nearest_builtin(first);
  Json commands = Json::array();
  for (const std::size_t r : variant.runs) {
    commands.push_back(builtin && builtin->count <= kLongestCommand
                           ? fmt::format("eaudeqn train {} --algorithm {} --seed {}{}", shell_word(first.environment),
                                         builtin->name, runs[r].seed, builtin->overrides)
                           : fmt::format("eaudeqn train config.toml --seed {}", runs[r].seed));
  }
  return {{"environment", variant.environment},
          {"label", variant.label},
          {"commands", commands},
          {"config", first.config_text}};
}

}  // namespace eaudeqn
