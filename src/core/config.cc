// Config from TOML and back, by the table of config_keys.h. Not a general settings library: a key that the table does
// not list is an error.
#include "eaudeqn/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <sstream>
#include <string_view>

#include "core/config_keys.h"
#include "core/files.h"
#include "core/nearest.h"
#include "core/toml.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

// How messages show what was found instead of what was wanted.
std::string describe(const toml::node& node);

std::string describe(const toml::array& list) {
  constexpr std::size_t kShown = 8;
  std::vector<std::string> elements;
  for (const auto& element : list) {
    if (elements.size() == kShown) {
      elements.emplace_back("...");
      break;
    }
    elements.push_back(element.is_array() ? "a list" : describe(element));
  }
  return fmt::format("the list [{}]", fmt::join(elements, ", "));
}

std::string describe(const toml::node& node) {
  if (const auto* text = node.as_string()) return fmt::format("the string \"{}\"", text->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  if (const auto* list = node.as_array()) return describe(*list);
  if (node.is_table()) return "a section";
  if (node.is_date() || node.is_time() || node.is_date_time()) return "a date or time";
  std::ostringstream out;
  node.visit([&](const auto& concrete) {
    if constexpr (toml::is_value<decltype(concrete)>) out << concrete;
  });
  return out.str();
}

[[noreturn]] void fail_value(const KeyRow& row, const std::string& where, const std::string& found) {
  const std::string range = allowed_range(row);
  const bool names_all = std::holds_alternative<StringKey>(row.kind) && !range.empty();
  const char* between = std::holds_alternative<IntegerListKey>(row.kind) ? ", " : " ";
  fail_usage(fmt::format("{}{}: wants {}{}{}, got {}", where, row.name(), names_all ? "" : kind_name(row),
                         names_all || range.empty() ? "" : between, range, found));
}

// An integer, or a float that is exactly one (1e6).
std::optional<std::int64_t> exact_integer(const toml::node& node) {
  if (const auto* integer = node.as_integer()) return integer->get();
  if (const auto* number = node.as_floating_point()) {
    const double value = number->get();
    if (std::abs(value) <= 0x1p53 && value == std::trunc(value)) return static_cast<std::int64_t>(value);
  }
  return std::nullopt;
}

// One overload per kind: stores the value and returns true if it is of the type and allowed.
bool store(const IntegerKey& key, const toml::node& node, Config& config) {
  const auto value = exact_integer(node);
  if (!value || *value < key.lowest || *value > key.highest) return false;
  key.value(config) = *value;
  return true;
}

bool store(const NumberKey& key, const toml::node& node, Config& config) {
  if (!node.is_number()) return false;
  const double value = *node.value<double>();
  const bool allowed = value >= key.lowest && value <= key.highest && !(key.above_lowest && value == key.lowest);
  if (!allowed) return false;  // NaN included
  key.value(config) = value;
  return true;
}

bool store(const BooleanKey& key, const toml::node& node, Config& config) {
  const auto* value = node.as_boolean();
  if (value == nullptr) return false;
  key.value(config) = value->get();
  return true;
}

bool store(const StringKey& key, const toml::node& node, Config& config) {
  const auto* value = node.as_string();
  if (value == nullptr) return false;
  const auto& allowed = key.allowed;
  if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), value->get()) == allowed.end()) return false;
  key.value(config) = value->get();
  return true;
}

bool store(const IntegerListKey& key, const toml::node& node, Config& config) {
  const auto* list = node.as_array();
  if (list == nullptr || list->empty()) return false;
  std::vector<std::int64_t> values;
  for (const auto& element : *list) {
    const auto value = exact_integer(element);
    if (!value || *value < key.lowest || *value > key.highest) return false;
    values.push_back(*value);
  }
  key.value(config) = std::move(values);
  return true;
}

// `where` starts the messages: "file.toml:12: ", or nothing.
void set_value(const KeyRow& row, const toml::node& node, const std::string& where, Config& config) {
  if (!std::visit([&](const auto& kind) { return store(kind, node, config); }, row.kind)) {
    fail_value(row, where, describe(node));
  }
}

