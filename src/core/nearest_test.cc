#include "core/nearest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eaudeqn {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::vector<std::string> kGames = {"atari/Breakout", "atari/Pong", "atari/SpaceInvaders", "classic/CartPole-v1"};

TEST(CloseNames, ForgivesTypingErrors) {
  EXPECT_THAT(close_names("atari/Breakuot", kGames), ElementsAre("atari/Breakout"));
  EXPECT_THAT(close_names("atari/Spaceinvader", kGames), ElementsAre("atari/SpaceInvaders"));
  EXPECT_THAT(close_names("atari/space_invaders", kGames), ElementsAre("atari/SpaceInvaders"));
}

TEST(CloseNames, ForgivesCaseAndAMissingOrWrongPrefix) {
  EXPECT_THAT(close_names("pong", kGames), ElementsAre("atari/Pong"));
  EXPECT_THAT(close_names("atary/pong", kGames), ElementsAre("atari/Pong"));
  EXPECT_THAT(close_names("CartPole", kGames), ElementsAre("classic/CartPole-v1"));
  EXPECT_THAT(close_names("classic/CartPole-v0", kGames), ElementsAre("classic/CartPole-v1"));
}

TEST(CloseNames, GivesTheBestFirstAndAtMostAsManyAsWanted) {
  const std::vector<std::string> candidates = {"epsilon_ends", "epsilon_end", "epsilon_and"};
  EXPECT_THAT(close_names("epsilon_end", candidates), ElementsAre("epsilon_end", "epsilon_ends", "epsilon_and"));
  EXPECT_THAT(close_names("epsilon_end", candidates, 1), ElementsAre("epsilon_end"));
}

TEST(CloseNames, IsEmptyWhenNothingIsClose) {
  EXPECT_THAT(close_names("atari/Xyzzy", kGames), IsEmpty());
  EXPECT_THAT(close_names("", kGames), IsEmpty());
  EXPECT_THAT(close_names("/", kGames), IsEmpty());
  EXPECT_EQ(nearest_match("atari/Xyzzy", kGames), "");
}

TEST(CloseNames, ANameOfAnySizeCostsNothing) {
  EXPECT_THAT(close_names(std::string(100'000'000, 'x'), kGames), IsEmpty());  // minutes, if distances were computed
}

TEST(NearestMatch, IsTheFirstCloseName) { EXPECT_EQ(nearest_match("breakout", kGames), "atari/Breakout"); }

}  // namespace
}  // namespace eaudeqn
