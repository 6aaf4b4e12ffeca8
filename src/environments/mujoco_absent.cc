// What mujoco.h offers in a build without libmujoco: no task, and how to get them.
#include "eaudeqn/error.h"
#include "environments/mujoco.h"

namespace eaudeqn {

std::vector<std::string> playable_mujoco_environments() { return {}; }

std::unique_ptr<Environment> make_mujoco(const std::string& name, std::uint64_t, std::int64_t) {
  throw Error::failure(name + " needs MuJoCo, which this program was built without; " +
                       "run scripts/bootstrap.sh, which gets it, and build again");
}

}  // namespace eaudeqn