const KeyRow* find_row(std::string_view name) {
  static const std::map<std::string, const KeyRow*, std::less<>> rows = [] {
    std::map<std::string, const KeyRow*, std::less<>> by_name;
    for (const KeyRow& row : key_rows()) by_name.emplace(row.name(), &row);
    return by_name;
  }();
  const auto found = rows.find(name);
  return found == rows.end() ? nullptr : found->second;
}

std::vector<std::string> keys_of(std::string_view section) {
  std::vector<std::string> keys;
  for (const KeyRow& row : key_rows()) {
    if (row.section == section) keys.push_back(row.key);
  }
  return keys;
}

std::vector<std::string> sections() {
  std::vector<std::string> names;
  for (const KeyRow& row : key_rows()) {
    if (!row.section.empty() && (names.empty() || names.back() != row.section)) names.push_back(row.section);
  }
  return names;
}

bool is_section(std::string_view name) {
  const auto& rows = key_rows();
  return !name.empty() && std::any_of(rows.begin(), rows.end(), [&](const KeyRow& row) { return row.section == name; });
}

// "training.gama: unknown key; did you mean training.gamma? [training] has steps, ..."
[[noreturn]] void fail_unknown(const std::string& name, const std::string& where) {
  std::vector<std::string> known;
  for (const KeyRow& row : key_rows()) known.push_back(row.name());
  for (const std::string& section : sections()) known.push_back(section);
  const std::string nearest = nearest_match(name, known);
  const std::string hint = nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest);

  const std::string section = name.substr(0, std::min(name.find('.'), name.size()));
  const std::string all = is_section(section) ? fmt::format("[{}] has {}", section, fmt::join(keys_of(section), ", "))
                                              : fmt::format("there are {} and the sections {}",
                                                            fmt::join(keys_of(""), ", "), fmt::join(sections(), ", "));
  fail_usage(fmt::format("{}{}: unknown key{}{} {}", where, name, hint, hint.empty() ? ";" : "", all));
}

[[noreturn]] void fail_section(const std::string& name, const std::string& where, const std::string& found) {
  fail_usage(
      fmt::format("{}{}: is a section with the keys {}, got {}", where, name, fmt::join(keys_of(name), ", "), found));
}

// "file.toml:12: "
std::string place(const std::string& origin, const toml::source_region& source) {
  return fmt::format("{}:{}: ", origin, source.begin.line);
}

void read_section(const toml::table& table, const std::string& section, const std::string& origin, Config& config) {
  for (const auto& [key, node] : table) {
    const std::string name = fmt::format("{}{}{}", section, section.empty() ? "" : ".", key.str());
    const std::string where = place(origin, key.source());
    if (section.empty() && is_section(name)) {
      if (!node.is_table()) fail_section(name, where, describe(node));
      read_section(*node.as_table(), name, origin, config);
    } else if (const KeyRow* row = find_row(name)) {
      set_value(*row, node, where, config);
    } else {
      fail_unknown(name, where);
    }
  }
}

const EmbeddedConfig* find_embedded(const std::string& name) {
  for (const EmbeddedConfig& config : embedded_configs()) {
    if (config.name == name) return &config;
  }
  return nullptr;
}

// "; did you mean mujoco/eaudesac? There are ...", those whose names begin with `family`. Without those of one task,
// which are asked for by the same names.
std::string known_configs(const std::string& name, const std::string& family) {
  std::vector<std::string> names;
  for (const EmbeddedConfig& config : embedded_configs()) {
    if (!config.has_base() && config.name.starts_with(family)) names.push_back(config.name);
  }
  const std::string nearest = nearest_match(name, names);
  const std::string start = nearest.empty() ? "; there" : fmt::format("; did you mean {}? There", nearest);
  return fmt::format("{} are {}", start, fmt::join(names, ", "));
}

