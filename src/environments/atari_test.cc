// The Atari protocol, against ALE driven by hand. The comparison with the Python packages is in tests/conformance.
#include "environments/atari.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ale/ale_interface.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/test_directory.h"
#include "eaudeqn/error.h"
#include "environments/area_resize.h"
#include "environments/atari_roms.h"

namespace eaudeqn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Pixels = std::vector<std::uint8_t>;

Pixels pixels(const Environment& environment) {
  Pixels result;
  for (const std::byte value : environment.frame()) result.push_back(std::to_integer<std::uint8_t>(value));
  return result;
}

// ALE as the protocol sets it up.
std::unique_ptr<ale::ALEInterface> emulator(const std::string& game, int seed) {
  ale::Logger::setMode(ale::Logger::Error);
  auto ale = std::make_unique<ale::ALEInterface>();
  ale->setInt("random_seed", seed);
  ale->setFloat("repeat_action_probability", 0.25F);
  ale->loadROM(find_rom(game));
  ale->reset_game();
  return ale;
}

Pixels gray(const ale::ALEInterface& ale) {
  Pixels screen;
  ale.getScreenGrayscale(screen);
  return screen;
}

Pixels shrunk(const Pixels& screen) {
  Pixels out(84 * 84);
  AreaResize(screen.size() / 160, 160, 84, 84).run(screen, out);
  return out;
}

std::string failure(const std::string& game) {
  try {
    make_atari(game, 0, 0);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::failure);
    return error.what();
  }
  return "no error";
}

