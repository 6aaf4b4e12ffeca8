// What the reader of TOML accepts and how it refuses the rest. The keys of configs and sweeps are tested with those.
#include "core/toml.h"

#include <gmock/gmock.h>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

std::string refusal(const std::string& text) {
  try {
    parse_toml(text, "a.toml");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

// The sweep fuzzer's find: the parser's search for white space ended in undefined behaviour on U+0154.
TEST(Toml, LettersBeyondAsciiOutsideOfStringsAreRefusedByPlace) {
  EXPECT_EQ(refusal("s.\xC5\x94"),
            "a.toml:1:3: not valid TOML: a character that is not ASCII, outside of strings and comments");
  EXPECT_EQ(refusal("a = 1\nb =\xC5\x84 2"),
            "a.toml:2:4: not valid TOML: a character that is not ASCII, outside of strings and comments");
  EXPECT_THAT(refusal("a = \"\\\"\" \xC2\xA0"), testing::StartsWith("a.toml:1:10: "));
  EXPECT_THAT(refusal("a = \"\"\"b\"\"\"\"\"\xC5\x84"), testing::StartsWith("a.toml:1:14: "));
}

// Another of its finds: behind a mistake the parser reads on for its message, through what is no string.
TEST(Toml, LettersBehindAQuoteThatBeginsNoStringAreRefused) {
  EXPECT_THAT(refusal("seeds = [2e\\!'53\xC5\x94"), testing::StartsWith("a.toml:1:17: "));
}

TEST(Toml, StringsAndCommentsHoldAnyLetters) {
  const toml::table table = parse_toml(
      "\xEF\xBB\xBF# \xC5\x94 \"\na = \"\xC5\x94\\\"\xC5\x94\" # \xC5\x94\nb = '\xC5\x94\"' # '\nc = "
      "\"\"\"\n\xC5\x94\"\"\xC5\x94\"\"\"\"\"\n"
      "d = '''\xC5\x94''\xC5\x94'''\n\"\xC5\x94\" = 1",
      "a.toml");
  EXPECT_EQ(table["a"].value<std::string>(), "\xC5\x94\"\xC5\x94");
  EXPECT_EQ(table["b"].value<std::string>(), "\xC5\x94\"");
  EXPECT_EQ(table["c"].value<std::string>(), "\xC5\x94\"\"\xC5\x94\"\"");
  EXPECT_EQ(table["d"].value<std::string>(), "\xC5\x94''\xC5\x94");
  EXPECT_EQ(table["\xC5\x94"].value<int>(), 1);
}

TEST(Toml, WhatEndsInTheMiddleIsRefused) {
  for (const char* text : {"a = \"", "a = '", "a = \"\"\"", "a = '''\xC5\x94", "a = \"\\", "a = \"\xC5\n\xC5\"",
                           "a =", "[", "a = \"\xFF\""}) {
    EXPECT_THAT(refusal(text), testing::StartsWith("a.toml:")) << text;
  }
}

}  // namespace
}  // namespace eaudeqn
