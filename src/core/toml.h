// TOML text to tables, for every reader of it: the parser, kept from what it does wrong. What the tables mean is the
// callers' to say.
#pragma once

// The parser asserts on some damaged texts before it reports them; the report is what is wanted.
#define TOML_ASSERT(condition) static_cast<void>(0)
#include <toml++/toml.h>

#include <string>

namespace eaudeqn {

// Throws Error (usage) that names `origin`, line and column for what is not TOML.
toml::table parse_toml(const std::string& text, const std::string& origin);

}  // namespace eaudeqn
