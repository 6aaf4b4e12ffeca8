// Classic control, built in: CartPole-v1, Acrobot-v1 and MountainCar-v0 as Gymnasium 1.4.0 defines them. The start
// states have Gymnasium's distributions but come from this program's own random streams, not from Gymnasium's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "environments/environment.h"

namespace eaudeqn {

// "classic/Acrobot-v1", ... sorted.
std::vector<std::string> classic_environments();

// `name` is one of classic_environments(), `horizon` >= 0 (0: the task's own).
std::unique_ptr<Environment> make_classic(const std::string& name, std::uint64_t seed, std::int64_t horizon);

}  // namespace eaudeqn
