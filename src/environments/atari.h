// Atari 2600 games in the Arcade Learning Environment, by the protocol of Dopamine and its descendants: the full game,
// the minimal action set, sticky actions with probability 0.25 per emulated frame, each action for 4 frames, the
// pixelwise maximum of the last two screens in gray, area-averaged to 84x84. Losing a life ends nothing. Optional at
// build: without ALE the same functions say what is missing (atari_absent.cc).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "environments/environment.h"

namespace eaudeqn {

// "atari/Adventure", ...: every game that ALE knows, its ROM at hand or not; sorted.
const std::vector<std::string>& atari_games();

// Those of them whose ROM is there, is the one ALE supports, and that this build can run; sorted.
std::vector<std::string> playable_atari_games();

// `name` is one of atari_games(), `seed` ALE's random_seed (Error::usage beyond 2^31-1), `horizon` >= 0 steps (0:
// 27,000, which is half an hour of play). Throws Error::failure without ALE or without the ROM.
std::unique_ptr<Environment> make_atari(const std::string& name, std::uint64_t seed, std::int64_t horizon);

}  // namespace eaudeqn