TEST(Atari, DescribesItself) {
  const auto spec = make_atari("atari/Pong", 0, 0)->spec();
  EXPECT_EQ(spec.name, "atari/Pong");
  EXPECT_EQ(spec.frame_type, ElementType::uint8);
  EXPECT_THAT(spec.frame_shape, ElementsAre(84, 84));
  EXPECT_EQ(spec.stack, 4U);
  EXPECT_TRUE(spec.clip_rewards);
  EXPECT_EQ(spec.default_horizon, 27'000);
}

TEST(Atari, OffersTheMinimalActionSetInAlesOrder) {
  EXPECT_THAT(make_atari("atari/Pong", 0, 0)->spec().action_names,
              ElementsAre("NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE"));
  EXPECT_THAT(make_atari("atari/Breakout", 0, 0)->spec().action_names, ElementsAre("NOOP", "FIRE", "RIGHT", "LEFT"));
  EXPECT_EQ(make_atari("atari/Boxing", 0, 0)->spec().actions(), 18U);
}

TEST(Atari, FirstFrameIsTheScreenAfterTheReset) {
  const auto environment = make_atari("atari/MsPacman", 3, 0);
  environment->reset();
  EXPECT_EQ(pixels(*environment), shrunk(gray(*emulator("atari/MsPacman", 3))));
}

TEST(Atari, StepIsFourFramesTheirRewardsAndTheMaximumOfTheLastTwoScreens) {
  const auto environment = make_atari("atari/SpaceInvaders", 3, 0);
  const auto ale = emulator("atari/SpaceInvaders", 3);
  const auto actions = ale->getMinimalActionSet();
  environment->reset();
  double points = 0;
  bool maximum_matters = false;
  for (std::size_t step = 0; step < 150; ++step) {
    const std::size_t action = step % actions.size();
    double reward = ale->act(actions[action]) + ale->act(actions[action]);
    reward += ale->act(actions[action]);
    Pixels screen = gray(*ale);
    reward += ale->act(actions[action]);
    const Pixels last = gray(*ale);
    maximum_matters = maximum_matters || screen != last;
    std::transform(last.begin(), last.end(), screen.begin(), screen.begin(),
                   [](std::uint8_t a, std::uint8_t b) { return std::max(a, b); });
    ASSERT_EQ(environment->step(static_cast<int>(action)).reward, reward) << "step " << step;
    ASSERT_EQ(pixels(*environment), shrunk(screen)) << "step " << step;
    points += reward;
  }
  EXPECT_GT(points, 1) << "rewards are not clipped";
  EXPECT_TRUE(maximum_matters);
}

// Plays Breakout with nothing but FIRE to its end, which comes in frame `last_frame` (1 to 4) of a step for this seed,
// and expects the step's frame from the screens that were fetched.
void expect_end_in_frame(int last_frame, int seed) {
  const auto environment = make_atari("atari/Breakout", static_cast<std::uint64_t>(seed), 0);
  const auto ale = emulator("atari/Breakout", seed);
  environment->reset();
  std::array<Pixels, 2> screens = {gray(*ale), Pixels(210 * 160, 0)};
  StepResult result;
  int frame = 0;
  while (!result.terminal) {
    result = environment->step(1);
    for (frame = 1; frame <= 4; ++frame) {
      ale->act(ale::PLAYER_A_FIRE);
      if (frame == 3) screens[0] = gray(*ale);
      if (frame == 4) screens[1] = gray(*ale);
      if (ale->game_over(false)) break;
    }
    for (std::size_t i = 0; i < screens[0].size(); ++i) screens[0][i] = std::max(screens[0][i], screens[1][i]);
    ASSERT_EQ(pixels(*environment), shrunk(screens[0]));
    ASSERT_EQ(result.terminal, ale->game_over(false));
    ASSERT_FALSE(result.truncated);
  }
  EXPECT_EQ(frame, last_frame) << "choose a seed whose game ends there";
}

TEST(Atari, KeepsTheScreensOfTheStepBeforeWhenTheGameEndsInTheFirstTwoFrames) {
  expect_end_in_frame(1, 0);
  expect_end_in_frame(2, 5);
}

TEST(Atari, FetchesTheScreenOfTheThirdFrameWhenTheGameEndsThere) { expect_end_in_frame(3, 11); }

TEST(Atari, PictureIsTheLighterOfTheLastTwoColouredScreens) {
  const auto environment = make_atari("atari/Pong", 7, 0);
  const auto ale = emulator("atari/Pong", 7);
  environment->reset();
  Pixels now, former;
  ale->getScreenRGB(now);
  EXPECT_EQ(environment->picture().rgb, now);
  const auto action = ale->getMinimalActionSet()[2];
  for (int step = 0; step < 60; ++step) {
    environment->step(2);
    for (int frame = 0; frame < 4; ++frame) {
      ale->act(action);
      former = now;
      ale->getScreenRGB(now);
    }
  }
  const Picture picture = environment->picture();
  ASSERT_EQ(picture.width * picture.height * 3, now.size());
  std::size_t from_former = 0;
  for (std::size_t i = 0; i < now.size(); i += 3) {
    const auto is = [&](const Pixels& screen) { return std::equal(&screen[i], &screen[i] + 3, &picture.rgb[i]); };
    ASSERT_TRUE(is(now) || is(former)) << "pixel " << i / 3;
    if (!is(now)) ++from_former;
  }
  EXPECT_GT(from_former, 0U) << "something moved";
  EXPECT_LT(from_former, 200U);
}

TEST(Atari, LookingChangesNothing) {
  const auto watched = make_atari("atari/Breakout", 3, 0), alone = make_atari("atari/Breakout", 3, 0);
  watched->reset();
  alone->reset();
  for (int step = 0; step < 50; ++step) {
    watched->picture();
    EXPECT_EQ(watched->step(step % 4).reward, alone->step(step % 4).reward);
    ASSERT_EQ(pixels(*watched), pixels(*alone));
  }
  EXPECT_EQ(watched->save(), alone->save());
}

TEST(Atari, LosingALifeDoesNotEndTheEpisode) {
  const auto environment = make_atari("atari/Breakout", 0, 0);
  const auto ale = emulator("atari/Breakout", 0);
  const int lives = ale->lives();
  environment->reset();
  StepResult result;
  while (ale->lives() == lives) {
    for (int frame = 0; frame < 4; ++frame) ale->act(ale::PLAYER_A_FIRE);
    result = environment->step(1);
  }
  EXPECT_FALSE(result.terminal);
  EXPECT_NO_THROW(environment->step(1));
}

TEST(Atari, SeedDecidesWhichActionsStick) {
  const auto play = [](std::uint64_t seed) {
    const auto environment = make_atari("atari/Pong", seed, 0);
    environment->reset();
    for (int step = 0; step < 60; ++step) environment->step(2 + step / 3 % 2);
    return pixels(*environment);
  };
  EXPECT_EQ(play(1), play(1));
  EXPECT_NE(play(1), play(2));
}

TEST(Atari, IsTruncatedAndNotTerminalAtTheHorizon) {
  const auto environment = make_atari("atari/Pong", 0, 5);
  environment->reset();
  for (int step = 1; step <= 5; ++step) {
    const StepResult result = environment->step(0);
    EXPECT_EQ(result.truncated, step == 5);
    EXPECT_FALSE(result.terminal);
  }
  EXPECT_THROW(environment->step(0), Error) << "the episode is over";
  environment->reset();
  EXPECT_FALSE(environment->step(0).truncated) << "the count starts again";
}

TEST(Atari, TakesScreensOf250Rows) {
  const auto environment = make_atari("atari/AirRaid", 0, 0);
  const auto ale = emulator("atari/AirRaid", 0);
  environment->reset();
  EXPECT_EQ(gray(*ale).size(), 250U * 160U);
  EXPECT_EQ(pixels(*environment), shrunk(gray(*ale)));
}

TEST(Atari, RefusesSeedsActionsAndStatesItCannotTake) {
  EXPECT_THROW(make_atari("atari/Pong", std::uint64_t{1} << 31, 0), Error);
  const auto environment = make_atari("atari/Pong", (std::uint64_t{1} << 31) - 1, 0);
  EXPECT_THROW(environment->step(0), Error) << "before a reset";
  environment->reset();
  EXPECT_THROW(environment->step(6), Error);
  EXPECT_THROW(environment->step(-1), Error);
  EXPECT_THROW(environment->set_initial_state(std::vector<double>{0.0}), Error);
}

TEST(Atari, ListsEveryGameThatAleSupports) {
  EXPECT_EQ(playable_atari_games(), atari_games());
  std::size_t supported = 0;
  for (const auto& file : std::filesystem::directory_iterator(find_rom("atari/Pong").parent_path())) {
    const std::unique_ptr<ale::RomSettings> settings(ale::buildRomRLWrapper(file.path(), ""));
    if (settings != nullptr) ++supported;
  }
  EXPECT_EQ(supported, atari_games().size()) << "ALE has a game that atari_roms.cc does not know";
}

TEST(AtariRom, ThatIsDamagedIsReportedAndNotListed) {
  const TestDirectory directory;
  std::ofstream(directory / "pong.bin") << "not a ROM";
  setenv("EAUDEQN_ROMS", directory.path().c_str(), 1);
  EXPECT_THAT(failure("atari/Pong"), HasSubstr((directory / "pong.bin").string()));
  EXPECT_THAT(playable_atari_games(), testing::Not(testing::Contains("atari/Pong")));
  unsetenv("EAUDEQN_ROMS");
}

}  // namespace
}  // namespace eaudeqn
