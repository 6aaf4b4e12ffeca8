// Which games there are, what their ROM files are called, and where those are looked for. Needs no ALE and reads no
// ROM.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace eaudeqn {

// The ROM's file name for a game of atari_games(): "atari/MsPacman" -> "ms_pacman.bin".
std::string rom_file_name(const std::string& game);

// In this order: $EAUDEQN_ROMS, share/eaudeqn/roms beside the program's directory, the directory known at build.
std::vector<std::filesystem::path> rom_directories();

// The game's ROM file in the first of the directories that has it. Throws Error::failure naming them where none has.
std::filesystem::path find_rom(const std::string& game,
                               const std::vector<std::filesystem::path>& directories = rom_directories());

}  // namespace eaudeqn
