// The implementation of mujoco_models.h, and of mujoco_environments from mujoco.h.
#include "environments/mujoco_models.h"

#include <map>

#include "eaudeqn/error.h"
#include "environments/data_directories.h"
#include "environments/mujoco.h"

namespace eaudeqn {
namespace {

constexpr const char* kModelsVariable = "EAUDEQN_MUJOCO_MODELS";

const std::map<std::string, std::string>& model_file_names() {
  static const std::map<std::string, std::string> names = {
      {"mujoco/Ant-v5", "ant.xml"},         {"mujoco/HalfCheetah-v5", "half_cheetah.xml"},
      {"mujoco/Hopper-v5", "hopper.xml"},   {"mujoco/Humanoid-v5", "humanoid.xml"},
      {"mujoco/Swimmer-v5", "swimmer.xml"}, {"mujoco/Walker2d-v5", "walker2d_v5.xml"},
  };
  return names;
}

}  // namespace

std::vector<std::string> mujoco_environments() {
  std::vector<std::string> tasks;
  for (const auto& [task, file] : model_file_names()) tasks.push_back(task);
  return tasks;
}

std::vector<std::filesystem::path> model_directories() {
  return data_directories(kModelsVariable, "mujoco", EAUDEQN_MODEL_DIRECTORY);
}

std::filesystem::path find_model(const std::string& task, const std::vector<std::filesystem::path>& directories) {
  const auto found = model_file_names().find(task);
  if (found == model_file_names().end()) throw Error::usage("there is no MuJoCo task called " + task);
  return find_data_file(found->second, directories, task, "model", kModelsVariable);
}

}  // namespace eaudeqn
