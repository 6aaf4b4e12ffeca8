// A saved Atari environment continues to the same bits in a fresh one: frames, rewards and ends, through episode ends
// and resets, in games whose hidden state ALE's own serialization leaves out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ale/ale_interface.hpp>

#include "core/test_directory.h"
#include "eaudeqn/error.h"
#include "environments/atari.h"
#include "environments/atari_roms.h"
#include "environments/state_bytes.h"

namespace eaudeqn {
namespace {

using Bytes = std::vector<std::byte>;

struct Moment {
  Bytes frame;
  double reward;
  bool terminal;
  bool truncated;
  bool operator==(const Moment&) const = default;
};

// Scripted actions that look random and are the same everywhere; resets after every end.
std::vector<Moment> play(Environment& environment, std::uint32_t first_step, std::uint32_t steps) {
  std::vector<Moment> moments;
  for (std::uint32_t step = first_step; step < first_step + steps; ++step) {
    const std::uint32_t mixed = (step * 2654435761U) >> 16U;
    const StepResult result = environment.step(static_cast<int>(mixed % environment.spec().actions()));
    if (result.terminal || result.truncated) environment.reset();
    const auto frame = environment.frame();
    moments.push_back({Bytes(frame.begin(), frame.end()), result.reward, result.terminal, result.truncated});
  }
  return moments;
}

std::size_t terminals(const std::vector<Moment>& moments) {
  std::size_t count = 0;
  for (const Moment& moment : moments) count += moment.terminal ? 1 : 0;
  return count;
}

// Saves after `before` steps and compares `after` more steps with those of a fresh environment of another seed.
std::vector<Moment> expect_same_future(const std::string& game, std::uint32_t before, std::uint32_t after,
                                       std::int64_t horizon = 0) {
  const auto original = make_atari(game, 11, horizon);
  original->reset();
  play(*original, 0, before);
  const Bytes saved = original->save();
  const auto expected = play(*original, before, after);

  const auto restored = make_atari(game, 12, 0);
  restored->load(saved);
  EXPECT_EQ(restored->save(), saved) << game;
  const auto found = play(*restored, before, after);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TRUE(found[i] == expected[i]) << game << ": step " << i << " after loading";
    if (found[i] != expected[i]) break;
  }
  return expected;
}

TEST(AtariSave, ContinuesToTheSameBits) {
  expect_same_future("atari/Pong", 150, 200);
  expect_same_future("atari/MsPacman", 150, 200);
}

TEST(AtariSave, ContinuesToTheSameBitsInAPaddleGame) {
  // The paddle's position and the direction that a sticky frame repeats are both state.
  expect_same_future("atari/Breakout", 97, 200);
}

TEST(AtariSave, ContinuesToTheSameBitsThroughEndsAndResets) {
  EXPECT_GE(terminals(expect_same_future("atari/Breakout", 10, 500)), 1U) << "no episode ended: the test is void";
}

TEST(AtariSave, ContinuesToTheSameBitsFromALaterEpisode) {
  EXPECT_GE(terminals(expect_same_future("atari/Breakout", 700, 400)), 1U);
}

TEST(AtariSave, KeepsTheHorizonAndItsCount) {
  const auto future = expect_same_future("atari/Pong", 30, 100, 40);
  EXPECT_TRUE(future[9].truncated);
  EXPECT_TRUE(future[49].truncated);
}

TEST(AtariSave, WorksBeforeTheFirstResetAndAfterAnEnd) {
  const auto original = make_atari("atari/Pong", 1, 3);
  const auto restored = make_atari("atari/Pong", 2, 0);
  restored->load(original->save());
  EXPECT_THROW(restored->step(0), Error) << "not reset yet, like the original";
  for (Environment* environment : {original.get(), restored.get()}) environment->reset();
  for (int step = 0; step < 3; ++step) {
    for (Environment* environment : {original.get(), restored.get()}) environment->step(2);
  }
  EXPECT_EQ(restored->save(), original->save());
  const auto again = make_atari("atari/Pong", 2, 0);
  again->load(original->save());
  EXPECT_THROW(again->step(0), Error) << "the episode is over, like the original's";
  for (Environment* environment : {original.get(), again.get()}) environment->reset();
  EXPECT_TRUE(play(*again, 0, 3) == play(*original, 0, 3));
}

TEST(AtariSave, CanBeLoadedOverAGameInProgress) {
  const auto environment = make_atari("atari/MsPacman", 5, 0);
  environment->reset();
  play(*environment, 0, 40);
  const Bytes saved = environment->save();
  const auto first = play(*environment, 40, 60);
  environment->load(saved);
  EXPECT_TRUE(play(*environment, 40, 60) == first);
}

TEST(AtariSave, RefusesOtherGamesAndDamage) {
  const auto pong = make_atari("atari/Pong", 1, 0);
  pong->reset();
  Bytes saved = pong->save();
  EXPECT_THROW(make_atari("atari/Breakout", 1, 0)->load(saved), Error);
  EXPECT_THROW(make_atari("atari/Pong", 1, 0)->load({}), Error);
  saved[saved.size() / 2] ^= std::byte{1};
  EXPECT_THROW(make_atari("atari/Pong", 1, 0)->load(saved), Error);
}

// With right checksums, as a forger would write them.
TEST(AtariSave, RefusesActionsThatTheGameDoesNotHaveAndWhatIsNoState) {
  const auto pong = make_atari("atari/Pong", 1, 0);
  const auto load = [&](const std::string& state, std::uint8_t action) {
    StateWriter writer("atari/Pong");
    writer.value<std::int64_t>(100);
    writer.value(true);
    writer.bytes(std::as_bytes(std::span(state)));
    writer.bytes(std::as_bytes(std::span(&action, 1)));
    writer.value<std::uint64_t>(0);
    pong->load(writer.finish());
  };
  for (const std::uint8_t action : {std::uint8_t{6}, std::uint8_t{255}}) {
    EXPECT_THAT(failure_message([&] { load("", action); }),
                testing::HasSubstr("an action that the game does not have"));
  }
  EXPECT_THAT(failure_message([&] { load("no state", 0); }), testing::HasSubstr("ALE cannot read"));
}

// Why a save is a replay: ALE's state leaves out the action that a sticky frame repeats, so a restored emulator takes
// another path. If this ever fails, ALE has learnt to save it and atari.cc may become simpler.
TEST(AleState, AloneDoesNotContinueToTheSameBits) {
  ale::Logger::setMode(ale::Logger::Error);
  ale::ALEInterface original;
  ale::ALEInterface restored;
  for (ale::ALEInterface* ale : {&original, &restored}) {
    ale->setInt("random_seed", 1);
    ale->setFloat("repeat_action_probability", 0.25F);
    ale->loadROM(find_rom("atari/Breakout"));
  }
  bool differs = false;
  for (int attempt = 0; attempt < 20 && !differs; ++attempt) {
    original.reset_game();
    restored.reset_game();  // would repeat NOOP
    for (int frame = 0; frame < 5; ++frame) original.act(ale::PLAYER_A_RIGHT);
    restored.restoreState(ale::ALEState(original.cloneState(true).serialize()));
    for (int frame = 0; frame < 2; ++frame) {
      original.act(ale::PLAYER_A_LEFT);
      restored.act(ale::PLAYER_A_LEFT);
    }
    differs = original.cloneState(true).serialize() != restored.cloneState(true).serialize();
  }
  EXPECT_TRUE(differs);
}

}  // namespace
}  // namespace eaudeqn
