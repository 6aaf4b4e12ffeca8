// A build without ALE lists no game and says how to get one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eaudeqn/error.h"
#include "environments/environment.h"

namespace eaudeqn {
namespace {

TEST(AtariWithoutAle, IsNotListed) {
  for (const auto& name : list_environments()) EXPECT_FALSE(name.starts_with("atari/")) << name;
}

TEST(AtariWithoutAle, SaysHowToGetIt) {
  try {
    make_environment("atari/Pong", 0);
    FAIL() << "made";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::failure);
    EXPECT_THAT(error.what(), testing::HasSubstr("scripts/bootstrap"));
  }
}

}  // namespace
}  // namespace eaudeqn
