// See record.h.
#include "experiment/record.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "agents/dqn.h"
#include "core/files.h"
#include "core/frame_stack.h"
#include "core/random.h"
#include "eaudeqn/error.h"
#include "environments/environment.h"
#include "experiment/evaluation.h"
#include "experiment/run_directory.h"
#include "experiment/run_state.h"
#include "replay/dataset_writer.h"

namespace eaudeqn {
namespace {

DatasetWriterSpec writer_spec(const std::filesystem::path& output, const EnvironmentSpec& environment,
                              std::uint64_t entries) {
  if (environment.continuous()) {
    throw Error::usage(environment.name + " has actions that are vectors, for which the dataset has no place");
  }
  DatasetWriterSpec spec;
  spec.directory = output;
  spec.frame_type = environment.npy_type();
  spec.frame_shape = environment.frame_shape;
  spec.stack = environment.stack;
  spec.entries = entries;
  return spec;
}

void refuse_if(bool stopped, const std::filesystem::path& output) {
  if (!stopped) return;
  throw Error::failure(output.string() + ": stopped by a signal before the end; files that are not whole were removed");
}

}  // namespace

RecordProgress record_dataset(const Network* network, const RecordRequest& request, const std::function<bool()>& stop,
                              const std::function<void(const RecordProgress&)>& progress) {
  RandomStream seeds(request.seed, "record environment");
  RandomStream exploration(request.seed, "record exploration");
  const auto environment = make_environment(request.environment, seeds.next_u32() >> 1, request.horizon);
  const EnvironmentSpec& spec = environment->spec();
  if (network != nullptr) require_fit(*network, spec, request.policy);
  DatasetWriter writer(writer_spec(request.output, spec, request.steps));
  FrameStack stack(spec.stack, spec.frame_bytes());
  std::optional<GreedyActor> actor;
  std::optional<SingleWeights> weights;
  if (network != nullptr) {
    actor.emplace(std::make_shared<NetworkPlan>(network->plan()));
    weights.emplace(actor->make_weights());
    weights->copy(*network);
  }
  RecordProgress state;
  while (!writer.full()) {
    environment->reset();
    stack.reset(environment->frame());
    writer.begin_episode();
    double episode_return = 0;
    bool over = false;
    while (!over && !writer.full()) {
      refuse_if(stop(), request.output);
      const bool random = !actor || exploration.uniform() < request.epsilon;
      const int action =
          random ? static_cast<int>(exploration.below(spec.actions())) : actor->act(*weights, stack.planes());
      const std::vector<std::byte> frame(environment->frame().begin(), environment->frame().end());
      const StepResult result = environment->step(action);
      over = result.terminal || result.truncated;
      writer.add(frame, action, static_cast<float>(spec.learning_reward(result.reward)), over);
      stack.push(environment->frame());
      episode_return += result.reward;
      state.written = writer.written();
      if (over) ++state.episodes, state.return_sum += episode_return;
      progress(state);
    }
  }
  return state;
}

namespace {

// The state of a run at its newest checkpoint.
std::unique_ptr<RunState> load_newest(const std::filesystem::path& run) {
  const Config config = load_config(run / "config.toml");
  CheckpointFolder checkpoints(run);
  const auto newest = checkpoints.newest();
  if (!newest) throw Error::failure(run.string() + ": has no checkpoint, and so no replay");
  auto state = std::make_unique<RunState>(config);
  state->load(config, checkpoints, *newest);
  if (state->learner->memory() == nullptr) {
    throw Error::usage(
        fmt::format("{}: a run of {}; only runs that learn online from frames (dqn and its relatives) "
                    "have a replay to write",
                    run.string(), config.algorithm));
  }
  return state;
}

}  // namespace

ReplayRecordSize record_replay(const ReplayRecordRequest& request, const std::function<bool()>& stop,
                               const std::function<void(std::uint64_t, const ReplayRecordSize&)>& progress) {
  if (!std::filesystem::exists(request.run / "config.toml")) {
    throw Error::failure(request.run.string() + ": no run directory; it has no config.toml");
  }
  const DirectoryLock lock(request.run);  // a run that goes on would delete the checkpoint while it is read
  const auto state = load_newest(request.run);
  const Replay& replay = *state->learner->memory();
  const EnvironmentSpec& environment = state->environment->spec();
  const Replay::Held held = replay.held();
  const ReplayRecordSize size{held.steps + held.episodes * (environment.stack - 1), held.steps, replay.total_added(),
                              held.episodes};
  if (size.steps == 0) throw Error::failure(request.run.string() + ": its replay holds no episode from its beginning");
  DatasetWriter writer(writer_spec(request.output, environment, size.entries));
  replay.walk([&](const RecordedStep& step) {
    refuse_if(stop(), request.output);
    if (step.first) writer.begin_episode();
    writer.add(step.frame, step.action, step.reward, step.over);
    progress(writer.written(), size);
  });
  return size;
}

}  // namespace eaudeqn
