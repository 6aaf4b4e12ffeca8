// Which MuJoCo tasks there are, what their model files are called, and where those are looked for. Needs no libmujoco
// and reads no model.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace eaudeqn {

// In the order of data_directories.h: $EAUDEQN_MUJOCO_MODELS, share/eaudeqn/mujoco, the directory known at build.
std::vector<std::filesystem::path> model_directories();

// The model file of a task of mujoco_environments() in the first of the directories that has it ("mujoco/Walker2d-v5"
// has walker2d_v5.xml). Throws Error::failure naming them where none has.
std::filesystem::path find_model(const std::string& task,
                                 const std::vector<std::filesystem::path>& directories = model_directories());

}  // namespace eaudeqn
