// The MuJoCo tasks Ant, HalfCheetah, Hopper, Humanoid, Swimmer and Walker2d exactly as Gymnasium 1.4.0 defines their
// -v5 versions, on libmujoco and Gymnasium's own models. Start states have Gymnasium's distributions but come from this
// program's own random streams. Optional at build: without libmujoco the same functions say what is missing
// (mujoco_absent.cc). Nothing is rendered.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "environments/environment.h"

namespace eaudeqn {

// "mujoco/Ant-v5", ...: every task that this file knows, whether this build can run it or not; sorted.
std::vector<std::string> mujoco_environments();

// Those of them that this build can run and whose model is there; sorted.
std::vector<std::string> playable_mujoco_environments();

// `name` is one of mujoco_environments(), `horizon` >= 0 steps (0: the task's own 1,000). Throws Error::failure without
// libmujoco, or without the model or with one that is not Gymnasium's.
std::unique_ptr<Environment> make_mujoco(const std::string& name, std::uint64_t seed, std::int64_t horizon);

}  // namespace eaudeqn
