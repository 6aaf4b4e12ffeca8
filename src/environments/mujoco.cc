// Episodes of a MuJoCo task, and how their state is saved: what to simulate, observe and reward is mujoco_tasks.h's.
//
// mjSTATE_INTEGRATION is all that the simulation's future depends on, but not what was computed from it: contact
// forces, inertias and the positions of bodies belong to the last simulation step and cannot be had from the state
// after it. So the observation, and the position that the next velocity is measured from, are kept here and saved as
// well.
#include "environments/mujoco.h"

#include <mujoco/mujoco.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "core/random.h"
#include "eaudeqn/error.h"
#include "environments/mujoco_models.h"
#include "environments/mujoco_picture.h"
#include "environments/mujoco_tasks.h"
#include "environments/state_bytes.h"
#include "environments/step_check.h"

namespace eaudeqn {
namespace {

using Model = std::unique_ptr<mjModel, decltype(&mj_deleteModel)>;
using Data = std::unique_ptr<mjData, decltype(&mj_deleteData)>;

// MuJoCo's own handler appends to a file in the working directory. Its warnings concern the models' age, or an unstable
// simulation, which it then sets back, in Gymnasium as here. An error does not return: the simulation is inconsistent.
void handle_message(const mjLogMessage* message) {
  if (message->level != mjLOG_ERROR) return;
  std::fprintf(stderr, "error: MuJoCo: %s\n", message->subject);
  std::_Exit(EXIT_FAILURE);
}

Model load_model(const MujocoTask& task, const std::filesystem::path& file) {
  static std::mutex mutex;  // MuJoCo's compiler keeps the last model it read
  const std::lock_guard lock(mutex);
  mju_setLogHandler(handle_message);
  std::array<char, 1000> reason{};
  Model model(mj_loadXML(file.c_str(), nullptr, reason.data(), static_cast<int>(reason.size())), mj_deleteModel);
  if (model == nullptr) {
    std::replace(reason.begin(), reason.end(), '\n', ' ');  // an error is one line
    throw Error::failure("model " + file.string() + ": " + reason.data());
  }
  if (model->nq != task.positions || model->nv != task.velocities || model->nu != task.actuators ||
      model->nbody != task.bodies) {
    throw Error::failure("model " + file.string() + ": is not Gymnasium's for " + std::string(task.name) +
                         "; run scripts/bootstrap.sh to get that");
  }
  return model;
}

class MujocoEnvironment : public Environment {
 public:
  MujocoEnvironment(const MujocoTask& task, const std::filesystem::path& model, std::uint64_t seed,
                    std::int64_t horizon);

  const EnvironmentSpec& spec() const override { return spec_; }
  void reset() override;
  StepResult step_continuous(std::span<const float> action) override { return advance(action); }
  StepResult step_continuous(std::span<const double> action) override { return advance(action); }
  std::span<const std::byte> frame() const override { return std::as_bytes(std::span(frame_)); }
  std::span<const double> frame64() const override { return observation_; }
  Picture picture() override;
  void set_initial_state(std::span<const double> state) override;
  std::vector<std::byte> save() const override;
  void load(std::span<const std::byte> saved) override;

 private:
  template <typename T>
  StepResult advance(std::span<const T> action);
  // From rest to qpos and qvel as they are in data_, so that nothing of what was before matters.
  void start();
  void observe();
  void round_observation() { std::transform(observation_.begin(), observation_.end(), frame_.begin(), to_float); }
  static float to_float(double value) { return static_cast<float>(value); }
  std::size_t state_size() const { return static_cast<std::size_t>(mj_stateSize(model_.get(), mjSTATE_INTEGRATION)); }

