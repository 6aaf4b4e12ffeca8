// See toml.h. The parser (toml++ 3.3) has undefined behaviour on letters such as U+0144 where it looks for white space;
// TOML allows none but ASCII outside of strings and comments, so text that has any there is refused before.
#include "core/toml.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "core/config_keys.h"

namespace eaudeqn {
namespace {

// Where the string ends that begins at `at`, one past its last quote; the end of the text or of the line if it does
// not.
std::size_t string_end(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string_view three = quote == '"' ? R"(""")" : "'''";
  const bool lines = text.substr(at).starts_with(three);
  for (at += lines ? 3 : 1; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (!lines && (text[at] == quote || text[at] == '\n')) {
      return at + 1;
    } else if (lines && text.substr(at).starts_with(three)) {
      // One or two quotes may stand right before the three that end it.
      std::size_t end = at + 3;
      for (int more = 0; more < 2 && end < text.size() && text[end] == quote; ++more) ++end;
      return end;
    }
  }
  return text.size();
}

// Whether a string may begin at `at`: a key at the start of a line, or behind one of = , [ { and a key's dot. A quote
// anywhere else is a mistake, and what follows it no string.
bool string_may_begin(std::string_view text, std::size_t at) {
  const std::size_t last = text.substr(0, at).find_last_not_of(" \t");
  return last == std::string_view::npos || std::string_view("=,[{.\n\r\xBF").find(text[last]) != std::string_view::npos;
}

// The first byte that is not ASCII outside of strings and comments, or the text's size. Behind a mistake it may be
// wrong about what is a string; the parser stops there.
std::size_t first_foreign(std::string_view text) {
  std::size_t at = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) {
    if ((text[at] == '"' || text[at] == '\'') && string_may_begin(text, at)) {
      at = string_end(text, at);
    } else if (text[at] == '#') {
      at = std::min(text.find('\n', at), text.size());
    } else {
      ++at;
    }
  }
  return std::min(at, text.size());
}

constexpr const char* kPlace = "{}:{}:{}: not valid TOML: {}";

}  // namespace

toml::table parse_toml(const std::string& text, const std::string& origin) {
  const std::string_view before = std::string_view(text).substr(0, first_foreign(text));
  if (before.size() < text.size()) {
    const auto line = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
    const std::size_t start = before.find_last_of('\n') + 1;  // of the line: npos + 1 is 0
    fail_usage(fmt::format(kPlace, origin, line, before.size() - start + 1,
                           "a character that is not ASCII, outside of strings and comments"));
  }
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    fail_usage(fmt::format(kPlace, origin, at.line, at.column, error.description()));
  }
}

}  // namespace eaudeqn
