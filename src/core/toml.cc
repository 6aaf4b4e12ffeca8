// See toml.h.
#include "core/toml.h"

#include <fmt/format.h>

#include "core/config_keys.h"

namespace eaudeqn {

toml::table parse_toml(const std::string& text, const std::string& origin) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    fail_usage(fmt::format("{}:{}:{}: not valid TOML: {}", origin, at.line, at.column, error.description()));
  }
}

}  // namespace eaudeqn