  const MujocoTask& task_;
  EnvironmentSpec spec_;
  std::uint64_t seed_;
  std::int64_t horizon_;  // steps
  RandomStream stream_;
  Model model_;
  Data data_;
  std::vector<double> observation_;
  std::vector<float> frame_;                // observation_ in float32
  double position_ = 0;                     // forward_position as of the last step
  std::int64_t steps_ = 0;                  // since the reset
  bool running_ = false;                    // between a reset and the end of its episode
  std::unique_ptr<MujocoPainter> painter_;  // once a picture was wanted
};

MujocoEnvironment::MujocoEnvironment(const MujocoTask& task, const std::filesystem::path& model, std::uint64_t seed,
                                     std::int64_t horizon)
    : task_(task),
      seed_(seed),
      horizon_(horizon > 0 ? horizon : mujoco_time_limit),
      stream_(seed, "environment"),
      model_(load_model(task, model)),
      data_(mj_makeData(model_.get()), mj_deleteData),
      observation_(task.observation_size),
      frame_(task.observation_size) {
  spec_.name = task.name;
  spec_.frame_type = ElementType::float32;
  spec_.frame_shape = {task.observation_size};
  for (std::size_t i = 0; i < static_cast<std::size_t>(task.actuators); ++i) {
    spec_.action_low.push_back(to_float(model_->actuator_ctrlrange[2 * i]));
    spec_.action_high.push_back(to_float(model_->actuator_ctrlrange[2 * i + 1]));
  }
  spec_.default_horizon = mujoco_time_limit;
  spec_.step_seconds = model_->opt.timestep * task_.frame_skip;
}

void MujocoEnvironment::reset() {
  const double noise = task_.reset_noise;
  mj_resetData(model_.get(), data_.get());
  for (int i = 0; i < task_.positions; ++i) data_->qpos[i] += stream_.uniform(-noise, noise);
  for (int i = 0; i < task_.velocities; ++i) {
    data_->qvel[i] += task_.normal_velocity_noise ? noise * stream_.normal() : stream_.uniform(-noise, noise);
  }
  start();
}

// Drawn from a copy, brought to the state after the last step: the simulation goes on as if nobody had looked.
Picture MujocoEnvironment::picture() {
  if (painter_ == nullptr) painter_ = std::make_unique<MujocoPainter>(*model_, spec_.name);
  const Data copy(mj_copyData(nullptr, model_.get(), data_.get()), mj_deleteData);
  mj_forward(model_.get(), copy.get());
  return painter_->paint(*model_, *copy);
}

void MujocoEnvironment::start() {
  mj_forward(model_.get(), data_.get());
  position_ = task_.forward_position(*model_, *data_);
  steps_ = 0;
  running_ = true;
  observe();
}

void MujocoEnvironment::observe() {
  task_.observe(*model_, *data_, observation_);
  round_observation();
}

template <typename T>
StepResult MujocoEnvironment::advance(std::span<const T> action) {
  require_step_continuous(spec_, running_, action);
  std::copy(action.begin(), action.end(), data_->ctrl);
  for (int i = 0; i < task_.frame_skip; ++i) mj_step(model_.get(), data_.get());
  mj_rnePostConstraint(model_.get(), data_.get());  // contact forces are computed on demand only

  const double position = task_.forward_position(*model_, *data_);
  const double seconds = model_->opt.timestep * task_.frame_skip;
  const double velocity = (position - position_) / seconds;
  const bool healthy = task_.healthy(*model_, *data_);
  const double gains = velocity * task_.forward_weight + (healthy ? task_.healthy_reward : 0);
  // Humanoid takes the controls as they are after the step: MuJoCo clears them when it resets an unstable state.
  const double control = task_.control_in_double
                             ? control_cost(task_, std::span<const double>(data_->ctrl, action.size()))
                             : control_cost(task_, action);
  const double costs = control + task_.contact_cost(*model_, *data_);
  position_ = position;
  observe();
  ++steps_;
  const StepResult result{gains - costs, !healthy, healthy && steps_ >= horizon_};
  running_ = !result.terminal && !result.truncated;
  return result;
}

void MujocoEnvironment::set_initial_state(std::span<const double> state) {
  if (!running_ || steps_ > 0) throw Error::usage(spec_.name + ": the initial state is set right after a reset");
  const auto positions = static_cast<std::size_t>(task_.positions);
  const std::size_t size = positions + static_cast<std::size_t>(task_.velocities);
  if (state.size() != size) {
    throw Error::usage(spec_.name + ": the initial state has " + std::to_string(state.size()) + " numbers; it takes " +
                       std::to_string(size) + ", qpos and then qvel");
  }
  if (!std::all_of(state.begin(), state.end(), [](double value) { return std::isfinite(value); })) {
    throw Error::usage(spec_.name + ": the initial state holds a number that is not finite");
  }
  mj_resetData(model_.get(), data_.get());
  std::copy_n(state.begin(), positions, data_->qpos);
  std::copy(state.begin() + task_.positions, state.end(), data_->qvel);
  start();
}

std::vector<std::byte> MujocoEnvironment::save() const {
  std::vector<double> simulation(state_size());
  mj_getState(model_.get(), data_.get(), simulation.data(), mjSTATE_INTEGRATION);
  StateWriter writer(spec_.name);
  writer.value(mj_version());
  writer.value(seed_);
  writer.value(stream_.position());
  writer.value(horizon_);
  writer.value(steps_);
  writer.value(running_);
  writer.value(position_);
  for (const double value : observation_) writer.value(value);
  for (const double value : simulation) writer.value(value);
  return writer.finish();
}

void MujocoEnvironment::load(std::span<const std::byte> saved) {
  StateReader reader(spec_.name, saved);
  if (reader.value<int>() != mj_version()) {
    throw Error::failure("saved state of " + spec_.name + ": it was saved with another version of MuJoCo, use that");
  }
  std::vector<double> simulation(state_size());
  seed_ = reader.value<std::uint64_t>();
  stream_ = RandomStream(seed_, "environment");
  stream_.seek(reader.value<std::uint64_t>());
  horizon_ = reader.value<std::int64_t>();
  steps_ = reader.value<std::int64_t>();
  running_ = reader.value<bool>();
  position_ = reader.value<double>();
  for (double& value : observation_) value = reader.value<double>();
  for (double& value : simulation) value = reader.value<double>();
  reader.finish();
  mj_setState(model_.get(), data_.get(), simulation.data(), mjSTATE_INTEGRATION);
  round_observation();
}

}  // namespace

std::vector<std::string> playable_mujoco_environments() {
  std::vector<std::string> names;
  for (const std::string& name : mujoco_environments()) {
    try {
      find_model(name);
      names.push_back(name);
    } catch (const Error&) {  // no model: not playable
    }
  }
  return names;
}

std::unique_ptr<Environment> make_mujoco(const std::string& name, std::uint64_t seed, std::int64_t horizon) {
  for (const MujocoTask& task : mujoco_tasks()) {
    if (task.name == name) return std::make_unique<MujocoEnvironment>(task, find_model(name), seed, horizon);
  }
  throw Error::usage("there is no environment called " + name);
}

}  // namespace eaudeqn
