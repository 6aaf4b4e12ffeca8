// Environments by name. The environments themselves are in atari.cc, classic.cc and mujoco.cc.
#include "environments/environment.h"

#include "core/nearest.h"
#include "eaudeqn/error.h"
#include "environments/atari.h"
#include "environments/classic.h"
#include "environments/mujoco.h"

namespace eaudeqn {
namespace {

Error unknown_environment(const std::string& name) {
  std::vector<std::string> known = atari_games();
  for (const auto& names : {classic_environments(), mujoco_environments()}) {
    known.insert(known.end(), names.begin(), names.end());
  }
  std::string message = "there is no environment called '" + name + "'";
  const std::vector<std::string> close = close_names(name, known);
  for (std::size_t i = 0; i < close.size(); ++i) message += (i == 0 ? "; did you mean " : ", ") + close[i];
  return Error::usage(message + (close.empty() ? "; see: eaudeqn list environments" : "?"));
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  for (const std::string& candidate : names) {
    if (candidate == name) return true;
  }
  return false;
}

}  // namespace

std::size_t EnvironmentSpec::frame_elements() const {
  std::size_t product = 1;
  for (const std::size_t size : frame_shape) product *= size;
  return product;
}

Picture Environment::picture() {
  throw Error::failure(spec().name + ": has no picture to show; Atari and MuJoCo have");
}

StepResult Environment::step(int) {
  throw Error::usage(spec().name + ": an action is " + std::to_string(spec().action_dimensions()) +
                     " numbers here, not one of a list");
}

StepResult Environment::step_continuous(std::span<const float>) {
  throw Error::usage(spec().name + ": an action is one of a list here, not a vector");
}

StepResult Environment::step_continuous(std::span<const double>) { return step_continuous(std::span<const float>()); }

std::unique_ptr<Environment> make_environment(const std::string& name, std::uint64_t seed, std::int64_t horizon) {
  if (horizon < 0) throw Error::usage("the horizon is " + std::to_string(horizon) + " steps; it must not be negative");
  if (contains(classic_environments(), name)) return make_classic(name, seed, horizon);
  if (contains(atari_games(), name)) return make_atari(name, seed, horizon);
  if (contains(mujoco_environments(), name)) return make_mujoco(name, seed, horizon);
  throw unknown_environment(name);
}

std::vector<std::string> list_environments() {
  std::vector<std::string> names = playable_atari_games();
  for (const auto& family : {classic_environments(), playable_mujoco_environments()}) {
    names.insert(names.end(), family.begin(), family.end());
  }
  return names;
}

}  // namespace eaudeqn
