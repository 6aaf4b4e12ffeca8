// What atari.h offers in a build without ALE: no games, and how to get them.
#include "eaudeqn/error.h"
#include "environments/atari.h"

namespace eaudeqn {

std::vector<std::string> playable_atari_games() { return {}; }

std::unique_ptr<Environment> make_atari(const std::string& name, std::uint64_t, std::int64_t) {
  throw Error::failure(name + " needs the Arcade Learning Environment, which this program was built without; " +
                       "run scripts/bootstrap.sh, which gets it, and build again");
}

}  // namespace eaudeqn
