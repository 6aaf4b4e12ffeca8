// The implementation of atari_roms.h.
#include "environments/atari_roms.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <sstream>

#include "eaudeqn/error.h"
#include "environments/atari.h"
#include "environments/data_directories.h"

namespace eaudeqn {
namespace {

constexpr const char* kRomsVariable = "EAUDEQN_ROMS";

// ALE has no way to enumerate its games; atari_test.cc holds this list against ALE. Combat, Joust, Maze Craze and
// Warlords have ROMs but no single-player game.
constexpr const char* all_rom_names =
    "adventure air_raid alien amidar assault asterix asteroids atlantis atlantis2 backgammon bank_heist basic_math "
    "battle_zone beam_rider berzerk blackjack bowling boxing breakout carnival casino centipede chopper_command "
    "crazy_climber crossbow darkchambers defender demon_attack donkey_kong double_dunk earthworld elevator_action "
    "enduro entombed et fishing_derby flag_capture freeway frogger frostbite galaxian gopher gravitar hangman "
    "haunted_house hero human_cannonball ice_hockey jamesbond journey_escape kaboom kangaroo keystone_kapers "
    "king_kong klax koolaid krull kung_fu_master laser_gates lost_luggage mario_bros miniature_golf montezuma_revenge "
    "mr_do ms_pacman name_this_game othello pacman phoenix pitfall pitfall2 pong pooyan private_eye qbert riverraid "
    "road_runner robotank seaquest sir_lancelot skiing solaris space_invaders space_war star_gunner superman surround "
    "tennis tetris tic_tac_toe_3d time_pilot trondead turmoil tutankham up_n_down venture video_checkers video_chess "
    "video_cube video_pinball wizard_of_wor word_zapper yars_revenge zaxxon";

const std::vector<std::string>& rom_names() {
  static const std::vector<std::string> names = [] {
    std::istringstream words(all_rom_names);
    return std::vector<std::string>(std::istream_iterator<std::string>(words), {});
  }();
  return names;
}

// Gymnasium's rule: a letter is upper case where no letter stands before it, underscores go.
std::string game_name(const std::string& rom_name) {
  std::string name = "atari/";
  bool in_word = false;
  for (const char c : rom_name) {
    const bool letter = std::isalpha(static_cast<unsigned char>(c)) != 0;
    if (c != '_') name += letter && !in_word ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    in_word = letter;
  }
  return name;
}

}  // namespace

const std::vector<std::string>& atari_games() {
  static const std::vector<std::string> games = [] {
    std::vector<std::string> names;
    names.reserve(rom_names().size());
    for (const std::string& rom_name : rom_names()) names.push_back(game_name(rom_name));
    std::sort(names.begin(), names.end());
    return names;
  }();
  return games;
}

std::string rom_file_name(const std::string& game) {
  for (const std::string& rom_name : rom_names()) {
    if (game_name(rom_name) == game) return rom_name + ".bin";
  }
  throw Error::usage("there is no Atari game called " + game);
}

std::vector<std::filesystem::path> rom_directories() {
  return data_directories(kRomsVariable, "roms", EAUDEQN_ROM_DIRECTORY);
}

std::filesystem::path find_rom(const std::string& game, const std::vector<std::filesystem::path>& directories) {
  return find_data_file(rom_file_name(game), directories, game, "ROM file", kRomsVariable);
}

}  // namespace eaudeqn
