// The implementation of classic.h: episodes around the physics of classic_tasks.h.
#include "environments/classic.h"

#include <algorithm>
#include <cmath>

#include "core/random.h"
#include "eaudeqn/error.h"
#include "environments/classic_tasks.h"
#include "environments/state_bytes.h"
#include "environments/step_check.h"

namespace eaudeqn {
namespace {

class ClassicEnvironment : public Environment {
 public:
  ClassicEnvironment(const ClassicTask& task, std::uint64_t seed, std::int64_t horizon)
      : task_(task),
        seed_(seed),
        horizon_(horizon > 0 ? horizon : task.time_limit),
        stream_(seed, "environment"),
        state_(task.state_size),
        observation_(task.observation_size) {
    spec_.name = task.name;
    spec_.frame_type = ElementType::float32;
    spec_.frame_shape = {task.observation_size};
    spec_.action_names = task.action_names;
    spec_.default_horizon = task.time_limit;
  }

  const EnvironmentSpec& spec() const override { return spec_; }

  void reset() override {
    task_.draw(stream_, state_);
    steps_ = 0;
    running_ = true;
    task_.observe(state_, observation_);
  }

  StepResult step(int action) override {
    require_step(spec_, running_, action);
    const ClassicOutcome outcome = task_.step(state_, action);
    task_.observe(state_, observation_);
    ++steps_;
    StepResult result{outcome.reward, outcome.terminal, !outcome.terminal && steps_ >= horizon_};
    running_ = !result.terminal && !result.truncated;
    return result;
  }

  std::span<const std::byte> frame() const override { return std::as_bytes(std::span(observation_)); }

  void set_initial_state(std::span<const double> state) override {
    if (!running_ || steps_ > 0) throw Error::usage(spec_.name + ": the initial state is set right after a reset");
    if (state.size() != state_.size()) {
      throw Error::usage(spec_.name + ": the initial state has " + std::to_string(state.size()) +
                         " numbers; it takes " + std::to_string(state_.size()));
    }
    if (!std::all_of(state.begin(), state.end(), [](double value) { return std::isfinite(value); })) {
      throw Error::usage(spec_.name + ": the initial state holds a number that is not finite");
    }
    std::copy(state.begin(), state.end(), state_.begin());
    task_.observe(state_, observation_);
  }

  std::vector<std::byte> save() const override {
    StateWriter writer(spec_.name);
    writer.value(seed_);
    writer.value(stream_.position());
    writer.value(horizon_);
    writer.value(steps_);
    writer.value(running_);
    for (const double value : state_) writer.value(value);
    return writer.finish();
  }

  void load(std::span<const std::byte> saved) override {
    StateReader reader(spec_.name, saved);
    seed_ = reader.value<std::uint64_t>();
    stream_ = RandomStream(seed_, "environment");
    stream_.seek(reader.value<std::uint64_t>());
    horizon_ = reader.value<std::int64_t>();
    steps_ = reader.value<std::int64_t>();
    running_ = reader.value<bool>();
    for (double& value : state_) value = reader.value<double>();
    reader.finish();
    task_.observe(state_, observation_);
  }

 private:
  const ClassicTask& task_;
  EnvironmentSpec spec_;
  std::uint64_t seed_;
  std::int64_t horizon_;  // steps
  RandomStream stream_;
  std::vector<double> state_;
  std::vector<float> observation_;
  std::int64_t steps_ = 0;  // since the reset
  bool running_ = false;    // between a reset and the end of its episode
};

}  // namespace

std::vector<std::string> classic_environments() {
  std::vector<std::string> names;
  names.reserve(classic_tasks().size());
  for (const ClassicTask& task : classic_tasks()) names.push_back(task.name);
  return names;
}

std::unique_ptr<Environment> make_classic(const std::string& name, std::uint64_t seed, std::int64_t horizon) {
  for (const ClassicTask& task : classic_tasks()) {
    if (task.name == name) return std::make_unique<ClassicEnvironment>(task, seed, horizon);
  }
  throw Error::usage("there is no environment called " + name);
}

}  // namespace eaudeqn
