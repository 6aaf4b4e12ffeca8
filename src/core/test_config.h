// What tests of configs share: reading one, and what is said of one that is refused.
#pragma once

#include <string>
#include <vector>

#include "core/test_directory.h"
#include "eaudeqn/config.h"

namespace eaudeqn {

inline Config parse(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return parse_config(text, "run.toml", overrides);
}

inline std::string message_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return usage_message([&] { parse(text, overrides); });
}

}  // namespace eaudeqn
