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

// Finds of the fuzzers: wherever the parser looked for white space, letters like U+0154 ended in undefined behaviour.
TEST(Toml, LettersBeyondAsciiOutsideOfStringsAreRefused) {
  EXPECT_THAT(refusal("s.\xC5\x94"), testing::StartsWith("a.toml:1:3: not valid TOML: "));
  EXPECT_THAT(refusal("a = 1\nb =\xC5\x84 2"), testing::StartsWith("a.toml:2:"));
  EXPECT_THAT(refusal("a = \"\"\"b\"\"\"\"\"\xC5\x84"), testing::StartsWith("a.toml:1:"));
  EXPECT_THAT(refusal("seeds = [2e\\!'53\xC5\x94"), testing::StartsWith("a.toml:1:"));
  EXPECT_THAT(refusal("nt =9980-03-1p 0#\xEF\xB9\xBFvrVf'"), testing::StartsWith("a.toml:1:"));
  EXPECT_THAT(refusal("a = \"\"\"b\\\\\\\xEF\xBB\xBB\\tc\"\"\""), testing::StartsWith("a.toml:1:"));
}

TEST(Toml, AfterALineThatGoesOnAnyLetterMayCome) {
  const toml::table table = parse_toml("a = \"\"\"b\\ \n  \xC5\x94\"\"\"", "a.toml");
  EXPECT_EQ(table["a"].value<std::string>(), "b\xC5\x94");
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
