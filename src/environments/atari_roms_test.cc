// Game names, ROM file names and where ROMs are looked for.
#include "environments/atari_roms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "core/test_directory.h"
#include "eaudeqn/error.h"
#include "environments/atari.h"

namespace eaudeqn {
namespace {

// Sets EAUDEQN_ROMS to a fresh directory while it lives.
class RomDirectory {
 public:
  RomDirectory() { setenv("EAUDEQN_ROMS", path().c_str(), 1); }
  ~RomDirectory() { unsetenv("EAUDEQN_ROMS"); }
  const std::filesystem::path& path() const { return directory_.path(); }

 private:
  TestDirectory directory_;
};

TEST(AtariGames, AreAllThatAleKnowsSortedAndOnce) {
  const auto& games = atari_games();
  EXPECT_EQ(games.size(), 104U);
  EXPECT_TRUE(std::is_sorted(games.begin(), games.end()));
  EXPECT_EQ(std::adjacent_find(games.begin(), games.end()), games.end());
}

TEST(AtariGames, HaveGymnasiumsNames) {
  EXPECT_EQ(rom_file_name("atari/Pong"), "pong.bin");
  EXPECT_EQ(rom_file_name("atari/MsPacman"), "ms_pacman.bin");
  EXPECT_EQ(rom_file_name("atari/SpaceInvaders"), "space_invaders.bin");
  EXPECT_EQ(rom_file_name("atari/Jamesbond"), "jamesbond.bin");
  EXPECT_EQ(rom_file_name("atari/UpNDown"), "up_n_down.bin");
  EXPECT_EQ(rom_file_name("atari/Pitfall2"), "pitfall2.bin");
  EXPECT_EQ(rom_file_name("atari/TicTacToe3D"), "tic_tac_toe_3d.bin");
  EXPECT_THROW(rom_file_name("atari/pong"), Error);
}

TEST(RomDirectories, BeginWithTheVariableThenTheProgramsOwn) {
  const RomDirectory roms;
  const auto directories = rom_directories();
  ASSERT_EQ(directories.size(), 3U);
  EXPECT_EQ(directories[0], roms.path());
  EXPECT_THAT(directories[1].string(), testing::EndsWith("share/eaudeqn/roms"));
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  EXPECT_EQ(directories[1], program.parent_path().parent_path() / "share/eaudeqn/roms");
}

TEST(RomDirectories, LeaveOutAnEmptyVariable) {
  setenv("EAUDEQN_ROMS", "", 1);
  EXPECT_EQ(rom_directories().size(), 2U);
  unsetenv("EAUDEQN_ROMS");
}

TEST(FindRom, TakesTheFirstDirectoryThatHasTheFile) {
  const RomDirectory roms;
  const auto later = roms.path() / "later";
  const auto first = roms.path() / "first";
  std::filesystem::create_directories(later);
  std::filesystem::create_directories(first / "pong.bin");  // a directory is not a ROM
  std::ofstream(later / "pong.bin") << "anything";
  EXPECT_EQ(find_rom("atari/Pong", {first, later}), later / "pong.bin");
  std::ofstream(roms.path() / "pong.bin") << "anything";
  EXPECT_EQ(find_rom("atari/Pong", {first, roms.path(), later}), roms.path() / "pong.bin");
  EXPECT_EQ(find_rom("atari/Pong"), roms.path() / "pong.bin") << "by the variable";
}

TEST(FindRom, NamesTheFileAndEveryPlaceWhereItLooked) {
  try {
    find_rom("atari/Pong", {"/nowhere/one", "/nowhere/two"});
    FAIL() << "found";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::failure);
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("pong.bin"), testing::HasSubstr("/nowhere/one"),
                                             testing::HasSubstr("/nowhere/two"), testing::HasSubstr("EAUDEQN_ROMS")));
  }
}

}  // namespace
}  // namespace eaudeqn