// The file's settings, after those of the built-in config that it names as its base.
void read_file_and_base(toml::table table, const std::string& origin, Config& config) {
  const auto base = table.find("base");
  if (base != table.end()) {
    const auto* name = base->second.as_string();
    const EmbeddedConfig* found = name == nullptr ? nullptr : find_embedded(name->get());
    if (found == nullptr) {
      fail_usage(fmt::format("{}base: wants the name of a built-in config, got {}{}",
                             place(origin, base->first.source()), describe(base->second),
                             known_configs(name == nullptr ? "" : name->get(), "")));
    }
    read_file_and_base(parse_toml(found->text, found->name), found->name, config);
    table.erase(base);
  }
  read_section(table, "", origin, config);
}

// The value as TOML; nothing when it is none (a bare word) or more than one value.
std::optional<toml::table> parse_bare_value(const std::string& text) {
  try {
    toml::table table = parse_toml("value = " + text, "");
    if (table.size() == 1) return table;
  } catch (const Error&) {
  }
  return std::nullopt;
}

bool toml_can_hold(const std::string& value) {
  std::ostringstream text;
  text << toml::table{{"value", value}};
  try {
    return parse_toml(text.str(), "")["value"].value<std::string>() == value;
  } catch (const Error&) {
    return false;
  }
}

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

void apply_override(const std::string& text, Config& config) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || trimmed(text.substr(0, equals)).empty()) {
    fail_usage(fmt::format("\"{}\": wants key=value, such as training.gamma=0.9", text));
  }
  const std::string name = trimmed(text.substr(0, equals));
  const std::string value = trimmed(text.substr(equals + 1));
  if (is_section(name)) fail_section(name, "", value);
  const KeyRow* row = find_row(name);
  if (row == nullptr) fail_unknown(name, "");

  const auto parsed = parse_bare_value(value);
  const toml::node* node = parsed ? parsed->get("value") : nullptr;
  const bool wants_string = std::holds_alternative<StringKey>(row->kind);
  if (wants_string && (node == nullptr || !node->is_string())) {
    if (!toml_can_hold(value))
      fail_usage(fmt::format("{}: is not UTF-8 text, as a config must be: \"{}\"", name, value));
    set_value(*row, toml::value<std::string>(value), "", config);
  } else if (node == nullptr) {
    fail_value(*row, "", fmt::format("\"{}\"", value));
  } else {
    set_value(*row, *node, "", config);
  }
}

}  // namespace

Config parse_config(const std::string& text, const std::string& origin, const std::vector<std::string>& overrides) {
  Config config;
  read_file_and_base(parse_toml(text, origin), origin, config);
  for (const std::string& change : overrides) apply_override(change, config);
  check_config(config, origin);
  return config;
}

Config load_config(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  const std::vector<std::byte> content = read_file(file);
  return parse_config(std::string(reinterpret_cast<const char*>(content.data()), content.size()), file.string(),
                      overrides);
}

std::string to_toml(const Config& config) {
  std::string text;
  std::string section;
  for (const KeyRow& row : key_rows()) {
    if (row.section != section) {
      section = row.section;
      text += fmt::format("\n[{}]\n", section);
    }
    text += fmt::format("{} = {}\n", row.key, value_as_toml(row, config));
  }
  return text;
}

std::string builtin_config(const std::string& environment, const std::string& algorithm) {
  if (const EmbeddedConfig* of_task = find_embedded(environment + "_" + algorithm)) return of_task->text;
  const std::string name = fmt::format("{}/{}", environment.substr(0, environment.find('/')), algorithm);
  if (const EmbeddedConfig* of_family = find_embedded(name)) return of_family->text;
  const std::string family = name.substr(0, name.find('/') + 1);
  fail_usage(
      fmt::format("{} with {}: no config {} is built in{}", environment, algorithm, name, known_configs(name, family)));
}

std::vector<ConfigKey> config_keys() {
  std::vector<ConfigKey> keys;
  for (const KeyRow& row : key_rows()) {
    const bool boolean = std::holds_alternative<BooleanKey>(row.kind);
    std::string type = boolean ? "boolean" : kind_name(row);
    type.erase(0, boolean ? 0 : type.find(' ') + 1);  // without its article
    keys.push_back({row.name(), type, allowed_range(row), value_as_toml(row, Config()), row.help});
  }
  return keys;
}

}  // namespace eaudeqn
